// Package suite runs the whole of PrimeCloud on one machine around real third-party
// servers, in one of two shapes: all in one process, each service with its real listener
// on loopback and its real interceptors, where the gateway reaches the services in
// process; or each service as a process of its own, as in production.
//
// It guarantees that Run returns only when everything it started has ended, and that a
// second start finds the data of the first.
package suite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/primecloud/primecloud/deploy/stack/demo"
	"github.com/primecloud/primecloud/deploy/stack/environment"
	"github.com/primecloud/primecloud/deploy/stack/settings"
	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/lifecycle"
)

// Config is what a developer sets; every setting has a default.
type Config struct {
	// Dir holds everything that survives a stop.
	Dir string `env:"PRIMECLOUD_STACK_DIR" default:".local" doc:"Folder for data, secrets and logs."`
	// LogLevel is that of every service.
	LogLevel string `env:"PRIMECLOUD_STACK_LOG_LEVEL" default:"info" doc:"Least level that the services log: debug, info, warn or error."`
	// Servers are the ports of the third-party servers.
	Servers environment.Ports
	// Processes are the ports of the suite's own processes.
	Processes settings.Ports
	// Separate runs each service as a process of its own, as in production, instead of all in one.
	Separate bool `env:"PRIMECLOUD_STACK_SEPARATE" doc:"Run each service as a process of its own instead of all in one."`
	// Volatile gives up durability against a crash of the machine, for tests.
	Volatile bool `env:"-"`
	// Overrides are settings of the suite's processes by their full names, which go before those
	// made for this machine; for tests and measurements.
	Overrides config.Source `env:"-"`
	// Environment runs already and stays with its owner, who started it with
	// StartEnvironment; nil has the suite start and stop one. For tests that stop the suite
	// and leave the rest.
	Environment *environment.Environment `env:"-"`
}

// Suite is everything, running.
type Suite struct {
	config      Config
	environment *environment.Environment
	parts       parts
}

// TargetFile is where a running suite says where it is, in Dir.
const TargetFile = "stack.json"

// StartEnvironment starts what a suite of this configuration needs around it.
func StartEnvironment(ctx context.Context, c Config, progress io.Writer) (*environment.Environment, error) {
	dir, err := c.folder()
	if err != nil {
		return nil, err
	}
	audit := ""
	if c.Processes.StorageAudit != 0 {
		audit = "http://" + settings.Address(c.Processes.StorageAudit)
	}
	return environment.Start(ctx, environment.Config{
		Audit: audit, Dir: dir, Ports: c.Servers, Callback: c.Processes.Callback(), Nouns: settings.Nouns(),
		NATSUsers: settings.NATSUsers(), Volatile: c.Volatile, Progress: progress,
	})
}

// folder makes the folder, with that of the logs in it, and returns its absolute path.
func (c Config) folder() (string, error) {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return "", err
	}
	for _, folder := range []string{dir, filepath.Join(dir, "logs")} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return "", fmt.Errorf("the stack's folder: %w", err)
		}
	}
	return dir, nil
}

// Start starts everything and returns when it answers.
func Start(ctx context.Context, c Config, progress io.Writer) (*Suite, error) {
	dir, err := c.folder()
	if err != nil {
		return nil, err
	}
	c.Dir = dir
	if err := c.Processes.Free(ctx); err != nil {
		return nil, err
	}
	s := &Suite{config: c, environment: c.Environment, parts: parts{group: lifecycle.New(slog.New(slog.DiscardHandler))}}
	if s.environment == nil {
		if s.environment, err = StartEnvironment(ctx, c, progress); err != nil {
			return nil, err
		}
	}
	build := s.build
	if c.Separate {
		build = s.buildProcesses
	}
	if err := build(ctx); err != nil {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		return nil, errors.Join(err, s.close(closing))
	}
	return s, nil
}

// Target says where the suite is, for the demo and for tests.
func (s *Suite) Target() demo.Target {
	person, guest, operator := environment.People()[0], environment.People()[2], environment.People()[3]
	user, password := s.environment.MinIOAdmin()
	return demo.Target{
		Gateway: s.config.Processes.GatewayURL(), S3: s.environment.Door.Endpoint(), Region: environment.Region,
		MinIO: s.environment.MinIO.Endpoint(), MinIOUser: user, MinIOPassword: password,
		Login: person.Email, Password: person.Password, Guest: guest.Email, GuestPassword: guest.Password, Operator: operator.Email, OperatorPassword: operator.Password,
	}
}

// Environment is what runs around the suite, for tests that stop a part of it.
func (s *Suite) Environment() *environment.Environment { return s.environment }

// settings are those of the suite's processes.
func (s *Suite) settings() settings.Suite {
	return settings.Suite{
		Environment: s.environment, Dir: s.config.Dir, Ports: s.config.Processes, LogLevel: s.config.LogLevel, Overrides: s.config.Overrides,
	}
}

// announce leaves word for `demo` where this suite is.
func (s *Suite) announce() error {
	raw, err := json.MarshalIndent(s.Target(), "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.config.Dir, TargetFile), raw, 0o600)
}

// Running returns the target of a suite that runs on the folder, if one does.
func Running(dir string) (demo.Target, bool, error) {
	raw, err := os.ReadFile(filepath.Join(dir, TargetFile))
	if errors.Is(err, os.ErrNotExist) {
		return demo.Target{}, false, nil
	}
	if err != nil {
		return demo.Target{}, false, err
	}
	var target demo.Target
	return target, true, json.Unmarshal(raw, &target)
}

// Run serves until ctx is done or a part fails, then stops everything, the gateway first.
// ready is called once all of it serves.
func (s *Suite) Run(ctx context.Context, ready func()) error {
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		if until(waiting, s.healthy) == nil {
			ready()
		}
	}()
	err := errors.Join(s.announce(), s.parts.group.Run(ctx))
	_ = os.Remove(filepath.Join(s.config.Dir, TargetFile))
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return errors.Join(err, s.close(closing))
}

func (s *Suite) close(ctx context.Context) error {
	var failed []error
	if s.config.Environment == nil {
		failed = append(failed, s.environment.Close(ctx))
	}
	for _, file := range s.parts.logs {
		failed = append(failed, file.Close())
	}
	return errors.Join(failed...)
}
