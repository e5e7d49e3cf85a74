package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/reconcile"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// memory is a store for the loop alone; the real one has tests of its own.
type memory struct {
	mu       sync.Mutex
	due      []reconcile.Ref
	refuse   error
	released chan reconcile.Next
	lost     bool
	// clock is what leases go by; the one that stands at noon when nil. slow is how long
	// ago a lease began by the time it is there.
	clock clock.Clock
	slow  time.Duration
}

func (m *memory) Due(_ context.Context, limit int) ([]reconcile.Ref, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	due := m.due[:min(limit, len(m.due))]
	m.due = m.due[len(due):]
	return due, m.refuse
}

func (m *memory) Claim(_ context.Context, owner string, ref reconcile.Ref, ttl time.Duration) (reconcile.Lease, bool, error) {
	now := noon
	if m.clock != nil {
		now = m.clock.Now()
	}
	return reconcile.Lease{Ref: ref, Owner: owner, Until: now.Add(ttl - m.slow), Fence: 1, Generation: 5, Failures: 2}, true, nil
}

func (m *memory) Release(_ context.Context, _ reconcile.Lease, next reconcile.Next) (bool, error) {
	m.released <- next
	return !m.lost, nil
}

func ref(n int) reconcile.Ref { return reconcile.Ref{Kind: "bucket", ID: fmt.Sprint(n)} }

func start(t *testing.T, c reconcile.Config) (loop *reconcile.Loop, stop func()) {
	t.Helper()
	c.Owner = "me"
	loop, err := reconcile.NewLoop(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- loop.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the loop ended with %v", err)
		}
	})
	t.Cleanup(stop)
	return loop, stop
}

func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func TestLoop_plans_the_next_look_by_what_came_of_this_one(t *testing.T) {
	for name, tt := range map[string]struct {
		handler  func(context.Context, reconcile.Lease) (reconcile.Result, error)
		failures int
		observed int64
		from, to time.Duration
		never    bool
	}{
		"done": {func(_ context.Context, l reconcile.Lease) (reconcile.Result, error) {
			return reconcile.Result{Observed: l.Generation}, nil
		}, 0, 5, 0, 0, true},
		"done, with another look": {func(context.Context, reconcile.Lease) (reconcile.Result, error) {
			return reconcile.Result{After: time.Hour}, nil
		}, 0, 0, time.Hour, time.Hour, false},
		"a dependency is away": {func(context.Context, reconcile.Lease) (reconcile.Result, error) {
			return reconcile.Result{}, errs.New(errs.Unavailable, "X", "away")
		}, 3, 0, 2 * time.Second, 15 * time.Second, false},
		"an error": {func(context.Context, reconcile.Lease) (reconcile.Result, error) {
			return reconcile.Result{Observed: 5}, errors.New("boom")
		}, 3, 0, 2 * time.Second, 4 * time.Second, false},
		"a panic": {
			func(context.Context, reconcile.Lease) (reconcile.Result, error) { panic("boom") },
			3, 0, 2 * time.Second, 4 * time.Second, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := &memory{due: []reconcile.Ref{ref(1)}, released: make(chan reconcile.Next, 1)}
			start(t, reconcile.Config{Store: store, Clock: clock.NewManual(noon), Handlers: map[string]reconcile.Handler{"bucket": tt.handler}})
			next := receive(t, store.released)
			if next.Failures != tt.failures || next.Observed != tt.observed {
				t.Errorf("got %+v", next)
			}
			if tt.never != (next.DueAt == nil) {
				t.Fatalf("due %v", next.DueAt)
			}
			if !tt.never && (next.DueAt.Before(noon.Add(tt.from)) || next.DueAt.After(noon.Add(tt.to))) {
				t.Errorf("due %s after", next.DueAt.Sub(noon))
			}
		})
	}
}

func TestLoop_bounds_its_handlers_and_one_that_hangs_costs_only_itself(t *testing.T) {
	var due []reconcile.Ref
	for n := range 9 {
		due = append(due, ref(n))
	}
	store := &memory{due: due, released: make(chan reconcile.Next, 20), clock: clock.System()}
	var mu sync.Mutex
	atWork, most := 0, 0
	_, stop := start(t, reconcile.Config{
		Store: store, Clock: clock.System(), Concurrency: 3, LeaseTTL: 500 * time.Millisecond, Interval: 10 * time.Millisecond,
		Handlers: map[string]reconcile.Handler{"bucket": func(ctx context.Context, l reconcile.Lease) (reconcile.Result, error) {
			mu.Lock()
			atWork++
			most = max(most, atWork)
			mu.Unlock()
			defer func() { mu.Lock(); atWork--; mu.Unlock() }()
			if l.ID == "0" {
				<-ctx.Done() // until the lease is nearly over
			}
			return reconcile.Result{}, ctx.Err()
		}},
	})
	failed := 0
	for range due {
		if next := receive(t, store.released); next.Failures > 0 {
			failed++
		}
	}
	stop()
	if failed != 1 || most > 3 {
		t.Errorf("%d failed, %d at work at most", failed, most)
	}
}

