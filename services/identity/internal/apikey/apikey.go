// Package apikey keeps the logins of machines: an API key belongs to one account, acts in
// one role and is narrowed by scopes.
//
// It guarantees that a secret is shown by the call that makes the key, and by repetitions
// of that call with its idempotency key for a day (for which it is kept sealed), and never
// again; that a key's role was not above its maker's; that a malformed secret costs no
// look at the database; and that whoever presents a bad secret learns nothing of why. A
// revocation ends the tokens minted from the key, in the same transaction.
//
// A key belongs to its account, not to its maker: it outlives their membership.
package apikey

import (
	"context"
	"crypto/subtle"
	"slices"
	"strings"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/idempotency"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/seal"
	"github.com/primecloud/primecloud/services/identity/internal/accesstoken"
	"github.com/primecloud/primecloud/services/identity/internal/account"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
	"github.com/primecloud/primecloud/services/identity/internal/revocation"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
)

// Kind is the resource's kind in events and the audit trail, Prefix that of its ids.
const (
	Kind   = "api_key"
	Prefix = "apk"
)

// Window is how long a repeated call gets the secret again.
const Window = 24 * time.Hour

// The refusals.
var (
	// ErrInvalid is for any secret that opens nothing, whatever the reason.
	ErrInvalid = errs.New(errs.Unauthenticated, "API_KEY_INVALID", "the API key is malformed, unknown, revoked or expired; use another one")
	// ErrNotFound is for a key that the account does not have.
	ErrNotFound = errs.New(errs.NotFound, "API_KEY_NOT_FOUND", "the account has no such API key")
	// ErrExpireTimeInvalid is for an expiry in the past.
	ErrExpireTimeInvalid = errs.New(errs.InvalidArgument, "EXPIRE_TIME_INVALID", "expire_time lies in the past; give a later one or none").
				WithViolation(errs.Violation{Field: "expire_time", Rule: "EXPIRE_TIME_INVALID", Description: "give a later one or none"})
	// ErrScopeUnknown is for a scope that no method asks for.
	ErrScopeUnknown = errs.New(errs.InvalidArgument, "SCOPE_UNKNOWN", "no method asks for this scope; see the permission matrix")
	errRoleInvalid  = errs.New(errs.InvalidArgument, "REQUEST_INVALID", "an API key cannot act in this role").
			WithViolation(errs.Violation{Field: "role", Rule: "ROLE_OF_MACHINE", Description: "give a role from owner to viewer"})
)

// Key is one API key, without its secret.
type Key struct {
	// ID names it (`apk_…`), AccountID is what it belongs to, CreatorID who made it.
	ID, AccountID, CreatorID string
	// DisplayName is for showing.
	DisplayName string
	// Role is what it acts in, Scopes what it may do within that.
	Role   membership.Role
	Scopes []string
	// Version grows with every change but its use.
	Version int64
	// CreateTime is when it was made.
	CreateTime time.Time
	// ExpireTime is when it ends; zero for never.
	ExpireTime time.Time
	// LastUseTime is its last exchange, to the minute; zero for never.
	LastUseTime time.Time
	// RevokeTime is when it was revoked; zero while it works.
	RevokeTime time.Time
}

// alive reports whether the key still opens.
func (k Key) alive(now time.Time) bool {
	return k.RevokeTime.IsZero() && (k.ExpireTime.IsZero() || now.Before(k.ExpireTime))
}

// SealedSecret is a secret kept for the repetition of the call that made the key.
type SealedSecret struct {
	// KeyID and AccountID say whose.
	KeyID, AccountID string
	// Sealed is the secret; DestroyTime is when it goes.
	Sealed      []byte
	DestroyTime time.Time
}

// Standing is what the truth says of a key at one moment.
type Standing struct {
	// Key is the key, Hash that of its secret.
	Key  Key
	Hash Hash
	// AccountState is that of its account.
	AccountState string
	// Epoch is the revocation epoch of the moment.
	Epoch int64
}

