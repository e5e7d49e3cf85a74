// Package membership says who belongs to an account, and in which role.
//
// It guarantees that an account never loses its last owner, not even to two calls at once
// (both run under a lock on the account), and that nobody grants, changes or takes a role
// above their own. The caller's role is read from the row, under the same lock: what the
// token says may be minutes old. A changed or removed role ends, by a revocation in the
// same transaction, every token that carries the old one.
//
// It does not know how accounts are made: the first owner comes with the account.
package membership

import (
	"context"
	"strconv"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/services/identity/internal/revocation"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
)

// Kind is the resource's kind in events and the audit trail.
const Kind = "membership"

// The refusals.
var (
	// ErrAccountNotFound is for an account that is absent, or not the caller's.
	ErrAccountNotFound = errs.New(errs.NotFound, "ACCOUNT_NOT_FOUND", "there is no such account, or you are not a member of it")
	// ErrNotFound is for somebody who is no member.
	ErrNotFound = errs.New(errs.NotFound, "MEMBERSHIP_NOT_FOUND", "this person is not a member of the account")
	// ErrExists is for somebody who is a member already.
	ErrExists = errs.New(errs.AlreadyExists, "MEMBERSHIP_EXISTS", "this person is a member already; change their role instead")
	// ErrLastOwner keeps an account from losing its last owner.
	ErrLastOwner = errs.New(errs.FailedPrecondition, "LAST_OWNER", "the account would lose its last owner; make somebody else an owner first")
	// ErrRoleTooHigh is for a role above the caller's own.
	ErrRoleTooHigh = errs.New(errs.PermissionDenied, "ROLE_TOO_HIGH", "this role is above your own; ask an owner of the account")
	// ErrRoleNotAllowed is for a caller whose role has shrunk since the token was minted.
	ErrRoleNotAllowed = errs.New(errs.PermissionDenied, "ROLE_NOT_ALLOWED", "your role may not do this; ask an admin of the account")
	// ErrUserNotFound is for somebody who has never logged in.
	ErrUserNotFound = errs.New(errs.NotFound, "USER_NOT_FOUND", "there is no such user; they have to log in once before they can be added")
	// errRoleInvalid is for a role that is none in an account.
	errRoleInvalid = errs.New(errs.InvalidArgument, "REQUEST_INVALID", "this is no role in an account").
			WithViolation(errs.Violation{Field: "role", Rule: "ROLE_IN_ACCOUNT", Description: "give a role from owner to external"})
)

// Membership is one person's role in one account.
type Membership struct {
	// AccountID and UserID name it.
	AccountID, UserID string
	// Role is the role.
	Role Role
	// DisplayName and Email are the person's, for showing.
	DisplayName, Email string
	// Version is drawn from one counter per account, so that it grows even when somebody
	// is removed and added again.
	Version int64
	// CreateTime is when the person joined, UpdateTime when the role last changed.
	CreateTime, UpdateTime time.Time
}

// ETag changes with every change, and with a membership that was removed and made again.
func (m Membership) ETag() string { return "v" + strconv.FormatInt(m.Version, 10) }

// Key names a membership among all there are.
func (m Membership) Key() string { return revocation.MembershipSubject(m.UserID, m.AccountID) }

// Position is where a page of members ends.
type Position struct {
	// JoinTime and UserID are those of the last member shown.
	JoinTime time.Time
	UserID   string
}

// Tx is what a change of memberships needs of its transaction.
type Tx interface {
	unit.Work
	// LockAccount locks the account until the transaction ends and returns how many owners
	// it has and the next version of its memberships; ErrAccountNotFound when there is none.
	LockAccount(ctx context.Context, accountID string) (owners int, version int64, err error)
	// Membership returns one, or ErrNotFound.
	Membership(ctx context.Context, accountID, userID string) (Membership, error)
	// HasUser reports whether there is such a person.
	HasUser(ctx context.Context, userID string) (bool, error)
	// SaveMembership inserts the membership or replaces the one there is.
	SaveMembership(ctx context.Context, m Membership) error
	// RemoveMembership removes it, and ends the personal API keys that go with it.
	RemoveMembership(ctx context.Context, accountID, userID string) error
	// Revoke ends the tokens that depend on something, and gives the entry its epoch.
	Revoke(ctx context.Context, entry revocation.Entry) error
}