func TestWake_during_an_attempt_brings_another_one_after_it(t *testing.T) {
	store := &memory{released: make(chan reconcile.Next, 10)}
	began, goOn := make(chan string, 10), make(chan struct{})
	// The clock stands still: nothing but Wake sets the loop going.
	loop, _ := start(t, reconcile.Config{
		Store: store, Clock: clock.NewManual(noon),
		Handlers: map[string]reconcile.Handler{"bucket": func(_ context.Context, l reconcile.Lease) (reconcile.Result, error) {
			began <- l.ID
			<-goOn
			return reconcile.Result{}, nil
		}},
	})
	loop.Wake(ref(1))
	receive(t, began)
	for range 3 { // many wake-ups are one
		loop.Wake(ref(1))
	}
	loop.Wake(ref(2))
	if id := receive(t, began); id != "2" {
		t.Errorf("%s began beside the attempt under way", id)
	}
	close(goOn)
	if id := receive(t, began); id != "1" {
		t.Errorf("%s began", id)
	}
	for range 3 {
		receive(t, store.released)
	}
	select {
	case id := <-began:
		t.Errorf("%s ran once too often", id)
	default:
	}
}

func TestLoop_gives_back_what_it_holds_when_it_is_stopped(t *testing.T) {
	store := &memory{due: []reconcile.Ref{ref(1)}, released: make(chan reconcile.Next, 1)}
	began := make(chan struct{})
	_, stop := start(t, reconcile.Config{
		Store: store, Clock: clock.NewManual(noon),
		Handlers: map[string]reconcile.Handler{"bucket": func(ctx context.Context, _ reconcile.Lease) (reconcile.Result, error) {
			close(began)
			<-ctx.Done()
			return reconcile.Result{}, ctx.Err()
		}},
	})
	receive(t, began)
	stop()
	next := receive(t, store.released)
	if next.DueAt == nil || !next.DueAt.Equal(noon) || next.Failures != 2 {
		t.Errorf("another replica goes on %v with %d failures", next.DueAt, next.Failures)
	}
}

func TestLoop_stops_a_handler_before_its_lease_ends(t *testing.T) {
	// The database took its time to confirm the lease, or this process was frozen meanwhile.
	store := &memory{due: []reconcile.Ref{ref(1)}, released: make(chan reconcile.Next, 1), clock: clock.System(), slow: 20 * time.Second}
	left := make(chan time.Duration, 1)
	start(t, reconcile.Config{
		Store: store, Clock: clock.System(), LeaseTTL: 30 * time.Second,
		Handlers: map[string]reconcile.Handler{"bucket": func(ctx context.Context, lease reconcile.Lease) (reconcile.Result, error) {
			deadline, _ := ctx.Deadline()
			left <- lease.Until.Sub(deadline)
			return reconcile.Result{}, nil
		}},
	})
	if spare := receive(t, left); spare < 2*time.Second {
		t.Errorf("it may go on until %s after the end of its lease", -spare)
	}
}

func TestLoop_works_off_more_than_one_sweep_finds_without_waiting_for_the_next(t *testing.T) {
	const many = 100
	store := &memory{released: make(chan reconcile.Next, many)}
	for n := range many {
		store.due = append(store.due, ref(n))
	}
	start(t, reconcile.Config{
		Store: store, Clock: clock.NewManual(noon), Concurrency: 2,
		Handlers: map[string]reconcile.Handler{"bucket": func(context.Context, reconcile.Lease) (reconcile.Result, error) { return reconcile.Result{}, nil }},
	})
	for range many {
		receive(t, store.released)
	}
}

func TestLoop_goes_on_after_a_sweep_that_failed(t *testing.T) {
	moving := clock.NewManual(noon)
	store := &memory{refuse: errors.New("boom"), released: make(chan reconcile.Next, 1)}
	start(t, reconcile.Config{Store: store, Clock: moving, Handlers: map[string]reconcile.Handler{
		"bucket": func(context.Context, reconcile.Lease) (reconcile.Result, error) { return reconcile.Result{}, nil },
	}})
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for n := range 1000 {
		if n == 20 {
			store.mu.Lock()
			store.refuse, store.due = nil, []reconcile.Ref{ref(1)}
			store.mu.Unlock()
		}
		moving.Advance(2 * time.Second)
		select {
		case <-store.released:
			return
		case <-tick.C:
		}
	}
	t.Error("the loop never looked again")
}

func TestDelay_stays_within_its_bounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		failures := rapid.IntRange(0, 1_000_000).Draw(t, "failures")
		if d := reconcile.Delay(errors.New("boom"), failures); d < 500*time.Millisecond || d > reconcile.MaxDelay {
			t.Errorf("%s after %d failures", d, failures)
		}
		if d := reconcile.Delay(errs.New(errs.Unavailable, "X", ""), failures); d < 2*time.Second || d > 15*time.Second {
			t.Errorf("%s while a dependency is away", d)
		}
	})
}

func TestSetCondition_keeps_since_unless_the_status_changes(t *testing.T) {
	later := noon.Add(time.Hour)
	list := reconcile.SetCondition(nil, reconcile.Condition{Type: "Ready", Status: false, Reason: "A"}, noon)
	list = reconcile.SetCondition(list, reconcile.Condition{Type: "Drifted", Status: true}, noon)
	before := slices.Clone(list)
	same := reconcile.SetCondition(list, reconcile.Condition{Type: "Ready", Status: false, Reason: "B"}, later)
	if len(same) != 2 || same[0].Reason != "B" || !same[0].Since.Equal(noon) || !slices.Equal(list, before) {
		t.Errorf("got %+v, the old list is %+v", same, list)
	}
	changed := reconcile.SetCondition(same, reconcile.Condition{Type: "Ready", Status: true}, later)
	if !changed[0].Since.Equal(later) || !changed[1].Since.Equal(noon) {
		t.Errorf("got %+v", changed)
	}
}
