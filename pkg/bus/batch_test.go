package bus_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/bus"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/event"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/testkit"
)

// batches records what a handler of many was given.
type batches struct {
	mu    sync.Mutex
	given [][]event.Event
}

// handle gives each event its effect, and fails with all when one is called bad.
func (b *batches) handle(ctx context.Context, tx *pg.Tx, events []event.Event) error {
	b.mu.Lock()
	b.given = append(b.given, events)
	b.mu.Unlock()
	for _, e := range events {
		if err := effect(ctx, tx, e); err != nil {
			return err
		}
		if string(e.Payload) == "bad" {
			return errs.New(errs.InvalidArgument, "REQUEST_INVALID", "it is bad")
		}
	}
	return nil
}

func (w *world) consumeMany(t testing.TB, b *batches) {
	t.Helper()
	w.consume(t, func(c *bus.Consumer) { c.Handle, c.HandleMany, c.MaxFailures = nil, b.handle, 2 })
}

func TestConsumeGivesWaitingEventsTogetherEachOnceAndInTheOrderOfTheirAccount(t *testing.T) {
	w := newWorld(t)
	var want []string
	for n := range 200 {
		e := someEvent(fmt.Sprintf("e%03d", n))
		e.AccountID = fmt.Sprint("acc_", n%3)
		w.publish(t, e, e.ID)
		w.publish(t, e, e.ID+" again")
		want = append(want, e.ID)
	}
	b := &batches{}
	w.consumeMany(t, b)
	w.expectOnce(t, want...)
	b.mu.Lock()
	defer b.mu.Unlock()
	last, largest := map[string]string{}, 0
	for _, batch := range b.given {
		largest = max(largest, len(batch))
		for _, e := range batch {
			if e.ID < last[e.AccountID] {
				t.Errorf("%s came behind %s", e.ID, last[e.AccountID])
			}
			last[e.AccountID] = e.ID
		}
	}
	if largest < 2 {
		t.Error("no two events came together")
	}
}

func TestConsumePutsABadEventAsideAndTheOthersOfItsBatchHaveTheirEffect(t *testing.T) {
	w := newWorld(t)
	var want []string
	for n := range 40 {
		e := someEvent(fmt.Sprint("e", n))
		if n%20 == 7 {
			e.Payload = []byte("bad")
		} else {
			want = append(want, e.ID)
		}
		w.publish(t, e, e.ID)
	}
	w.consumeMany(t, &batches{})
	w.expectOnce(t, want...)
	testkit.Eventually(t, 30*time.Second, func() error {
		var n int
		err := w.db.Read(pg.System("test")).QueryRow(testkit.Context(t), `select count(*) from dead_letter`).Scan(&n)
		if err == nil && n != 2 {
			err = fmt.Errorf("%d events were put aside", n)
		}
		return err
	})
	if found := w.effects(t); found["e7"] != 0 || found["e27"] != 0 {
		t.Errorf("a bad one had its effect: %v", found)
	}
}

func TestConsumeWantsOneHandler(t *testing.T) {
	w := newWorld(t)
	both := bus.Consumer{Name: "c", Noun: "storage", DB: w.db, Handle: effect, HandleMany: (&batches{}).handle}
	neither := bus.Consumer{Name: "c", Noun: "storage", DB: w.db}
	if err := w.conn.Consume(t.Context(), both); err == nil {
		t.Error("it takes two")
	}
	if err := w.conn.Consume(t.Context(), neither); err == nil {
		t.Error("it takes none")
	}
}
