package change

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/idempotency"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/reconcile"
)

// ErrOutcomeUnknown is answered when it could not be recorded how a change ended.
var ErrOutcomeUnknown = errs.New(errs.Unknown, "OUTCOME_UNKNOWN",
	"whether it was done could not be recorded; retry with the same idempotency key to learn which it was").
	WithRetryAfter(time.Second)

// ErrLeaseLost is why a transaction rolls back when another owner acts on the resource.
var ErrLeaseLost = errors.New("change: the lease was lost to another owner")

// ErrAlreadyEnded is why a transaction rolls back when somebody else has ended the operation.
var ErrAlreadyEnded = errors.New("change: the operation has been ended by somebody else")

// Limits bound an attempt.
type Limits struct {
	// Attempt is the longest an attempt takes, whatever time the caller has; 10 s when zero.
	Attempt time.Duration
	// Reserve is kept of the caller's time for the last write; 1 s when zero, and never
	// more than a third of what there is.
	Reserve time.Duration
	// Grace is how much longer than the caller's time a lease lasts; 2 s when zero.
	Grace time.Duration
}

func (l Limits) withDefaults() Limits {
	if l.Attempt <= 0 {
		l.Attempt = 10 * time.Second
	}
	if l.Reserve <= 0 {
		l.Reserve = time.Second
	}
	if l.Grace <= 0 {
		l.Grace = 2 * time.Second
	}
	return l
}

// Runner begins changes and gives attempts their time. It is safe for concurrent use.
type Runner struct {
	clock  clock.Clock
	limits Limits
	leases Leases
}

// Leases takes a lease outside of a transaction.
type Leases interface {
	// Claim takes the lease for this process; ok is false while somebody holds it, or
	// when the resource is not known.
	Claim(ctx context.Context, ref reconcile.Ref, ttl time.Duration) (lease reconcile.Lease, ok bool, err error)
}

// NewRunner returns a runner.
func NewRunner(c clock.Clock, leases Leases, limits Limits) *Runner {
	return &Runner{clock: c, limits: limits.withDefaults(), leases: leases}
}

// Window is the time of one attempt.
type Window struct {
	// Attempt is when the attempt must be over.
	Attempt time.Time
	// End is when the caller's time is over.
	End time.Time
	// Lease is when the lease ends; nothing may be sent after.
	Lease time.Time
}

// Window returns the time that a call has, from the deadline in ctx.
func (r *Runner) Window(ctx context.Context) Window {
	now := r.clock.Now()
	left := r.limits.Attempt + r.limits.Reserve
	if deadline, ok := ctx.Deadline(); ok {
		// The context's deadline is by the machine's clock; what counts is how long.
		left = min(left, time.Until(deadline))
	}
	left = max(left, 0)
	reserve := min(r.limits.Reserve, left/3)
	return Window{Attempt: now.Add(left - reserve), End: now.Add(left), Lease: now.Add(left + r.limits.Grace)}
}

// Longest returns how long after its T1 a call may still be at work or wait for the lease.
func (r *Runner) Longest() time.Duration { return r.limits.Attempt + r.limits.Reserve + r.limits.Grace }

// Intent is what a change wants, for its T1.
type Intent struct {
	// Ref is the resource.
	Ref reconcile.Ref
	// Backend is where it lives.
	Backend string
	// Previous is what to go back to, JSON; nil when there was nothing.
	Previous []byte
	// Audit describes the change; its outcome is filled in.
	Audit audit.Entry
	// Window is the time the attempt has.
	Window Window
}

// Begun is a change whose T1 has been written.
type Begun struct {
	Operation operation.Operation
	// Lease is the right to act; Held says whether T1 got it.
	Lease reconcile.Lease
	Held  bool
	// Window is the time the attempt has.
	Window Window
}

// Begin writes what T1 has in common: generation, lease, operation, audit entry, wake-up.
func (r *Runner) Begin(ctx context.Context, tx Tx, in Intent) (Begun, error) {
	generation, err := tx.Resources.Touch(ctx, in.Ref, in.Backend, in.Window.Lease)
	if err != nil {
		return Begun{}, err
	}
	begun := Begun{Operation: r.Operation(ctx, in.Ref, generation), Window: in.Window}
	begun.Operation.Previous = in.Previous
	if err := tx.Operations.Begin(ctx, begun.Operation); err != nil {
		return Begun{}, err
	}
	begun.Lease, begun.Held, err = tx.Resources.Claim(ctx, in.Ref, in.Window.Lease.Sub(r.clock.Now()))
	if err != nil {
		return Begun{}, err
	}
	in.Audit.Outcome = audit.Started
	if err := tx.Record.Audit(ctx, in.Audit); err != nil {
		return Begun{}, err
	}
	return begun, tx.Resources.WakeUp(ctx, in.Ref, in.Window.Lease)
}

