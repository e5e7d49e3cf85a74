// Package change is how a call changes something in a backend and keeps the one promise:
// what a caller was told is what the system converges to.
//
// A change has three parts. T1, one transaction without a network call, records the new
// desired state, an open operation, an audit entry, a wake-up, and takes the resource's
// lease. The attempt then makes it so in the backend, detached from the caller's
// cancellation. T2 ends the operation by one compare-and-set: SUCCEEDED, or ABANDONED
// with the desired state gone back; an error is only answered by whoever won ABANDONED.
// If the process dies in between, the lease runs out and the reconciler rolls forward.
//
// The package owns these steps and the unit of work they need; what is changed, and how,
// belongs to the concepts that use it.
package change

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/reconcile"
)

// Operations are the operations of the account, in the transaction.
type Operations interface {
	// Replay returns the operation that an earlier call with the idempotency key in ctx
	// completed; ok is false when there was none, or the call has no key. A key used with
	// another request and one whose call still runs are errors of package idempotency.
	Replay(ctx context.Context) (o operation.Operation, ok bool, err error)
	// Begin records an open operation. It is operation.ErrInProgress when the resource
	// has one already.
	Begin(ctx context.Context, o operation.Operation) error
	// Open returns the resource's open operation, if there is one.
	Open(ctx context.Context, resource operation.Resource) (o operation.Operation, ok bool, err error)
	// End ends an operation unless it has ended: won says whether this call did.
	End(ctx context.Context, id string, outcome operation.Outcome) (won bool, err error)
}

// Resources are the managed resources of the account, in the transaction.
type Resources interface {
	// Touch raises the resource's generation, which it returns, and sets when it is due.
	Touch(ctx context.Context, ref reconcile.Ref, backend string, due time.Time) (int64, error)
	// WakeUp puts a job there that has the resource looked at, should its operation still
	// be open.
	WakeUp(ctx context.Context, ref reconcile.Ref, at time.Time) error
	// Claim takes the lease for this process; ok is false while somebody holds it.
	Claim(ctx context.Context, ref reconcile.Ref, ttl time.Duration) (lease reconcile.Lease, ok bool, err error)
	// Release gives the lease back; on false it had been lost, and the transaction must
	// not commit.
	Release(ctx context.Context, lease reconcile.Lease, next reconcile.Next) (held bool, err error)
	// Forget removes the resource; false as for Release.
	Forget(ctx context.Context, lease reconcile.Lease) (held bool, err error)
}

// Event is a resource as it is after a change: what becomes an event.
type Event struct {
	// Kind is the resource's kind, such as "bucket".
	Kind string
	// Verb is what happened to it, in the past tense, such as "created".
	Verb string
	// AccountID is its owner.
	AccountID string
	// ID is the resource's id.
	ID string
	// Version grows with every change of the resource.
	Version int64
	// Snapshot is the concept's own value; the events package knows how each travels.
	Snapshot any
}

// Record is what a transaction tells others.
type Record interface {
	// Audit records what was done, by whoever ctx says.
	Audit(ctx context.Context, entry audit.Entry) error
	// Publish tells the rest of the suite.
	Publish(ctx context.Context, event Event) error
}

// Tx is what every transaction offers besides the rows of its concept.
type Tx struct {
	Operations Operations
	Resources  Resources
	Record     Record
}
