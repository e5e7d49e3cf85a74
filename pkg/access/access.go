// Package access decides who may call a method. It owns the rules, which stand in the
// contract as method options, and the one decision made from them; it does not know how
// a caller proved who it is, and not what a service knows of its own resources (a grant
// on a bucket is the service's to check).
//
// Guarantees: a method without its options, or with options that mean nothing, is an
// error when the table is built and never a hole; whatever is not allowed is denied; a
// resource of another account and an absent one look alike; a decision allocates nothing
// when it allows.
package access

import (
	"slices"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/principal"
)

// Level is the kind of login a method needs.
type Level uint8

// The levels, in the order of the contract.
const (
	// Public is for anybody; whatever login the caller shows is not even read.
	Public Level = iota + 1
	// Authenticated is for any valid access token.
	Authenticated
	// Person is for people, whatever account their token is bound to.
	Person
	// Account is for tokens bound to the account that the request names.
	Account
	// Platform is for tokens bound to the platform.
	Platform
	// Service is for processes of the suite, known by their certificate.
	Service
)

var levelNames = [...]string{"", "public", "authenticated", "person", "account", "platform", "service"}

// String returns the level's name in small letters.
func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return ""
}

// Idempotency says what a repeated call means.
type Idempotency uint8

// What a repeated call may mean.
const (
	// Read changes nothing.
	Read Idempotency = iota + 1
	// Key takes an idempotency key.
	Key
	// Natural has the same effect however often it is repeated.
	Natural
)

var idempotencyNames = [...]string{"", "read", "key", "natural"}

// String returns the name in small letters.
func (i Idempotency) String() string {
	if int(i) < len(idempotencyNames) {
		return idempotencyNames[i]
	}
	return ""
}

// The states of an account, as tokens carry them. In all but AccountActive only the methods
// that are marked for it work.
const (
	// AccountActive is in use.
	AccountActive = "active"
	// AccountPending waits for approval.
	AccountPending = "pending"
	// AccountSuspended is stopped.
	AccountSuspended = "suspended"
	// AccountClosing is on its way to being closed.
	AccountClosing = "closing"
	// AccountClosed is closed for good.
	AccountClosed = "closed"
)

// Rule is what one method declares about itself.
type Rule struct {
	// Method is the full gRPC name, "/package.Service/Method".
	Method string
	// Level is the kind of login that the method needs.
	Level Level
	// Roles may call, by their names in tokens ("owner"); at Account and Platform only.
	Roles []string
	// Scope must be carried by an API key; empty keeps API keys out.
	Scope string
	// Services may call, at Service only; empty means all of the suite.
	Services []string
	// WhileSuspended says that the method still works for an account that is not active.
	WhileSuspended bool
	// MembersOnly keeps out operators of the platform who act in the account.
	MembersOnly bool
	// Idempotency says what a repeated call means.
	Idempotency Idempotency
}

// The refusals. They are package-level so that errors.Is recognises them.
var (
	// ErrLoginRequired is for a caller that has shown no login.
	ErrLoginRequired = errs.New(errs.Unauthenticated, "LOGIN_REQUIRED",
		"this method needs a login: send an access token as `authorization: Bearer …`")
	// ErrNotFound is for another account's resources: they look absent.
	ErrNotFound = errs.New(errs.NotFound, "NOT_FOUND",
		"there is no such account, or the access token is not bound to it")
	// ErrRoleNotAllowed is for a role that the method does not list.
	ErrRoleNotAllowed = errs.New(errs.PermissionDenied, "ROLE_NOT_ALLOWED",
		"the caller's role may not call this method; ask an admin of the account")
	// ErrScopeMissing is for an API key without the scope.
	ErrScopeMissing = errs.New(errs.PermissionDenied, "SCOPE_MISSING",
		"the API key lacks the scope that this method needs; make a key that has it")
	// ErrCallerNotAllowed is for the wrong kind of caller.
	ErrCallerNotAllowed = errs.New(errs.PermissionDenied, "CALLER_NOT_ALLOWED",
		"this method is for another kind of caller; see the permission matrix")
	// ErrMembersOnly is for an operator of the platform where only members may.
	ErrMembersOnly = errs.New(errs.PermissionDenied, "MEMBERS_ONLY",
		"an operator of the platform makes nothing in an account that outlasts their access; ask a member of it")
	// ErrAccountSuspended is for a suspended account.
	ErrAccountSuspended = errs.New(errs.FailedPrecondition, "ACCOUNT_SUSPENDED",
		"the account is suspended; settle what led to it")
	// ErrAccountPending is for an account that waits for approval.
	ErrAccountPending = errs.New(errs.FailedPrecondition, "ACCOUNT_PENDING",
		"the account waits for the platform's approval; until then it can be read")
	// ErrAccountClosing is for an account that is being closed.
	ErrAccountClosing = errs.New(errs.FailedPrecondition, "ACCOUNT_CLOSING",
		"the account is being closed; an owner can reopen it")
	// ErrAccountClosed is for a closed account.
	ErrAccountClosed = errs.New(errs.FailedPrecondition, "ACCOUNT_CLOSED", "the account is closed for good")
)