// Store keeps memberships.
type Store interface {
	// InAccount runs fn in one transaction that sees nothing but the account.
	InAccount(ctx context.Context, accountID string, fn func(ctx context.Context, tx Tx) error) error
	// ListMemberships returns up to limit members behind the position, longest-standing first.
	ListMemberships(ctx context.Context, accountID string, after Position, limit int) ([]Membership, error)
}

// Members are the use cases.
type Members struct {
	store Store
	clock clock.Clock
}

// New returns the use cases over the store.
func New(store Store, clock clock.Clock) *Members { return &Members{store: store, clock: clock} }

// List returns a page of the account's members, longest-standing first.
func (s *Members) List(ctx context.Context, accountID string, after Position, limit int) ([]Membership, error) {
	return s.store.ListMemberships(ctx, accountID, after, limit)
}

// Create adds a person. A repetition with the same idempotency key gives the same membership.
func (s *Members) Create(ctx context.Context, accountID, userID string, role Role) (Membership, error) {
	return s.change(ctx, accountID, userID, func(ctx context.Context, tx Tx, c scene) (Membership, error) {
		if !role.Valid() {
			return Membership{}, errRoleInvalid
		}
		if role.Above(c.caller.Role) {
			return Membership{}, ErrRoleTooHigh
		}
		if c.found {
			return Membership{}, ErrExists
		}
		if known, err := tx.HasUser(ctx, userID); err != nil || !known {
			return Membership{}, firstOf(err, ErrUserNotFound)
		}
		return Join(ctx, tx, Membership{
			AccountID: accountID, UserID: userID, Role: role, Version: c.version, CreateTime: c.now, UpdateTime: c.now,
		})
	})
}

// Update changes a member's role. Nothing happens when they have it already.
func (s *Members) Update(ctx context.Context, accountID, userID string, role Role, etag string) (Membership, error) {
	return s.change(ctx, accountID, userID, func(ctx context.Context, tx Tx, c scene) (Membership, error) {
		if !role.Valid() {
			return Membership{}, errRoleInvalid
		}
		if err := c.mayTouch(etag, role); err != nil {
			return Membership{}, err
		}
		if c.member.Role == role {
			return c.member, nil
		}
		if role != Owner && c.isLastOwner() {
			return Membership{}, ErrLastOwner
		}
		return SetRole(ctx, tx, c.member, role, c.version, c.now)
	})
}

// Delete removes a member. A repetition with the same idempotency key succeeds again.
func (s *Members) Delete(ctx context.Context, accountID, userID, etag string) error {
	_, err := s.change(ctx, accountID, userID, func(ctx context.Context, tx Tx, c scene) (Membership, error) {
		if err := c.mayTouch(etag, c.member.Role); err != nil {
			return Membership{}, err
		}
		if c.isLastOwner() {
			return Membership{}, ErrLastOwner
		}
		return c.member, remove(ctx, tx, c, "delete")
	})
	return err
}

// scene is what a change finds under the lock.
type scene struct {
	caller, member Membership
	found          bool
	owners         int
	version        int64
	now            time.Time
}

func (c scene) isLastOwner() bool { return c.member.Role == Owner && c.owners <= 1 }

// mayTouch says whether the caller may change the member into the role, or remove them.
func (c scene) mayTouch(etag string, role Role) error {
	switch {
	case !c.found:
		return ErrNotFound
	case c.member.Role.Above(c.caller.Role) || role.Above(c.caller.Role):
		return ErrRoleTooHigh
	default:
		return unit.CheckETag(etag, c.member.ETag())
	}
}

