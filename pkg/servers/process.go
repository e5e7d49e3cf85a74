package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// command says how to run one server.
type command struct {
	name string
	path string
	args []string
	env  []string // all of it: nothing is inherited but PATH
	dir  string   // working directory, home, and place of the log
	// stop asks the server to end; orphaned is what it gets when this process dies.
	stop, orphaned syscall.Signal
	owner          *owner // nil means this process's own user
}

// prepare returns the command ready to start.
func (c command) prepare(ctx context.Context) *exec.Cmd {
	// A server outlives the context it was started with: Stop ends it.
	ctx = context.WithoutCancel(ctx)
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	cmd.Dir = c.dir
	if c.owner != nil && c.owner.pathless {
		// The right to walk through closed folders becomes effective with the first exec, so that
		// one must be of something in an open folder.
		cmd = exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", `exec "$0" "$@"`, c.path}, c.args...)...)
		cmd.Dir = "/"
	}
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.dir}, c.env...)
	cmd.SysProcAttr = attributes(c)
	return cmd
}

// process is one run of a command, in a process group of its own.
type process struct {
	command
	cmd     *exec.Cmd
	log     string
	logFrom int64 // where this run begins in the log
	done    chan struct{}
	err     error // how it ended; read after done
}

// logLimit is the size above which a log is set aside when a server starts anew.
const logLimit = 16 << 20

func launch(ctx context.Context, c command) (*process, error) {
	p := &process{command: c, log: filepath.Join(c.dir, c.name+".log"), done: make(chan struct{})}
	if old, err := os.Stat(p.log); err == nil && old.Size() > logLimit {
		if err := os.Rename(p.log, p.log+".1"); err != nil {
			return nil, fmt.Errorf("start %s: %w", c.name, err)
		}
	}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.name, err)
	}
	defer func() { _ = out.Close() }()
	if info, err := out.Stat(); err == nil {
		p.logFrom = info.Size()
	}
	p.cmd = c.prepare(ctx)
	p.cmd.Stdout, p.cmd.Stderr = out, out

	started := make(chan error)
	go func() {
		// The kernel's "tell me when my parent dies" is bound to the thread that forks:
		// this one must live as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", c.name, err)
	}
	return p, nil
}

// signal reaches the whole process group; a process that has ended takes it silently.
func (p *process) signal(s syscall.Signal) error {
	if p.ended() {
		return nil
	}
	if err := syscall.Kill(-p.cmd.Process.Pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("send %s to %s: %w", s, p.name, err)
	}
	return nil
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// finish asks the process to end with the signal and kills it when ctx or patience ends first.
func (p *process) finish(ctx context.Context, s syscall.Signal) error {
	if err := p.signal(s); err != nil {
		return err
	}
	// A paused process sees the signal only when it goes on.
	if err := p.signal(syscall.SIGCONT); err != nil {
		return err
	}
	patience := time.NewTimer(stopWithin)
	defer patience.Stop()
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
	case <-patience.C:
	}
	return errors.Join(fmt.Errorf("%s did not stop in time and was killed", p.name), p.kill())
}

func (p *process) kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done
	return nil
}

const (
	readyWithin = 60 * time.Second
	stopWithin  = 20 * time.Second
	probeEvery  = 20 * time.Millisecond
	probeWithin = 2 * time.Second
)

// await returns when the probe succeeds, and ends the process when it does not in time.
func (p *process) await(ctx context.Context, probe func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		err := attempt(ctx, probe)
		if p.ended() {
			return &startError{name: p.name, cause: p.err, tail: p.tail()}
		}
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
		case <-tick.C:
		case <-ctx.Done():
			tail := p.tail()
			return errors.Join(&startError{name: p.name, cause: fmt.Errorf("not ready: %w (%w)", err, ctx.Err()), tail: tail}, p.kill())
		}
	}
}

func attempt(ctx context.Context, probe func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	return probe(ctx)
}

// startError is a server that ended, or never answered, instead of becoming ready.
type startError struct {
	name  string
	cause error
	tail  string
}

func (e *startError) Error() string {
	return fmt.Sprintf("%s did not start: %v; the end of its log:\n%s", e.name, e.cause, e.tail)
}

func (e *startError) Unwrap() error { return e.cause }

// tail returns the last lines this run has logged.
func (p *process) tail() string {
	const most, lines = 16 << 10, 20
	file, err := os.Open(p.log)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return err.Error()
	}
	from := max(p.logFrom, info.Size()-most)
	text := make([]byte, max(info.Size()-from, 0))
	n, _ := file.ReadAt(text, from)
	all := strings.Split(strings.TrimSpace(string(text[:n])), "\n")
	return strings.Join(all[max(len(all)-lines, 0):], "\n")
}