// checks are what is asked of a caller, in this order: the first that refuses decides, so
// that nobody learns more than the checks before it allow.
var checks = [...]struct {
	name   string
	refuse func(rule *Rule, p *principal.Principal, accountID string) error
}{
	{"caller", refuseCaller}, {"account", refuseAccount}, {"role", refuseRole}, {"scope", refuseScope}, {"state", refuseState},
}

// Decide returns nil when the principal may call the method of the rule for the account
// that the request names (which matters at Account only), or why not. A rule that was
// never declared (the zero value) allows nobody.
func Decide(rule *Rule, p *principal.Principal, accountID string) error {
	for i := range checks {
		if err := checks[i].refuse(rule, p, accountID); err != nil {
			return err
		}
	}
	return nil
}

// Check is one thing that was asked of a caller.
type Check struct {
	// Name is "caller" (the kind of login), "account", "role", "scope" or "state" (of the account).
	Name string
	// Refusal is why the caller fails it; nil when they do not.
	Refusal error
}

// Explain returns all that Decide asks, with the answer to each: Decide returns the first
// refusal among them.
func Explain(rule *Rule, p *principal.Principal, accountID string) []Check {
	asked := make([]Check, len(checks))
	for i := range checks {
		asked[i] = Check{Name: checks[i].name, Refusal: checks[i].refuse(rule, p, accountID)}
	}
	return asked
}

// refuseCaller checks the kind of caller.
func refuseCaller(rule *Rule, p *principal.Principal, _ string) error {
	switch rule.Level {
	case Public:
		return nil
	case Service:
		return refuseService(rule, p)
	case Authenticated, Person, Account, Platform:
	default:
		return ErrCallerNotAllowed
	}
	switch p.Kind {
	case principal.Person, principal.Operator, principal.Machine:
	case principal.Service, principal.System:
		return ErrCallerNotAllowed
	default:
		return ErrLoginRequired
	}
	if rule.Level == Platform && p.Kind != principal.Operator || rule.Level == Person && p.Kind == principal.Machine {
		return ErrCallerNotAllowed
	}
	return nil
}

// refuseService goes by the certificate alone: no token makes a process of the suite.
func refuseService(rule *Rule, p *principal.Principal) error {
	if p.Peer == "" || len(rule.Services) > 0 && !slices.Contains(rule.Services, p.Peer) {
		return ErrCallerNotAllowed
	}
	return nil
}

// refuseAccount checks that the token is bound to the account.
func refuseAccount(rule *Rule, p *principal.Principal, accountID string) error {
	switch {
	case rule.Level != Account:
		return nil
	case accountID == "" || p.AccountID != accountID:
		return ErrNotFound
	case rule.MembersOnly && p.Kind == principal.Operator:
		return ErrMembersOnly
	default:
		return nil
	}
}

// refuseRole checks the role in the account or on the platform.
func refuseRole(rule *Rule, p *principal.Principal, _ string) error {
	if (rule.Level == Account || rule.Level == Platform) && !slices.Contains(rule.Roles, p.Role) {
		return ErrRoleNotAllowed.With("role", p.Role)
	}
	return nil
}

// refuseScope checks what a machine is narrowed to.
func refuseScope(rule *Rule, p *principal.Principal, _ string) error {
	switch {
	case rule.Level == Public || rule.Level == Service || p.Kind != principal.Machine:
		return nil
	case rule.Scope == "":
		return ErrCallerNotAllowed
	case !slices.Contains(p.Scopes, rule.Scope):
		return ErrScopeMissing.With("scope", rule.Scope)
	default:
		return nil
	}
}

// refuseState checks the state of the account that the token is bound to.
func refuseState(rule *Rule, p *principal.Principal, _ string) error {
	if rule.WhileSuspended || rule.Level == Public || rule.Level == Service {
		return nil
	}
	return DecideState(p.AccountState)
}

// DecideState refuses an account that is not active, in a state that nobody knows too; "" is
// no account. It is for who acts on an account that their token is not bound to, such as
// somebody about to join it.
func DecideState(state string) error {
	switch state {
	case "", AccountActive:
		return nil
	case AccountPending:
		return ErrAccountPending
	case AccountClosing:
		return ErrAccountClosing
	case AccountClosed:
		return ErrAccountClosed
	default:
		return ErrAccountSuspended
	}
}
