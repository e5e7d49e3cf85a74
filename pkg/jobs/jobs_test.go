package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/jobs"
	"github.com/primecloud/primecloud/pkg/lifecycle"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/testkit"
)

const noun = "storage"

type errand struct {
	Name string `json:"name"`
}

func (errand) Kind() string { return "errand" }

// killed is a worker process that takes a job and is killed while it works.
const killed = "worker that never ends its job"

func TestMain(m *testing.M) {
	testkit.Main(m, testkit.Child{Name: killed, Run: workForEver})
}

// workForEver is the child: it takes a job and never ends it.
func workForEver(ctx context.Context) error {
	logger := slog.New(slog.DiscardHandler)
	db, err := pg.Open(ctx, pg.Config{URL: config.Secret(os.Getenv("DATABASE"))}, pg.Deps{Logger: logger})
	if err != nil {
		return err
	}
	r, err := jobs.New(db, jobs.Config{Schema: noun}, jobs.Deps{Logger: logger, Clock: clock.System()})
	if err != nil {
		return err
	}
	jobs.Add(r, func(context.Context, errand) error {
		fmt.Println("working")
		select {}
	})
	group := lifecycle.New(logger)
	group.Add(r.Component())
	return group.Run(ctx)
}

func runner(t testing.TB, db *pg.DB, config jobs.Config) *jobs.Runner {
	t.Helper()
	config.Schema = noun
	r, err := jobs.New(db, config, jobs.Deps{Logger: testkit.Logger(t), Clock: clock.System()})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// run works the runner until the test ends.
func run(t *testing.T, r *jobs.Runner) {
	t.Helper()
	group := lifecycle.New(testkit.Logger(t))
	group.Add(r.Component())
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- group.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the runner ended with %v", err)
		}
	})
	<-group.Started()
}

func insert(t *testing.T, db *pg.DB, r *jobs.Runner, name string) {
	t.Helper()
	err := db.InTx(testkit.Context(t), pg.System("test"), func(ctx context.Context, tx *pg.Tx) error {
		return r.InsertTx(ctx, tx, errand{Name: name}, time.Time{})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAJobIsDoneOnceItsTransactionIsCommitted(t *testing.T) {
	db := testkit.DB(t, noun)
	r := runner(t, db, jobs.Config{})
	done := make(chan string, 10)
	jobs.Add(r, func(_ context.Context, e errand) error { done <- e.Name; return nil })
	run(t, r)
	rolledBack := errors.New("rolled back")
	err := db.InTx(testkit.Context(t), pg.System("test"), func(ctx context.Context, tx *pg.Tx) error {
		if err := r.InsertTx(ctx, tx, errand{Name: "rolled back"}, time.Time{}); err != nil {
			return err
		}
		return rolledBack
	})
	if !errors.Is(err, rolledBack) {
		t.Fatal(err)
	}
	insert(t, db, r, "committed")
	if name := <-done; name != "committed" {
		t.Errorf("the job %q was done", name)
	}
}

func TestAFailedJobIsTriedAgainWithinSeconds(t *testing.T) {
	db := testkit.DB(t, noun)
	r := runner(t, db, jobs.Config{})
	var tries atomic.Int32
	done := make(chan struct{})
	jobs.Add(r, func(context.Context, errand) error {
		if tries.Add(1) == 1 {
			return errors.New("not yet")
		}
		close(done)
		return nil
	})
	run(t, r)
	insert(t, db, r, "stubborn")
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("it was not tried again")
	}
}

func TestAJobWhoseDependencyIsDownIsPutAsideWithoutAFailure(t *testing.T) {
	db := testkit.DB(t, noun)
	r := runner(t, db, jobs.Config{})
	tried := make(chan struct{}, 10)
	jobs.Add(r, func(context.Context, errand) error {
		tried <- struct{}{}
		return errs.New(errs.Unavailable, "BACKEND_UNAVAILABLE", "later")
	})
	run(t, r)
	insert(t, db, r, "patient")
	<-tried
	testkit.Eventually(t, 10*time.Second, func() error {
		var state string
		var failures int
		err := db.Read(pg.System("test")).QueryRow(t.Context(),
			`SELECT state, coalesce(array_length(errors, 1), 0) FROM river_job WHERE kind = 'errand'`).Scan(&state, &failures)
		if err == nil && (state != "scheduled" && state != "available" || failures != 0) {
			err = fmt.Errorf("the job is %s with %d failures", state, failures)
		}
		return err
	})
}

func TestASlotOfAScheduleIsDoneOnceByTwoRunners(t *testing.T) {
	db := testkit.DB(t, noun)
	var times atomic.Int32
	var first *jobs.Runner
	for range 2 {
		r := runner(t, db, jobs.Config{Tick: 20 * time.Millisecond})
		r.Schedule("tidy", time.Hour, func(context.Context, time.Time) error { times.Add(1); return nil })
		first = r
		run(t, r)
	}
	testkit.Eventually(t, 20*time.Second, func() error {
		runs, err := first.Runs(t.Context(), "tidy", 10)
		if err == nil && (len(runs) == 0 || runs[0].FinishedAt == nil) {
			err = fmt.Errorf("not finished: %+v", runs)
		}
		return err
	})
	// At the turn of an hour there may be two slots; each is done once.
	runs, err := first.Runs(t.Context(), "tidy", 10)
	if err != nil || int(times.Load()) > len(runs) {
		t.Errorf("%d slots were done %d times: %v", len(runs), times.Load(), err)
	}
}

func TestTheJobOfAKilledWorkerIsRescued(t *testing.T) {
	database := testkit.NewDatabase(t, noun)
	db := database.Open(t, pg.Deps{})
	r := runner(t, db, jobs.Config{Timeout: 2 * time.Second, RescueAfter: 3 * time.Second})
	done := make(chan struct{}, 10)
	jobs.Add(r, func(context.Context, errand) error { done <- struct{}{}; return nil })
	insert(t, db, r, "orphan")
	child := testkit.StartChild(t, killed, "DATABASE="+database.AppURL.Reveal())
	child.Expect("working")
	child.Kill()
	run(t, r)
	select {
	case <-done:
	case <-time.After(2 * time.Minute):
		t.Fatal("the job was not rescued")
	}
}
