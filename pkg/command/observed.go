package command

import (
	"context"
	"errors"
	"runtime/debug"
	"time"

	"github.com/primecloud/primecloud/pkg/observe"
)

// flushWithin is how long the last spans and metrics may take to get out.
const flushWithin = 5 * time.Second

// Observed runs a command of the named process with logs, traces and metrics, under the
// version it was built from. What it has not sent yet when run returns goes out then.
func Observed(ctx context.Context, name string, c observe.Config, run func(*observe.Telemetry) error) error {
	c.Service = name
	if info, ok := debug.ReadBuildInfo(); ok {
		c.Version = info.Main.Version
	}
	telemetry, err := observe.New(ctx, c)
	if err != nil {
		return err
	}
	err = run(telemetry)
	flushing, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushWithin)
	defer cancel()
	return errors.Join(err, telemetry.Shutdown(flushing))
}
