package bus_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/trace"

	"github.com/primecloud/primecloud/pkg/bus"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/event"
	"github.com/primecloud/primecloud/pkg/event/envelope"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/servers"
	"github.com/primecloud/primecloud/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// world is storage's stream and identity's database.
type world struct {
	nats *servers.NATS
	conn *bus.Conn
	db   *pg.DB
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{nats: testkit.NATS(t), db: testkit.DB(t, "identity")}
	w.conn = connect(t, bus.Config{URL: w.nats.URL(), Service: "identity", Noun: "identity"})
	w.ensure(t)
	return w
}

func connect(t testing.TB, cfg bus.Config) *bus.Conn {
	t.Helper()
	conn, err := bus.Connect(t.Context(), cfg, bus.Deps{Logger: testkit.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func (w *world) ensure(t testing.TB) {
	t.Helper()
	testkit.Eventually(t, 10*time.Second, func() error {
		_, err := bus.EnsureStream(t.Context(), w.conn.JetStream(), "storage")
		return err
	})
}

func someEvent(id string) event.Event {
	return event.Event{
		ID: id, Type: "primecloud.storage.bucket.created.v1", AccountID: "acc_1", Time: time.Now(), RequestID: "req_" + id,
		Traceparent: "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01",
		Aggregate:   event.Aggregate{Kind: "bucket", ID: "bkt_" + id, Version: 1}, PayloadType: "x.Y", Payload: []byte(id),
	}
}

// publish puts an event into the stream under a message id of its own, so that JetStream
// itself drops nothing.
func (w *world) publish(t testing.TB, e event.Event, msgID string) {
	t.Helper()
	raw, err := envelope.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.conn.JetStream().Publish(testkit.Context(t), e.Type, raw, jetstream.WithMsgID(msgID)); err != nil {
		t.Fatal(err)
	}
}

// effect is what handlers do here: a row per call.
func effect(ctx context.Context, tx *pg.Tx, e event.Event) error {
	_, err := tx.Exec(ctx, `insert into drift (id, account_id, resource_kind, resource_id, kind, detected_at)
		values (gen_random_uuid(), $1, $2, $3, 'EXTRA', now()) on conflict do nothing`, e.AccountID, e.Aggregate.Kind, e.ID)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `update drift set desired = desired || 'x' where resource_id = $1`, e.ID)
	return err
}

// effects returns how often each event had its effect.
func (w *world) effects(t testing.TB) map[string]int {
	t.Helper()
	found := map[string]int{}
	rows, err := w.db.Read(pg.System("test")).Query(testkit.Context(t), "select resource_id, length(desired) from drift")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var n int
		if err := rows.Scan(&id, &n); err != nil {
			t.Fatal(err)
		}
		found[id] = n
	}
	return found
}

func (w *world) expectOnce(t testing.TB, ids ...string) {
	t.Helper()
	testkit.Eventually(t, 30*time.Second, func() error {
		found := w.effects(t)
		for _, id := range ids {
			if found[id] != 1 {
				return fmt.Errorf("%s had its effect %d times; all: %v", id, found[id], found)
			}
		}
		return nil
	})
}

func (w *world) consume(t testing.TB, change func(*bus.Consumer)) (stop func()) {
	t.Helper()
	c := bus.Consumer{Name: "identity-test", Noun: "storage", DB: w.db, Handle: effect}
	if change != nil {
		change(&c)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.conn.Consume(ctx, c) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Consume ended with %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func TestConsume_gives_an_event_its_effect_once_however_often_it_comes(t *testing.T) {
	w := newWorld(t)
	for copy := range 4 {
		for n := range 20 {
			w.publish(t, someEvent(fmt.Sprint("e", n)), fmt.Sprint(n, ".", copy))
		}
	}
	w.consume(t, nil)
	w.consume(t, nil) // another replica
	var want []string
	for n := range 20 {
		want = append(want, fmt.Sprint("e", n))
	}
	w.expectOnce(t, want...)
	testkit.Eventually(t, 10*time.Second, func() error {
		consumer, err := w.conn.JetStream().Consumer(t.Context(), "STORAGE", "identity-test")
		if err != nil {
			return err
		}
		if info := consumer.CachedInfo(); info.NumPending != 0 || info.NumAckPending != 0 {
			return fmt.Errorf("%d wait and %d are not acknowledged", info.NumPending, info.NumAckPending)
		}
		return nil
	})
	w.expectOnce(t, want...)
}

func TestConsume_gives_the_handler_the_request_and_the_trace(t *testing.T) {
	w := newWorld(t)
	seen := make(chan string, 1)
	w.consume(t, func(c *bus.Consumer) {
		c.Handle = func(ctx context.Context, _ *pg.Tx, e event.Event) error {
			seen <- observe.RequestID(ctx) + " " + trace.SpanContextFromContext(ctx).TraceID().String() + " " + string(e.Payload)
			return nil
		}
	})
	w.publish(t, someEvent("e1"), "1")
	select {
	case got := <-seen:
		if got != "req_e1 0123456789abcdef0123456789abcdef e1" {
			t.Errorf("got %q", got)
		}
	case <-testkit.Context(t).Done():
		t.Fatal("nothing came")
	}
}

func TestConsume_brings_a_failed_event_again_and_keeps_nothing_of_the_failure(t *testing.T) {
	w := newWorld(t)
	var tries atomic.Int32
	w.consume(t, func(c *bus.Consumer) {
		c.Handle = func(ctx context.Context, tx *pg.Tx, e event.Event) error {
			if err := effect(ctx, tx, e); err != nil {
				return err
			}
			switch tries.Add(1) {
			case 1:
				return errors.New("boom")
			case 2:
				panic("boom")
			case 3:
				return errs.New(errs.Unavailable, "X", "away")
			}
			return nil
		}
	})
	w.publish(t, someEvent("e1"), "1")
	w.expectOnce(t, "e1")
	if n := tries.Load(); n != 4 {
		t.Errorf("%d tries", n)
	}
}

func TestConsume_puts_aside_what_fails_for_good_and_goes_on(t *testing.T) {
	w := newWorld(t)
	w.consume(t, func(c *bus.Consumer) {
		c.MaxFailures = 2
		c.Handle = func(ctx context.Context, tx *pg.Tx, e event.Event) error {
			if e.ID == "bad" {
				return errors.New("cannot be")
			}
			return effect(ctx, tx, e)
		}
	})
	w.publish(t, someEvent("bad"), "1")
	if _, err := w.conn.JetStream().Publish(testkit.Context(t), "primecloud.storage.bucket.created.v1", []byte("no event"), jetstream.WithMsgID("noise")); err != nil {
		t.Fatal(err)
	}
	w.publish(t, someEvent("good"), "3")
	w.expectOnce(t, "good")
	testkit.Eventually(t, 20*time.Second, func() error {
		var aside string
		err := w.db.Read(pg.System("test")).QueryRow(t.Context(),
			"select coalesce(string_agg(event_id || ' ' || error, '; ' order by event_id), '') from dead_letter").Scan(&aside)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(aside, "bad cannot be; noise decode") {
			return fmt.Errorf("aside are %q", aside)
		}
		return nil
	})
	if found := w.effects(t); len(found) != 1 {
		t.Errorf("effects %v", found)
	}
}

func TestConsume_starts_before_its_stream_and_survives_the_loss_of_the_store(t *testing.T) {
	w := &world{nats: testkit.NATS(t), db: testkit.DB(t, "identity")}
	w.conn = connect(t, bus.Config{URL: w.nats.URL(), Service: "identity", Noun: "identity"})
	w.consume(t, nil)
	w.ensure(t)
	w.publish(t, someEvent("e1"), "1")
	w.expectOnce(t, "e1")
	for round := range 2 {
		if err := w.nats.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(w.nats.Store); err != nil {
			t.Fatal(err)
		}
		if err := w.nats.Start(testkit.Context(t)); err != nil {
			t.Fatal(err)
		}
		w.ensure(t)
		fresh := fmt.Sprint("fresh", round)
		w.publish(t, someEvent("e1"), "1") // what the relay does: the same id again
		w.publish(t, someEvent(fresh), fresh)
		w.expectOnce(t, "e1", fresh)
	}
	t.Run("and that somebody removed it", func(t *testing.T) {
		if err := w.conn.JetStream().DeleteConsumer(testkit.Context(t), "STORAGE", "identity-test"); err != nil {
			t.Fatal(err)
		}
		w.publish(t, someEvent("later"), "later")
		w.expectOnce(t, "e1", "later")
	})
}

func TestConnect_does_not_wait_for_NATS(t *testing.T) {
	n := testkit.NATS(t)
	if err := n.Kill(); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, bus.Config{URL: n.URL(), Service: "identity", Noun: "identity"})
	if err := conn.Check(testkit.Context(t)); !errors.Is(err, bus.ErrDisconnected) {
		t.Errorf("got %v", err)
	}
	if err := n.Start(testkit.Context(t)); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 10*time.Second, func() error { return conn.Check(t.Context()) })
}

func BenchmarkConsume(b *testing.B) {
	w := newWorld(b)
	for n := range b.N {
		e := someEvent(fmt.Sprint("e", n))
		raw, err := envelope.Encode(e)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := w.conn.JetStream().PublishMsgAsync(&nats.Msg{Subject: e.Type, Data: raw}); err != nil {
			b.Fatal(err)
		}
	}
	<-w.conn.JetStream().PublishAsyncComplete()
	var left atomic.Int64
	left.Store(int64(b.N))
	done := make(chan struct{})
	b.ResetTimer()
	w.consume(b, func(c *bus.Consumer) {
		c.Handle = func(ctx context.Context, tx *pg.Tx, e event.Event) error {
			_, err := tx.Exec(ctx, `insert into drift (id, account_id, resource_kind, resource_id, kind, detected_at)
				values ($1, $2, $3, $1, 'EXTRA', now())`, e.ID, e.AccountID, e.Aggregate.Kind)
			if left.Add(-1) == 0 {
				close(done)
			}
			return err
		}
	})
	<-done
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
