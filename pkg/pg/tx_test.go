package pg_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/testkit"
)

func TestInTx_commits_what_every_way_of_asking_wrote(t *testing.T) {
	db := testkit.DB(t, "storage")
	ctx := testkit.Context(t)
	for name, write := range map[string]func(ctx context.Context, tx *pg.Tx, id string) error{
		"Exec": func(ctx context.Context, tx *pg.Tx, id string) error {
			tag, err := tx.Exec(ctx, addDrift, id, "acc_1")
			if tag.RowsAffected() != 1 {
				return errors.Join(errors.New(tag.String()), err)
			}
			return err
		},
		"QueryRow": func(ctx context.Context, tx *pg.Tx, id string) error {
			var got string
			return tx.QueryRow(ctx, addDrift+" returning id", id, "acc_1").Scan(&got)
		},
		"Query": func(ctx context.Context, tx *pg.Tx, id string) error {
			rows, err := tx.Query(ctx, addDrift+" returning id", id, "acc_1")
			if err != nil {
				return err
			}
			_, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
			return err
		},
		"SendBatch": func(ctx context.Context, tx *pg.Tx, id string) error {
			var batch pgx.Batch
			var got string
			batch.Queue(addDrift, id, "acc_1")
			batch.Queue("select id from drift where id = $1", id).QueryRow(func(row pgx.Row) error { return row.Scan(&got) })
			if err := tx.SendBatch(ctx, &batch).Close(); err != nil || got != id {
				return errors.Join(errors.New("the batch saw "+got), err)
			}
			return nil
		},
		"Raw": func(ctx context.Context, tx *pg.Tx, id string) error {
			raw, err := tx.Raw(ctx)
			if err != nil {
				return err
			}
			if raw.Commit(ctx) == nil || raw.Rollback(ctx) == nil {
				return errors.New("the transaction could be ended")
			}
			return pgx.BeginFunc(ctx, raw, func(inner pgx.Tx) error {
				_, err := inner.Exec(ctx, addDrift, id, "acc_1")
				return err
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			// As the first statement, which begins the transaction, and as the second.
			err := db.InTx(ctx, pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) error {
				return errors.Join(write(ctx, tx, name+"1"), write(ctx, tx, name+"2"))
			})
			if err != nil {
				t.Fatal(err)
			}
			var n int
			err = db.Read(pg.Account("acc_1")).QueryRow(ctx, "select count(*) from drift where id in ($1, $2)", name+"1", name+"2").Scan(&n)
			if err != nil || n != 2 {
				t.Errorf("%d rows, %v", n, err)
			}
			if used := db.Unscoped().Stat().AcquiredConns(); used != 0 {
				t.Errorf("%d connections are not given back", used)
			}
		})
	}
}

func TestInTx_leaves_nothing_behind_when(t *testing.T) {
	db := testkit.DB(t, "storage")
	boom := errors.New("boom")
	for name, fn := range map[string]func(ctx context.Context, tx *pg.Tx) error{
		"the function fails": func(context.Context, *pg.Tx) error { return boom },
		"the function panics": func(context.Context, *pg.Tx) error {
			panic(boom)
		},
		"the function panics in the middle of rows": func(ctx context.Context, tx *pg.Tx) error {
			rows, err := tx.Query(ctx, "select generate_series(1, 1000)")
			if err != nil {
				return err
			}
			rows.Next()
			panic(boom)
		},
		"an error of a statement is dropped": func(ctx context.Context, tx *pg.Tx) error {
			_, _ = tx.Exec(ctx, "select 1 / 0")
			return nil
		},
		"it writes for another account": func(ctx context.Context, tx *pg.Tx) error {
			_, err := tx.Exec(ctx, addDrift, "d2", "acc_2")
			return err
		},
		"it writes for the platform": func(ctx context.Context, tx *pg.Tx) error {
			_, err := tx.Exec(ctx, addDrift, "d2", "")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			var panicked any
			err := func() error {
				defer func() { panicked = recover() }()
				return db.InTx(testkit.Context(t), pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) error {
					if _, err := tx.Exec(ctx, addDrift, "d1", "acc_1"); err != nil {
						return err
					}
					return fn(ctx, tx)
				})
			}()
			if err == nil && panicked == nil {
				t.Error("it ended well")
			}
			if got := ids(t, db.Read(pg.System("test"))); got != "" {
				t.Errorf("left is %q", got)
			}
			if used := db.Unscoped().Stat().AcquiredConns(); used != 0 {
				t.Errorf("%d connections are not given back", used)
			}
		})
	}
}