// Tx is what a change of keys needs of its transaction. Its methods come in two groups,
// for the key and for what a key touches.
type Tx interface {
	unit.Work
	Keys
	// Membership returns a member, or membership.ErrNotFound.
	Membership(ctx context.Context, accountID, userID string) (membership.Membership, error)
	// Revoke ends the tokens that depend on something.
	Revoke(ctx context.Context, entry revocation.Entry) error
}

// Keys are the rows of keys within a transaction.
type Keys interface {
	// InsertKey makes a key.
	InsertKey(ctx context.Context, k Key, hash Hash) error
	// KeyForUpdate returns one, locked, or ErrNotFound.
	KeyForUpdate(ctx context.Context, accountID, keyID string) (Key, error)
	// RevokeKey sets its end and its version.
	RevokeKey(ctx context.Context, k Key) error
	// KeepSecret keeps a sealed secret.
	KeepSecret(ctx context.Context, s SealedSecret) error
	// KeptSecret returns the sealed secret of a key, or nil.
	KeptSecret(ctx context.Context, keyID string) ([]byte, error)
	// DropSecret destroys it.
	DropSecret(ctx context.Context, keyID string) error
}

// Store keeps keys.
type Store interface {
	// InAccount runs fn in one transaction that sees nothing but the account.
	InAccount(ctx context.Context, accountID string, fn func(ctx context.Context, tx Tx) error) error
	// Key returns one, or ErrNotFound.
	Key(ctx context.Context, accountID, keyID string) (Key, error)
	// ListKeys returns up to limit of the account's keys, by id, behind the given id.
	ListKeys(ctx context.Context, accountID, after string, limit int) ([]Key, error)
	// KeyStanding returns what is true of a key, or ErrNotFound.
	KeyStanding(ctx context.Context, keyID string) (Standing, error)
	// TouchKey records a use, unless a later one is recorded already.
	TouchKey(ctx context.Context, keyID string, at time.Time) error
	// DestroySecrets destroys the sealed secrets whose time has come.
	DestroySecrets(ctx context.Context, now time.Time) (int64, error)
}

// Minter mints access tokens.
type Minter interface {
	Mint(ctx context.Context, g accesstoken.Grant) (accesstoken.Token, error)
}

// Config is what the use cases are made of.
type Config struct {
	Store  Store
	Sealer accesstoken.Sealer
	Minter Minter
	Clock  clock.Clock
	// Scopes are those that some method asks for.
	Scopes []string
}

// APIKeys are the use cases.
type APIKeys struct{ Config }

// New returns the use cases.
func New(c Config) *APIKeys { return &APIKeys{c} }

// Created is a key with its secret, which is empty when a repetition comes too late for it.
type Created struct {
	Key    Key
	Secret string
}

// Wanted is what a new key shall be.
type Wanted struct {
	AccountID, DisplayName string
	Role                   membership.Role
	Scopes                 []string
	// ExpireTime is zero for never.
	ExpireTime time.Time
}

// Create makes a key. A repetition with the same idempotency key gives the same key and
// the same secret within the window.
func (s *APIKeys) Create(ctx context.Context, w Wanted) (Created, error) {
	w, err := s.check(w)
	if err != nil {
		return Created{}, err
	}
	now := unit.Now(s.Clock)
	fresh := Key{
		ID: id.New(Prefix, now), AccountID: w.AccountID, CreatorID: principal.FromContext(ctx).ID, DisplayName: w.DisplayName,
		Role: w.Role, Scopes: w.Scopes, Version: 1, CreateTime: now, ExpireTime: w.ExpireTime,
	}
	resource := unit.Resource{Kind: Kind, ID: fresh.ID, AccountID: w.AccountID}
	var created Created
	err = s.Store.InAccount(ctx, w.AccountID, func(ctx context.Context, tx Tx) error {
		var err error
		created, err = unit.Once(ctx, tx, resource,
			func(ctx context.Context, keyID string) (Created, error) { return s.again(ctx, tx, w.AccountID, keyID) },
			func(ctx context.Context) (Created, error) { return s.create(ctx, tx, fresh) })
		return err
	})
	return created, err
}

