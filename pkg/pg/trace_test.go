package pg_test

import (
	"context"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/testkit"
)

func TestStatements_have_spans_only_in_a_sampled_call(t *testing.T) {
	use := func(ctx context.Context, db *pg.DB) {
		read := db.Read(pg.Account("acc_1"))
		var n int
		if err := read.QueryRow(ctx, "-- name: CountDrift :one\nselect count(*) from drift where field <> 'hunter2'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		rows, err := read.Query(ctx, "select id from drift")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			t.Fatal(err)
		}
		err = db.InTx(ctx, pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) error {
			if _, err := tx.Exec(ctx, "-- name: AddDrift :exec\n"+addDrift, "d1", "acc_1"); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "update drift set field = 'hunter2' where id = 'd1'")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		sampler sdktrace.Sampler
		want    []string
	}{
		"sampled":     {sdktrace.AlwaysSample(), []string{"postgres.CountDrift", "postgres.select", "postgres.AddDrift", "postgres.update", "call"}},
		"not sampled": {sdktrace.NeverSample(), nil},
	} {
		t.Run(name, func(t *testing.T) {
			spans := tracetest.NewSpanRecorder()
			provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans), sdktrace.WithSampler(tt.sampler))
			db := testkit.NewDatabase(t, "storage").Open(t, pg.Deps{Tracer: provider})
			ctx, span := provider.Tracer("test").Start(testkit.Context(t), "call")
			use(ctx, db)
			span.End()
			var got []string
			for _, s := range spans.Ended() {
				got = append(got, s.Name())
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("spans %v, want %v", got, tt.want)
			}
		})
	}
}
