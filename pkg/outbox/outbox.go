// Package outbox writes events in the transaction of the change they tell of, and relays
// them to JetStream afterwards.
//
// The table is the truth: an event that was committed is published at least once, however
// often NATS is down or loses its store, for as long as its row is kept. Order is not
// guaranteed; events are snapshots with a version, and their consumers rely on that.
package outbox

import (
	"context"
	"fmt"

	"github.com/primecloud/primecloud/pkg/event"
	"github.com/primecloud/primecloud/pkg/event/envelope"
	"github.com/primecloud/primecloud/pkg/pg"
)

const insert = `-- name: AddEvent :exec
insert into outbox (id, type, account_id, aggregate_kind, aggregate_id, aggregate_version, payload, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8)`

// Add writes an event in the caller's transaction, at the latest with its commit. The scope of
// the transaction must be that of the event's account, or the system's. Call Relay.Nudge once
// it has committed.
func Add(ctx context.Context, q pg.Querier, e event.Event) error {
	raw, err := envelope.Encode(e)
	if err != nil {
		return err
	}
	args := []any{e.ID, e.Type, e.AccountID, e.Aggregate.Kind, e.Aggregate.ID, e.Aggregate.Version, raw, e.Time.UTC()}
	if tx, ok := q.(*pg.Tx); ok {
		// Nobody looks at what an insert returns: it need not cost a round trip.
		tx.Later(insert, args...)
		return nil
	}
	if _, err := q.Exec(ctx, insert, args...); err != nil {
		return fmt.Errorf("add event %s: %w", e.ID, err)
	}
	return nil
}
