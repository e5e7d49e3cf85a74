package command_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/primecloud/primecloud/pkg/command"
	"github.com/primecloud/primecloud/pkg/config"
)

type settings struct {
	Listen string `env:"PRIMECLOUD_X_LISTEN" default:"127.0.0.1:1" doc:"Where it listens."`
}

func TestRun(t *testing.T) {
	process := command.Process{
		Name: "x", Settings: []any{&settings{}},
		Serve: func(_ context.Context, environment config.Source) error {
			if environment["PRIMECLOUD_X_LISTEN"] != "here" {
				return errors.New("the environment did not arrive")
			}
			return nil
		},
		Healthcheck: func(context.Context, config.Source) error { return errors.New("not ready") },
	}
	migrating := process
	migrating.Migrate = func(context.Context, config.Source) error { return nil }
	cases := []struct {
		name    string
		process command.Process
		args    []string
		code    int
		says    string
	}{
		{"a command gets the environment", process, []string{"serve"}, 0, ""},
		{"a failure is said and ends with 1", process, []string{"healthcheck"}, 1, "x healthcheck: not ready"},
		{"the settings are documented", process, []string{"config"}, 0, "PRIMECLOUD_X_LISTEN"},
		{"an unknown command ends with 2 and shows the others", process, []string{"launch"}, 2, "serve|healthcheck|config"},
		{"a process without a database has no migrate", process, []string{"migrate"}, 2, "serve|healthcheck|config"},
		{"a process with a database has migrate", migrating, []string{"migrate"}, 0, ""},
		{"no command at all shows them", migrating, nil, 2, "serve|migrate|healthcheck|config"},
		{"more than one is refused", process, []string{"serve", "serve"}, 2, "usage"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var output bytes.Buffer
			code := command.Run(t.Context(), c.process, command.Call{
				Args: c.args, Environment: config.Source{"PRIMECLOUD_X_LISTEN": "here"}, Out: &output, Err: &output,
			})
			if code != c.code || !strings.Contains(output.String(), c.says) {
				t.Errorf("code %d, output %q; want %d and %q", code, output.String(), c.code, c.says)
			}
		})
	}
}
