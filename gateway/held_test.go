package gateway

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
)

func TestReadiness_asks_a_dependency_once_a_second_whoever_asks_how_often(t *testing.T) {
	now := clock.NewManual(time.Unix(1000, 0))
	g := &Gateway{deps: Deps{Clock: now}}
	asked, away := 0, errors.New("away")
	ask := g.held(func(ctx context.Context) error {
		asked++
		if err := ctx.Err(); err != nil {
			return err
		}
		return away
	})
	for range 3 {
		if err := ask(t.Context()); !errors.Is(err, away) {
			t.Errorf("told %v", err)
		}
	}
	if asked != 1 {
		t.Errorf("it was asked %d times within a second", asked)
	}
	now.Advance(time.Second)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ask(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("told %v", err)
	}
	if err := ask(t.Context()); !errors.Is(err, away) || asked != 3 {
		t.Errorf("after somebody who went away: %v, asked %d times", err, asked)
	}
}
