package postgres_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

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

// BenchmarkAppend holds chained appends against plain ones to the same table: each as the
// consumer does it, in transactions that remember the events of a batch. An operation is one
// entry. Run it with -bench=Append -benchtime=50000x -count=5 and compare the two kinds.
func BenchmarkAppend(b *testing.B) {
	for _, batch := range []int{1, 64} {
		for _, accounts := range []int64{1, 10} {
			for _, kind := range []string{"plain", "chained"} {
				b.Run(fmt.Sprintf("batch=%d/accounts=4x%d/%s", batch, accounts, kind), func(b *testing.B) {
					database := testkit.NewDatabase(b, postgres.Schema, postgres.Migrations())
					url, write := database.AppURL, appendChained
					if kind == "plain" { // which the owner may do, and the serving role may not
						url, write = database.OwnerURL, appendPlain
					}
					db, err := pg.Open(b.Context(), pg.Config{URL: url}, pg.Deps{})
					if err != nil {
						b.Fatal(err)
					}
					b.Cleanup(db.Close)
					appendAll(b, db, batch, accounts, write)
				})
			}
		}
	}
}

// appendAll appends b.N entries from four goroutines at once, as many as a consumer has.
// As there, an account's entries all go through one of them.
func appendAll(b *testing.B, db *pg.DB, batch int, accounts int64, write func(context.Context, *pg.Tx, []audittrail.Entry) error) {
	var n, workers atomic.Int64
	b.SetParallelism(2)
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		worker := workers.Add(1)
		for more := p.Next(); more; {
			var entries []audittrail.Entry
			var ids []string
			for ; more && len(entries) < batch; more = p.Next() {
				i := n.Add(1)
				e := entry(fmt.Sprint("evt_01kb4jq2vfh5a9d8xw3n7c6m", i), fmt.Sprint("acc_01kb4jq2vfh5a9d8xw3n7c", worker, "_", i%accounts), start.Add(time.Duration(i)))
				e.After, e.RequestID, e.TraceID = []byte(`{"customer_reference":"ref-1","display_name":"Acme","state":"active"}`), e.ID, e.ID
				entries, ids = append(entries, e), append(ids, e.EventID)
			}
			err := db.InTx(b.Context(), pg.System("bench"), func(ctx context.Context, tx *pg.Tx) error {
				if _, err := tx.Exec(ctx, receive, ids, start); err != nil {
					return err
				}
				return write(ctx, tx, entries)
			})
			if err != nil {
				b.Error(err)
				return
			}
		}
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
