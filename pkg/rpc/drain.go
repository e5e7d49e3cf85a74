package rpc

import (
	"context"
	"sync"
)

// drain counts the calls in process, so that stopping can wait for them; gRPC does so for
// those over the wire.
type drain struct {
	mu      sync.RWMutex
	stopped bool
	calls   sync.WaitGroup
}

// enter counts a call, unless no more are taken.
func (d *drain) enter() bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.stopped {
		return false
	}
	d.calls.Add(1)
	return true
}

func (d *drain) leave() { d.calls.Done() }

// stop takes no more calls and waits for those in flight, or until ctx is done.
func (d *drain) stop(ctx context.Context) error {
	d.mu.Lock()
	d.stopped = true
	d.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.calls.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
