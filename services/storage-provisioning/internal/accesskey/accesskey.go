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
// A key has its few exact grants in an inline policy under the account's user. One with a
// pattern, or with more than fits, has a user of its own, whose named policy is written
// together with the account's (package principal): so it names the account's own buckets
// and no other one at any time.
//
// A rotation makes other credentials of the same key; the ones before end with the overlap.
// Like a deletion it only switches off until it is recorded, so that it can go back.
//
// A key that stood on the backend before can be adopted: its id and secret stay, and nobody
// here knows the secret. What was found is recorded before anything is written, and put back
// should the adoption be given up. It is never made. One that is a user of the backend by
// itself (Solo) has a user of its own besides, as a key with a pattern has, and shares that
// one's policy.
//
// A grant names a bucket. When the bucket goes, the grant reaches nothing, since the
// account's own policy bounds it; when the account makes one of that name again, the grant
// reaches that one.
package accesskey

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"slices"
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
// abandoned create goes to Vanishing, an abandoned delete or change back to where it was.
const (
	// Creating is being made.
	Creating State = "CREATING"
	// Ready is on the backend as wanted.
	Ready State = "READY"
	// Updating is being changed, by a call that has not ended.
	Updating State = "UPDATING"
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
	// SecretGeneration is the generation whose call issued the secret that is kept; zero for
	// the one that made the key.
	SecretGeneration int64
	// FormerKeyID are the credentials before the last rotation, which work until FormerEnd;
	// empty when there are none. It is a secret too.
	FormerKeyID string
	FormerEnd   time.Time
	// Doomed are ids of credentials that are to be removed from the backend.
	Doomed []string
	// Holder is the user of its own that the key has on the backend; empty for the account's.
	// It is a secret like the ids.
	Holder string
	// Solo are those of its credentials that are a user of the backend by themselves, from an
	// adoption; empty when none ever were. It is a secret too.
	Solo string
	// Adopted says that it stood on the backend before it was managed, so that nobody here
	// knows its secret; Adopting that it is being taken over, or being put back.
	Adopted, Adopting bool
	// Found is how an adoption found it, while that goes on.
	Found Found
	// Grants are what it reaches.
	Grants []policy.Grant
	// Networks are where it may be used from; none for anywhere.
	Networks []string
	// Disabled says that its owner has switched it off.
	Disabled bool
	// LastUse and FormerUse are the last uses that were heard of.
	LastUse, FormerUse Use
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

	// note is what the trail says of a change besides.
	note string
	// trial is a granted bucket to try a new key on, with what may be done there.
	trial policy.Grant
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

// Has says whether these are credentials of the key, or have been and are to be removed.
func (k AccessKey) Has(id string) bool { return slices.Contains(k.ids(), id) }

// Use is one use of a key.
type Use struct {
	// Time is when; zero for never.
	Time time.Time
	// Operation is the S3 operation, Address where it came from.
	Operation, Address string
}

// scope is all that the key reaches.
func (k AccessKey) scope() policy.Scope { return policy.Scope{Grants: k.Grants, Networks: k.Networks} }

// formerEnded says whether the overlap of the last rotation is over.
func (k AccessKey) formerEnded(now time.Time) bool {
	return k.FormerKeyID != "" && !k.FormerEnd.After(now)
}

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

// newHolder returns a user name that nobody can guess.
func newHolder() string {
	var raw [10]byte
	_, _ = rand.Read(raw[:])
	return ownHolder + hex.EncodeToString(raw[:])
}

// newSecret returns 240 random bits in 40 characters, the longest secret S3 clients know.
func newSecret() string {
	var raw [30]byte
	_, _ = rand.Read(raw[:])
	return base64.RawURLEncoding.EncodeToString(raw[:])
}
