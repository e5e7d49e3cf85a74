// Package unit is the unit of work: what every change in identity has in common. It owns
// the shape in which a change says what it did (audit entry, event, revocation follow the
// change into one transaction) and how a repeated call is recognised, once for all methods
// that take an idempotency key.
//
// It guarantees nothing by itself; the store that implements Work does: everything
// commits with the change, or nothing does. A function given to a store may run several
// times, so it keeps its hands off everything but the transaction and its own result.
package unit

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
)

// ErrETagMismatch is for an update of something that changed since the caller read it.
var ErrETagMismatch = errs.New(errs.Aborted, "ETAG_MISMATCH", "the resource changed since it was read; read it again and retry")

// Change is a resource as it is after a change: what becomes an event.
type Change struct {
	// Kind is the resource's kind, such as "account".
	Kind string
	// Verb is what happened to it, in the past tense, such as "created".
	Verb string
	// AccountID is the account concerned; empty for a person.
	AccountID string
	// ID is the resource's id.
	ID string
	// Version grows with every change of the resource.
	Version int64
	// Snapshot is the concept's own value; the events package knows how each travels.
	Snapshot any
}

// Resource is what a call makes or changes: what its repetition must find again.
type Resource struct {
	// Kind is the resource's kind.
	Kind string
	// ID is the resource's id, unique among all of the kind.
	ID string
	// AccountID is the account it belongs to.
	AccountID string
}

// Work is what every transaction offers besides the rows of its concept.
type Work interface {
	// Begin claims the call's idempotency key for the resource, if it has one, and records
	// the call as done, which it is once this transaction commits. When an earlier call with
	// the key has succeeded, it returns the id of that one's resource and nothing is to be
	// done; otherwise "".
	Begin(ctx context.Context, resource Resource) (string, error)
	// Audit records what was done.
	Audit(ctx context.Context, entry audit.Entry) error
	// Publish tells the rest of the suite.
	Publish(ctx context.Context, change Change) error
}

// Once makes a change of the resource unless the same call was made before: then again
// fetches what it gave, by the id of its resource.
func Once[T any](
	ctx context.Context, w Work, resource Resource,
	again func(ctx context.Context, id string) (T, error),
	first func(ctx context.Context) (T, error),
) (T, error) {
	var nothing T
	id, err := w.Begin(ctx, resource)
	if err != nil {
		return nothing, err
	}
	if id != "" {
		return again(ctx, id)
	}
	return first(ctx)
}

// CheckETag refuses a stale etag; without one the caller takes what there is.
func CheckETag(given, current string) error {
	if given != "" && given != current {
		return ErrETagMismatch
	}
	return nil
}

// Now returns the time to the microsecond, which is what the database keeps: a resource
// shows the same times when it is made as when it is read.
func Now(c clock.Clock) time.Time { return c.Now().Truncate(time.Microsecond) }
