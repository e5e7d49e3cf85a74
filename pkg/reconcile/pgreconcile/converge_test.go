package pgreconcile_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/pkg/reconcile/pgreconcile"
	"github.com/primecloud/primecloud/pkg/testkit"
)

// backend is what handlers write to. It notices two at work on one resource.
type backend struct {
	mu     sync.Mutex
	have   map[string]int64
	fences map[string]int64
	atWork map[string]bool
	tries  map[string]int
	faults []string
}

func newBackend() *backend {
	return &backend{have: map[string]int64{}, fences: map[string]int64{}, atWork: map[string]bool{}, tries: map[string]int{}}
}

func (b *backend) enter(lease reconcile.Lease) (try int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.atWork[lease.ID] {
		b.faults = append(b.faults, lease.ID+": two at work")
	}
	if lease.Fence <= b.fences[lease.ID] {
		b.faults = append(b.faults, lease.ID+": the fence went back")
	}
	b.atWork[lease.ID], b.fences[lease.ID] = true, lease.Fence
	b.tries[lease.ID]++
	return b.tries[lease.ID]
}

func (b *backend) leave(lease reconcile.Lease, done bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.atWork[lease.ID] = false
	if done {
		b.have[lease.ID] = lease.Generation
	}
}

// handle fails in different ways the first times.
func (b *backend) handle(ctx context.Context, lease reconcile.Lease) (reconcile.Result, error) {
	try := b.enter(lease)
	done := false
	defer func() { b.leave(lease, done) }()
	switch {
	case lease.ID[len(lease.ID)-1] == '1' && try == 1:
		return reconcile.Result{}, errors.New("boom")
	case lease.ID[len(lease.ID)-1] == '2' && try == 1:
		panic("boom")
	case lease.ID[len(lease.ID)-1] == '3' && try == 1:
		return reconcile.Result{}, errs.New(errs.Unavailable, "X", "away")
	}
	done = true
	return reconcile.Result{Observed: lease.Generation}, nil
}

func TestLoop_converges_everything_by_its_sweep_alone_with_two_replicas(t *testing.T) {
	db := testkit.DB(t, "storage")
	store := pgreconcile.New(db, clock.System())
	const resources = 60
	touch := func(n int) {
		err := db.InTx(testkit.Context(t), pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) error {
			ref := reconcile.Ref{Kind: "bucket", ID: fmt.Sprint("bkt_", n), AccountID: "acc_1"}
			_, err := store.Touch(ctx, tx, ref, "minio", time.Now())
			if err != nil {
				return err
			}
			if n == 0 { // as if its owner had died in the middle of it
				_, _, err = store.ClaimIn(ctx, tx, "dead", ref, 3*time.Second)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for n := range resources {
		touch(n)
	}
	b := newBackend()
	ctx, cancel := context.WithCancel(testkit.Context(t))
	var loops sync.WaitGroup
	for replica := range 2 {
		loop, err := reconcile.NewLoop(reconcile.Config{
			Store: store, Handlers: map[string]reconcile.Handler{"bucket": b.handle}, Owner: fmt.Sprint("replica", replica), Clock: clock.System(),
			Logger: testkit.Logger(t), Interval: 200 * time.Millisecond, Concurrency: 4,
		})
		if err != nil {
			t.Fatal(err)
		}
		loops.Go(func() {
			if err := loop.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	for n := range resources { // a second wish while they are at it
		if n%3 == 0 {
			touch(n)
		}
	}
	began := time.Now()
	testkit.Eventually(t, 30*time.Second, func() error {
		var behind int
		err := db.Read(pg.System("test")).QueryRow(t.Context(), `select count(*) from managed_resource
			where observed_generation <> generation or due_at is not null or lease_owner is not null`).Scan(&behind)
		if err == nil && behind != 0 {
			err = fmt.Errorf("%d are behind", behind)
		}
		return err
	})
	t.Logf("converged in %s", time.Since(began))
	cancel()
	loops.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, fault := range b.faults {
		t.Error(fault)
	}
	for n := range resources {
		want := int64(1)
		if n%3 == 0 {
			want = 2
		}
		if got := b.have[fmt.Sprint("bkt_", n)]; got != want {
			t.Errorf("bkt_%d is at generation %d, want %d", n, got, want)
		}
	}
}
