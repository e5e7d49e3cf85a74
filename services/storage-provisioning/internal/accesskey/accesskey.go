// Package accesskey is the concept of a tenant's S3 credentials: a key that reaches what
// its grants say and no more, how it is asked for, and how the backend is brought to have
// it.
//
// It owns: the rules for grants and expiry, the states of a key, how long its secret is
// kept, the use cases, and reconciliation. It states the ports it needs and knows no
// database, wire or backend.
//
// Guarantees: id and secret are ours, random, and recorded (sealed) before the backend
// hears of them, so that no crash can lose them; a key was tried on the backend before it
// is handed over; the secret is handed over by the call that made the key, and by a
// repetition with the same idempotency key while it is kept, and by nothing else; a
// deleted key is refused by the backend when the call returns.
//
// The secret is kept for the idempotency window when the call had an idempotency key, and
// until the end of the creation when it had none. A creation without an idempotency key
// whose process died is given up, since nobody could ever learn its secret.
//
// A key that the backend has lost is made again while its secret is kept. After that it
// cannot be: it is LOST, for good or until somebody restores it on the backend, and its
// owner makes another one.
//
// Deleting first switches the key off, which can be undone without the secret, and removes
// it once the deletion is recorded: so a deletion that failed really goes back.
//
// A grant names a bucket. When the bucket goes, the grant reaches nothing, since the
// account's own policy bounds it; when the account makes one of that name again, the grant
// reaches that one.
package accesskey

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"strconv"
	"time"

	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
)

// Kind is the kind of an access key as a managed resource, in events and in the audit trail.
const Kind = "access_key"

// Desired says whether the key is wanted at all.
type Desired string

// The two wishes.
const (
	// Present wants the key as its grants and expiry say.
	Present Desired = "PRESENT"
	// Absent wants no key of that id.
	Absent Desired = "ABSENT"
)

// State says where a key stands.
type State string

// The states. A create goes Creating, Ready; a delete Ready, Deleting, Vanishing, gone. An
// abandoned create goes to Vanishing, an abandoned delete back to where it was.
const (
	// Creating is being made.
	Creating State = "CREATING"
	// Ready is on the backend as wanted.
	Ready State = "READY"
	// Lost was on the backend and is not any more, nor is its secret kept.
	Lost State = "LOST"
	// Deleting is being switched off, by a call that has not ended.
	Deleting State = "DELETING"
	// Vanishing is not there for its owner any more, and is to be removed from the backend.
	Vanishing State = "VANISHING"
)

// AccessKey is a pair of S3 credentials.
type AccessKey struct {
	// ID is `key_…`; it is no secret.
	ID string
	// AccountID is the owner.
	AccountID string
	// Backend is where it works.
	Backend string
	// DisplayName is for reading.
	DisplayName string
	// CustomerReference is the owner's own.
	CustomerReference string
	// KeyID is the S3 access key id. It is a secret: holes of the backend turn it into a key.
	KeyID string
	// Secret is the S3 secret key; empty where it is not kept or was not asked for.
	Secret string
	// SecretUntil is until when the secret is kept; zero when it is not kept any more.
	SecretUntil time.Time
	// Grants are what it reaches.
	Grants []policy.Grant
	// ExpireTime is when it ends; zero for never.
	ExpireTime time.Time
	// Desired says whether it is wanted at all.
	Desired Desired
	// State is where it stands.
	State State
	// Version grows with every change that its owner can see.
	Version int64
	// Generation counts the wishes, Observed is the last one seen fulfilled.
	Generation int64
	Observed   int64
	// Conditions say in words how it is.
	Conditions []reconcile.Condition
	// Sighting is what the reconciler remembers between attempts.
	change.Sighting
	// CreatedAt and UpdatedAt are by our clock.
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Ref names the key as a managed resource.
func (k AccessKey) Ref() reconcile.Ref {
	return reconcile.Ref{Kind: Kind, ID: k.ID, AccountID: k.AccountID}
}

// ETag changes with every change that the owner can see.
func (k AccessKey) ETag() string { return strconv.FormatInt(k.Version, 10) }

// Visible says whether the owner has the key: a delete that runs still shows it, one that
// is done or a create that was given up does not.
func (k AccessKey) Visible() bool { return k.Desired == Present || k.State == Deleting }

// expired says whether the key has ended by itself.
func (k AccessKey) expired(now time.Time) bool {
	return !k.ExpireTime.IsZero() && !k.ExpireTime.After(now)
}

// newAccessKey returns a key with an id and a secret of its own.
func newAccessKey(now time.Time) AccessKey {
	return AccessKey{
		ID: id.New("key", now), KeyID: newKeyID(), Secret: newSecret(),
		Desired: Present, State: Creating, Version: 1, CreatedAt: now, UpdatedAt: now,
	}
}

// newKeyID returns 100 random bits in 20 characters, the form that S3 clients expect.
func newKeyID() string {
	var raw [13]byte
	_, _ = rand.Read(raw[:]) // never fails: it ends the process rather than return weak bytes
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw[:])[:20]
}

// newSecret returns 240 random bits in 40 characters, the longest secret S3 clients know.
func newSecret() string {
	var raw [30]byte
	_, _ = rand.Read(raw[:])
	return base64.RawURLEncoding.EncodeToString(raw[:])
}
