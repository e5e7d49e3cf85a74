package suite_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"testing"
	"time"

	"github.com/primecloud/primecloud/deploy/stack/environment"
	"github.com/primecloud/primecloud/deploy/stack/settings"
	"github.com/primecloud/primecloud/deploy/stack/suite"
	"github.com/primecloud/primecloud/deploy/stack/webclient"
	"github.com/primecloud/primecloud/pkg/config"
)

// house is a suite in one of its two shapes, and what runs around it. Tests run one after
// the other, and may stop the suite or a server if they start it again.
type house struct {
	config      suite.Config
	environment *environment.Environment
	suite       *suite.Suite
	browsers    map[int]*webclient.Client

	stop  context.CancelFunc
	ended chan error
}

// usual are the settings of the suite under test: no budgets, since all tests come from
// one address.
var usual = config.Source{
	"PRIMECLOUD_GATEWAY_LOGIN_RATE_LIMIT": "0",
	"PRIMECLOUD_GATEWAY_RATE_LIMIT":       "0",
	"PRIMECLOUD_STORAGE_SWEEP":            "500ms",
}

// patience is how long something may take to converge on a machine that has much else to
// do; on a free one it takes seconds.
const patience = 2 * time.Minute

// lookingOften are settings with which everything is compared with MinIO all the time. It
// takes MinIO a tenth of a second a key, so other tests do without.
var lookingOften = config.Source{"PRIMECLOUD_STORAGE_FULL_PASS": "5s"}

// impatient are settings with which a call soon gives up a backend that does not answer,
// which on a busy machine may be one that is well.
var impatient = config.Source{"PRIMECLOUD_STORAGE_ATTEMPT": "4s"}

// newHouse starts what runs around the suite.
func newHouse(ctx context.Context, dir string, separate bool) (*house, error) {
	ports, err := settings.ChoosePorts(ctx, 5)
	if err != nil {
		return nil, err
	}
	h := &house{browsers: map[int]*webclient.Client{}, config: suite.Config{
		Dir: dir, LogLevel: "info", Volatile: true, Separate: separate,
		Processes: settings.Ports{Gateway: ports[0], Identity: ports[1], Storage: ports[2], IdentityAdmin: ports[3], StorageAdmin: ports[4]},
	}}
	if h.environment, err = suite.StartEnvironment(ctx, h.config, os.Stderr); err != nil {
		return nil, err
	}
	h.config.Environment = h.environment
	return h, nil
}

// shape names the shape that the suite has.
func (h *house) shape() string {
	if h.config.Separate {
		return "processes"
	}
	return "one process"
}

// open starts the suite with the usual settings and more, and returns when it serves.
func (h *house) open(ctx context.Context, more config.Source) error {
	h.config.Overrides = maps.Clone(usual)
	maps.Copy(h.config.Overrides, more)
	var err error
	if h.suite, err = suite.Start(ctx, h.config, os.Stderr); err != nil {
		return err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	ready, ended := make(chan struct{}), make(chan error, 1)
	h.stop, h.ended = stop, ended
	go func(s *suite.Suite) { ended <- s.Run(running, func() { close(ready) }) }(h.suite)
	select {
	case <-ready:
		return nil
	case err := <-ended:
		stop()
		h.stop = nil
		return errors.Join(errors.New("the suite ended before it served"), err)
	case <-ctx.Done():
		return errors.Join(ctx.Err(), h.close())
	}
}

// close stops the suite and leaves the rest running.
func (h *house) close() error {
	if h.stop == nil {
		return nil
	}
	h.stop()
	h.stop = nil
	return <-h.ended
}

// alive reports that the suite has not ended by itself.
func (h *house) alive() error {
	select {
	case err := <-h.ended:
		h.ended <- err
		return fmt.Errorf("the suite ended by itself: %w", err)
	default:
		return nil
	}
}

// demolish stops everything.
func (h *house) demolish() error {
	err := h.close()
	ctx, cancel := restoring()
	defer cancel()
	return errors.Join(err, h.environment.Close(ctx))
}

// restoring is a context for what must happen whatever became of the test, whose own
// context has ended by then.
func restoring() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 3*time.Minute)
}

// restore starts what is not running.
func restore(t *testing.T, servers ...interface{ Start(context.Context) error }) {
	t.Helper()
	ctx, cancel := restoring()
	defer cancel()
	for _, s := range servers {
		if err := s.Start(ctx); err != nil {
			t.Error(err)
		}
	}
}
