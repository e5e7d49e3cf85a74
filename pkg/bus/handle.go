package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/event"
	"github.com/primecloud/primecloud/pkg/event/envelope"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/pg"
)

type carrier = propagation.MapCarrier

var propagator = propagation.TraceContext{}

// runner is one consumer at work.
type runner struct {
	Consumer
	conn    *Conn
	clock   clock.Clock
	logger  *slog.Logger
	tracer  trace.Tracer
	handled metric.Int64Counter
	lag     metric.Float64Histogram

	mu sync.Mutex
	// failures counts what an event did wrong, in this process.
	failures map[string]int
}

// what becomes of an event.
const (
	done      = "done"
	duplicate = "duplicate"
	retried   = "retried"
	dead      = "dead"
)

// handle gives one message its effect and tells JetStream. An answer that gets lost only
// brings the message again, and the inbox knows it.
func (r *runner) handle(ctx context.Context, msg jetstream.Msg) {
	if ctx.Err() != nil {
		return // delivered again after the ack wait, to whoever is there then
	}
	e, err := envelope.Decode(msg.Data())
	if err != nil {
		r.count(ctx, r.bury(ctx, msg, event.Event{ID: r.nameOf(msg), Type: msg.Subject()}, err))
		return
	}
	ctx, span := r.startSpan(observe.WithRequestID(ctx, e.RequestID), e)
	defer span.End()
	// What takes longer than the server waits would be at work twice.
	limited, cancel := context.WithTimeout(ctx, r.AckWait*8/10)
	defer cancel()
	fresh, err := r.effect(limited, e)
	if err != nil {
		span.SetStatus(codes.Error, errs.KindOf(err).String())
		r.count(ctx, r.failed(ctx, msg, e, err))
		return
	}
	r.forget(e.ID)
	if err := msg.Ack(); err != nil {
		r.logger.DebugContext(ctx, "an acknowledgement was lost", "event", e.ID, "error", err)
	}
	if !fresh {
		r.count(ctx, duplicate)
		return
	}
	r.lag.Record(ctx, r.clock.Now().Sub(e.Time).Seconds(), metric.WithAttributes(attribute.String("consumer", r.Name)))
	r.count(ctx, done)
}

const receive = `-- name: ReceiveEvent :execrows
insert into inbox (consumer, event_id, received_at) values ($1, $2, $3) on conflict do nothing`

// effect runs the handler, unless the event has had its effect before.
func (r *runner) effect(ctx context.Context, e event.Event) (fresh bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	err = r.DB.InTx(ctx, pg.System("consumer "+r.Name), func(ctx context.Context, tx *pg.Tx) error {
		tag, err := tx.Exec(ctx, receive, r.Name, e.ID, r.clock.Now())
		if err != nil {
			return err
		}
		if fresh = tag.RowsAffected() == 1; !fresh {
			return nil
		}
		return r.Handle(ctx, tx, e)
	})
	return fresh, err
}

// failed asks for the event again later, or puts it aside when it keeps failing by itself.
func (r *runner) failed(ctx context.Context, msg jetstream.Msg, e event.Event, cause error) string {
	if ctx.Err() != nil {
		return retried // going down; the ack wait brings it to another replica
	}
	own := isOwnFault(cause)
	failures := r.failure(e.ID, own)
	if own && failures >= r.MaxFailures {
		return r.bury(ctx, msg, e, cause)
	}
	delay := nakDelay(msg)
	r.logger.WarnContext(ctx, "an event failed and comes again", "event", e.ID, "type", e.Type,
		"failures", failures, "again_in", delay, "error", cause)
	if err := msg.NakWithDelay(delay); err != nil {
		r.logger.DebugContext(ctx, "a negative acknowledgement was lost", "event", e.ID, "error", err)
	}
	return retried
}

