package lifecycle_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/primecloud/primecloud/pkg/lifecycle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// diary records what happened, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) write(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) want(t *testing.T, lines ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.lines, lines) {
		t.Errorf("happened %q, want %q", d.lines, lines)
	}
}

// component writes its start and stop, and works until it is told to end.
func (d *diary) component(name string) lifecycle.Component {
	return lifecycle.Component{
		Name:  name,
		Start: func(context.Context) error { d.write("start " + name); return nil },
		Run:   func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		Stop:  func(context.Context) error { d.write("stop " + name); return nil },
	}
}

// run runs the components until the group is ready, then ends the context.
func run(components ...lifecycle.Component) (*lifecycle.Group, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	g := lifecycle.New(nil)
	g.Add(components...)
	result := make(chan error, 1)
	go func() { result <- g.Run(ctx) }()
	select {
	case <-g.Started():
		cancel()
		return g, <-result
	case err := <-result:
		return g, err
	}
}

var errBroken = errors.New("broken")

func TestRun_starts_in_order_and_stops_in_reverse(t *testing.T) {
	var d diary
	g, err := run(d.component("a"), d.component("b"), lifecycle.Component{Name: "empty"}, d.component("c"))
	if err != nil {
		t.Fatal(err)
	}
	d.want(t, "start a", "start b", "start c", "stop c", "stop b", "stop a")
	if g.State() != lifecycle.Stopped || g.Ready() {
		t.Errorf("the group is %s", g.State())
	}
	if err := g.Run(t.Context()); err == nil {
		t.Error("a group ran twice")
	}
}

func TestRun_is_ready_only_while_everything_runs(t *testing.T) {
	g := lifecycle.New(nil)
	seen := map[string]bool{}
	ctx, cancel := context.WithCancel(t.Context())
	g.Add(lifecycle.Component{
		Name:  "witness",
		Start: func(context.Context) error { seen["start"] = g.Ready(); return nil },
		Run: func(runCtx context.Context) error {
			<-g.Started()
			seen["run"] = g.Ready()
			cancel()
			<-runCtx.Done()
			return nil
		},
		Stop: func(context.Context) error { seen["stop"] = g.Ready(); return nil },
	})
	if err := g.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if seen["start"] || !seen["run"] || seen["stop"] {
		t.Errorf("ready was %v", seen)
	}
}

func TestRun_stops_what_has_started_when_a_start_fails(t *testing.T) {
	var d diary
	bad := d.component("b")
	bad.Start = func(context.Context) error { return errBroken }
	g, err := run(d.component("a"), bad, d.component("c"))
	if !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "b: start") {
		t.Errorf("got %v", err)
	}
	d.want(t, "start a", "stop a")
	select {
	case <-g.Started():
		t.Error("the group says that it has started")
	default:
	}
}

func TestRun_stops_everything_at_the_first_failure(t *testing.T) {
	for name, tt := range map[string]struct {
		run  func(context.Context) error
		want string
	}{
		"an error":                  {func(context.Context) error { return errBroken }, "b: broken"},
		"a panic":                   {func(context.Context) error { panic("oh no") }, "b: panic: oh no"},
		"a silent end":              {func(context.Context) error { return nil }, "b: ended although nobody had stopped it"},
		"a cancellation of its own": {func(context.Context) error { return context.Canceled }, "b: context canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			var d diary
			bad := d.component("b")
			bad.Run = tt.run
			g := lifecycle.New(nil)
			g.Add(d.component("a"), bad)
			err := g.Run(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("want %q, got %v", tt.want, err)
			}
			d.want(t, "start a", "start b", "stop b", "stop a")
		})
	}
}

func TestRun_cuts_a_start_short_when_a_running_component_fails(t *testing.T) {
	for name, stubborn := range map[string]bool{"a start that gives up": false, "a start that succeeds all the same": true} {
		t.Run(name, func(t *testing.T) {
			var d diary
			waiting := make(chan struct{})
			bad := d.component("a")
			bad.Run = func(context.Context) error { <-waiting; return errBroken }
			slow := d.component("b")
			slow.Start = func(ctx context.Context) error {
				close(waiting)
				<-ctx.Done()
				if stubborn {
					return nil
				}
				return ctx.Err()
			}
			if _, err := run(bad, slow); !errors.Is(err, errBroken) || errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			if stubborn {
				d.want(t, "start a", "stop b", "stop a")
			} else {
				d.want(t, "start a", "stop a")
			}
		})
	}
}

func TestRun_ends_without_an_error_when_asked_to_stop_while_starting(t *testing.T) {
	var d diary
	ctx, cancel := context.WithCancel(t.Context())
	slow := d.component("b")
	slow.Start = func(ctx context.Context) error { cancel(); <-ctx.Done(); return ctx.Err() }
	g := lifecycle.New(nil)
	g.Add(d.component("a"), slow)
	if err := g.Run(ctx); err != nil {
		t.Errorf("got %v", err)
	}
	d.want(t, "start a", "stop a")
}

func TestRun_keeps_the_context_of_a_component_alive_while_it_drains(t *testing.T) {
	drained := make(chan bool, 1)
	var inner context.Context
	began := make(chan struct{})
	_, err := run(lifecycle.Component{
		Name: "server",
		Run:  func(ctx context.Context) error { inner = ctx; close(began); <-ctx.Done(); return ctx.Err() },
		Stop: func(context.Context) error { <-began; drained <- inner.Err() == nil; return nil },
	})
	if err != nil || !<-drained {
		t.Errorf("the context ended before the drain, error %v", err)
	}
}

func TestRun_leaves_a_stuck_component_behind_and_stops_the_others(t *testing.T) {
	var d diary
	release := make(chan struct{})
	defer close(release)
	stuck := d.component("b")
	stuck.StopWithin = 100 * time.Millisecond
	stuck.Stop = func(context.Context) error { <-release; return nil }
	deaf := d.component("c")
	deaf.StopWithin = 100 * time.Millisecond
	deaf.Run = func(context.Context) error { <-release; return nil }
	_, err := run(d.component("a"), stuck, deaf)
	if err == nil || !strings.Contains(err.Error(), "b: stop took longer than 100ms") ||
		!strings.Contains(err.Error(), "c: did not end within 100ms") {
		t.Errorf("got %v", err)
	}
	d.want(t, "start a", "start b", "start c", "stop c", "stop a")
}

func TestRun_joins_the_failures_of_stopping(t *testing.T) {
	var d diary
	one, two := d.component("a"), d.component("b")
	one.Stop = func(context.Context) error { return errBroken }
	two.Stop = func(context.Context) error { panic("no") }
	three := d.component("c")
	three.Run = func(ctx context.Context) error { <-ctx.Done(); return errors.New("lost a row") }
	_, err := run(one, two, three)
	for _, want := range []string{"a: stop: broken", "b: stop: panic: no", "c: lost a row"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}
