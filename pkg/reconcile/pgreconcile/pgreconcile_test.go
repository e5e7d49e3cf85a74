package pgreconcile_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/pkg/reconcile/pgreconcile"
	"github.com/primecloud/primecloud/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

var (
	noon   = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	bucket = reconcile.Ref{Kind: "bucket", ID: "bkt_1", AccountID: "acc_1"}
)

const ttl = 30 * time.Second

// world is a store with a clock that stands at noon and one resource that is due.
type world struct {
	t     *testing.T
	db    *pg.DB
	clock *clock.Manual
	*pgreconcile.Store
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, db: testkit.DB(t, "storage"), clock: clock.NewManual(noon)}
	w.Store = pgreconcile.New(w.db, w.clock)
	w.touch(bucket, noon)
	return w
}

func (w *world) tx(f func(ctx context.Context, tx *pg.Tx) error) {
	w.t.Helper()
	if err := w.db.InTx(testkit.Context(w.t), pg.Account("acc_1"), f); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) touch(ref reconcile.Ref, due time.Time) (generation int64) {
	w.t.Helper()
	w.tx(func(ctx context.Context, tx *pg.Tx) (err error) {
		generation, err = w.Touch(ctx, tx, ref, "minio", due)
		return err
	})
	return generation
}

func (w *world) claim(owner string) (reconcile.Lease, bool) {
	w.t.Helper()
	lease, ok, err := w.Claim(testkit.Context(w.t), owner, bucket, ttl)
	if err != nil {
		w.t.Fatal(err)
	}
	return lease, ok
}

func (w *world) mustClaim(owner string) reconcile.Lease {
	w.t.Helper()
	lease, ok := w.claim(owner)
	if !ok {
		w.t.Fatal("somebody holds the lease")
	}
	return lease
}

func (w *world) release(lease reconcile.Lease, next reconcile.Next) bool {
	w.t.Helper()
	held, err := w.Release(testkit.Context(w.t), lease, next)
	if err != nil {
		w.t.Fatal(err)
	}
	return held
}

func (w *world) due() (n int) {
	w.t.Helper()
	refs, err := w.Due(testkit.Context(w.t), 100)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(refs)
}

func (w *world) state() pgreconcile.State {
	w.t.Helper()
	state, ok, err := w.Get(testkit.Context(w.t), w.db.Read(pg.Account("acc_1")), bucket.Kind, bucket.ID)
	if err != nil || !ok {
		w.t.Fatalf("known %t, %v", ok, err)
	}
	return state
}

func TestClaim_gives_the_lease_to_one_of_many(t *testing.T) {
	w := newWorld(t)
	var racers sync.WaitGroup
	fences := make([]int64, 8)
	for i := range fences {
		racers.Go(func() {
			if lease, ok := w.claim(fmt.Sprint("owner", i)); ok {
				fences[i] = lease.Fence
			}
		})
	}
	racers.Wait()
	winners := 0
	for _, fence := range fences {
		if fence != 0 {
			winners++
		}
	}
	if winners != 1 {
		t.Errorf("%d won: %v", winners, fences)
	}
}

func TestClaim_fails_until_the_lease_ends_by_our_clock(t *testing.T) {
	w := newWorld(t)
	first := w.mustClaim("a")
	if _, ok := w.claim("b"); ok {
		t.Error("two have the lease")
	}
	if _, ok := w.claim("a"); ok {
		t.Error("its owner got it a second time")
	}
	w.clock.Advance(ttl - time.Millisecond)
	if _, ok := w.claim("b"); ok {
		t.Error("the lease ended early")
	}
	if w.due() != 0 {
		t.Error("a leased resource is due")
	}
	w.clock.Advance(time.Millisecond)
	if w.due() != 1 {
		t.Error("the resource of a dead owner is not due")
	}
	second := w.mustClaim("b")
	if second.Fence <= first.Fence {
		t.Errorf("the fence went from %d to %d", first.Fence, second.Fence)
	}
}

func TestRelease_of_a_lost_lease_changes_nothing(t *testing.T) {
	w := newWorld(t)
	lost := w.mustClaim("a")
	w.clock.Advance(ttl)
	current := w.mustClaim("b")
	later := noon.Add(time.Hour)
	stale := reconcile.Next{Observed: 99, Failures: 9, DueAt: &later, Conditions: []reconcile.Condition{{Type: "Ready"}}}
	if w.release(lost, stale) {
		t.Error("the loser released")
	}
	imposter := current
	imposter.Fence = lost.Fence
	if w.release(imposter, stale) {
		t.Error("an old fence released")
	}
	if _, held, err := w.Renew(testkit.Context(t), lost, ttl); held || err != nil {
		t.Errorf("the loser renewed: %v", err)
	}
	if s := w.state(); s.Observed != 0 || s.Failures != 0 || len(s.Conditions) != 0 {
		t.Errorf("state %+v", s)
	}
	if !w.release(current, reconcile.Next{Observed: 1}) {
		t.Error("the owner could not release")
	}
	if s := w.state(); s.Observed != 1 || s.DueAt != nil {
		t.Errorf("state %+v", s)
	}
	if w.release(current, reconcile.Next{Observed: 2}) {
		t.Error("it was released twice")
	}
}

