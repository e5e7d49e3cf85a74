package pg_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/testkit"
)

const killOthers = `select count(pg_terminate_backend(pid)) from pg_stat_activity
	where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`

func TestInTx_tells_an_unknown_outcome_from_a_failure(t *testing.T) {
	d := testkit.NewDatabase(t, "storage")
	ctx := testkit.Context(t)
	superuser := d.Superuser(t)
	killing := false
	db := d.Open(t, pg.Deps{Around: func(ctx context.Context, name string, call func(context.Context) error) error {
		if killing && name == "postgres.commit" {
			var n int
			if err := superuser.QueryRow(ctx, killOthers).Scan(&n); err != nil || n == 0 {
				return errors.Join(errors.New("nothing was killed"), err)
			}
		}
		return call(ctx)
	}})
	killing = true
	tries := 0
	err := db.InTx(ctx, pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) error {
		tries++
		_, err := tx.Exec(ctx, addDrift, "d1", "acc_1")
		return err
	})
	if !errors.Is(err, pg.ErrOutcomeUnknown) || errs.KindOf(err) != errs.Unknown || tries != 1 {
		t.Errorf("after %d tries: %v", tries, err)
	}
	killing = false
	if got := ids(t, db.Read(pg.System("test"))); got != "" {
		t.Errorf("left is %q", got)
	}
}

func TestInTx_runs_again_when_the_connection_is_lost_before_the_commit(t *testing.T) {
	d := testkit.NewDatabase(t, "storage")
	db, superuser := d.Open(t, pg.Deps{}), d.Superuser(t)
	tries := 0
	err := db.InTx(testkit.Context(t), pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) error {
		tries++
		if _, err := tx.Exec(ctx, addDrift, "d1", "acc_1"); err != nil {
			return err
		}
		if tries == 1 {
			if _, err := superuser.Exec(ctx, killOthers); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, addDrift, "d2", "acc_1")
		return err
	})
	if err != nil || tries != 2 {
		t.Errorf("%d tries, %v", tries, err)
	}
	if got := ids(t, db.Read(pg.Account("acc_1"))); got != "d1 d2" {
		t.Errorf("left is %q", got)
	}
}

func TestRead_does_not_show_that_all_its_connections_died(t *testing.T) {
	d := testkit.NewDatabase(t, "storage")
	db, superuser := d.Open(t, pg.Deps{}), d.Superuser(t)
	ctx := testkit.Context(t)
	for round := range 3 {
		// Several connections, all idle for a moment only: too short for the pool to check them.
		rows := make([]interface{ Close() }, 0, 8)
		for range 8 {
			r, err := db.Read(pg.System("test")).Query(ctx, "select 1")
			if err != nil {
				t.Fatal(err)
			}
			rows = append(rows, r)
		}
		for _, r := range rows {
			r.Close()
		}
		if _, err := superuser.Exec(ctx, killOthers); err != nil {
			t.Fatal(err)
		}
		if got := ids(t, db.Read(pg.System("test"))); got != "" {
			t.Errorf("round %d: got %q", round, got)
		}
	}
}

func TestDB_is_unavailable_while_the_server_is_down_and_recovers_by_itself(t *testing.T) {
	c := testkit.NewPostgres(t)
	d := c.NewDatabase(t, "storage")
	ctx := testkit.Context(t)
	db, err := pg.Open(ctx, pg.Config{URL: d.AppURL, AcquireTimeout: time.Second, ConnectTimeout: 500 * time.Millisecond}, pg.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	read := func() error {
		var n int
		return db.Read(pg.Account("acc_1")).QueryRow(ctx, "select count(*) from drift").Scan(&n)
	}
	write := func() error {
		return db.InTx(ctx, pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) error {
			_, err := tx.Exec(ctx, "update drift set field = 'x'")
			return err
		})
	}
	expectUnavailable := func(t *testing.T) {
		t.Helper()
		for name, call := range map[string]func() error{"read": read, "write": write, "ping": func() error { return db.Ping(ctx) }} {
			err := call()
			e, ok := errs.As(err)
			if !ok || e.Kind() != errs.Unavailable || e.Reason() != "DATABASE_UNAVAILABLE" || e.RetryAfter() <= 0 {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	expectRecovery := func(t *testing.T) {
		t.Helper()
		testkit.Eventually(t, 5*time.Second, func() error { return errors.Join(read(), write(), db.Ping(ctx)) })
	}
	expectRecovery(t)
	t.Run("stopped at once", func(t *testing.T) {
		if err := c.StopImmediate(ctx); err != nil {
			t.Fatal(err)
		}
		expectUnavailable(t)
		if err := c.Start(ctx); err != nil {
			t.Fatal(err)
		}
		expectRecovery(t)
	})
	t.Run("paused", func(t *testing.T) {
		pids := backends(t, d)
		stop(t, pids)
		defer cont(t, pids)
		began := time.Now()
		short, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		err := db.Ping(short)
		if kind := errs.KindOf(err); kind != errs.Unavailable && kind != errs.DeadlineExceeded {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
	expectRecovery(t)
	if _, err := pg.Open(ctx, pg.Config{URL: "postgres://storage_app@127.0.0.1:1/x"}, pg.Deps{}); errs.KindOf(err) != errs.Unavailable {
		t.Errorf("Open on a port where nobody listens: %v", err)
	}
}

func TestInTx_gives_its_locks_back_when_its_process_freezes(t *testing.T) {
	d := testkit.NewDatabase(t, "storage")
	ctx := testkit.Context(t)
	db, err := pg.Open(ctx, pg.Config{URL: d.AppURL, IdleInTransactionTimeout: 200 * time.Millisecond}, pg.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	other := d.Open(t, pg.Deps{})
	takeOver := func() error {
		return other.InTx(ctx, pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) error {
			_, err := tx.Exec(ctx, addDrift, "d1", "acc_1")
			return err
		})
	}
	tries := 0
	err = db.InTx(ctx, pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) error {
		tries++
		if _, err := tx.Exec(ctx, addDrift, "d1", "acc_1"); err != nil || tries > 1 {
			return err
		}
		// The key of the row that is not committed holds the other one up until the server
		// has given this transaction up.
		return takeOver()
	})
	if !pg.IsUnique(err, "") || tries != 2 {
		t.Errorf("after %d tries: %v", tries, err)
	}
	if got := ids(t, db.Read(pg.Account("acc_1"))); got != "d1" {
		t.Errorf("left is %q", got)
	}
}
