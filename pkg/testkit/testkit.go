// Package testkit gives tests the real servers: one PostgreSQL per test process with a
// fresh database per test, NATS, MinIO, the door, Dex. Whatever cannot be had fails the
// test; nothing is skipped.
//
// A package that uses a shared server (PostgreSQL, MinIO, the door) runs its tests through
// Main, which ends those servers with the process. The others end with their test.
package testkit

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"
)

// Main runs the tests and ends what they shared: `func TestMain(m *testing.M) { testkit.Main(m) }`.
// In a process that StartChild began it runs that child instead.
func Main(m *testing.M, children ...Child) {
	runChild(children)
	code := m.Run()
	if err := shared.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "testkit:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// shared is what the tests of this process have in common. A test process is the one place
// where that is a global.
var shared processes

type processes struct {
	mu    sync.Mutex
	dir   string
	stops []func(context.Context) error
}

// folder returns a folder that lives as long as the process.
func (p *processes) folder(name string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dir == "" {
		dir, err := os.MkdirTemp("", "primecloud-test-")
		if err != nil {
			return "", err
		}
		// PostgreSQL may run as another user and must get through.
		if err := os.Chmod(dir, 0o711); err != nil {
			return "", err
		}
		p.dir = dir
	}
	return p.dir + "/" + name, nil
}

// folder is t.TempDir for a server that may run as another user and must get through.
func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "primecloud-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (p *processes) onStop(stop func(context.Context) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stops = append(p.stops, stop)
}

func (p *processes) stop() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var first error
	for i := len(p.stops) - 1; i >= 0; i-- {
		if err := p.stops[i](ctx); err != nil && first == nil {
			first = err
		}
	}
	if p.dir != "" {
		if err := os.RemoveAll(p.dir); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// Context returns the test's context, which ends after a minute at the latest, so that
// what hangs fails with a stack of its own rather than with the whole package.
func Context(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// Eventually calls check until it returns nil, and fails the test with its last error when
// that takes longer than within.
func Eventually(t testing.TB, within time.Duration, check func() error) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not within %s: %v", within, err)
		}
	}
}

// Logger returns a logger whose lines go to the test's output, until the test has ended.
func Logger(t testing.TB) *slog.Logger {
	t.Helper()
	w := &output{t: t}
	t.Cleanup(w.close)
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type output struct {
	mu    sync.Mutex
	t     testing.TB
	ended bool
}

// Write passes a line on. What a goroutine says after its test has ended is dropped: to
// pass it on would be a panic.
func (o *output) Write(line []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return len(line), nil
	}
	return o.t.Output().Write(line)
}

func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
}