func TestRelease_records_what_came_of_it(t *testing.T) {
	w := newWorld(t)
	later := noon.Add(time.Hour)
	conditions := []reconcile.Condition{{Type: "Ready", Status: true, Reason: "OBSERVED", Message: "it is there", Since: noon}}
	if !w.release(w.mustClaim("a"), reconcile.Next{Observed: 1, Failures: 2, DueAt: &later, Conditions: conditions}) {
		t.Fatal("lost")
	}
	s := w.state()
	if s.Generation != 1 || s.Observed != 1 || s.Failures != 2 || s.DueAt == nil || !s.DueAt.Equal(later) || len(s.Conditions) != 1 || s.Conditions[0] != conditions[0] {
		t.Errorf("state %+v", s)
	}
	lease := w.mustClaim("a") // on demand, before it is due
	if lease.Observed != 1 || lease.Failures != 2 || lease.Generation != 1 || lease.Backend != "minio" || len(lease.Conditions) != 1 {
		t.Errorf("lease %+v", lease)
	}
	w.release(lease, reconcile.Next{})
	if s := w.state(); s.Observed != 1 || s.Failures != 0 || len(s.Conditions) != 1 || s.DueAt != nil {
		t.Errorf("a release that says nothing changed %+v", s)
	}
}

func TestWake_ups_that_come_while_leased_are_not_lost(t *testing.T) {
	wake := func(at time.Time) func(*world) {
		return func(w *world) {
			w.tx(func(ctx context.Context, tx *pg.Tx) error {
				known, err := w.WakeAt(ctx, tx, bucket, at)
				if !known {
					w.t.Error("it is not known")
				}
				return err
			})
		}
	}
	in := func(d time.Duration) *time.Time { at := noon.Add(d); return &at }
	for name, tt := range map[string]struct {
		meanwhile func(*world)
		next      *time.Time
		want      *time.Time
	}{
		"none came":                           {func(*world) {}, nil, nil},
		"none came and another look is due":   {func(*world) {}, in(time.Minute), in(time.Minute)},
		"a new spec":                          {func(w *world) { w.touch(bucket, noon) }, nil, in(0)},
		"a new spec, with another look later": {func(w *world) { w.touch(bucket, noon) }, in(time.Minute), in(0)},
		"a call at once":                      {wake(noon), nil, in(0)},
		"a call after the end of the lease":   {wake(noon.Add(time.Hour)), nil, in(time.Hour)},
		"a call later than the other look":    {wake(noon.Add(time.Hour)), in(time.Minute), in(time.Minute)},
		"two calls": {
			func(w *world) {
				wake(noon.Add(time.Hour))(w)
				wake(noon.Add(time.Second))(w)
				wake(noon.Add(2 * time.Hour))(w)
			},
			nil, in(time.Second),
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			lease := w.mustClaim("a")
			tt.meanwhile(w)
			if !w.release(lease, reconcile.Next{DueAt: tt.next}) {
				t.Fatal("lost")
			}
			got := w.state().DueAt
			if (got == nil) != (tt.want == nil) || got != nil && !got.Equal(*tt.want) {
				t.Errorf("due %v, want %v", got, tt.want)
			}
		})
	}
}

func TestTouch_raises_the_generation_and_makes_due(t *testing.T) {
	w := newWorld(t)
	w.release(w.mustClaim("a"), reconcile.Next{Observed: 1, Failures: 3})
	if w.due() != 0 {
		t.Error("it is due")
	}
	if g := w.touch(bucket, noon.Add(time.Minute)); g != 2 {
		t.Errorf("generation %d", g)
	}
	if w.due() != 0 {
		t.Error("it is due before its time")
	}
	w.clock.Advance(time.Minute)
	if s := w.state(); w.due() != 1 || s.Failures != 0 || s.Observed != 1 {
		t.Errorf("state %+v", s)
	}
	err := w.db.InTx(testkit.Context(t), pg.Account("acc_2"), func(ctx context.Context, tx *pg.Tx) error {
		_, err := w.Touch(ctx, tx, reconcile.Ref{Kind: "bucket", ID: "bkt_1", AccountID: "acc_2"}, "minio", noon)
		return err
	})
	if err == nil {
		t.Error("another account touched it")
	}
}

func TestClaimIn_exists_only_once_its_transaction_has_committed(t *testing.T) {
	w := newWorld(t)
	rolledBack := errors.New("rolled back")
	err := w.db.InTx(testkit.Context(t), pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) error {
		if _, ok, err := w.ClaimIn(ctx, tx, "a", bucket, ttl); !ok || err != nil {
			return fmt.Errorf("claimed %t, %w", ok, err)
		}
		return rolledBack
	})
	if !errors.Is(err, rolledBack) {
		t.Fatal(err)
	}
	lease := w.mustClaim("b")
	renewed, held, err := w.Renew(testkit.Context(t), lease, 2*ttl)
	if err != nil || !held || !renewed.Until.Equal(noon.Add(2*ttl)) {
		t.Errorf("renewed %+v, %t, %v", renewed, held, err)
	}
	w.clock.Advance(ttl)
	if _, ok := w.claim("c"); ok {
		t.Error("the renewed lease ended")
	}
	w.tx(func(ctx context.Context, tx *pg.Tx) error {
		if gone, err := w.Forget(ctx, tx, renewed); !gone || err != nil {
			return fmt.Errorf("forgotten %t, %w", gone, err)
		}
		return nil
	})
	if _, ok := w.claim("c"); ok {
		t.Error("a forgotten resource was claimed")
	}
	if known, err := func() (known bool, err error) {
		err = w.db.InTx(testkit.Context(t), pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) error {
			known, err = w.WakeAt(ctx, tx, bucket, noon)
			return err
		})
		return known, err
	}(); known || err != nil {
		t.Errorf("woken %t, %v", known, err)
	}
}