// isOwnFault tells an event that cannot be handled from a dependency that is away, and from a
// database whose schema is not yet, or no more, the one that this binary was made for.
func isOwnFault(err error) bool {
	if pg.IsDefect(err) {
		return false
	}
	switch errs.KindOf(err) {
	case errs.Unavailable, errs.DeadlineExceeded, errs.Canceled, errs.Unknown, errs.Aborted:
		return false
	default:
		return true
	}
}

const buryEvent = `-- name: BuryEvent :exec
insert into dead_letter (consumer, event_id, type, payload, error, deliveries, created_at)
values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing`

// bury keeps an event that cannot be handled for a person to look at, and only then tells
// JetStream to forget it.
func (r *runner) bury(ctx context.Context, msg jetstream.Msg, e event.Event, cause error) string {
	deliveries := deliveriesOf(msg)
	err := r.DB.InTx(ctx, pg.System("consumer "+r.Name), func(ctx context.Context, tx *pg.Tx) error {
		_, err := tx.Exec(ctx, buryEvent, r.Name, e.ID, e.Type, msg.Data(), cause.Error(), int64(deliveries), r.clock.Now())
		return err
	})
	if err != nil {
		err = errors.Join(err, msg.NakWithDelay(nakDelay(msg)))
		r.logger.WarnContext(ctx, "a failing event could not be put aside and comes again", "event", e.ID, "error", err)
		return retried
	}
	r.forget(e.ID)
	r.logger.ErrorContext(ctx, "an event failed for good and was put into dead_letter", "event", e.ID, "type", e.Type,
		"deliveries", deliveries, "error", cause)
	if err := msg.Term(); err != nil {
		r.logger.DebugContext(ctx, "a termination was lost", "event", e.ID, "error", err)
	}
	return dead
}

// nameOf names a message that is no event.
func (r *runner) nameOf(msg jetstream.Msg) string {
	if id := msg.Headers().Get(jetstream.MsgIDHeader); id != "" {
		return id
	}
	if meta, err := msg.Metadata(); err == nil {
		return fmt.Sprintf("%s#%d", meta.Stream, meta.Sequence.Stream)
	}
	return "unknown"
}

func deliveriesOf(msg jetstream.Msg) uint64 {
	meta, err := msg.Metadata()
	if err != nil {
		return 1
	}
	return max(meta.NumDelivered, 1)
}

// nakDelay grows from a second to its cap, half of it by chance.
func nakDelay(msg jetstream.Msg) time.Duration {
	delay := maxNak
	if shift := deliveriesOf(msg) - 1; shift < 5 {
		delay = time.Second << shift
	}
	return delay/2 + rand.N(delay/2)
}

func (r *runner) failure(id string, own bool) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if own {
		r.failures[id]++
	}
	return r.failures[id]
}

func (r *runner) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.failures, id)
}

func (r *runner) count(ctx context.Context, outcome string) {
	r.handled.Add(ctx, 1, metric.WithAttributes(attribute.String("consumer", r.Name), attribute.String("outcome", outcome)))
}

const (
	// keepInbox is how long ids are remembered: longer than any stream or outbox keeps an
	// event that could come again.
	keepInbox = 2 * Retention
	// sweepInboxEvery is how often older ones are removed.
	sweepInboxEvery = time.Hour
)

const sweepInbox = `-- name: SweepInbox :execrows
delete from inbox where ctid = any(array(select ctid from inbox where consumer = $1 and received_at < $2 limit 5000))`

func (r *runner) sweepInbox(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.clock.After(sweepInboxEvery):
		}
		for more := true; more && ctx.Err() == nil; {
			err := r.DB.InTx(ctx, pg.System("sweep the inbox"), func(ctx context.Context, tx *pg.Tx) error {
				tag, err := tx.Exec(ctx, sweepInbox, r.Name, r.clock.Now().Add(-keepInbox))
				more = tag.RowsAffected() > 0
				return err
			})
			if err != nil {
				r.logger.WarnContext(ctx, "sweeping the inbox failed", "error", err)
				more = false
			}
		}
	}
}
