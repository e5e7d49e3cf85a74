// Package apikey keeps the logins of machines: an API key belongs to one account, acts in
// one role and is narrowed by scopes, and can be bound to networks.
//
// It guarantees that a secret is shown by the call that issues it, and by repetitions of
// that call with its idempotency key for a day (for which it is kept sealed), and never
// again; that at most two secrets of a key work, and two only while a rotation overlaps;
// that a key's role was not above its maker's; that a malformed secret costs no look at the
// database; and that whoever presents a bad secret learns nothing of why, while the account
// whose genuine secret it was does. What shortens a key's rights (a revocation, a rotation
// without overlap, other networks, an earlier expiry) ends the tokens minted from it, in the
// same transaction.
//
// Networks are checked when a key is exchanged, and not when its token is used: a token is
// minutes old, and the services that verify it offline know no networks.
//
// A key belongs to its account, not to its maker: it outlives their membership. A personal
// key is the opposite: it acts for one person in one account, in the role that they have at
// the moment of the exchange, and ends for good when they leave. Nobody else is shown its
// secret, so nobody else can rotate or change it; whoever manages the account can revoke it.
package apikey

import (
	"context"
	"net/netip"
	"strconv"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/network"
	"github.com/primecloud/primecloud/services/identity/internal/accesstoken"
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
	// ErrEnded is for changing a key that works no more.
	ErrEnded = errs.New(errs.FailedPrecondition, "API_KEY_ENDED", "the API key is revoked or expired and cannot be changed any more; make another one")
	// ErrPersonal is for changing somebody else's own key.
	ErrPersonal = errs.New(errs.PermissionDenied, "API_KEY_PERSONAL", "this API key is somebody's own: only they can rotate or change it; you can revoke it")
	// ErrScopeUnknown is for a scope that no method asks for.
	ErrScopeUnknown = errs.New(errs.InvalidArgument, "SCOPE_UNKNOWN", "no method asks for this scope; see the permission matrix")
	errRoleInvalid  = errs.New(errs.InvalidArgument, "REQUEST_INVALID", "an API key cannot act in this role").
			WithViolation(errs.Violation{Field: "role", Rule: "ROLE_OF_MACHINE", Description: "give a role from owner to viewer"})
)

// Key is one API key, without its secret.
type Key struct {
	// ID names it (`apk_…`), AccountID is what it belongs to, CreatorID who made it.
	ID, AccountID, CreatorID string
	// UserID is the person whose personal key it is; empty for a key of the account.
	UserID string
	// DisplayName is for showing.
	DisplayName string
	// Role is what it acts in, Scopes what it may do within that. A personal key has the present
	// role of its person, or none when they are no member.
	Role   membership.Role
	Scopes []string
	// Networks are where it can be exchanged, canonical; none for everywhere.
	Networks []netip.Prefix
	// Version grows with every change but its use.
	Version int64
	// CreateTime is when it was made.
	CreateTime time.Time
	// ExpireTime is when it ends; zero for never.
	ExpireTime time.Time
	// FormerEnd is until when the secret before the present one works, or worked; zero for a
	// key that was never rotated.
	FormerEnd time.Time
	// LastUseTime is its last exchange, to the minute, LastUseAddress where it came from; zero
	// for never.
	LastUseTime    time.Time
	LastUseAddress string
	// RevokeTime is when it was revoked; zero while it works.
	RevokeTime time.Time
}

// ETag changes with every change but the key's use.
func (k Key) ETag() string { return "v" + strconv.FormatInt(k.Version, 10) }

// expired reports whether the key's time is over.
func (k Key) expired(now time.Time) bool { return !k.ExpireTime.IsZero() && !now.Before(k.ExpireTime) }

// alive reports whether the key still opens.
func (k Key) alive(now time.Time) bool { return k.RevokeTime.IsZero() && !k.expired(now) }

// SealedSecret is a secret kept for the repetition of the call that issued it.
type SealedSecret struct {
	// KeyID and AccountID say whose, RotationID which rotation issued it; empty for the call
	// that made the key.
	KeyID, AccountID, RotationID string
	// Sealed is the secret; DestroyTime is when it goes.
	Sealed      []byte
	DestroyTime time.Time
}

