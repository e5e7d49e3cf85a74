package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/jackc/pgx/v5"

	"github.com/primecloud/primecloud/pkg/bus"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/pg"
)

// instrumentation names this package in metrics.
const instrumentation = "github.com/primecloud/primecloud/pkg/outbox"

// RelayConfig says what a relay publishes. Only Noun must be set.
type RelayConfig struct {
	// Noun names the stream and what may be published.
	Noun string
	// Batch is how many events go out at a time; 500 when zero.
	Batch int
	// Interval is how often the relay looks without being nudged; 1 s when zero.
	Interval time.Duration
	// Retention is how long published events stay, to be published again should JetStream
	// lose its store; 7 days when zero.
	Retention time.Duration
}

// Deps is what the process lends. Nil fields are replaced by ones that do nothing.
type Deps struct {
	Meter  metric.MeterProvider
	Logger *slog.Logger
	Clock  clock.Clock
}

const (
	// roundsApart is the least time between two rounds that were nudged.
	roundsApart = 50 * time.Millisecond
	// ackWithin bounds the wait for the acknowledgements of a batch. The rows are locked
	// meanwhile, and the server ends a transaction that says nothing for five seconds
	// (pg.Config.IdleInTransactionTimeout): what was acknowledged must be marked before.
	ackWithin = 3 * time.Second
	// sweepEvery is how often events beyond retention are removed.
	sweepEvery = 10 * time.Minute
	// measureEvery is how often the backlog is counted.
	measureEvery = 5 * time.Second
)

// Relay publishes what is in the outbox. Replicas may run at once: each row is locked by
// one of them.
type Relay struct {
	db     *pg.DB
	js     jetstream.JetStream
	config RelayConfig
	deps   Deps
	nudge  chan struct{}
	stream string
	// incarnation is the stream that we believe to publish to.
	incarnation string
	backlog     backlog
	sweptAt     time.Time
	measuredAt  time.Time
}

// NewRelay returns a relay; Run makes it work.
func NewRelay(db *pg.DB, js jetstream.JetStream, config RelayConfig, deps Deps) *Relay {
	if config.Batch <= 0 {
		config.Batch = 500
	}
	if config.Interval <= 0 {
		config.Interval = time.Second
	}
	if config.Retention <= 0 {
		config.Retention = bus.Retention
	}
	if deps.Meter == nil {
		deps.Meter = metricnoop.NewMeterProvider()
	}
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	if deps.Clock == nil {
		deps.Clock = clock.System()
	}
	return &Relay{
		db: db, js: js, config: config, deps: deps,
		nudge: make(chan struct{}, 1), stream: bus.StreamName(config.Noun),
	}
}

// Nudge has the relay look now. Call it after the commit; it never blocks.
func (r *Relay) Nudge() {
	select {
	case r.nudge <- struct{}{}:
	default:
	}
}