// check holds what is wanted against the rules that need no database.
func (s *APIKeys) check(w Wanted) (Wanted, error) {
	w.DisplayName = strings.TrimSpace(w.DisplayName)
	if err := account.CheckDisplayName(w.DisplayName); err != nil {
		return w, err
	}
	if !w.Role.Valid() || w.Role == membership.External {
		return w, errRoleInvalid
	}
	w.Scopes = slices.Compact(slices.Sorted(slices.Values(w.Scopes)))
	for _, scope := range w.Scopes {
		if !slices.Contains(s.Scopes, scope) {
			return w, ErrScopeUnknown.With("scope", scope).WithViolation(errs.Violation{
				Field: "scopes", Rule: "SCOPE_UNKNOWN", Description: "give some of: " + strings.Join(s.Scopes, ", "),
			})
		}
	}
	if len(w.Scopes) == 0 {
		return w, ErrScopeUnknown.WithMessage("an API key needs at least one scope")
	}
	return w, nil
}

func (s *APIKeys) create(ctx context.Context, tx Tx, k Key) (Created, error) {
	caller, err := membership.Caller(ctx, tx, k.AccountID)
	if err != nil {
		return Created{}, err
	}
	if k.Role.Above(caller.Role) {
		return Created{}, membership.ErrRoleTooHigh
	}
	// Here and not before: a repetition may come after the expiry.
	if !k.ExpireTime.IsZero() && !k.ExpireTime.After(k.CreateTime) {
		return Created{}, ErrExpireTimeInvalid
	}
	secret := newSecret(k.ID)
	if err := tx.InsertKey(ctx, k, hashOf(secret)); err != nil {
		return Created{}, err
	}
	if err := s.keep(ctx, tx, k, secret); err != nil {
		return Created{}, err
	}
	return Created{Key: k, Secret: secret}, tell(ctx, tx, "create", "created", k)
}

// keep keeps the secret sealed for a repetition; without an idempotency key there is none,
// and nothing is kept.
func (s *APIKeys) keep(ctx context.Context, tx Tx, k Key, secret string) error {
	if idempotency.FromContext(ctx).Value == "" {
		return nil
	}
	sealed, err := s.Sealer.Seal(ctx, []byte(secret), place(k.AccountID, k.ID))
	if err != nil {
		return err
	}
	return tx.KeepSecret(ctx, SealedSecret{KeyID: k.ID, AccountID: k.AccountID, Sealed: sealed, DestroyTime: k.CreateTime.Add(Window)})
}

// again gives what an earlier call gave.
func (s *APIKeys) again(ctx context.Context, tx Tx, accountID, keyID string) (Created, error) {
	k, err := tx.KeyForUpdate(ctx, accountID, keyID)
	if err != nil {
		return Created{}, err
	}
	sealed, err := tx.KeptSecret(ctx, keyID)
	if err != nil || sealed == nil || !s.Clock.Now().Before(k.CreateTime.Add(Window)) {
		return Created{Key: k}, err
	}
	secret, err := s.Sealer.Open(ctx, sealed, place(accountID, keyID))
	return Created{Key: k, Secret: string(secret)}, err
}

// place is where a secret is kept: what it is sealed for.
func place(accountID, keyID string) seal.Context {
	return seal.Context{Tenant: accountID, Table: "api_key_secret", Column: "sealed", Row: keyID}
}

// Get returns a key of the account.
func (s *APIKeys) Get(ctx context.Context, accountID, keyID string) (Key, error) {
	return s.Store.Key(ctx, accountID, keyID)
}

// List returns a page of the account's keys, oldest first, revoked ones included.
func (s *APIKeys) List(ctx context.Context, accountID, after string, limit int) ([]Key, error) {
	return s.Store.ListKeys(ctx, accountID, after, limit)
}

