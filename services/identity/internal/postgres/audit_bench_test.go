package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/identity/internal/audittrail"
	"github.com/primecloud/primecloud/services/identity/internal/postgres"
)

// plainAppend is what an append would be without a chain: the same rows in the same table.
const plainAppend = `insert into identity.audit_entry (account_id, sequence, append_time, event_id, id, time, service, method, action, severity,
		outcome, reason, actor_kind, actor_id, actor_role, actor_address, actor_session_id, target_kind, target_id, target_name,
		request_id, trace_id, before, after, hash)
	select account_id, sequence, $1, event_id, id, time, service, method, action, severity, outcome, reason, actor_kind, actor_id, actor_role,
		actor_address, actor_session_id, target_kind, target_id, target_name, request_id, trace_id, nullif(before, '')::json,
		nullif(after, '')::json, sha256(''::bytea)
	from unnest($2::text[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[],
		$12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[],
		$22::text[], $23::text[], $24::text[]) as u (account_id, sequence, event_id, id, time, service, method, action, severity, outcome, reason,
		actor_kind, actor_id, actor_role, actor_address, actor_session_id, target_kind, target_id, target_name, request_id, trace_id, before, after)
	on conflict do nothing`

const receive = `insert into inbox (consumer, event_id, received_at) select 'bench', unnest($1::text[]), $2 on conflict do nothing`

// BenchmarkAppend holds chained appends against plain ones to the same table, in turns of a
// few batches, so that both meet the same machine: each as the consumer does it, from four
// goroutines, in transactions that remember the events of a batch, an account's entries all
// through one of them. An operation is one entry of each kind. Run it with -benchtime=50000x.
func BenchmarkAppend(b *testing.B) {
	for _, batch := range []int{1, 64} {
		for _, accounts := range []int{1, 10} {
			b.Run(fmt.Sprintf("batch=%d/accounts=4x%d", batch, accounts), func(b *testing.B) {
				database := testkit.NewDatabase(b, postgres.Schema, postgres.Migrations())
				kinds := []*appending{
					{name: "plain", write: appendPlain, db: openAs(b, database.OwnerURL)}, // which the serving role may not
					{name: "chained", write: appendChained, db: openAs(b, database.AppURL)},
				}
				b.ResetTimer()
				for done := 0; done < b.N; done += turnOf * 4 * batch {
					for _, kind := range kinds {
						kind.turn(b, batch, accounts)
					}
				}
				for _, kind := range kinds {
					b.ReportMetric(float64(kind.took.Nanoseconds())/float64(kind.n.Load()), kind.name+"-ns/entry")
				}
				b.ReportMetric(100*kinds[0].took.Seconds()/kinds[1].took.Seconds(), "%-of-plain")
			})
		}
	}
}

func openAs(b *testing.B, url config.Secret) *pg.DB {
	b.Helper()
	db, err := pg.Open(b.Context(), pg.Config{URL: url}, pg.Deps{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(db.Close)
	return db
}

// turnOf is how many batches each goroutine appends in a turn.
const turnOf = 8

// appending is one way to append, with how much it did in what time.
type appending struct {
	name  string
	write func(context.Context, *pg.Tx, []audittrail.Entry) error
	db    *pg.DB
	n     atomic.Int64
	took  time.Duration
}

// turn appends a few batches from four goroutines at once.
func (a *appending) turn(b *testing.B, batch, accounts int) {
	b.Helper()
	began := time.Now()
	var workers sync.WaitGroup
	for worker := range 4 {
		workers.Go(func() {
			for range turnOf {
				if err := a.batch(b.Context(), worker, batch, accounts); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	workers.Wait()
	a.took += time.Since(began)
}

func (a *appending) batch(ctx context.Context, worker, size, accounts int) error {
	var entries []audittrail.Entry
	var ids []string
	for i := range size {
		n := a.n.Add(1)
		e := entry(fmt.Sprint("evt_01kb4jq2vfh5a9d8xw3n", a.name, n), fmt.Sprint("acc_01kb4jq2vfh5a9d8", a.name, worker, "_", i%accounts), start.Add(time.Duration(n)))
		e.After, e.RequestID, e.TraceID = []byte(`{"customer_reference":"ref-1","display_name":"Acme","state":"active"}`), e.ID, e.ID
		entries, ids = append(entries, e), append(ids, e.EventID)
	}
	return a.db.InTx(ctx, pg.System("bench"), func(ctx context.Context, tx *pg.Tx) error {
		if _, err := tx.Exec(ctx, receive, ids, start); err != nil {
			return err
		}
		return a.write(ctx, tx, entries)
	})
}

func appendChained(ctx context.Context, tx *pg.Tx, entries []audittrail.Entry) error {
	return audittrail.Record(ctx, postgres.AppenderIn(tx, start), entries...)
}

var plainSequence atomic.Int64

func appendPlain(ctx context.Context, tx *pg.Tx, entries []audittrail.Entry) error {
	texts := make([][]string, 21)
	var sequences []int64
	var times []time.Time
	for _, e := range entries {
		sequences, times = append(sequences, plainSequence.Add(1)), append(times, e.Time)
		for i, text := range []string{
			e.AccountID, e.EventID, e.ID, e.Service, e.Method, e.Action, e.Severity, e.Outcome, e.Reason, e.Actor.Kind, e.Actor.ID, e.Actor.Role,
			e.Actor.Address, e.Actor.SessionID, e.Target.Kind, e.Target.ID, e.Target.Name, e.RequestID, e.TraceID, string(e.Before), string(e.After),
		} {
			texts[i] = append(texts[i], text)
		}
	}
	args := []any{start, texts[0], sequences, texts[1], texts[2], times}
	for _, column := range texts[3:] {
		args = append(args, column)
	}
	_, err := tx.Exec(ctx, plainAppend, args...)
	return err
}