// change runs do once per idempotency key, under the account's lock.
func (s *Members) change(
	ctx context.Context, accountID, userID string, do func(context.Context, Tx, scene) (Membership, error),
) (Membership, error) {
	asked := Membership{AccountID: accountID, UserID: userID}
	var result Membership
	err := s.store.InAccount(ctx, accountID, func(ctx context.Context, tx Tx) error {
		var err error
		result, err = unit.Once(ctx, tx, asked.resource(),
			func(ctx context.Context, _ string) (Membership, error) {
				m, err := tx.Membership(ctx, accountID, userID)
				if errs.ReasonOf(err) == ErrNotFound.Reason() {
					// Removed since: by this very call, or by a later one.
					return asked, nil
				}
				return m, err
			},
			func(ctx context.Context) (Membership, error) {
				c, err := s.look(ctx, tx, accountID, userID)
				if err != nil {
					return Membership{}, err
				}
				return do(ctx, tx, c)
			})
		return err
	})
	return result, err
}

func (m Membership) resource() unit.Resource {
	return unit.Resource{Kind: Kind, ID: m.Key(), AccountID: m.AccountID}
}

// look locks the account and reads what the rules need.
func (s *Members) look(ctx context.Context, tx Tx, accountID, userID string) (scene, error) {
	c := scene{now: unit.Now(s.clock)}
	var err error
	if c.owners, c.version, err = tx.LockAccount(ctx, accountID); err != nil {
		return scene{}, err
	}
	if c.caller, err = Caller(ctx, tx, accountID); err != nil {
		return scene{}, err
	}
	c.member, err = tx.Membership(ctx, accountID, userID)
	if errs.ReasonOf(err) == ErrNotFound.Reason() {
		return c, nil
	}
	c.found = err == nil
	return c, err
}

// Caller returns the calling person's membership, which must be one that manages. An
// operator of the platform who acts in the account has none; there the role of the token
// counts, which ends with their access.
func Caller(ctx context.Context, tx interface {
	Membership(ctx context.Context, accountID, userID string) (Membership, error)
}, accountID string,
) (Membership, error) {
	who := principal.FromContext(ctx)
	if who.Kind == principal.Operator && who.AccountID == accountID && Role(who.Role).Manages() {
		return Membership{AccountID: accountID, UserID: who.ID, Role: Role(who.Role)}, nil
	}
	caller, err := tx.Membership(ctx, accountID, who.ID)
	switch {
	case errs.ReasonOf(err) == ErrNotFound.Reason():
		return Membership{}, ErrAccountNotFound
	case err != nil:
		return Membership{}, err
	case !caller.Role.Manages():
		return Membership{}, ErrRoleNotAllowed
	default:
		return caller, nil
	}
}

// remove ends a membership, and the tokens that carry its role.
func remove(ctx context.Context, tx Tx, c scene, verb string) error {
	last := c.member
	if err := tx.RemoveMembership(ctx, last.AccountID, last.UserID); err != nil {
		return err
	}
	if err := revoke(ctx, tx, last, c.now); err != nil {
		return err
	}
	last.Version = c.version
	return tell(ctx, tx, told{verb: verb, past: "deleted", before: &last})
}

// told is what a change tells: before is nil for a new membership, after for a removed one.
type told struct {
	verb, past    string
	before, after *Membership
}

func tell(ctx context.Context, tx Tx, t told) error {
	last := t.after
	if last == nil {
		last = t.before
	}
	err := tx.Audit(ctx, audit.Entry{
		AccountID: last.AccountID,
		Action:    Kind + "." + t.verb,
		Severity:  audit.Notice,
		Outcome:   audit.Succeeded,
		Target:    audit.Target{Kind: Kind, ID: last.UserID, Name: last.DisplayName},
		Before:    describe(t.before),
		After:     describe(t.after),
	})
	if err != nil {
		return err
	}
	return tx.Publish(ctx, unit.Change{
		Kind: Kind, Verb: t.past, AccountID: last.AccountID, ID: last.Key(), Version: last.Version, Snapshot: *last,
	})
}

func describe(m *Membership) map[string]any {
	if m == nil {
		return nil
	}
	return map[string]any{"role": string(m.Role)}
}

func firstOf(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}