// Revoke ends a key and the tokens minted from it; once revoked it stays so.
func (s *APIKeys) Revoke(ctx context.Context, accountID, keyID string) (Key, error) {
	var result Key
	err := s.Store.InAccount(ctx, accountID, func(ctx context.Context, tx Tx) error {
		k, err := tx.KeyForUpdate(ctx, accountID, keyID)
		if err != nil || !k.RevokeTime.IsZero() {
			result = k
			return err
		}
		caller, err := membership.Caller(ctx, tx, accountID)
		if err != nil {
			return err
		}
		if k.Role.Above(caller.Role) {
			return membership.ErrRoleTooHigh
		}
		k.RevokeTime, k.Version = unit.Now(s.Clock), k.Version+1
		if err := tx.RevokeKey(ctx, k); err != nil {
			return err
		}
		if err := tx.DropSecret(ctx, k.ID); err != nil {
			return err
		}
		if err := tx.Revoke(ctx, revocation.New(revocation.APIKey, k.ID, k.RevokeTime)); err != nil {
			return err
		}
		result = k
		return tell(ctx, tx, "revoke", "revoked", k)
	})
	return result, err
}

// Exchanged is a fresh access token and the account that it is bound to.
type Exchanged struct {
	accesstoken.Token
	AccountID string
}

// Exchange mints a token for the key of a secret.
func (s *APIKeys) Exchange(ctx context.Context, secret string) (Exchanged, error) {
	keyID, ok := parse(secret)
	if !ok {
		return Exchanged{}, ErrInvalid
	}
	standing, err := s.Store.KeyStanding(ctx, keyID)
	unknown := errs.ReasonOf(err) == ErrNotFound.Reason()
	if err != nil && !unknown {
		return Exchanged{}, err
	}
	now, given := s.Clock.Now(), hashOf(secret)
	// Compared whether or not there is such a key, so that the answer takes the same time.
	same := subtle.ConstantTimeCompare(given[:], standing.Hash[:]) == 1
	if unknown || !same || !standing.Key.alive(now) {
		return Exchanged{}, ErrInvalid
	}
	k := standing.Key
	if minute := now.Truncate(time.Minute); minute.After(k.LastUseTime) {
		if err := s.Store.TouchKey(ctx, k.ID, minute); err != nil {
			return Exchanged{}, err
		}
	}
	minted, err := s.Minter.Mint(ctx, accesstoken.Grant{
		Kind: principal.Machine, Subject: k.ID, AccountID: k.AccountID, AccountState: standing.AccountState,
		Role: string(k.Role), Scopes: k.Scopes, Epoch: standing.Epoch, Until: k.ExpireTime,
	})
	return Exchanged{Token: minted, AccountID: k.AccountID}, err
}

// DestroySecrets destroys the sealed secrets whose window has ended.
func (s *APIKeys) DestroySecrets(ctx context.Context) (int64, error) {
	return s.Store.DestroySecrets(ctx, s.Clock.Now())
}

func tell(ctx context.Context, tx Tx, verb, past string, k Key) error {
	err := tx.Audit(ctx, audit.Entry{
		AccountID: k.AccountID,
		Action:    Kind + "." + verb,
		Severity:  audit.Notice,
		Outcome:   audit.Succeeded,
		Target:    audit.Target{Kind: Kind, ID: k.ID, Name: k.DisplayName},
		After:     k.describe(),
	})
	if err != nil {
		return err
	}
	return tx.Publish(ctx, unit.Change{
		Kind: Kind, Verb: past, AccountID: k.AccountID, ID: k.ID, Version: k.Version, Snapshot: k,
	})
}

func (k Key) describe() map[string]any {
	described := map[string]any{"role": string(k.Role), "scopes": k.Scopes}
	if !k.ExpireTime.IsZero() {
		described["expire_time"] = k.ExpireTime.Format(time.RFC3339)
	}
	if !k.RevokeTime.IsZero() {
		described["revoke_time"] = k.RevokeTime.Format(time.RFC3339)
	}
	return described
}
