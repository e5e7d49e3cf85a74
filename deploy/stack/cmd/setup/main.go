// What the containers need once, beside the services' own `migrate`: `secrets` makes
// secrets and certificates and hands them out, `database` makes roles and schemas,
// `target` says where the suite is, for `stack demo`, and `config` lists the settings.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/primecloud/primecloud/deploy/stack/handout"
	"github.com/primecloud/primecloud/pkg/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "setup:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	commands := map[string]func(context.Context, handout.Config, io.Writer) error{
		"secrets":  func(_ context.Context, c handout.Config, _ io.Writer) error { return handout.Write(c) },
		"database": func(ctx context.Context, c handout.Config, _ io.Writer) error { return handout.Database(ctx, c) },
		"target":   target,
		"config":   func(_ context.Context, c handout.Config, out io.Writer) error { return config.Document(out, &c) },
	}
	if len(args) != 1 || commands[args[0]] == nil {
		return errors.New("usage: setup secrets|database|target|config")
	}
	var c handout.Config
	if err := config.Load(&c, config.Environ(), "PRIMECLOUD_SETUP_"); err != nil {
		return err
	}
	return commands[args[0]](ctx, c, out)
}

// target prints what `stack demo` reads as stack.json.
func target(_ context.Context, c handout.Config, out io.Writer) error {
	found, err := handout.Target(c)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(found)
}
