package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/primecloud/primecloud/pkg/bus"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/event"
	"github.com/primecloud/primecloud/pkg/event/envelope"
	"github.com/primecloud/primecloud/pkg/outbox"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/servers"
	"github.com/primecloud/primecloud/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// world is a service's outbox with a NATS of its own.
type world struct {
	db   *pg.DB
	nats *servers.NATS
	conn *bus.Conn
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{db: testkit.DB(t, "storage"), nats: testkit.NATS(t)}
	w.conn = w.connect(t)
	return w
}

func (w *world) connect(t testing.TB) *bus.Conn {
	t.Helper()
	conn, err := bus.Connect(t.Context(), bus.Config{URL: w.nats.URL(), Service: "storage-provisioning", Noun: "storage"}, bus.Deps{Logger: testkit.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func (w *world) relay(t testing.TB, c clock.Clock) *outbox.Relay {
	t.Helper()
	return outbox.NewRelay(w.db, w.conn.JetStream(), outbox.RelayConfig{Noun: "storage", Batch: 50, Interval: 100 * time.Millisecond},
		outbox.Deps{Logger: testkit.Logger(t), Clock: c})
}

// run runs f until the test or the returned function ends it.
func run(t testing.TB, f func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func someEvent(n int) event.Event {
	id := fmt.Sprintf("evt_%05d", n)
	return event.Event{
		ID: id, Type: "primecloud.storage.bucket.created.v1", AccountID: "acc_1", Time: time.Now(),
		Aggregate: event.Aggregate{Kind: "bucket", ID: "bkt_" + id, Version: 1}, PayloadType: "primecloud.storage.v1.BucketCreated", Payload: []byte(id),
	}
}

func (w *world) add(t testing.TB, from, to int) {
	t.Helper()
	err := w.db.InTx(testkit.Context(t), pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) error {
		for n := from; n < to; n++ {
			if err := outbox.Add(ctx, tx, someEvent(n)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// streamed returns how often each event is in the stream.
func (w *world) streamed(ctx context.Context, js jetstream.JetStream) (map[string]int, error) {
	found := map[string]int{}
	stream, err := js.Stream(ctx, "STORAGE")
	if err != nil {
		return nil, err
	}
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy})
	if err != nil {
		return nil, err
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return nil, err
	}
	for range info.State.Msgs {
		msg, err := consumer.Next(jetstream.FetchMaxWait(2 * time.Second))
		if err != nil {
			return nil, err
		}
		e, err := envelope.Decode(msg.Data())
		if err != nil {
			return nil, err
		}
		found[e.ID]++
	}
	return found, nil
}

// expectStreamed waits until the events are in the stream, each once.
func (w *world) expectStreamed(t testing.TB, from, to, times int) {
	t.Helper()
	testkit.Eventually(t, 20*time.Second, func() error {
		found, err := w.streamed(t.Context(), w.conn.JetStream())
		if err != nil {
			return err
		}
		for n := from; n < to; n++ {
			if id := someEvent(n).ID; found[id] != times {
				return fmt.Errorf("%s is there %d times, want %d; %d events are there", id, found[id], times, len(found))
			}
		}
		return nil
	})
}

func (w *world) unpublished(t testing.TB) (n int) {
	t.Helper()
	err := w.db.Read(pg.System("test")).QueryRow(testkit.Context(t), "select count(*) from outbox where published_at is null").Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRelay_publishes_each_committed_event_once_with_several_replicas(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		run(t, w.relay(t, clock.System()).Run)
	}
	var writers sync.WaitGroup
	for writer := range 4 {
		writers.Go(func() { w.add(t, writer*100, writer*100+100) })
	}
	boom := errors.New("rolled back")
	err := w.db.InTx(testkit.Context(t), pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) error {
		return errors.Join(outbox.Add(ctx, tx, someEvent(9999)), boom)
	})
	if !errors.Is(err, boom) {
		t.Error(err)
	}
	writers.Wait()
	w.expectStreamed(t, 0, 400, 1)
	w.expectStreamed(t, 9999, 10000, 0)
	testkit.Eventually(t, 5*time.Second, func() error {
		if n := w.unpublished(t); n != 0 {
			return fmt.Errorf("%d are not marked", n)
		}
		return nil
	})
}

func TestRelay_publishes_at_once_when_nudged(t *testing.T) {
	w := newWorld(t)
	// Its clock stands still: nothing but a nudge wakes it.
	relay := w.relay(t, clock.NewManual(time.Now()))
	run(t, relay.Run)
	testkit.Eventually(t, 10*time.Second, func() error {
		_, err := w.conn.JetStream().Stream(t.Context(), "STORAGE")
		return err
	})
	w.add(t, 0, 120) // more than two batches
	relay.Nudge()
	w.expectStreamed(t, 0, 120, 1)
}

func TestRelay_marks_what_was_acknowledged_although_something_else_never_is(t *testing.T) {
	w := newWorld(t)
	silent, err := nats.Connect(w.nats.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(silent.Close)
	// Whoever listens and does not answer keeps NATS from saying that nobody does.
	if _, err := silent.SubscribeSync("primecloud.nowhere.>"); err != nil {
		t.Fatal(err)
	}
	if err := silent.Flush(); err != nil {
		t.Fatal(err)
	}
	lost := someEvent(0)
	lost.Type = "primecloud.nowhere.bucket.created.v1"
	err = w.db.InTx(testkit.Context(t), pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) error { return outbox.Add(ctx, tx, lost) })
	if err != nil {
		t.Fatal(err)
	}
	w.add(t, 1, 10)
	run(t, w.relay(t, clock.System()).Run)
	testkit.Eventually(t, 15*time.Second, func() error {
		var waiting int
		err := w.db.Read(pg.System("test")).QueryRow(t.Context(), `select count(*) from outbox where published_at is null`).Scan(&waiting)
		if err == nil && waiting != 1 {
			err = fmt.Errorf("%d events wait", waiting)
		}
		return err
	})
}

func TestRelay_loses_nothing_while_NATS_is_down(t *testing.T) {
	w := newWorld(t)
	run(t, w.relay(t, clock.System()).Run)
	w.add(t, 0, 30)
	w.expectStreamed(t, 0, 30, 1)
	if err := w.nats.Kill(); err != nil {
		t.Fatal(err)
	}
	w.add(t, 30, 90)
	if n := w.unpublished(t); n != 60 {
		t.Errorf("%d wait, want 60", n)
	}
	if err := w.nats.Start(testkit.Context(t)); err != nil {
		t.Fatal(err)
	}
	w.expectStreamed(t, 0, 90, 1)
}

func TestRelay_publishes_everything_again_when_the_store_was_lost(t *testing.T) {
	w := newWorld(t)
	run(t, w.relay(t, clock.System()).Run)
	run(t, w.relay(t, clock.System()).Run)
	w.add(t, 0, 130)
	w.expectStreamed(t, 0, 130, 1)
	for range 2 {
		if err := w.nats.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(w.nats.Store); err != nil {
			t.Fatal(err)
		}
		if err := w.nats.Start(testkit.Context(t)); err != nil {
			t.Fatal(err)
		}
		w.expectStreamed(t, 0, 130, 1)
	}
}

func TestRelay_notices_that_the_end_of_the_stream_was_lost(t *testing.T) {
	w := newWorld(t)
	stop := run(t, w.relay(t, clock.System()).Run)
	w.add(t, 0, 40)
	w.expectStreamed(t, 0, 40, 1)
	testkit.Eventually(t, 5*time.Second, func() error {
		if n := w.unpublished(t); n != 0 {
			return fmt.Errorf("%d are not marked", n)
		}
		return nil
	})
	stop()
	// As after a power failure: the copy of the store is older than what was acknowledged.
	older := t.TempDir()
	if err := w.nats.Stop(testkit.Context(t)); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(older, os.DirFS(w.nats.Store)); err != nil {
		t.Fatal(err)
	}
	if err := w.nats.Start(testkit.Context(t)); err != nil {
		t.Fatal(err)
	}
	stop = run(t, w.relay(t, clock.System()).Run)
	w.add(t, 40, 60)
	w.expectStreamed(t, 0, 60, 1)
	testkit.Eventually(t, 5*time.Second, func() error {
		if n := w.unpublished(t); n != 0 {
			return fmt.Errorf("%d are not marked", n)
		}
		return nil
	})
	stop()
	if err := w.nats.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(w.nats.Store), os.CopyFS(w.nats.Store, os.DirFS(older))); err != nil {
		t.Fatal(err)
	}
	if err := w.nats.Start(testkit.Context(t)); err != nil {
		t.Fatal(err)
	}
	run(t, w.relay(t, clock.System()).Run)
	testkit.Eventually(t, 20*time.Second, func() error {
		found, err := w.streamed(t.Context(), w.conn.JetStream())
		if err != nil {
			return err
		}
		if len(found) != 60 {
			return fmt.Errorf("%d of 60 events are there", len(found))
		}
		return nil
	})
}

func TestRedrive_is_not_swallowed_by_the_duplicate_window(t *testing.T) {
	w := newWorld(t)
	relay := w.relay(t, clock.System())
	stop := run(t, relay.Run)
	w.add(t, 0, 120)
	w.expectStreamed(t, 0, 120, 1)
	stop()
	n, err := relay.Redrive(testkit.Context(t), time.Now().Add(-time.Hour))
	if err != nil || n != 120 {
		t.Fatalf("%d events went out again, %v", n, err)
	}
	w.expectStreamed(t, 0, 120, 2)
	if n, err := relay.Redrive(testkit.Context(t), time.Now().Add(time.Hour)); err != nil || n != 0 {
		t.Errorf("%d events of the future, %v", n, err)
	}
}

func TestRelay_sweeps_published_events_beyond_retention_and_no_others(t *testing.T) {
	w := newWorld(t)
	moving := clock.NewManual(time.Now())
	relay := w.relay(t, moving)
	run(t, relay.Run)
	w.add(t, 0, 10)
	relay.Nudge()
	w.expectStreamed(t, 0, 10, 1)
	if err := w.nats.Kill(); err != nil {
		t.Fatal(err)
	}
	w.add(t, 10, 15)
	testkit.Eventually(t, 20*time.Second, func() error {
		moving.Advance(24 * time.Hour)
		var kept, waiting int
		err := w.db.Read(pg.System("test")).QueryRow(t.Context(),
			"select count(*) filter (where published_at is not null), count(*) filter (where published_at is null) from outbox").Scan(&kept, &waiting)
		if err == nil && (kept != 0 || waiting != 5) {
			err = fmt.Errorf("%d published and %d unpublished are left", kept, waiting)
		}
		return err
	})
}

func TestAdd_refuses_an_event_of_another_account(t *testing.T) {
	w := newWorld(t)
	err := w.db.InTx(testkit.Context(t), pg.Account("acc_2"), func(ctx context.Context, tx *pg.Tx) error {
		return outbox.Add(ctx, tx, someEvent(1))
	})
	if err == nil {
		t.Error("it was added")
	}
}

func BenchmarkRelay(b *testing.B) {
	w := newWorld(b)
	relay := outbox.NewRelay(w.db, w.conn.JetStream(), outbox.RelayConfig{Noun: "storage"}, outbox.Deps{})
	w.add(b, 0, b.N)
	b.ResetTimer()
	run(b, relay.Run)
	for {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-b.Context().Done():
		}
		if w.unpublished(b) == 0 {
			break
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
