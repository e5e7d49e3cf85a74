package faults_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/testkit"
	storage "github.com/primecloud/primecloud/services/storage-provisioning"
)

// trial is one call whose backend fails it at one request, and what came of it.
type trial struct {
	cell
	trouble trouble
	// soon says that the same call is sent again at once, and not when all is at rest.
	soon bool

	siege   *siege
	replica *storage.Service
	stop    func()
	got     credentials
	answer  error
	// told is how the call was answered, in a word.
	told string
	// spared says that the call never made the request at which the trouble begins: what it was
	// told says nothing about trouble.
	spared bool
}

func (c *trial) name() string {
	return fmt.Sprintf("%s at %s, %s", c.call.Operation, c.step, c.trouble.name)
}

// newTrial makes what the call needs, and a replica of its own to send it to, which reaches
// the backend through a proxy.
func (w *world) newTrial(operation, step string, t trouble) *trial {
	w.t.Helper()
	c := &trial{cell: *w.newCell(operation), trouble: t}
	c.step = step
	c.siege = newSiege(t, step, c.call.Bucket)
	proxy := testkit.NewProxy(w.t, w.minio.Endpoint())
	settings := maps.Clone(w.settings)
	settings["PRIMECLOUD_STORAGE_BACKEND_ENDPOINT"] = proxy.Endpoint()
	settings["PRIMECLOUD_STORAGE_DATABASE_CONNS"], settings["PRIMECLOUD_STORAGE_ATTEMPT"] = "4", "4s"
	// It does nothing of its own accord: what the call leaves is for the others.
	settings["PRIMECLOUD_STORAGE_SWEEP"] = "1h"
	telemetry := observe.Discard()
	telemetry.Logger = slog.New(warnings{testkit.Logger(w.t).Handler()})
	var err error
	if c.replica, err = newService(w.t.Context(), settings, storage.Deps{Telemetry: telemetry}, w.published()); err != nil {
		w.t.Fatal(err)
	}
	if c.call.wantsFresh() {
		c.stop = w.run(c.replica)
	} else {
		c.stop = closes(c.replica)
	}
	proxy.Order(c.siege.handle)
	return c
}

// run has a replica live until what it returns is called.
func (w *world) run(replica *storage.Service) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- replica.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("a replica ended with %v", err)
		}
	})
	w.t.Cleanup(stop)
	return stop
}

// closes is what ends a replica that never lived: it gives back what it holds.
func closes(replica *storage.Service) func() {
	return func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = replica.Run(ctx) // that it could not start is what is wanted
	}
}

// send sends the call through the replica in trouble.
func (c *trial) send() {
	ctx, cancel := context.WithTimeout(rpc.WithBearer(context.Background(), c.bearer), 20*time.Second)
	defer cancel()
	c.got, c.answer = c.call.sendWhenFresh(ctx, c.replica.Channel("gateway"))
	c.died = time.Now()
	c.spared = !c.siege.reached()
	switch {
	case c.call.judge(c.answer) == nil:
		c.told = "done"
	case errs.ReasonOf(c.answer) == "OUTCOME_UNKNOWN":
		c.told = "unknown"
	default:
		c.told = "refused"
	}
}

// besiege sends the calls of a batch, all in the same trouble, and lifts it afterwards.
func (w *world) besiege(batch []*trial) {
	w.t.Helper()
	var calls sync.WaitGroup
	returned := make([]chan struct{}, len(batch))
	for i, c := range batch {
		returned[i] = make(chan struct{})
		calls.Go(func() {
			defer close(returned[i])
			c.send()
		})
	}
	if t := batch[0].trouble; t.strike != nil {
		for i, c := range batch {
			select {
			case <-c.siege.arrived:
			case <-returned[i]:
			}
		}
		if err := t.strike(w.minio); err != nil {
			w.t.Fatal(err)
		}
		for _, c := range batch {
			close(c.siege.struck)
		}
		calls.Wait()
		if err := t.heal(w.minio); err != nil {
			w.t.Fatal(err)
		}
	}
	calls.Wait()
	for _, c := range batch {
		close(c.siege.lifted)
	}
	for _, c := range batch {
		calls.Go(func() { c.use(w) })
	}
	calls.Wait()
	for _, c := range batch {
		calls.Go(c.stop)
	}
	calls.Wait()
}

// use uses at once what the caller was told, or sends the call again.
func (c *trial) use(w *world) {
	ctx, cancel := context.WithTimeout(context.Background(), restWithin)
	defer cancel()
	switch {
	case c.told == "done" && (c.call.Operation == createKey || c.call.Operation == createKeyOnce):
		c.wrong(w.works(ctx, &c.cell, c.got, true))
	case c.told == "done" && c.call.Operation == deleteKey:
		c.wrong(w.works(ctx, &c.cell, c.had, false))
	case c.told == "done" && c.call.adoptsKey():
		c.wrong(w.held(ctx, &c.cell, true))
	case c.told == "done" && c.call.Operation == presignUpload:
		c.wrong(w.puts(ctx, c.got.secret))
	case c.soon && c.call.Operation != createKeyOnce:
		c.again = "done soon"
		c.wrong(c.insist(ctx, w))
	}
}

// wrong notes what is wrong for good.
func (c *trial) wrong(err error) {
	if err != nil {
		c.cell.trouble = fmt.Errorf("told %s: %w", c.told, err)
	}
}

// insist sends the call to the replicas that are well until it is answered.
func (c *trial) insist(ctx context.Context, w *world) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := w.send(c.call, c.bearer)
		if c.call.judge(err) == nil {
			return nil
		}
		if kind := errs.KindOf(err); kind != errs.Aborted && kind != errs.Unavailable && kind != errs.DeadlineExceeded {
			return fmt.Errorf("the same call again: %w", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the same call again: %w", err)
		}
	}
}

// hold holds what the caller was told against what it came to.
func (c *trial) hold() {
	if c.cell.trouble != nil || c.again != "" {
		return
	}
	switch {
	case c.told == "done" && c.outcome != c.call.told():
		c.cell.trouble = fmt.Errorf("told that it is done, and it is %s", c.outcome)
	case c.told == "refused" && c.outcome == succeeded:
		c.cell.trouble = errors.Join(errors.New("told that it failed, and it was done"), c.answer)
	}
}
