// Package operator is the platform's own people: who they are, and how one of them acts
// inside a tenant's account.
//
// It guarantees that nobody becomes an operator by a call; that one acts in an account only
// while an access is open, which has a reason and an end and stands in the account's audit
// trail before anything can be done with it; and that the end of an access ends its tokens.
//
// It does not decide what an operator may do: the contract does, by role.
package operator

import (
	"context"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/services/identity/internal/account"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
	"github.com/primecloud/primecloud/services/identity/internal/revocation"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
)

// Kind is the resource's kind in events and the audit trail, Prefix that of its ids.
const (
	Kind   = "operator_access"
	Prefix = "opa"
)

const (
	// defaultDuration is how long an access lasts if nobody says, maxDuration the longest.
	defaultDuration = time.Hour
	minDuration     = time.Minute
	maxDuration     = 8 * time.Hour
	maxReason       = 500 // characters
)

// The refusals.
var (
	// ErrNotOperator is for somebody who is none.
	ErrNotOperator = errs.New(errs.PermissionDenied, "NOT_AN_OPERATOR", "you are no operator of the platform; ask an administrator")
	// ErrNotFound is for an access that is absent or not the caller's.
	ErrNotFound = errs.New(errs.NotFound, "OPERATOR_ACCESS_NOT_FOUND", "there is no such operator access, or it is not yours")
	// ErrReasonInvalid is for a missing or overlong reason.
	ErrReasonInvalid   = account.ErrReasonInvalid
	errDurationInvalid = errs.New(errs.InvalidArgument, "REQUEST_INVALID", "an access lasts between a minute and eight hours").
				WithViolation(errs.Violation{Field: "duration", Rule: "DURATION_INVALID", Description: "give between a minute and eight hours"})
)

// Access is one operator's way into one account.
type Access struct {
	// ID names it (`opa_…`).
	ID string
	// AccountID is the account, UserID the operator.
	AccountID, UserID string
	// Role is what the operator may do there.
	Role membership.Role
	// Reason is why.
	Reason string
	// CreateTime is when it was opened, ExpireTime when it ends by itself.
	CreateTime, ExpireTime time.Time
	// EndTime is when it was ended before that; zero otherwise.
	EndTime time.Time
}

// version grows with every change, of which there can be one.
func (a Access) version() int64 {
	if a.EndTime.IsZero() {
		return 1
	}
	return 2
}

// Tx is what a change of accesses needs of its transaction.
type Tx interface {
	unit.Work
	// AccountForUpdate returns the account and locks it; account.ErrNotFound when there is none.
	AccountForUpdate(ctx context.Context, accountID string) (account.Account, error)
	// InsertAccess makes an access.
	InsertAccess(ctx context.Context, a Access) error
	// AccessForUpdate returns one, locked, or ErrNotFound.
	AccessForUpdate(ctx context.Context, accountID, accessID string) (Access, error)
	// EndAccess sets its end.
	EndAccess(ctx context.Context, accessID string, at time.Time) error
	// Revoke ends the tokens that depend on something.
	Revoke(ctx context.Context, entry revocation.Entry) error
}

// Store keeps accesses.
type Store interface {
	// InAccount runs fn in one transaction that sees nothing but the account.
	InAccount(ctx context.Context, accountID string, fn func(ctx context.Context, tx Tx) error) error
	// ListAccesses returns up to limit accesses to the account, newest first, before the id.
	ListAccesses(ctx context.Context, accountID, before string, limit int) ([]Access, error)
}

// Accesses are the use cases.
type Accesses struct {
	store Store
	clock clock.Clock
}

// New returns the use cases over the store.
func New(store Store, clock clock.Clock) *Accesses { return &Accesses{store: store, clock: clock} }

// Create opens the account to the calling operator.
func (s *Accesses) Create(ctx context.Context, accountID, reason string, lasts time.Duration) (Access, error) {
	caller, now := principal.FromContext(ctx), unit.Now(s.clock)
	if lasts == 0 {
		lasts = defaultDuration
	}
	fresh := Access{
		ID: id.New(Prefix, now), AccountID: accountID, UserID: caller.ID, Role: Role(caller.Role).Inside(),
		Reason: strings.TrimSpace(reason), CreateTime: now, ExpireTime: now.Add(lasts),
	}
	n := utf8.RuneCountInString(fresh.Reason)
	switch {
	case caller.Kind != principal.Operator || fresh.Role == "":
		return Access{}, ErrNotOperator
	case n == 0 || n > maxReason || strings.ContainsFunc(fresh.Reason, unicode.IsControl):
		return Access{}, ErrReasonInvalid
	case lasts < minDuration || lasts > maxDuration:
		return Access{}, errDurationInvalid
	}
	var result Access
	err := s.store.InAccount(ctx, accountID, func(ctx context.Context, tx Tx) error {
		var err error
		result, err = unit.Once(ctx, tx, unit.Resource{Kind: Kind, ID: fresh.ID, AccountID: accountID},
			func(ctx context.Context, accessID string) (Access, error) {
				return tx.AccessForUpdate(ctx, accountID, accessID)
			},
			func(ctx context.Context) (Access, error) {
				if _, err := tx.AccountForUpdate(ctx, accountID); err != nil {
					return Access{}, err
				}
				if err := tx.InsertAccess(ctx, fresh); err != nil {
					return Access{}, err
				}
				return fresh, tell(ctx, tx, "create", "created", fresh)
			})
		return err
	})
	return result, err
}

// End ends an access of the calling operator, or for an administrator anybody's. One that
// has ended stays as it is.
func (s *Accesses) End(ctx context.Context, accountID, accessID string) (Access, error) {
	var result Access
	err := s.store.InAccount(ctx, accountID, func(ctx context.Context, tx Tx) error {
		a, err := tx.AccessForUpdate(ctx, accountID, accessID)
		if err != nil {
			return err
		}
		caller, now := principal.FromContext(ctx), unit.Now(s.clock)
		if a.UserID != caller.ID && Role(caller.Role) != Admin {
			return ErrNotFound
		}
		if result = a; !a.EndTime.IsZero() || !now.Before(a.ExpireTime) {
			return nil
		}
		a.EndTime = now
		if err := tx.EndAccess(ctx, a.ID, now); err != nil {
			return err
		}
		// Its tokens are bound to the account and the person, as a member's are.
		entry := revocation.New(revocation.Membership, revocation.MembershipSubject(a.UserID, a.AccountID), now)
		if err := tx.Revoke(ctx, entry); err != nil {
			return err
		}
		result = a
		return tell(ctx, tx, "end", "ended", a)
	})
	return result, err
}

// List returns a page of who has or had access to the account, newest first.
func (s *Accesses) List(ctx context.Context, accountID, before string, limit int) ([]Access, error) {
	return s.store.ListAccesses(ctx, accountID, before, limit)
}

func tell(ctx context.Context, tx Tx, verb, past string, a Access) error {
	err := tx.Audit(ctx, audit.Entry{
		AccountID: a.AccountID, Action: Kind + "." + verb, Severity: audit.Notice, Outcome: audit.Succeeded,
		Target: audit.Target{Kind: Kind, ID: a.ID, Name: a.Reason},
		After: map[string]any{
			"user_id": a.UserID, "role": string(a.Role), "reason": a.Reason, "expire_time": a.ExpireTime.Format(time.RFC3339),
		},
	})
	if err != nil {
		return err
	}
	return tx.Publish(ctx, unit.Change{
		Kind: Kind, Verb: past, AccountID: a.AccountID, ID: a.ID, Version: a.version(), Snapshot: a,
	})
}
