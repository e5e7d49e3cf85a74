package bus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/primecloud/primecloud/pkg/event"
	"github.com/primecloud/primecloud/pkg/pg"
)

// Consumer says who consumes what, and with which effect.
type Consumer struct {
	// Name is unique among the consumers of the stream and of the database, such as
	// "identity-audit". It never changes: a new name starts from the beginning.
	Name string
	// Noun says whose events.
	Noun string
	// Subjects narrow them; empty means all of the noun's.
	Subjects []string
	// DB is where the effect goes, in the system scope.
	DB *pg.DB
	// Handle is the effect of an event. It runs in the transaction that remembers the
	// event's id, so it happens once; it touches nothing but tx. Events come in no
	// particular order: an older version never overwrites a newer one.
	Handle func(ctx context.Context, tx *pg.Tx, e event.Event) error
	// HandleMany takes the place of Handle where several events in one transaction cost less
	// than each in its own: it gets those that are waiting, up to Batch, and never waits for
	// more. Events of one account are handled one after the other, in the order in which they
	// come. When it fails each event is handled by itself, so that one which cannot be handled
	// stands in no other one's way.
	HandleMany func(ctx context.Context, tx *pg.Tx, events []event.Event) error
	// Batch is how many events HandleMany gets at most; 64 when zero.
	Batch int
	// Concurrency is how many events are handled at a time; 4 when zero.
	Concurrency int
	// MaxFailures is how often an event may fail by its own fault before it is put aside;
	// 10 when zero. Trouble with the database is no fault of the event.
	MaxFailures int
	// AckWait is after what time an event is delivered again to somebody else; 30 s when zero.
	AckWait time.Duration
}

const (
	// heartbeat is how often the server shows that a consumer is alive; two missed ones
	// mean that it is gone.
	heartbeat = time.Second
	// pullFor bounds one pull request.
	pullFor = 10 * time.Second
	// retryEvery is the pause before a consumer is made again.
	retryEvery = time.Second
	// maxNak caps the delay of a redelivery.
	maxNak = 30 * time.Second
	// maxPending is how many events may be under way.
	maxPending = 1000
)

// Consume handles events until ctx ends. A stream that is not there yet, a consumer that
// was removed, a store that was wiped: it waits and starts again, and the inbox keeps what
// comes twice from having its effect twice.
func (c *Conn) Consume(ctx context.Context, consumer Consumer) error {
	r, err := c.newRunner(consumer)
	if err != nil {
		return err
	}
	var background sync.WaitGroup
	defer background.Wait()
	background.Go(func() { r.sweepInbox(ctx) })
	told := ""
	for {
		err := r.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if text := fmt.Sprint(err); text != told {
			told = text
			r.logger.WarnContext(ctx, "the consumer waits for its stream", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retryEvery/2 + rand.N(retryEvery/2)):
		}
	}
}

// fill sets what was left out.
func (c *Consumer) fill() {
	if len(c.Subjects) == 0 {
		c.Subjects = []string{Subjects(c.Noun)}
	}
	if c.Concurrency <= 0 {
		c.Concurrency = 4
	}
	if c.MaxFailures <= 0 {
		c.MaxFailures = 10
	}
	if c.AckWait <= 0 {
		c.AckWait = 30 * time.Second
	}
	if c.Batch <= 0 {
		c.Batch = 64
	}
	if many := c.HandleMany; many != nil {
		c.Handle = func(ctx context.Context, tx *pg.Tx, e event.Event) error { return many(ctx, tx, []event.Event{e}) }
	} else {
		c.Batch = 1
	}
}

func (c *Conn) newRunner(consumer Consumer) (*runner, error) {
	if consumer.Name == "" || consumer.Noun == "" || consumer.DB == nil || (consumer.Handle == nil) == (consumer.HandleMany == nil) {
		return nil, errors.New("bus: a consumer needs name, noun, database and one handler")
	}
	consumer.fill()
	r := &runner{
		Consumer: consumer, conn: c, clock: c.deps.Clock, failures: map[string]int{},
		logger: c.deps.Logger.With("consumer", consumer.Name, "stream", StreamName(consumer.Noun)),
		tracer: c.deps.Tracer.Tracer(instrumentation),
	}
	meter := c.deps.Meter.Meter(instrumentation)
	var err1, err2 error
	r.handled, err1 = meter.Int64Counter("bus.consumer.events", metric.WithDescription("events by what became of them"))
	r.lag, err2 = meter.Float64Histogram("bus.consumer.lag", metric.WithUnit("s"), metric.WithDescription("from the event to its effect"))
	return r, errors.Join(err1, err2)
}

// session makes sure of the consumer and handles its events until something is amiss.
func (r *runner) session(ctx context.Context) error {
	consumer, err := r.conn.js.CreateOrUpdateConsumer(ctx, StreamName(r.Noun), jetstream.ConsumerConfig{
		Durable:        r.Name,
		FilterSubjects: r.Subjects,
		DeliverPolicy:  jetstream.DeliverAllPolicy,
		AckPolicy:      jetstream.AckExplicitPolicy,
		AckWait:        r.AckWait,
		MaxDeliver:     -1,
		MaxAckPending:  1000,
	})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(
		jetstream.PullMaxMessages(min(4*r.Concurrency*r.Batch, maxPending)),
		jetstream.PullExpiry(pullFor), jetstream.PullHeartbeat(heartbeat),
		jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return err
	}
	defer messages.Stop()
	var workers sync.WaitGroup
	defer workers.Wait()
	give := r.work(ctx, &workers)
	defer give(nil)
	for {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		give(msg)
	}
}

// work starts the workers and returns what gives them a message; nil is the last one.
func (r *runner) work(ctx context.Context, workers *sync.WaitGroup) (give func(jetstream.Msg)) {
	if r.HandleMany != nil {
		return r.workMany(ctx, workers)
	}
	work := make(chan jetstream.Msg)
	for range r.Concurrency {
		workers.Go(func() {
			for msg := range work {
				r.handle(ctx, msg)
			}
		})
	}
	return func(msg jetstream.Msg) {
		if msg == nil {
			close(work)
			return
		}
		work <- msg
	}
}

// startSpan continues the trace of the call that caused the event.
func (r *runner) startSpan(ctx context.Context, e event.Event) (context.Context, trace.Span) {
	if e.Traceparent != "" {
		ctx = propagator.Extract(ctx, carrier{"traceparent": e.Traceparent})
	}
	return r.tracer.Start(ctx, "consume "+e.Type, trace.WithSpanKind(trace.SpanKindConsumer))
}