// Run publishes until ctx ends. What cannot be published now is tried again; an event is
// marked only once JetStream has acknowledged it.
func (r *Relay) Run(ctx context.Context) error {
	registration, err := r.backlog.register(r.deps.Meter.Meter(instrumentation), r.config.Noun)
	if err != nil {
		return err
	}
	defer func() { _ = registration.Unregister() }()
	told := ""
	for {
		began := time.Now()
		more, err := r.round(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if text := errorText(err); text != told {
			told = text
			if err != nil {
				r.deps.Logger.WarnContext(ctx, "events are not published and wait in the outbox", "stream", r.stream, "error", err)
			} else {
				r.deps.Logger.InfoContext(ctx, "events are published again", "stream", r.stream)
			}
		}
		r.maintain(ctx)
		if more && err == nil {
			continue
		}
		wait := r.deps.Clock.After(r.config.Interval)
		if err != nil {
			// A nudge does not make NATS come back sooner.
			select {
			case <-ctx.Done():
				return nil
			case <-wait:
			}
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.nudge:
			r.gather(ctx, began)
		case <-wait:
		}
	}
}

// gather waits until a round that was nudged is far enough from the one before it: under load
// one round then serves many commits, where a round for each would cost more than they do.
func (r *Relay) gather(ctx context.Context, before time.Time) {
	select {
	case <-ctx.Done():
	case <-time.After(roundsApart - time.Since(before)):
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// round makes sure of the stream and publishes one batch; more says that there may be more.
// With nothing to publish it writes nothing.
func (r *Relay) round(ctx context.Context) (more bool, err error) {
	waiting, err := r.recognise(ctx)
	if err != nil || !waiting {
		return false, err
	}
	err = r.db.InTx(ctx, pg.System("relay"), func(ctx context.Context, tx *pg.Tx) error {
		batch, err := r.pick(ctx, tx)
		if err != nil || len(batch) == 0 {
			return err
		}
		more = len(batch) == r.config.Batch
		acked, last, failure := r.publish(ctx, batch, "")
		if len(acked) == 0 {
			return failure
		}
		if err := r.mark(ctx, tx, acked, last); err != nil {
			return err
		}
		if failure != nil {
			// What was acknowledged stays marked; the rest is for the next round.
			r.deps.Logger.WarnContext(ctx, "some events were not acknowledged", "stream", r.stream,
				"count", len(batch)-len(acked), "error", failure)
			more = false
		}
		return nil
	})
	return more && err == nil, err
}

// message is one row on its way.
type message struct {
	seq     int64
	id      string
	subject string
	payload []byte
}

func (r *Relay) pick(ctx context.Context, tx *pg.Tx) ([]message, error) {
	rows, err := tx.Query(ctx, `-- name: PickEvents :many
		select seq, id, type, payload from outbox where published_at is null order by seq limit $1 for update skip locked`,
		r.config.Batch)
	if err != nil {
		return nil, fmt.Errorf("pick events: %w", err)
	}
	return collect(rows)
}

func collect(rows pgx.Rows) ([]message, error) {
	batch, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (message, error) {
		var m message
		return m, row.Scan(&m.seq, &m.id, &m.subject, &m.payload)
	})
	if err != nil {
		return nil, fmt.Errorf("pick events: %w", err)
	}
	return batch, nil
}

// publish sends a batch and waits for its acknowledgements. It returns the ids that were
// acknowledged, the greatest sequence among them, and the first failure of the others.
func (r *Relay) publish(ctx context.Context, batch []message, suffix string) (acked []string, last uint64, failure error) {
	futures := make([]jetstream.PubAckFuture, 0, len(batch))
	ids := make([]string, 0, len(batch))
	for _, m := range batch {
		future, err := r.js.PublishMsgAsync(&nats.Msg{Subject: m.subject, Data: m.payload},
			jetstream.WithMsgID(m.id+suffix), jetstream.WithExpectStream(r.stream))
		if err != nil {
			failure = fmt.Errorf("publish event %s: %w", m.id, err)
			if !errors.Is(err, nats.ErrMaxPayload) {
				break
			}
			continue
		}
		futures, ids = append(futures, future), append(ids, m.id)
	}
	limited, cancel := context.WithTimeout(ctx, ackWithin)
	defer cancel()
	for i, future := range futures {
		ack, err := acknowledged(limited, future)
		if err != nil {
			// The others may have been acknowledged all the same.
			failure = fmt.Errorf("publish event %s: %w", ids[i], err)
			continue
		}
		acked = append(acked, ids[i])
		last = max(last, ack.Sequence)
	}
	return acked, last, failure
}

// acknowledged waits for an acknowledgement; one that is there counts, however late it is.
func acknowledged(ctx context.Context, future jetstream.PubAckFuture) (*jetstream.PubAck, error) {
	select {
	case ack := <-future.Ok():
		return ack, nil
	case err := <-future.Err():
		return nil, err
	default:
	}
	select {
	case ack := <-future.Ok():
		return ack, nil
	case err := <-future.Err():
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// errStale says that the stream was found to be another one while a batch was under way.
var errStale = errors.New("the stream was made anew; the batch is published again")

// mark records what was acknowledged, unless another replica has meanwhile found that the
// stream which acknowledged it is gone: then the rows stay unpublished. The update of
// relay_state makes the two wait for each other.
func (r *Relay) mark(ctx context.Context, tx *pg.Tx, acked []string, last uint64) error {
	now := r.deps.Clock.Now()
	tag, err := tx.Exec(ctx, `-- name: SeeStream :execrows
		update relay_state set last_seq = greatest(last_seq, $3), seen_at = $4 where stream = $1 and incarnation = $2`,
		r.stream, r.incarnation, int64(last), now)
	if err != nil {
		return fmt.Errorf("mark events: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return errStale
	}
	_, err = tx.Exec(ctx, `-- name: MarkEvents :exec
		update outbox set published_at = $2, incarnation = $3 where id = any($1)`, acked, now, r.incarnation)
	if err != nil {
		return fmt.Errorf("mark events: %w", err)
	}
	return nil
}
