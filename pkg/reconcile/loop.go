package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
)

// Config is what a loop needs. Store, Handlers, Owner and Clock must be set.
type Config struct {
	Store    Store
	Handlers map[string]Handler
	// Owner is unique per process, such as an id made at start.
	Owner string
	Clock clock.Clock
	// Logger may be nil.
	Logger *slog.Logger
	// Interval is the time between two sweeps; 2 s when zero.
	Interval time.Duration
	// Concurrency bounds the handlers at work; 8 when zero.
	Concurrency int
	// LeaseTTL bounds one attempt; 30 s when zero. A handler has until a tenth of it is left.
	LeaseTTL time.Duration
	// Observe hears of every attempt, for metrics; may be nil.
	Observe func(ctx context.Context, kind string, took time.Duration, err error)
}

// Loop works on what is due.
type Loop struct {
	config Config
	wake   chan struct{}

	mu sync.Mutex
	// pending are refs that wait for a worker, in order; queued holds the same ones.
	pending []Ref
	queued  map[Ref]bool
	// active are refs at work; true asks for another look afterwards.
	active map[Ref]bool
}

// NewLoop checks the configuration and returns a loop that Run sets going.
func NewLoop(c Config) (*Loop, error) {
	if c.Store == nil || len(c.Handlers) == 0 || c.Owner == "" || c.Clock == nil {
		return nil, errors.New("reconcile: store, handlers, owner and clock must be set")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Interval <= 0 {
		c.Interval = 2 * time.Second
	}
	if c.Concurrency <= 0 {
		c.Concurrency = 8
	}
	if c.LeaseTTL <= 0 {
		c.LeaseTTL = 30 * time.Second
	}
	if c.Observe == nil {
		c.Observe = func(context.Context, string, time.Duration, error) {}
	}
	return &Loop{config: c, wake: make(chan struct{}, 1), queued: map[Ref]bool{}, active: map[Ref]bool{}}, nil
}

// Wake asks for a look at a resource as soon as a worker is free. It never blocks and may
// be forgotten when the process dies: the sweep finds whatever is due.
func (l *Loop) Wake(ref Ref) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.enqueue(ref)
	l.signal()
}

func (l *Loop) enqueue(ref Ref) {
	if _, busy := l.active[ref]; busy {
		l.active[ref] = true
		return
	}
	if !l.queued[ref] {
		l.queued[ref] = true
		l.pending = append(l.pending, ref)
	}
}

func (l *Loop) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Run works until ctx ends, then waits for the handlers under way, whose contexts end too.
func (l *Loop) Run(ctx context.Context) error {
	slots := make(chan struct{}, l.config.Concurrency)
	var handlers sync.WaitGroup
	defer handlers.Wait()
	sweep, more := l.config.Clock.After(0), false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-sweep:
			more = l.sweep(ctx)
			sweep = l.config.Clock.After(l.config.Interval)
		case <-l.wake:
			if more && l.idle() {
				more = l.sweep(ctx)
			}
		}
		for l.startNext(ctx, slots, &handlers) {
		}
	}
}

// startNext starts a handler if something is pending and a slot is free.
func (l *Loop) startNext(ctx context.Context, slots chan struct{}, handlers *sync.WaitGroup) bool {
	select {
	case slots <- struct{}{}:
	default:
		return false // the one that frees a slot signals
	}
	ref, ok := l.next()
	if !ok {
		<-slots
		return false
	}
	handlers.Go(func() {
		defer func() {
			l.done(ref)
			<-slots
			l.signal()
		}()
		l.attempt(ctx, ref)
	})
	return true
}

func (l *Loop) next() (Ref, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) == 0 {
		return Ref{}, false
	}
	ref := l.pending[0]
	l.pending = l.pending[1:]
	delete(l.queued, ref)
	l.active[ref] = false
	return ref, true
}

func (l *Loop) done(ref Ref) {
	l.mu.Lock()
	defer l.mu.Unlock()
	again := l.active[ref]
	delete(l.active, ref)
	if again {
		l.enqueue(ref)
	}
}

// idle reports whether nothing waits for a worker.
func (l *Loop) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending) == 0
}

// sweep puts what is due into the queue, as far as it is not there or at work already. It
// reports whether there may be more than it has looked at, worth another sweep as soon as
// these are done.
func (l *Loop) sweep(ctx context.Context) (more bool) {
	limit := 8 * l.config.Concurrency
	refs, err := l.config.Store.Due(ctx, limit)
	if err != nil {
		if ctx.Err() == nil {
			l.config.Logger.WarnContext(ctx, "the sweep failed and is tried again", "error", err)
		}
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	before := len(l.pending)
	for _, ref := range refs {
		if _, busy := l.active[ref]; !busy {
			l.enqueue(ref)
		}
	}
	return len(refs) == limit && len(l.pending) > before
}

// attempt claims, handles and releases one resource.
func (l *Loop) attempt(ctx context.Context, ref Ref) {
	logger := l.config.Logger.With("kind", ref.Kind, "id", ref.ID, "account", ref.AccountID)
	handler, ok := l.config.Handlers[ref.Kind]
	if !ok {
		logger.ErrorContext(ctx, "nobody handles resources of this kind")
		return
	}
	lease, ok, err := l.config.Store.Claim(ctx, l.config.Owner, ref, l.config.LeaseTTL)
	if err != nil && ctx.Err() == nil {
		logger.WarnContext(ctx, "claiming failed and is tried again", "error", err)
	}
	if err != nil || !ok {
		return
	}
	began := l.config.Clock.Now()
	result, err := l.handle(ctx, handler, lease)
	l.config.Observe(ctx, ref.Kind, l.config.Clock.Now().Sub(began), err)
	if err == nil && result.Released {
		return
	}
	next := l.plan(ctx, lease, result, err)
	// The process may be going down; what was found out is recorded all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	held, err := l.config.Store.Release(ctx, lease, next)
	switch {
	case err != nil:
		logger.WarnContext(ctx, "releasing failed; the lease runs out by itself", "error", err, "until", lease.Until)
	case !held:
		logger.WarnContext(ctx, "the lease had been lost; its result is dropped", "fence", lease.Fence)
	}
}

// handle runs the handler until the lease is nearly over and makes a panic an error. What
// is left of the lease counts, not when it got here: to be confirmed may have taken long.
func (l *Loop) handle(ctx context.Context, handler Handler, lease Lease) (result Result, err error) {
	ctx, cancel := context.WithTimeout(ctx, lease.Until.Sub(l.config.Clock.Now())-l.config.LeaseTTL/10)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			result, err = Result{}, fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return handler(ctx, lease)
}

// plan says when to look again, after whatever came out of the attempt.
func (l *Loop) plan(ctx context.Context, lease Lease, result Result, err error) Next {
	now := l.config.Clock.Now()
	if err == nil {
		next := Next{Observed: result.Observed, Conditions: result.Conditions}
		if result.After > 0 {
			next.DueAt = new(now.Add(result.After))
		}
		return next
	}
	next := Next{Failures: lease.Failures + 1, DueAt: new(now)}
	// Stopped by our own shutdown: no fault of the resource, another replica goes on at once.
	if ctx.Err() != nil {
		next.Failures = lease.Failures
		return next
	}
	delay := Delay(err, next.Failures)
	next.DueAt = new(now.Add(delay))
	l.config.Logger.WarnContext(ctx, "reconciling failed and is tried again", "kind", lease.Kind, "id", lease.ID,
		"account", lease.AccountID, "failures", next.Failures, "again_in", delay, "reason", errs.ReasonOf(err), "error", err)
	return next
}
