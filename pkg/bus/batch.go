package bus

import (
	"context"
	"fmt"
	"hash/maphash"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/event"
	"github.com/primecloud/primecloud/pkg/event/envelope"
	"github.com/primecloud/primecloud/pkg/pg"
)

// delivery is a message with the event in it.
type delivery struct {
	msg   jetstream.Msg
	event event.Event
}

// workMany starts workers that take what is waiting for them at once. An account's events
// all go to one of them, so that they never wait for each other's locks.
func (r *runner) workMany(ctx context.Context, workers *sync.WaitGroup) (give func(jetstream.Msg)) {
	lanes := make([]chan delivery, r.Concurrency)
	for i := range lanes {
		lanes[i] = make(chan delivery, r.Batch)
		workers.Go(func() {
			for first := range lanes[i] {
				r.handleMany(ctx, waiting(first, lanes[i], r.Batch))
			}
		})
	}
	seed := maphash.MakeSeed()
	return func(msg jetstream.Msg) {
		if msg == nil {
			for _, lane := range lanes {
				close(lane)
			}
			return
		}
		e, err := envelope.Decode(msg.Data())
		if err != nil {
			r.handle(ctx, msg) // puts it aside
			return
		}
		lanes[maphash.String(seed, e.AccountID)%uint64(len(lanes))] <- delivery{msg, e}
	}
}

// waiting returns the first delivery with those that are there already, up to most.
func waiting(first delivery, lane <-chan delivery, most int) []delivery {
	batch := []delivery{first}
	for len(batch) < most {
		select {
		case next, open := <-lane:
			if !open {
				return batch
			}
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

// handleMany gives several messages their effect in one transaction, or each by itself when
// that fails.
func (r *runner) handleMany(ctx context.Context, batch []delivery) {
	if len(batch) == 1 {
		r.handle(ctx, batch[0].msg)
		return
	}
	if ctx.Err() != nil {
		return // delivered again after the ack wait, to whoever is there then
	}
	fresh, err := r.effectOfMany(ctx, batch)
	if err != nil {
		if ctx.Err() == nil {
			r.logger.DebugContext(ctx, "events failed together and are handled one by one", "events", len(batch), "error", err)
		}
		for _, d := range batch {
			r.handle(ctx, d.msg)
		}
		return
	}
	for _, d := range batch {
		r.forget(d.event.ID)
		if err := d.msg.Ack(); err != nil {
			r.logger.DebugContext(ctx, "an acknowledgement was lost", "event", d.event.ID, "error", err)
		}
		if !fresh[d.event.ID] {
			r.count(ctx, duplicate)
			continue
		}
		// A message that came twice in the batch had its effect once.
		delete(fresh, d.event.ID)
		r.lag.Record(ctx, r.clock.Now().Sub(d.event.Time).Seconds(), metric.WithAttributes(attribute.String("consumer", r.Name)))
		r.count(ctx, done)
	}
}

const receiveMany = `-- name: ReceiveEvents :many
insert into inbox (consumer, event_id, received_at) select $1, unnest($2::text[]), $3 on conflict do nothing returning event_id`

// effectOfMany runs the handler with the events that have not had their effect before, and
// returns their ids.
func (r *runner) effectOfMany(ctx context.Context, batch []delivery) (fresh map[string]bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, r.AckWait*8/10)
	defer cancel()
	ctx, span := r.startSpanOfMany(ctx, batch)
	defer span.End()
	ids := make([]string, len(batch))
	for i, d := range batch {
		ids[i] = d.event.ID
	}
	// In one order everywhere, so that replicas that were brought the same never wait in a circle.
	slices.Sort(ids)
	err = r.DB.InTx(ctx, pg.System("consumer "+r.Name), func(ctx context.Context, tx *pg.Tx) error {
		rows, err := tx.Query(ctx, receiveMany, r.Name, ids, r.clock.Now())
		if err != nil {
			return err
		}
		defer rows.Close()
		fresh = map[string]bool{}
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			fresh[id] = true
		}
		if err := rows.Err(); err != nil {
			return err
		}
		events, seen := []event.Event(nil), map[string]bool{}
		for _, d := range batch {
			if fresh[d.event.ID] && !seen[d.event.ID] {
				seen[d.event.ID] = true
				events = append(events, d.event)
			}
		}
		if len(events) == 0 {
			return nil
		}
		return r.HandleMany(ctx, tx, events)
	})
	if err != nil {
		span.SetStatus(codes.Error, errs.KindOf(err).String())
	}
	return fresh, err
}

// startSpanOfMany begins a trace that is linked to those of the calls that caused the events.
func (r *runner) startSpanOfMany(ctx context.Context, batch []delivery) (context.Context, trace.Span) {
	var links []trace.Link
	for _, d := range batch {
		if d.event.Traceparent == "" {
			continue
		}
		cause := propagator.Extract(context.Background(), carrier{"traceparent": d.event.Traceparent})
		links = append(links, trace.LinkFromContext(cause))
	}
	return r.tracer.Start(ctx, "consume "+r.Name, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithLinks(links...))
}
