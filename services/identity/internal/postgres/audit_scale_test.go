package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/identity/internal/audittrail"
	"github.com/primecloud/primecloud/services/identity/internal/postgres"
)

// scaleEntries is how many entries BenchmarkFilter works on, when it is set.
const scaleEntries = "PRIMECLOUD_TEST_AUDIT_ENTRIES"

// spread makes entries of a thousand accounts and of fifty actors in each, over twelve
// months, the first account having a tenth of all. Hashes are empty: nobody follows these chains.
const spread = `insert into audit_entry
	select case when n % 10 = 0 then 'acc_01kb4jq2vfh5a9d8xw3n7c6m00' else 'acc_01kb4jq2vfh5a9d8xw3n7c6' || n % 999 end, n, at,
		'evt_01kb4jq2vfh5a9d8' || n, 'aud_01kb4jq2vfh5a9d8' || n, at, 'storage-provisioning', '/primecloud.storage.v1.BucketService/UpdateBucket',
		(array['bucket.create', 'bucket.update', 'bucket.delete', 'access_key.create'])[1 + n % 4], 'INFO', 'SUCCEEDED', '', 'person',
		'usr_01kb4jq2vfh5a9d8xw3n7c6' || n / 10 % 50, 'admin', '192.0.2.1', 'ses_01kb4jq2vfh5a9d8', 'bucket', 'bkt_01kb4jq2vfh5a9d8' || n / 10 % 1000,
		'acme', 'req_01kb4jq2vfh5a9d8' || n, '', null, '{"versioning":true}', sha256(''::bytea)
	from (select n, $3::timestamptz + (n::float8 / $4::float8) * interval '360 days' as at from generate_series($1::bigint, $2::bigint) as n) s`

// BenchmarkFilter lists pages of an account by time and actor. It needs a while and several
// gigabytes for its entries, so it wants to be told how many: the promise
// is about ten million.
func BenchmarkFilter(b *testing.B) {
	total, err := strconv.ParseInt(os.Getenv(scaleEntries), 10, 64)
	if err != nil {
		b.Skipf("set %s to the number of entries, such as 10000000", scaleEntries)
	}
	database := testkit.NewDatabase(b, postgres.Schema, postgres.Migrations())
	first := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	fill(b, database, total, first)
	db, err := pg.Open(b.Context(), pg.Config{URL: database.AppURL}, pg.Deps{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(db.Close)
	trail := postgres.New(postgres.Config{DB: db}).AuditTrail
	// Once for both: a benchmark that has others within runs once itself.
	b.Run("by time and actor", func(b *testing.B) { filterAll(b, trail, first) })
}

func filterAll(b *testing.B, trail *postgres.AuditTrail, first time.Time) {
	var took []time.Duration
	for range b.N {
		accountID := "acc_01kb4jq2vfh5a9d8xw3n7c6m00"
		if rand.N(2) == 0 {
			accountID = fmt.Sprint("acc_01kb4jq2vfh5a9d8xw3n7c6", rand.N(999))
		}
		start := first.AddDate(0, 0, rand.N(330))
		f := audittrail.Filter{ActorID: fmt.Sprint("usr_01kb4jq2vfh5a9d8xw3n7c6", rand.N(50)), Start: start, End: start.AddDate(0, 0, 1+rand.N(30))}
		began := time.Now()
		if _, err := trail.ListEntries(b.Context(), accountID, f, audittrail.Position{}, 51); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

// fill makes the entries as the owner, who may insert.
func fill(b *testing.B, database testkit.Database, total int64, first time.Time) {
	b.Helper()
	ctx := context.Background()
	owner, err := pgx.Connect(ctx, database.OwnerURL.Reveal())
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = owner.Close(ctx) }()
	for _, statement := range []string{
		`set app.scope = 'system'`,
		`select audit_make_month('` + first.Format(time.DateOnly) + `'::timestamptz + make_interval(months => n)) from generate_series(0, 12) as n`,
	} {
		if _, err := owner.Exec(ctx, statement); err != nil {
			b.Fatal(err)
		}
	}
	const step = 100_000
	for n := int64(1); n <= total; n += step {
		if _, err := owner.Exec(ctx, spread, n, min(n+step-1, total), first, total); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := owner.Exec(ctx, `analyze audit_entry`); err != nil {
		b.Fatal(err)
	}
}