func TestInTx_does_not_commit_once_the_caller_has_gone(t *testing.T) {
	db := testkit.DB(t, "storage")
	ctx, cancel := context.WithCancel(testkit.Context(t))
	err := db.InTx(ctx, pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) error {
		_, err := tx.Exec(ctx, addDrift, "d1", "acc_1")
		cancel()
		return err
	})
	if errs.KindOf(err) != errs.Canceled {
		t.Errorf("got %v", err)
	}
	if got := ids(t, db.Read(pg.System("test"))); got != "" {
		t.Errorf("left is %q", got)
	}
}

func TestInTx_runs_again_after_a_deadlock_and_a_serialization_failure(t *testing.T) {
	db := withDrift(t)
	ctx := testkit.Context(t)
	t.Run("both sides of a deadlock end well", func(t *testing.T) {
		met := make(chan struct{}, 2)
		go1, go2 := make(chan struct{}), make(chan struct{})
		result := make(chan error, 2)
		lock := func(first, second string, ready chan struct{}) {
			tries := 0
			result <- db.InTx(ctx, pg.System("test"), func(ctx context.Context, tx *pg.Tx) error {
				tries++
				if _, err := tx.Exec(ctx, "update drift set field = 'x' where id = $1", first); err != nil {
					return err
				}
				if tries == 1 {
					met <- struct{}{}
					<-ready
				}
				_, err := tx.Exec(ctx, "update drift set field = 'y' where id = $1", second)
				return err
			})
		}
		go lock("d1", "d2", go1)
		go lock("d2", "d1", go2)
		<-met
		<-met
		close(go1)
		close(go2)
		if err := errors.Join(<-result, <-result); err != nil {
			t.Error(err)
		}
	})
	t.Run("a serialization failure is tried again", func(t *testing.T) {
		tries := 0
		err := db.InTxWith(ctx, pg.System("test"), pg.TxOptions{Isolation: pgx.RepeatableRead}, func(ctx context.Context, tx *pg.Tx) error {
			tries++
			if _, err := tx.Exec(ctx, "select from drift"); err != nil {
				return err
			}
			if tries == 1 {
				if err := db.InTx(ctx, pg.System("test"), func(ctx context.Context, other *pg.Tx) error {
					_, err := other.Exec(ctx, "update drift set field = 'z' where id = 'd1'")
					return err
				}); err != nil {
					return err
				}
			}
			_, err := tx.Exec(ctx, "update drift set field = field || 'w' where id = 'd1'")
			return err
		})
		var field string
		scan := db.Read(pg.System("test")).QueryRow(ctx, "select field from drift where id = 'd1'").Scan(&field)
		if err != nil || scan != nil || tries != 2 || field != "zw" {
			t.Errorf("%d tries gave %q, %v, %v", tries, field, err, scan)
		}
	})
	t.Run("one that never ends is given up as unavailable", func(t *testing.T) {
		tries := 0
		err := db.InTx(ctx, pg.System("test"), func(ctx context.Context, tx *pg.Tx) error {
			tries++
			_, err := tx.Exec(ctx, "do $$ begin raise exception 'conflict' using errcode = '40001'; end $$")
			return err
		})
		if !pg.IsUnavailable(err) || tries != 4 {
			t.Errorf("%d tries, %v", tries, err)
		}
	})
}

func TestIsUnique_names_the_constraint(t *testing.T) {
	db := withDrift(t)
	err := db.InTx(testkit.Context(t), pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) error {
		_, err := tx.Exec(ctx, addDrift, "d1", "acc_1")
		return err
	})
	if !pg.IsUnique(err, "drift_pkey") || !pg.IsUnique(err, "") || pg.IsUnique(err, "drift_open") || pg.IsUnavailable(err) {
		t.Errorf("got %v", err)
	}
}

func TestText_that_PostgreSQL_cannot_keep_is_the_callers_fault(t *testing.T) {
	db := withDrift(t)
	for name, ask := range map[string]struct{ sql, value string }{
		"as text": {"select $1::text", "a\x00b"},
		"in JSON": {"select $1::jsonb -> 'a'", `{"a": "\u0000"}`},
	} {
		err := db.InTx(testkit.Context(t), pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) error {
			_, err := tx.Exec(ctx, ask.sql, ask.value)
			return err
		})
		if errs.KindOf(err) != errs.InvalidArgument || errs.ReasonOf(err) != "REQUEST_INVALID" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
