package suite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/primecloud/primecloud/deploy/stack/settings"
	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/lifecycle"
	"github.com/primecloud/primecloud/pkg/servers"
)

// program is one of the suite's own processes in the second shape.
type program struct {
	name     string
	settings func() (config.Source, error)
	migrates bool
	// after says when to start it; nil means at once. Any order works: this one spares
	// the first callers the wait for a connection.
	after func(ctx context.Context) error
}

// buildProcesses builds each binary and makes each a part of the group that runs it as a
// process of its own, known by its certificate. `migrate` runs before the first starts.
func (s *Suite) buildProcesses(ctx context.Context) error {
	from := s.settings()
	programs := []program{
		{name: "services/identity/cmd/identity", settings: from.Identity, migrates: true},
		{name: "services/storage-provisioning/cmd/storage-provisioning", settings: from.Storage, migrates: true, after: func(ctx context.Context) error {
			return ready(ctx, "http://"+settings.Address(from.Ports.IdentityAdmin))
		}},
		{name: "gateway/cmd/gateway", settings: from.Gateway, after: func(ctx context.Context) error {
			return ready(ctx, "http://"+settings.Address(from.Ports.StorageAdmin))
		}},
	}
	root, err := servers.Root()
	if err != nil {
		return err
	}
	for _, p := range programs {
		name := filepath.Base(p.name)
		binary := filepath.Join(s.config.Dir, "bin", name)
		build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./"+p.name)
		build.Dir = root
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
		source, err := p.settings()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		log, err := os.OpenFile(filepath.Join(s.config.Dir, "logs", name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		s.parts.logs = append(s.parts.logs, log)
		if p.migrates {
			if err := run(s.command(ctx, log, source, binary, "migrate")); err != nil {
				return fmt.Errorf("%s migrate: %w; see %s", name, err, log.Name())
			}
		}
		s.parts.group.Add(lifecycle.Component{
			Name: name, StopWithin: 30 * time.Second,
			Start: func(ctx context.Context) error { return until(ctx, p.after) },
			Run: func(ctx context.Context) error {
				if err := run(s.command(ctx, log, source, binary, "serve")); err != nil && ctx.Err() == nil {
					return fmt.Errorf("%w; see %s", err, log.Name())
				}
				return nil
			},
		})
	}
	return nil
}

// command is a call of one of the suite's binaries with its settings and no others. It is
// asked to drain when ctx ends, and not by a Ctrl-C that is meant for us; it ends with this
// process in any case.
func (s *Suite) command(ctx context.Context, log *os.File, source config.Source, binary, verb string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary, verb)
	for name, value := range source {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = tied()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	return cmd
}

// run runs a command to its end, on a thread of its own: the kernel ends the child with the
// thread that made it.
func run(cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return cmd.Run()
}

// healthy asks every part whether it is ready; the same in both shapes.
func (s *Suite) healthy(ctx context.Context) error {
	ports := s.config.Processes
	return errors.Join(
		ready(ctx, "http://"+settings.Address(ports.IdentityAdmin)),
		ready(ctx, "http://"+settings.Address(ports.StorageAdmin)),
		ready(ctx, ports.GatewayURL()),
	)
}
