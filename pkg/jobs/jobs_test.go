package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/jobs"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/testkit"
)

func TestMain(m *testing.M) {
	testkit.Main(m, testkit.Child{Name: "hanging worker", Run: hang})
}

type greet struct {
	Name string `json:"name"`
}

func (greet) Kind() string { return "greet" }

// short are settings that a test can wait for.
var short = jobs.Config{Schema: "storage", JobTimeout: 2 * time.Second, RescueAfter: 3 * time.Second, StopWithin: time.Second}

func runner(t testing.TB, db *pg.DB, cfg jobs.Config, c clock.Clock) *jobs.Runner {
	t.Helper()
	r, err := jobs.New(db, cfg, jobs.Deps{Logger: testkit.Logger(t), Clock: c})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func start(t testing.TB, r *jobs.Runner) (stop func()) {
	t.Helper()
	if err := r.Start(testkit.Context(t)); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := r.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func insert(t testing.TB, db *pg.DB, r *jobs.Runner, args jobs.Args, at time.Time) {
	t.Helper()
	if err := db.InTx(testkit.Context(t), pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) error {
		return r.InsertTx(ctx, tx, args, at)
	}); err != nil {
		t.Fatal(err)
	}
}

func TestRunner_does_what_was_committed_and_nothing_else(t *testing.T) {
	db := testkit.DB(t, "storage")
	r := runner(t, db, short, clock.System())
	got := make(chan string, 10)
	if err := jobs.Add(r, func(_ context.Context, args greet) error { got <- args.Name; return nil }); err != nil {
		t.Fatal(err)
	}
	start(t, r)
	boom := errors.New("rolled back")
	err := db.InTx(testkit.Context(t), pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) error {
		return errors.Join(r.InsertTx(ctx, tx, greet{"nobody"}, time.Time{}), boom)
	})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	began := time.Now()
	insert(t, db, r, greet{"later"}, began.Add(1500*time.Millisecond))
	insert(t, db, r, greet{"now"}, began.Add(-time.Hour))
	insert(t, db, r, greet{"now"}, time.Time{}) // the same again is another job
	for _, want := range []string{"now", "now", "later"} {
		select {
		case name := <-got:
			if name != want {
				t.Fatalf("got %q, want %q", name, want)
			}
		case <-testkit.Context(t).Done():
			t.Fatalf("%q never ran", want)
		}
	}
	if took := time.Since(began); took < 1500*time.Millisecond {
		t.Errorf("the later job ran after %s", took)
	}
}

func TestRunner_tries_again_soon(t *testing.T) {
	for name, failure := range map[string]func() error{
		"after an error":                   func() error { return errors.New("boom") },
		"after a panic":                    func() error { panic("boom") },
		"when a dependency was away":       func() error { return errs.New(errs.Unavailable, "X", "away") },
		"when the job overran its timeout": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := testkit.DB(t, "storage")
			r := runner(t, db, short, clock.System())
			var tries atomic.Int32
			done := make(chan struct{})
			err := jobs.Add(r, func(ctx context.Context, _ greet) error {
				switch n := tries.Add(1); {
				case n > 1:
					close(done)
					return nil
				case failure == nil:
					<-ctx.Done()
					return ctx.Err()
				default:
					return failure()
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			start(t, r)
			insert(t, db, r, greet{"x"}, time.Time{})
			select {
			case <-done:
			case <-testkit.Context(t).Done():
				t.Fatal("it never ran again")
			}
		})
	}
}

const childURL = "PRIMECLOUD_TEST_DATABASE_URL"

// hang is a worker in a process of its own that takes a job and never ends.
func hang(ctx context.Context) error {
	db, err := pg.Open(ctx, pg.Config{URL: config.Secret(os.Getenv(childURL))}, pg.Deps{})
	if err != nil {
		return err
	}
	r, err := jobs.New(db, short, jobs.Deps{})
	if err != nil {
		return err
	}
	if err := jobs.Add(r, func(context.Context, greet) error {
		fmt.Println("took the job")
		select {}
	}); err != nil {
		return err
	}
	if err := r.Start(ctx); err != nil {
		return err
	}
	select {}
}

func TestRunner_rescues_the_job_of_a_worker_that_was_killed(t *testing.T) {
	d := testkit.NewDatabase(t, "storage")
	db := d.Open(t, pg.Deps{})
	r := runner(t, db, short, clock.System())
	done := make(chan struct{})
	if err := jobs.Add(r, func(context.Context, greet) error { close(done); return nil }); err != nil {
		t.Fatal(err)
	}
	insert(t, db, r, greet{"x"}, time.Time{})
	child := testkit.StartChild(t, "hanging worker", childURL+"="+d.AppURL.Reveal())
	child.Expect("took the job")
	child.Kill()
	began := time.Now()
	start(t, r)
	select {
	case <-done:
		t.Logf("rescued %s after the kill", time.Since(began))
	case <-testkit.Context(t).Done():
		t.Fatal("the job was never rescued")
	}
}

func TestSchedule_runs_each_slot_once_with_two_runners(t *testing.T) {
	db := testkit.DB(t, "storage")
	moving := clock.NewManual(time.Date(2026, 11, 23, 10, 0, 30, 0, time.UTC))
	var mu sync.Mutex
	runs := map[string]int{}
	for range 2 {
		r := runner(t, db, short, moving)
		failed := false
		err := r.Schedule("count", time.Minute, func(_ context.Context, slot time.Time) error {
			mu.Lock()
			defer mu.Unlock()
			if slot.Minute() == 2 && !failed {
				failed = true
				return errors.New("boom")
			}
			runs[slot.Format("15:04:05")]++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		start(t, r)
	}
	expect := func(slot string) {
		t.Helper()
		testkit.Eventually(t, 30*time.Second, func() error {
			mu.Lock()
			defer mu.Unlock()
			if runs[slot] != 1 {
				return fmt.Errorf("%s ran %d times; all: %v", slot, runs[slot], runs)
			}
			return nil
		})
	}
	expect("10:00:00") // the slot under way when they started
	moving.Advance(30 * time.Second)
	expect("10:01:00")
	moving.Advance(time.Minute)
	expect("10:02:00") // after failing once
	moving.Advance(10 * time.Minute)
	expect("10:12:00") // those between are not made up for
	mu.Lock()
	defer mu.Unlock()
	if len(runs) != 4 {
		t.Errorf("runs %v", runs)
	}
	testkit.Eventually(t, 5*time.Second, func() error {
		var n int
		err := db.Read(pg.System("test")).QueryRow(t.Context(), "select count(*) from schedule_run where finished_at is not null").Scan(&n)
		if err == nil && n != 4 {
			err = fmt.Errorf("%d runs are finished", n)
		}
		return err
	})
}

func TestSchedule_refuses_what_cannot_be(t *testing.T) {
	r := runner(t, testkit.DB(t, "storage"), short, clock.System())
	work := func(context.Context, time.Time) error { return nil }
	if err := r.Schedule("a", time.Minute, work); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"the same name twice": r.Schedule("a", time.Minute, work),
		"no name":             r.Schedule("", time.Minute, work),
		"no interval":         r.Schedule("b", 0, work),
		"no work":             r.Schedule("c", time.Minute, nil),
	} {
		if err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
