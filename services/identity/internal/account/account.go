// Package account is the tenant: what everything else belongs to.
//
// It guarantees that an account has an owner from the transaction that makes it, that an
// update is of the version its caller has seen, and that a repetition with the same
// idempotency key gives the same account.
//
// Its life has five states and the steps between them that are declared in life.go; every
// other step is refused. Each step says why and who, and ends the tokens that carry the
// old state in the transaction in which it is taken.
//
// It does not act on what an account has elsewhere: other services obey its events.
package account

import (
	"context"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
	"github.com/primecloud/primecloud/services/identity/internal/revocation"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
)

// Kind is the resource's kind in events and the audit trail, Prefix that of its ids.
const (
	Kind   = "account"
	Prefix = "acc"
)

// The refusals.
var (
	// ErrNotFound is for an account that is absent, or not the caller's.
	ErrNotFound = membership.ErrAccountNotFound
	// ErrFieldNotUpdatable is for a mask that names what no caller may change.
	ErrFieldNotUpdatable = errs.New(errs.InvalidArgument, "FIELD_NOT_UPDATABLE",
		"only display_name, customer_reference and slug can be changed")
	// ErrDisplayNameInvalid is for a blank or overlong name.
	ErrDisplayNameInvalid = errs.New(errs.InvalidArgument, "DISPLAY_NAME_INVALID", "a display name has 1 to 100 characters, is not blank and has no control characters").
				WithViolation(errs.Violation{Field: "display_name", Rule: "DISPLAY_NAME_INVALID", Description: "give 1 to 100 characters"})
	errReferenceInvalid = errs.New(errs.InvalidArgument, "REQUEST_INVALID", "a customer reference has at most 128 characters and no control characters").
				WithViolation(errs.Violation{Field: "customer_reference", Rule: "REFERENCE_INVALID", Description: "give at most 128 characters"})
)

// The limits, in characters.
const (
	maxDisplayName = 100
	maxReference   = 128
)

// Account is one tenant.
type Account struct {
	// ID names it (`acc_…`).
	ID string
	// DisplayName is for showing.
	DisplayName string
	// CustomerReference is the owner's own, or empty.
	CustomerReference string
	// Slug is its name in addresses.
	Slug string
	// State is where it stands, Last how it came there.
	State State
	Last  Step
	// Resumes is the state in which a closing is taken back; empty unless it is closing.
	Resumes State
	// TrialEndTime is when a trial ends; zero without one.
	TrialEndTime time.Time
	// CloseTime is when a closing ends; zero unless it is closing.
	CloseTime time.Time
	// Version grows with every change.
	Version int64
	// CreateTime is when it was made, UpdateTime when it last changed.
	CreateTime, UpdateTime time.Time
}

// ETag changes with every change.
func (a Account) ETag() string { return "v" + strconv.FormatInt(a.Version, 10) }

// Membership is one of a person's accounts with their role in it.
type Membership struct {
	// Account is the account.
	Account Account
	// Role is the person's role.
	Role membership.Role
}

// Tx is what a change of an account needs of its transaction.
type Tx interface {
	unit.Work
	// InsertAccount makes the account; false when another one has its slug.
	InsertAccount(ctx context.Context, a Account) (bool, error)
	// SaveMembership makes its first owner.
	SaveMembership(ctx context.Context, m membership.Membership) error
	// Membership returns a member, or membership.ErrNotFound.
	Membership(ctx context.Context, accountID, userID string) (membership.Membership, error)
	// AccountForUpdate returns the account and locks it; ErrNotFound when there is none.
	AccountForUpdate(ctx context.Context, accountID string) (Account, error)
	// UpdateAccount replaces it; ErrSlugTaken when another one has its slug.
	UpdateAccount(ctx context.Context, a Account) error
	// Revoke ends the tokens that depend on something, and gives the entry its epoch.
	Revoke(ctx context.Context, entry revocation.Entry) error
}

