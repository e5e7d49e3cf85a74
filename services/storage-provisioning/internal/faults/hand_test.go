package faults_test

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/testkit"
	storage "github.com/primecloud/primecloud/services/storage-provisioning"
)

// hand is a replica in this process that comes and goes, and of whose calls one is cut.
type hand struct {
	w       *world
	service *storage.Service
	// stop ends it.
	stop func()

	mu sync.Mutex
	// left counts down to the call or commit that is cut, after its effect if so; zero cuts none.
	left  int
	after bool
	hit   string
}

func newHand(w *world) *hand {
	h := &hand{w: w}
	h.begin()
	return h
}

func (h *hand) begin() {
	h.w.t.Helper()
	telemetry := observe.Discard()
	telemetry.Logger = slog.New(warnings{testkit.Logger(h.w.t).Handler()})
	var err error
	if h.service, err = newService(h.w.t.Context(), h.w.settings, storage.Deps{Telemetry: telemetry, Around: h.around}, h.w.published()); err != nil {
		h.w.t.Fatal(err)
	}
	h.stop = h.w.run(h.service)
	service := h.service
	testkit.Eventually(h.w.t, time.Minute, func() error { return service.Ready(h.w.t.Context()) })
}

// restart ends the replica, and begins another.
func (h *hand) restart() {
	h.stop()
	h.begin()
}

// close ends it for good.
func (h *hand) close() { h.stop() }

// send sends a call to it.
func (h *hand) send(c call, bearer string) (credentials, error) {
	ctx, cancel := context.WithTimeout(observe.WithRequestID(h.w.t.Context(), theCall), 20*time.Second)
	defer cancel()
	return c.sendWhenFresh(rpc.WithBearer(ctx, bearer), h.service.Channel("gateway"))
}

// arm cuts the n-th step of the call to come.
func (h *hand) arm(n int, after bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.left, h.after, h.hit = n, after, ""
}

// disarm cuts nothing any more, and returns what was cut.
func (h *hand) disarm() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.left = 0
	return h.hit
}

func (h *hand) around(ctx context.Context, name string, do func(context.Context) error) error {
	cut, after := h.count(ctx, name)
	if !cut {
		return do(ctx)
	}
	if after {
		if err := do(ctx); err != nil {
			return err
		}
	}
	if name == "postgres.commit" {
		return pg.ErrOutcomeUnknown
	}
	return errCut
}

func (h *hand) count(ctx context.Context, name string) (cut, after bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.left == 0 || observe.RequestID(ctx) != theCall {
		return false, false
	}
	if h.left--; h.left > 0 {
		return false, false
	}
	h.hit = name
	return true, h.after
}

var errCut = errs.New(errs.Unavailable, "BACKEND_UNAVAILABLE", "cut by the test")
