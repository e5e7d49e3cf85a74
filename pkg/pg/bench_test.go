package pg_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/testkit"
)

// BenchmarkRead holds a read in a scope against the ways it could be had otherwise.
func BenchmarkRead(b *testing.B) {
	db := testkit.DB(b, "storage")
	ctx := context.Background()
	err := db.InTx(ctx, pg.System("bench"), func(ctx context.Context, tx *pg.Tx) error {
		_, err := tx.Exec(ctx, `insert into managed_resource (kind, id, account_id, backend, generation, updated_at)
			select 'bucket', 'bkt_' || n, 'acc_' || n % 100, 'b', 1, now() from generate_series(1, 10000) n`)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	const query = "select generation from managed_resource where kind = 'bucket' and id = $1"
	scan := func(row pgx.Row) error {
		var n int64
		return row.Scan(&n)
	}
	for name, read := range map[string]func() error{
		"bare pool, no rows seen": func() error {
			var n int64
			err := db.Unscoped().QueryRow(ctx, query, "bkt_100").Scan(&n)
			if pg.NoRows(err) {
				return nil
			}
			return err
		},
		"Read": func() error { return scan(db.Read(pg.Account("acc_0")).QueryRow(ctx, query, "bkt_100")) },
		"InTx of one": func() error {
			return db.InTx(ctx, pg.Account("acc_0"), func(ctx context.Context, tx *pg.Tx) error { return scan(tx.QueryRow(ctx, query, "bkt_100")) })
		},
		"four round trips": func() error {
			return pgx.BeginFunc(ctx, db.Unscoped(), func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, "select set_config('app.account_id', $1, true)", "acc_0"); err != nil {
					return err
				}
				return scan(tx.QueryRow(ctx, query, "bkt_100"))
			})
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if err := read(); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reads/s")
		})
	}
}