// Store keeps accounts.
type Store interface {
	// InAccount runs fn in one transaction that sees nothing but the account.
	InAccount(ctx context.Context, accountID string, fn func(ctx context.Context, tx Tx) error) error
	// BeyondAccounts runs fn in one transaction that sees all accounts: a new account is
	// beyond any that the caller is bound to.
	BeyondAccounts(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	// Account returns one, or ErrNotFound.
	Account(ctx context.Context, accountID string) (Account, error)
	// AccountsOf returns up to limit accounts of the person, by id, behind the given id.
	AccountsOf(ctx context.Context, userID, after string, limit int) ([]Membership, error)
	// FindAccounts returns up to limit accounts of all tenants, newest first.
	FindAccounts(ctx context.Context, f Filter, after Position, limit int) ([]Account, error)
	// DueAccounts returns up to limit accounts whose trial or retention period has ended.
	DueAccounts(ctx context.Context, now time.Time, limit int) ([]string, error)
}

// Config is what the use cases are made of.
type Config struct {
	// Store keeps accounts.
	Store Store
	// Clock tells the time.
	Clock clock.Clock
	// Policy is the platform's.
	Policy Policy
}

// Accounts are the use cases.
type Accounts struct {
	store  Store
	clock  clock.Clock
	policy Policy
}

// New returns the use cases.
func New(c Config) *Accounts { return &Accounts{store: c.Store, clock: c.Clock, policy: c.Policy} }

// Draft is a new account as its maker gives it.
type Draft struct {
	// DisplayName and CustomerReference are as in Account; Slug is made from the name when empty.
	DisplayName, CustomerReference, Slug string
}

// Create makes an account; the calling person becomes its owner.
func (s *Accounts) Create(ctx context.Context, d Draft) (Account, error) {
	now := unit.Now(s.clock)
	fresh := Account{
		ID: id.New(Prefix, now), DisplayName: strings.TrimSpace(d.DisplayName), CustomerReference: d.CustomerReference, Slug: d.Slug,
		Version: 1, CreateTime: now, UpdateTime: now,
	}
	if fresh.Slug == "" {
		fresh.Slug = slugOf(fresh.DisplayName)
	}
	s.policy.begin(&fresh, principal.FromContext(ctx))
	if err := fresh.check(); err != nil {
		return Account{}, err
	}
	var result Account
	err := s.store.BeyondAccounts(ctx, func(ctx context.Context, tx Tx) error {
		var err error
		result, err = unit.Once(ctx, tx, fresh.resource(),
			func(ctx context.Context, accountID string) (Account, error) { return again(ctx, tx, accountID) },
			func(ctx context.Context) (Account, error) { return s.insert(ctx, tx, fresh, d.Slug != "") })
		return err
	})
	return result, err
}

// again gives the account that an earlier call made, to a person who still belongs to it:
// this is the one way to an account that no token for it stands before.
func again(ctx context.Context, tx Tx, accountID string) (Account, error) {
	_, err := tx.Membership(ctx, accountID, principal.FromContext(ctx).ID)
	if errs.ReasonOf(err) == membership.ErrNotFound.Reason() {
		return Account{}, ErrNotFound
	}
	if err != nil {
		return Account{}, err
	}
	return tx.AccountForUpdate(ctx, accountID)
}

// insert makes the account and its owner. A slug that was made here gives way to one that
// is taken; one that was asked for does not.
func (s *Accounts) insert(ctx context.Context, tx Tx, a Account, asked bool) (Account, error) {
	made, err := tx.InsertAccount(ctx, a)
	if err == nil && !made && !asked {
		a.Slug = distinct(a.Slug)
		made, err = tx.InsertAccount(ctx, a)
	}
	if err != nil {
		return Account{}, err
	}
	if !made {
		return Account{}, ErrSlugTaken
	}
	return a, s.own(ctx, tx, a)
}

// own makes the caller the owner of a new account, and tells of both.
func (s *Accounts) own(ctx context.Context, tx Tx, a Account) error {
	owner := membership.Membership{
		AccountID: a.ID, UserID: principal.FromContext(ctx).ID, Role: membership.Owner,
		Version: 1, CreateTime: a.CreateTime, UpdateTime: a.CreateTime,
	}
	if err := tx.SaveMembership(ctx, owner); err != nil {
		return err
	}
	if err := tell(ctx, tx, "create", "created", nil, a); err != nil {
		return err
	}
	return tx.Publish(ctx, unit.Change{
		Kind: membership.Kind, Verb: "created", AccountID: a.ID, ID: owner.Key(), Version: owner.Version, Snapshot: owner,
	})
}

// Get returns an account.
func (s *Accounts) Get(ctx context.Context, accountID string) (Account, error) {
	return s.store.Account(ctx, accountID)
}

// List returns a page of the calling person's accounts, oldest first.
func (s *Accounts) List(ctx context.Context, after string, limit int) ([]Membership, error) {
	return s.store.AccountsOf(ctx, principal.FromContext(ctx).ID, after, limit)
}

// Fields are new values; nil leaves the old one.
type Fields struct {
	DisplayName, CustomerReference, Slug *string
}

// Update changes an account that still is as the caller has seen it. Nothing happens when
// it has the values already.
func (s *Accounts) Update(ctx context.Context, accountID, etag string, fields Fields) (Account, error) {
	return s.once(ctx, accountID, func(ctx context.Context, tx Tx) (Account, error) {
		return s.update(ctx, tx, accountID, etag, fields)
	})
}

func (s *Accounts) update(ctx context.Context, tx Tx, accountID, etag string, fields Fields) (Account, error) {
	before, err := s.locked(ctx, tx, accountID, etag)
	if err != nil {
		return Account{}, err
	}
	after := before
	if fields.DisplayName != nil {
		after.DisplayName = strings.TrimSpace(*fields.DisplayName)
	}
	if fields.CustomerReference != nil {
		after.CustomerReference = *fields.CustomerReference
	}
	if fields.Slug != nil {
		after.Slug = *fields.Slug
	}
	if after == before {
		return before, nil
	}
	if err := after.check(); err != nil {
		return Account{}, err
	}
	after.Version, after.UpdateTime = before.Version+1, unit.Now(s.clock)
	if err := tx.UpdateAccount(ctx, after); err != nil {
		return Account{}, err
	}
	return after, tell(ctx, tx, "update", "updated", &before, after)
}

// CheckDisplayName holds a name that is shown to people against its rules; API keys have
// such names too.
func CheckDisplayName(name string) error {
	if n := utf8.RuneCountInString(name); n == 0 || n > maxDisplayName || strings.ContainsFunc(name, unicode.IsControl) {
		return ErrDisplayNameInvalid
	}
	return nil
}

// check holds an account against the rules of its fields.
func (a Account) check() error {
	switch {
	case CheckDisplayName(a.DisplayName) != nil:
		return ErrDisplayNameInvalid
	case utf8.RuneCountInString(a.CustomerReference) > maxReference || strings.ContainsFunc(a.CustomerReference, unicode.IsControl):
		return errReferenceInvalid
	case !validSlug(a.Slug):
		return ErrSlugInvalid
	default:
		return nil
	}
}

func (a Account) resource() unit.Resource {
	return unit.Resource{Kind: Kind, ID: a.ID, AccountID: a.ID}
}

func tell(ctx context.Context, tx Tx, verb, past string, before *Account, after Account) error {
	severity := audit.Info
	if before != nil && before.State != after.State {
		severity = audit.Notice
	}
	entry := audit.Entry{
		AccountID: after.ID,
		Action:    Kind + "." + verb,
		Severity:  severity,
		Outcome:   audit.Succeeded,
		Target:    audit.Target{Kind: Kind, ID: after.ID, Name: after.DisplayName},
		After:     after.describe(),
	}
	if before != nil {
		entry.Before = before.describe()
	}
	if err := tx.Audit(ctx, entry); err != nil {
		return err
	}
	return tx.Publish(ctx, unit.Change{
		Kind: Kind, Verb: past, AccountID: after.ID, ID: after.ID, Version: after.Version, Snapshot: after,
	})
}

func (a Account) describe() map[string]any {
	shown := map[string]any{
		"display_name": a.DisplayName, "customer_reference": a.CustomerReference, "slug": a.Slug,
		"state": string(a.State), "state_reason": a.Last.Reason,
	}
	for name, at := range map[string]time.Time{"trial_end_time": a.TrialEndTime, "close_time": a.CloseTime} {
		if !at.IsZero() {
			shown[name] = at.Format(time.RFC3339)
		}
	}
	return shown
}