// Standing is what the truth says of a key at one moment.
type Standing struct {
	// Key is the key, Hash that of its secret, Former that of the one before, if there was one.
	Key          Key
	Hash, Former Hash
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
	// UpdateKey sets what can change of it.
	UpdateKey(ctx context.Context, k Key) error
	// RotateKey makes the hash that of its secret, and the one there was the former one until
	// FormerEnd.
	RotateKey(ctx context.Context, k Key, hash Hash) error
	Secrets
}

// Secrets are the sealed secrets within a transaction. A key has one at most.
type Secrets interface {
	// KeepSecret keeps a sealed secret in place of the one there was.
	KeepSecret(ctx context.Context, s SealedSecret) error
	// KeptSecret returns the sealed secret of a key that the call in question issued; false when
	// it is not kept.
	KeptSecret(ctx context.Context, keyID, rotationID string) (SealedSecret, bool, error)
	// DropSecret destroys it.
	DropSecret(ctx context.Context, keyID string) error
}

// Use is one exchange of a key.
type Use struct {
	// KeyID is the key.
	KeyID string
	// At is when, to the minute, From the caller's address, which may be empty.
	At   time.Time
	From string
}

// Query says which keys to list.
type Query struct {
	// AccountID is whose.
	AccountID string
	// Person leaves out the personal keys of all others; empty leaves out none. Shared, with a
	// person, also lists the keys of the account.
	Person string
	Shared bool
	// After is the id of the last one shown, Limit how many.
	After string
	Limit int
}

// Store keeps keys.
type Store interface {
	// InAccount runs fn in one transaction that sees nothing but the account.
	InAccount(ctx context.Context, accountID string, fn func(ctx context.Context, tx Tx) error) error
	// Key returns one, or ErrNotFound.
	Key(ctx context.Context, accountID, keyID string) (Key, error)
	// ListKeys returns keys of the account, by id.
	ListKeys(ctx context.Context, q Query) ([]Key, error)
	// KeyStanding returns what is true of a key, or ErrNotFound.
	KeyStanding(ctx context.Context, keyID string) (Standing, error)
	// TouchKey records a use, unless a later one is recorded already.
	TouchKey(ctx context.Context, u Use) error
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

// DestroySecrets destroys the sealed secrets whose window has ended.
func (s *APIKeys) DestroySecrets(ctx context.Context) (int64, error) {
	return s.Store.DestroySecrets(ctx, s.Clock.Now())
}

// EndedWithMembership tells of a personal key that ended because its person is no member any
// more, and destroys its secret if that is kept. Its tokens end with the membership's.
func EndedWithMembership(ctx context.Context, tx interface {
	unit.Work
	DropSecret(ctx context.Context, keyID string) error
}, k Key,
) error {
	if err := tx.DropSecret(ctx, k.ID); err != nil {
		return err
	}
	before := k
	before.RevokeTime = time.Time{}
	return tell(ctx, tx, "revoke", "revoked", &before, k)
}

// tell records a change; before is nil where only what is after it matters.
func tell(ctx context.Context, tx unit.Work, verb, past string, before *Key, k Key) error {
	entry := audit.Entry{
		AccountID: k.AccountID,
		Action:    Kind + "." + verb,
		Severity:  audit.Notice,
		Outcome:   audit.Succeeded,
		Target:    audit.Target{Kind: Kind, ID: k.ID, Name: k.DisplayName},
		After:     k.describe(),
	}
	if before != nil {
		entry.Before = before.describe()
	}
	if err := tx.Audit(ctx, entry); err != nil {
		return err
	}
	return tx.Publish(ctx, unit.Change{
		Kind: Kind, Verb: past, AccountID: k.AccountID, ID: k.ID, Version: k.Version, Snapshot: k,
	})
}

func (k Key) describe() map[string]any {
	described := map[string]any{"display_name": k.DisplayName, "role": string(k.Role), "scopes": k.Scopes}
	if k.UserID != "" {
		described["user_id"] = k.UserID
	}
	if len(k.Networks) > 0 {
		described["allowed_networks"] = network.Spell(k.Networks)
	}
	for name, at := range map[string]time.Time{"expire_time": k.ExpireTime, "revoke_time": k.RevokeTime, "overlap_end": k.FormerEnd} {
		if !at.IsZero() {
			described[name] = at.Format(time.RFC3339)
		}
	}
	return described
}
