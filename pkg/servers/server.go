package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Server is a third-party server under our control: one process at a time, always on the
// same port and the same data. Its methods may be called from several goroutines.
type Server struct {
	name    string
	setting string
	port    int
	cmd     command
	probe   func(context.Context) error
	// again lists log texts of a start that fails only because the last run is not quite gone.
	again []string

	mu  sync.Mutex
	run *process
}

// begin makes a server and starts it.
func begin(ctx context.Context, s *Server) error {
	s.cmd.name = s.name
	return s.Start(ctx)
}

// Start starts the server again after Stop, Kill or its death, with the same port and
// data, and returns when it is ready. On a running server it does nothing.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run != nil && !s.run.ended() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	wait := time.NewTicker(10 * probeEvery)
	defer wait.Stop()
	for {
		if _, err := choosePort(ctx, s.name, s.port, s.setting); err != nil {
			return err
		}
		run, err := launch(ctx, s.cmd)
		if err != nil {
			return err
		}
		s.run = run
		err = run.await(ctx, s.probe)
		if err == nil || !s.worthAnother(err) {
			return err
		}
		select {
		case <-wait.C:
		case <-ctx.Done():
			return err
		}
	}
}

func (s *Server) worthAnother(err error) bool {
	var failed *startError
	if !errors.As(err, &failed) {
		return false
	}
	for _, text := range s.again {
		if strings.Contains(failed.tail, text) {
			return true
		}
	}
	return false
}

// Stop asks the server to end and waits for it; when ctx ends first, it is killed. Give it
// a context of its own: with a cancelled one it kills at once.
func (s *Server) Stop(ctx context.Context) error {
	return s.with(func(p *process) error { return p.finish(ctx, p.stop) })
}

// Kill ends the server without a warning, as a power failure would, and returns when the
// process is gone.
func (s *Server) Kill() error {
	return s.with((*process).kill)
}

// Pause freezes the server: its port accepts connections, nothing answers.
func (s *Server) Pause() error {
	return s.with(func(p *process) error { return p.signal(syscall.SIGSTOP) })
}

// Resume lets a paused server go on where it was.
func (s *Server) Resume() error {
	return s.with(func(p *process) error { return p.signal(syscall.SIGCONT) })
}

func (s *Server) with(do func(*process) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil || s.run.ended() {
		return nil
	}
	return do(s.run)
}

// Done is closed when the present run of the server has ended, whoever ended it.
func (s *Server) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.run.done
}

// Ended says how the last run ended, with the end of its log; nil while it runs.
func (s *Server) Ended() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.run.ended() {
		return nil
	}
	return fmt.Errorf("%s has ended (%v); the end of its log:\n%s", s.name, s.run.cmd.ProcessState, s.run.tail())
}

// Name returns the server's name.
func (s *Server) Name() string { return s.name }

// Port returns the port the server listens on, on 127.0.0.1.
func (s *Server) Port() int { return s.port }

// Address returns host:port of the server.
func (s *Server) Address() string { return address(s.port) }

// Log returns the path of the server's log.
func (s *Server) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.run.log
}

// PID returns the process id of the present or last run.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.run.cmd.Process.Pid
}

// folder makes a folder that only we may read but anybody may walk through, since one of
// the servers runs as another user.
func folder(path string) error {
	if err := os.MkdirAll(path, 0o711); err != nil {
		return fmt.Errorf("make the folder of a server: %w", err)
	}
	return nil
}
