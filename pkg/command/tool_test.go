package command_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/primecloud/primecloud/pkg/command"
)

func TestAToolGetsTheArgumentsBehindItsNameAndItsErrorIsTheExitCode(t *testing.T) {
	p := command.Process{Name: "identity", Tools: map[string]func(context.Context, command.Call) error{
		"audit": func(_ context.Context, c command.Call) error {
			switch strings.Join(c.Args, " ") {
			case "verify -keys file":
				return nil
			case "broken":
				return errors.New("it is broken")
			default:
				return fmt.Errorf("%w: identity audit verify", command.ErrUsage)
			}
		},
	}}
	for line, want := range map[string]struct {
		code int
		text string
	}{
		"audit verify -keys file": {0, ""}, "audit broken": {1, "identity audit: it is broken"},
		"audit": {2, "usage: identity audit verify"}, "other": {2, "audit …"}, "": {2, "audit …"},
	} {
		var stderr bytes.Buffer
		code := command.Run(t.Context(), p, command.Call{Args: strings.Fields(line), Out: io.Discard, Err: &stderr})
		if code != want.code || !strings.Contains(stderr.String(), want.text) {
			t.Errorf("%q: exit code %d, %q", line, code, stderr.String())
		}
	}
}
