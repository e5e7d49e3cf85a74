// The local stack: `up` starts the whole suite in one process, `demo` does the main job
// against it, `reset` wipes what it keeps, `config` lists its settings.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/primecloud/primecloud/deploy/stack/demo"
	"github.com/primecloud/primecloud/deploy/stack/environment"
	"github.com/primecloud/primecloud/deploy/stack/suite"
	"github.com/primecloud/primecloud/pkg/command"
	"github.com/primecloud/primecloud/pkg/config"
)

func main() {
	command.TuneMemory()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once; the servers end with it.
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "stack:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	commands := map[string]func(context.Context, suite.Config, io.Writer) error{
		"up": up, "demo": runDemo, "reset": reset,
		"config": func(_ context.Context, c suite.Config, out io.Writer) error { return config.Document(out, &c) },
	}
	if len(args) != 1 || commands[args[0]] == nil {
		return errors.New("usage: stack up|demo|reset|config")
	}
	var c suite.Config
	if err := config.Load(&c, config.Environ(), "PRIMECLOUD_STACK_"); err != nil {
		return err
	}
	return commands[args[0]](ctx, c, out)
}

func up(ctx context.Context, c suite.Config, out io.Writer) error {
	began := time.Now()
	fmt.Fprintln(out, "starting PostgreSQL, NATS, MinIO behind its door, Dex and the suite…")
	s, err := suite.Start(ctx, c, out)
	if err != nil {
		return err
	}
	err = s.Run(ctx, func() {
		target := s.Target()
		fmt.Fprintf(out, "\nready after %s\n\n", time.Since(began).Round(100*time.Millisecond))
		fmt.Fprintf(out, "  REST and login      %s        (documentation: %s/docs)\n", target.Gateway, target.Gateway)
		fmt.Fprintf(out, "  log in at           %s/auth/login\n", target.Gateway)
		for _, person := range environment.People() {
			fmt.Fprintf(out, "    as                %s with password %s\n", person.Email, person.Password)
		}
		fmt.Fprintf(out, "  S3, for clients     %s\n", target.S3)
		fmt.Fprintf(out, "  data and logs       %s\n\nCtrl-C stops everything; the data stays.\n", c.Dir)
	})
	fmt.Fprintln(out, "stopped")
	return err
}

// runDemo runs against the suite that is up, or starts one for the time being.
func runDemo(ctx context.Context, c suite.Config, out io.Writer) error {
	target, found, err := suite.Running(c.Dir)
	if err != nil {
		return err
	}
	if found && healthy(ctx, target.Gateway) {
		return demo.Run(ctx, target, out)
	}
	fmt.Fprintln(out, "no suite is up; starting one for the demo…")
	s, err := suite.Start(ctx, c, out)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- s.Run(running, func() { close(ready) }) }()
	select {
	case <-ready:
		err = demo.Run(ctx, s.Target(), out)
	case err = <-ended:
		stop()
		return err
	}
	stop()
	return errors.Join(err, <-ended)
}

func healthy(ctx context.Context, gateway string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, gateway+"/healthz", http.NoBody)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

func reset(ctx context.Context, c suite.Config, out io.Writer) error {
	if target, found, _ := suite.Running(c.Dir); found && healthy(ctx, target.Gateway) {
		return errors.New("the suite is up; stop it with Ctrl-C first")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return err
	}
	// Only a folder that a stack made is removed.
	if _, err := os.Stat(filepath.Join(dir, "secrets")); errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(out, "%s holds no stack; nothing to wipe\n", dir)
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	fmt.Fprintf(out, "wiped %s\n", dir)
	return nil
}
