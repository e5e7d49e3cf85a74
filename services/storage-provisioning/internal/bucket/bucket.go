// Package bucket is the concept of a tenant's bucket: what it is, who may have its name,
// how it is asked for, and how the backend is brought to have it.
//
// It owns: the rules for names and lifecycle rules, the states of a bucket, the judgement
// what a bucket found on a backend means, the use cases, and reconciliation. It states the
// ports it needs and knows no database, wire or backend.
//
// Guarantees: a name is reserved in the record before the backend hears of it and stays so
// until the backend was seen without it twice; a bucket that does not carry our mark is
// never adopted and never removed, except an empty one under a reservation of ours whose
// name was seen absent before; content is never removed.
//
// Every use case that changes something follows package change: what the caller was told
// is what the bucket converges to.
package bucket

import (
	"strconv"
	"time"

	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
)

// Kind is the kind of a bucket as a managed resource, in events and in the audit trail.
const Kind = "bucket"

// Desired says whether the bucket is wanted at all.
type Desired string

// The two wishes.
const (
	// Present wants the bucket as its spec says.
	Present Desired = "PRESENT"
	// Absent wants no bucket of that name.
	Absent Desired = "ABSENT"
)

// State says where a bucket stands.
type State string

// The states. A create goes Creating, Ready; an update Ready, Updating, Ready; a delete
// Ready, Deleting, Vanishing, gone. An abandoned create goes to Vanishing, an abandoned
// update or delete back to where it was. A purge goes Ready, Purging, and from there back to
// Ready when it is cancelled, or on like a delete.
const (
	// Creating is being made.
	Creating State = "CREATING"
	// Ready is on the backend as wanted.
	Ready State = "READY"
	// Updating is being changed.
	Updating State = "UPDATING"
	// Deleting is being removed, by a call that has not ended.
	Deleting State = "DELETING"
	// Vanishing is not there for its owner any more; only the name is reserved, until
	// the backend was seen without it.
	Vanishing State = "VANISHING"
	// Purging is out of reach for keys, and is being emptied or is about to be. See purge.go.
	Purging State = "PURGING"
	// Conflict has something that is not ours in its place on the backend.
	Conflict State = "CONFLICT"
)

// Bucket is a tenant's bucket.
type Bucket struct {
	// ID is `bkt_…`. A name that is asked for again before it was let go keeps it.
	ID string `json:"id"`
	// AccountID is the owner.
	AccountID string `json:"account_id"`
	// Backend is where it lives; never changes.
	Backend string `json:"backend"`
	// Name is unique on the backend and in the account; never changes.
	Name string `json:"name"`
	// CustomerReference is the owner's own; the backend does not know it.
	CustomerReference string `json:"customer_reference,omitempty"`
	// Labels are the owner's own; the backend does not know them. Nil for none.
	Labels map[string]string `json:"labels,omitempty"`
	// Spec is what is wanted of the backend.
	Spec Spec `json:"spec"`
	// Stopped says that the account is not active, so that nothing is public for now.
	Stopped bool `json:"-"`
	// Desired says whether it is wanted at all.
	Desired Desired `json:"desired"`
	// State is where it stands.
	State State `json:"state"`
	// Version grows with every change that its owner can see.
	Version int64 `json:"version"`
	// Generation counts the wishes, Observed is the last one seen fulfilled.
	Generation int64 `json:"generation"`
	Observed   int64 `json:"observed"`
	// Conditions say in words how it is.
	Conditions []reconcile.Condition `json:"conditions,omitempty"`
	// Adopting says that it stood on the backend before it was ours, and is being taken over:
	// see adopt.go.
	Adopting bool `json:"-"`
	// note is what the trail says of a change besides.
	note string
	// Marked says that our mark was once seen on it, and the bucket not missing since.
	Marked bool `json:"-"`
	// SeenAbsentAt is when, and SeenAbsentGeneration for which wish, the backend was seen
	// without the bucket right before it was made: what stands there since without a mark
	// and empty is ours. Zero once it is marked.
	SeenAbsentAt         time.Time `json:"-"`
	SeenAbsentGeneration int64     `json:"-"`
	// Sighting is what the reconciler remembers between attempts.
	change.Sighting `json:"-"`
	// CreatedAt and UpdatedAt are by our clock.
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Ref names the bucket as a managed resource.
func (b Bucket) Ref() reconcile.Ref {
	return reconcile.Ref{Kind: Kind, ID: b.ID, AccountID: b.AccountID}
}

// Mark is the mark that makes a bucket on the backend this one.
func (b Bucket) Mark() Mark { return Mark{ID: b.ID, AccountID: b.AccountID} }

// Wanted is what is wanted of the backend now: the spec, without public access while the
// account is stopped or the bucket is being purged.
func (b Bucket) Wanted() Spec {
	want := b.Spec
	if b.Stopped || b.State == Purging {
		want.Public = Public{}
	}
	return want
}

// ETag changes with every change that the owner can see.
func (b Bucket) ETag() string { return strconv.FormatInt(b.Version, 10) }

// seenGone notes that the backend does not have the bucket: what stands there since without a
// mark and empty is ours.
func (b *Bucket) seenGone(at time.Time) {
	b.Marked, b.SeenAbsentAt, b.SeenAbsentGeneration = false, at, b.Generation
}

// Visible says whether the owner has the bucket: a delete that runs still shows it, one
// that is done or a create that was given up does not.
func (b Bucket) Visible() bool { return b.Desired == Present || b.State == Deleting }

// Reachable says whether the account's keys may reach the bucket: it is the owner's, and
// what stands on the backend under its name is known to be ours.
func (b Bucket) Reachable() bool {
	return b.Visible() && b.State != Conflict && b.State != Purging && (b.Marked || !b.SeenAbsentAt.IsZero())
}