// Operation returns a new open operation of the call in ctx on the resource.
func (r *Runner) Operation(ctx context.Context, ref reconcile.Ref, generation int64) operation.Operation {
	now := r.clock.Now()
	key := idempotency.FromContext(ctx)
	return operation.Operation{
		ID:             id.New("opn", now),
		AccountID:      ref.AccountID,
		Resource:       operation.Resource{Kind: ref.Kind, ID: ref.ID},
		Method:         key.Method,
		Principal:      principal.FromContext(ctx).Subject(),
		IdempotencyKey: key.Value,
		RequestHash:    key.RequestHash[:],
		State:          operation.Trying,
		Generation:     generation,
		CreatedAt:      now,
	}
}

// Attempt runs act with the lease and the time that T1 gave it, out of reach of the
// caller's cancellation. When T1 did not get the lease it is waited for first.
func (r *Runner) Attempt(ctx context.Context, begun *Begun, act func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), begun.Window.Attempt.Sub(r.clock.Now()))
	defer cancel()
	if !begun.Held {
		lease, err := r.Await(ctx, reconcile.Ref{
			Kind: begun.Operation.Resource.Kind, ID: begun.Operation.Resource.ID, AccountID: begun.Operation.AccountID,
		}, begun.Window)
		if err != nil {
			return err
		}
		begun.Lease, begun.Held = lease, true
	}
	return act(ctx)
}

// Await claims the lease of a resource as soon as whoever holds it gives it back.
func (r *Runner) Await(ctx context.Context, ref reconcile.Ref, window Window) (reconcile.Lease, error) {
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		lease, ok, err := r.leases.Claim(ctx, ref, window.Lease.Sub(r.clock.Now()))
		if err != nil || ok {
			return lease, err
		}
		select {
		case <-ctx.Done():
			// Whoever holds it is the reconciler, and what keeps it so long is the backend.
			return reconcile.Lease{}, ErrBackendUnavailable.Wrap(ctx.Err())
		case <-time.After(wait):
		}
	}
}

// Settle runs the transaction that ends a change (T2), within the life of the lease. A
// database that is away is asked again for as long as the caller waits. Its error says
// whether it is known how the change ended: ErrAlreadyEnded and ErrLeaseLost come back as
// they are, everything else is ErrOutcomeUnknown.
func (r *Runner) Settle(ctx context.Context, window Window, end func(ctx context.Context) error) error {
	left := max(window.Lease.Sub(r.clock.Now())-settleMargin, settleMargin)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), left)
	defer cancel()
	for {
		err := end(ctx)
		switch {
		case err == nil, errors.Is(err, ErrAlreadyEnded), errors.Is(err, ErrLeaseLost):
			return err
		case errs.KindOf(err) != errs.Unavailable, !r.clock.Now().Add(settleMargin).Before(window.End):
			return ErrOutcomeUnknown.Wrap(err)
		}
		select {
		case <-ctx.Done():
			return ErrOutcomeUnknown.Wrap(err)
		case <-time.After(settleMargin / 2):
		}
	}
}

// settleMargin is what is kept of a window's ends.
const settleMargin = 100 * time.Millisecond

// Failed returns the error that a caller of an abandoned operation was told, or would have been.
func Failed(o operation.Operation) error {
	return errs.New(o.Failure.Kind, o.Failure.Reason, o.Failure.Message)
}

// InDoubt reports whether a request of an attempt that failed so may still be applied by
// the backend: no answer came, or none that could be understood.
func InDoubt(err error) bool {
	switch errs.KindOf(err) {
	case errs.AlreadyExists, errs.FailedPrecondition, errs.InvalidArgument, errs.NotFound:
		return false
	default:
		return true
	}
}

// ForCaller returns the error of an attempt as its caller is told it: running out of the
// attempt's time is the backend's doing, not the caller's; and whatever a write in between
// came to, the operation is given up, so that its outcome is known.
func ForCaller(err error) error {
	if err == nil {
		return nil
	}
	switch errs.KindOf(err) {
	case errs.DeadlineExceeded, errs.Canceled:
		return ErrBackendUnavailable.Wrap(err)
	case errs.Unknown:
		return errs.New(errs.Unavailable, "DATABASE_UNAVAILABLE",
			"the service's database did not answer; retry with the same idempotency key").WithRetryAfter(time.Second).Wrap(err)
	default:
		return err
	}
}

// ErrBackendUnavailable is a backend that did not answer in time.
var ErrBackendUnavailable = errs.New(errs.Unavailable, "BACKEND_UNAVAILABLE",
	"the backend did not answer in time; retry with the same idempotency key").WithRetryAfter(2 * time.Second)

// Unsettled is a backend that keeps changing while it is looked at.
func Unsettled(rounds int) error {
	return ErrBackendUnavailable.Wrap(fmt.Errorf("not as wanted after %d rounds", rounds))
}
