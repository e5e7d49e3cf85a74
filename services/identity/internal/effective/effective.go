// Package effective says what a member or an API key may do in an account, and why.
//
// It guarantees that its answer is that of a call: it makes the caller that a fresh token
// would name and asks the same rules, from the same contract, by the same code. It decides
// nothing itself, and knows nothing of what a service grants beyond roles.
package effective

import (
	"context"
	"slices"
	"strings"

	"github.com/primecloud/primecloud/pkg/access"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/services/identity/internal/account"
	"github.com/primecloud/primecloud/services/identity/internal/apikey"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
)

// The refusals.
var (
	// ErrNotYours is for asking about others without managing the account.
	ErrNotYours = access.ErrRoleNotAllowed.WithMessage("only owners and admins may ask about others; leave subject_id out to ask about yourself")
	// ErrMethodUnknown is for a method that the contract does not have.
	ErrMethodUnknown = errs.New(errs.NotFound, "METHOD_UNKNOWN", "the contract has no such method for accounts or people; see the permission matrix")
)

// Store reads what is true of subjects.
type Store interface {
	// Account returns one, or account.ErrNotFound.
	Account(ctx context.Context, accountID string) (account.Account, error)
	// Member returns a member, or membership.ErrNotFound.
	Member(ctx context.Context, accountID, userID string) (membership.Membership, error)
	// Key returns an API key, or apikey.ErrNotFound.
	Key(ctx context.Context, accountID, keyID string) (apikey.Key, error)
}

// Access is the use case.
type Access struct {
	store Store
	rules []*access.Rule
	clock clock.Clock
}

// New returns the use case over the rules of the whole contract.
func New(store Store, table *access.Table, clock clock.Clock) *Access {
	var rules []*access.Rule
	for _, rule := range table.Rules() {
		switch rule.Level {
		case access.Authenticated, access.Person, access.Account:
			rules = append(rules, rule)
		case access.Public, access.Platform, access.Service: // not a matter of one account
		}
	}
	return &Access{store: store, rules: rules, clock: clock}
}

// Answer is what may be done.
type Answer struct {
	// Subject is the caller that a fresh token would name.
	Subject principal.Principal
	// Methods are what was asked about, by name.
	Methods []Method
}

// Method is the answer for one method.
type Method struct {
	// Rule is what the method declares.
	Rule *access.Rule
	// Checks are all that is asked; the first that refuses decides.
	Checks []access.Check
}

// Refusal returns why the call would be refused, or nil.
func (m Method) Refusal() error {
	for _, check := range m.Checks {
		if check.Refusal != nil {
			return check.Refusal
		}
	}
	return nil
}

// Explain answers for the subject, the caller when it is empty, and for one method or all.
func (s *Access) Explain(ctx context.Context, accountID, subjectID, method string) (Answer, error) {
	rules, err := s.about(method)
	if err != nil {
		return Answer{}, err
	}
	subject, login, err := s.subject(ctx, accountID, subjectID)
	if err != nil {
		return Answer{}, err
	}
	answer := Answer{Subject: subject}
	for _, rule := range rules {
		checks := append([]access.Check{{Name: "login", Refusal: login}}, access.Explain(rule, &subject, accountID)...)
		answer.Methods = append(answer.Methods, Method{Rule: rule, Checks: checks})
	}
	return answer, nil
}

func (s *Access) about(method string) ([]*access.Rule, error) {
	if method == "" {
		return s.rules, nil
	}
	name := "/" + strings.TrimPrefix(method, "/")
	i := slices.IndexFunc(s.rules, func(r *access.Rule) bool { return r.Method == name })
	if i < 0 {
		return nil, ErrMethodUnknown
	}
	return s.rules[i : i+1], nil
}

// subject returns the caller that a fresh token of the subject would name, and why there
// would be no token, if so.
func (s *Access) subject(ctx context.Context, accountID, subjectID string) (p principal.Principal, noLogin, err error) {
	caller := principal.FromContext(ctx)
	self := subjectID == "" || subjectID == caller.ID
	if !self && !membership.Role(caller.Role).Manages() {
		return principal.Principal{}, nil, ErrNotYours
	}
	holder, err := s.store.Account(ctx, accountID)
	if err != nil {
		return principal.Principal{}, nil, err
	}
	p = principal.Principal{ID: subjectID, AccountID: accountID, AccountState: string(holder.State)}
	switch {
	case self && caller.Kind == principal.Operator:
		// What an operator may do in the account follows from their token alone.
		p.Kind, p.ID, p.Role = caller.Kind, caller.ID, caller.Role
		return p, nil, nil
	case self:
		p.ID = caller.ID
	}
	if strings.HasPrefix(p.ID, apikey.Prefix+"_") {
		k, err := s.store.Key(ctx, accountID, p.ID)
		if err != nil {
			return principal.Principal{}, nil, err
		}
		p.Kind, p.Role, p.Scopes, p.UserID = principal.Machine, string(k.Role), k.Scopes, k.UserID
		return p, k.Ended(s.clock.Now()), nil
	}
	m, err := s.store.Member(ctx, accountID, p.ID)
	p.Kind, p.Role = principal.Person, string(m.Role)
	return p, nil, err
}
