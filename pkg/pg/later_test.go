package pg_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/testkit"
)

func TestLater_runs_before_whatever_comes_next(t *testing.T) {
	db := testkit.DB(t, "storage")
	sees := func(ctx context.Context, q interface {
		QueryRow(context.Context, string, ...any) pgx.Row
	}, id string,
	) error {
		var got string
		return q.QueryRow(ctx, "select id from drift where id = $1", id).Scan(&got)
	}
	for name, next := range map[string]func(ctx context.Context, tx *pg.Tx, id string) error{
		"the commit alone": func(context.Context, *pg.Tx, string) error { return nil },
		"QueryRow":         func(ctx context.Context, tx *pg.Tx, id string) error { return sees(ctx, tx, id) },
		"Query": func(ctx context.Context, tx *pg.Tx, id string) error {
			rows, err := tx.Query(ctx, "select id from drift where id = $1", id)
			if err != nil {
				return err
			}
			_, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
			return err
		},
		"Exec": func(ctx context.Context, tx *pg.Tx, id string) error {
			tag, err := tx.Exec(ctx, "update drift set field = 'x' where id = $1", id)
			if tag.RowsAffected() != 1 {
				return errors.Join(errors.New(tag.String()), err)
			}
			return err
		},
		"SendBatch": func(ctx context.Context, tx *pg.Tx, id string) error {
			var batch pgx.Batch
			var got string
			batch.Queue("select id from drift where id = $1", id).QueryRow(func(row pgx.Row) error { return row.Scan(&got) })
			return tx.SendBatch(ctx, &batch).Close()
		},
		"Raw": func(ctx context.Context, tx *pg.Tx, id string) error {
			raw, err := tx.Raw(ctx)
			if err != nil {
				return err
			}
			return sees(ctx, raw, id)
		},
	} {
		for _, begun := range []bool{false, true} {
			id := name
			if begun {
				id += ", once the transaction has begun"
			}
			t.Run(id, func(t *testing.T) {
				err := db.InTx(testkit.Context(t), pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) error {
					if begun {
						if _, err := tx.Exec(ctx, "select 1"); err != nil {
							return err
						}
					}
					tx.Later(addDrift, id, "acc_1")
					return next(ctx, tx, id)
				})
				if err != nil {
					t.Fatal(err)
				}
				if err := sees(testkit.Context(t), db.Read(pg.Account("acc_1")), id); err != nil {
					t.Errorf("it was not committed: %v", err)
				}
			})
		}
	}
}

func TestLater_fails_with_what_it_travels_with_and_leaves_nothing_behind(t *testing.T) {
	db := testkit.DB(t, "storage")
	for name, next := range map[string]func(ctx context.Context, tx *pg.Tx) error{
		"the commit": func(context.Context, *pg.Tx) error { return nil },
		"the next statement": func(ctx context.Context, tx *pg.Tx) error {
			_, err := tx.Exec(ctx, "select 1")
			if err == nil {
				t.Error("the next statement succeeded")
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := db.InTx(testkit.Context(t), pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) error {
				if _, err := tx.Exec(ctx, addDrift, "kept?", "acc_1"); err != nil {
					return err
				}
				tx.Later(addDrift, "of another account", "acc_2")
				return next(ctx, tx)
			})
			if err == nil {
				t.Fatal("row-level security let another account's row through")
			}
			var n int
			if err := db.Read(pg.System("test")).QueryRow(testkit.Context(t), "select count(*) from drift").Scan(&n); err != nil || n != 0 {
				t.Errorf("%d rows were left behind, %v", n, err)
			}
		})
	}
}
