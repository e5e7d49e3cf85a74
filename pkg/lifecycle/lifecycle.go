// Package lifecycle starts the parts of a process in order and stops them in reverse.
//
// Guarantees: a component starts only when those before it are ready, and stops before
// they do; the first failure stops everything; every stop has a deadline of its own, so
// that one stuck part does not keep the others from draining; a panic is an error; when
// Run returns, no goroutine of the group is left, except those of a component that
// overran its deadline, which the error then names.
//
// It knows nothing of signals: cmd turns those into a cancelled context.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// StopWithin is the deadline of a component that names none.
const StopWithin = 10 * time.Second

// Component is one part of a process. Each of its functions may be nil.
type Component struct {
	// Name is shown in logs and errors.
	Name string
	// Start returns once the component is ready for those after it, and gives up when
	// ctx is done. One that fails cleans up after itself: its Stop is not called.
	Start func(ctx context.Context) error
	// Run works until ctx is done. To return before it was asked to stop is a failure,
	// with or without an error: work that ends belongs into Start.
	Run func(ctx context.Context) error
	// Stop drains and ends the component. The context of Run is alive until Stop has
	// returned, so that what is in flight can end.
	Stop func(ctx context.Context) error
	// StopWithin is how long Stop and the end of Run may take in all; zero means
	// StopWithin, the constant.
	StopWithin time.Duration
}

// State is where a group stands.
type State int32

// The states, in the order they are passed through.
const (
	// Idle is before Run.
	Idle State = iota
	// Starting lasts until every component has started.
	Starting
	// Ready is when all components run.
	Ready
	// Stopping is from the first failure or the end of the context.
	Stopping
	// Stopped is when Run has returned.
	Stopped
)

// String returns the state's name.
func (s State) String() string {
	return [...]string{"idle", "starting", "ready", "stopping", "stopped"}[s]
}

// Group is an ordered set of components. Make it with New.
type Group struct {
	logger     *slog.Logger
	components []Component
	state      atomic.Int32
	started    chan struct{}
	failed     chan error
}

// New returns an empty group that logs its progress to logger, which may be nil.
func New(logger *slog.Logger) *Group {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Group{logger: logger, started: make(chan struct{})}
}

// Add appends components; the order is the order of starting. Call it before Run.
func (g *Group) Add(components ...Component) { g.components = append(g.components, components...) }

// State returns where the group stands.
func (g *Group) State() State { return State(g.state.Load()) }

// Ready reports whether every component has started and none is stopping.
func (g *Group) Ready() bool { return g.State() == Ready }

// Started is closed when the group becomes ready; it stays open when a start fails.
func (g *Group) Started() <-chan struct{} { return g.started }

// Run starts the components, lets them run until ctx is done or one of them fails, and
// stops them in reverse. It returns the first failure joined with those of stopping, or
// nil after an orderly end. A group runs once.
func (g *Group) Run(ctx context.Context) error {
	if !g.state.CompareAndSwap(int32(Idle), int32(Starting)) {
		return errors.New("lifecycle: the group has already been run")
	}
	// Room for every Run, so that none is left hanging when nobody listens any more.
	g.failed = make(chan error, len(g.components))
	running, err := g.start(ctx)
	if err == nil && ctx.Err() == nil {
		g.state.Store(int32(Ready))
		close(g.started)
		g.logger.InfoContext(ctx, "ready")
		err = g.wait(ctx)
	}
	g.state.Store(int32(Stopping))
	err = errors.Join(err, g.stop(context.WithoutCancel(ctx), running))
	g.state.Store(int32(Stopped))
	return err
}

// process is a component that has started.
type process struct {
	Component
	stopping atomic.Bool
	cancel   context.CancelFunc
	done     chan struct{}
}

// start starts the components one after the other, and each one's Run as soon as it has
// started. It returns those that did.
func (g *Group) start(ctx context.Context) ([]*process, error) {
	var running []*process
	for _, c := range g.components {
		began := time.Now()
		if err := g.startOne(ctx, c); err != nil {
			// Asked to stop while starting: that is no failure.
			if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
				return running, nil
			}
			return running, err
		}
		g.logger.InfoContext(ctx, "started", "component", c.Name, "duration_us", time.Since(began).Microseconds())
		running = append(running, g.launch(ctx, c))
		if ctx.Err() != nil {
			return running, nil
		}
	}
	return running, nil
}

// startOne runs a component's Start, and cuts it short when one that already runs fails.
func (g *Group) startOne(ctx context.Context, c Component) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- guard(ctx, c.Name+": start", c.Start) }()
	select {
	case err := <-result:
		return err
	case failure := <-g.failed:
		cancel()
		if err := <-result; err != nil {
			return failure
		}
		// It started all the same, so it is stopped here, where nobody else knows of it.
		p := &process{Component: c, cancel: func() {}, done: make(chan struct{})}
		close(p.done)
		return errors.Join(failure, g.stop(context.WithoutCancel(ctx), []*process{p}))
	}
}

// launch runs a component's Run in the background, out of reach of ctx's end: only stop
// ends it, when its turn has come.
func (g *Group) launch(ctx context.Context, c Component) *process {
	p := &process{Component: c, done: make(chan struct{})}
	ctx, p.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if c.Run == nil {
		close(p.done)
		return p
	}
	go func() {
		defer close(p.done)
		err := guard(ctx, c.Name, c.Run)
		if p.stopping.Load() && (err == nil || errors.Is(err, context.Canceled)) {
			return
		}
		if err == nil {
			err = fmt.Errorf("%s: ended although nobody had stopped it", c.Name)
		}
		g.failed <- err
	}()
	return p
}

// wait returns when ctx is done, or with the first failure.
func (g *Group) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-g.failed:
		g.logger.ErrorContext(ctx, "a component failed", "error", err)
		return err
	}
}

// stop ends the components, the last one first, and returns what went wrong, failures of
// Run that nobody has heard of yet included.
func (g *Group) stop(ctx context.Context, running []*process) error {
	var failures []error
	for i := len(running) - 1; i >= 0; i-- {
		began := time.Now()
		err := running[i].stop(ctx)
		g.logger.InfoContext(ctx, "stopped", "component", running[i].Name, "duration_us", time.Since(began).Microseconds())
		failures = append(failures, err)
	}
	for {
		select {
		case err := <-g.failed:
			failures = append(failures, err)
		default:
			return errors.Join(failures...)
		}
	}
}

// stop drains the component, then ends its Run, both within its deadline.
func (p *process) stop(ctx context.Context) error {
	within := p.StopWithin
	if within <= 0 {
		within = StopWithin
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	defer p.cancel()
	p.stopping.Store(true)
	result := make(chan error, 1)
	go func() { result <- guard(ctx, p.Name+": stop", p.Stop) }()
	var err error
	select {
	case err = <-result:
	case <-ctx.Done():
		return fmt.Errorf("%s: stop took longer than %s and was left behind", p.Name, within)
	}
	p.cancel()
	select {
	case <-p.done:
		return err
	case <-ctx.Done():
		return errors.Join(err, fmt.Errorf("%s: did not end within %s and was left behind", p.Name, within))
	}
}

// guard calls f, if there is one, and makes a panic an error.
func guard(ctx context.Context, name string, f func(context.Context) error) (err error) {
	if f == nil {
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: panic: %v\n%s", name, r, debug.Stack())
		}
	}()
	if err := f(ctx); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
