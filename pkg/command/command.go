// Package command is the command line that every process of the suite has: serve,
// migrate, healthcheck, config, and tools of its own. It owns arguments, signals and exit codes; what the
// commands do belongs to the process.
//
// Exit codes: 0 done, 1 failed, 2 called wrongly.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/primecloud/primecloud/pkg/config"
)

// Process is one program of the suite.
type Process struct {
	// Name is its long name, such as "storage-provisioning".
	Name string
	// Serve works until ctx is done, then drains.
	Serve func(ctx context.Context, environment config.Source) error
	// Migrate brings the schema up to date, as its owner; nil for a process without a database.
	Migrate func(ctx context.Context, environment config.Source) error
	// Healthcheck asks a running process on this machine whether it is ready, for
	// container engines.
	Healthcheck func(ctx context.Context, environment config.Source) error
	// Settings are the configuration structs that `config` documents.
	Settings []any
	// Tools are commands of the process's own, by name; each takes the arguments behind it
	// and returns ErrUsage when it was called wrongly.
	Tools map[string]func(ctx context.Context, call Call) error
}

// ErrUsage is what a tool that was called wrongly returns, wrapped with how to call it.
var ErrUsage = errors.New("usage")

// Main runs the process with the arguments and environment of the operating system and
// ends it. SIGINT and SIGTERM ask it to drain; a second one ends it at once.
func Main(p Process) {
	TuneMemory()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(Run(ctx, p, Call{Args: os.Args[1:], Environment: config.Environ(), Out: os.Stdout, Err: os.Stderr}))
}

// Call is one call of a program.
type Call struct {
	// Args are the arguments behind the program's name.
	Args []string
	// Environment holds the settings.
	Environment config.Source
	// Out takes what was asked for, Err what went wrong.
	Out, Err io.Writer
}

// Run runs one command and returns the exit code.
func Run(ctx context.Context, p Process, call Call) int {
	if len(call.Args) > 0 && p.Tools[call.Args[0]] != nil {
		return p.tool(ctx, call)
	}
	commands := p.commands(call.Out)
	if len(call.Args) != 1 || commands[call.Args[0]] == nil {
		fmt.Fprintf(call.Err, "usage: %s serve|%shealthcheck|config", p.Name, map[bool]string{true: "migrate|"}[p.Migrate != nil])
		for _, name := range slices.Sorted(maps.Keys(p.Tools)) {
			fmt.Fprintf(call.Err, "|%s …", name)
		}
		fmt.Fprintln(call.Err)
		return 2
	}
	if err := commands[call.Args[0]](ctx, call.Environment); err != nil {
		fmt.Fprintf(call.Err, "%s %s: %v\n", p.Name, call.Args[0], err)
		return 1
	}
	return 0
}

// tool runs a command of the process's own.
func (p Process) tool(ctx context.Context, call Call) int {
	name := call.Args[0]
	call.Args = call.Args[1:]
	err := p.Tools[name](ctx, call)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, ErrUsage):
		fmt.Fprintln(call.Err, err)
		return 2
	default:
		fmt.Fprintf(call.Err, "%s %s: %v\n", p.Name, name, err)
		return 1
	}
}

func (p Process) commands(out io.Writer) map[string]func(context.Context, config.Source) error {
	commands := map[string]func(context.Context, config.Source) error{
		"serve":       p.Serve,
		"healthcheck": p.Healthcheck,
		"config": func(context.Context, config.Source) error {
			for _, settings := range p.Settings {
				if err := config.Document(out, settings); err != nil {
					return err
				}
			}
			return nil
		},
	}
	if p.Migrate != nil {
		commands["migrate"] = p.Migrate
	}
	return commands
}
