package port_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/primecloud/primecloud/pkg/port"
)

var errCall = errors.New("the call failed")

func TestChain_puts_the_first_outermost_and_keeps_name_and_error(t *testing.T) {
	var steps []string
	around := func(mark string) port.Around {
		return func(ctx context.Context, name string, call func(context.Context) error) error {
			steps = append(steps, mark+" before "+name)
			err := call(ctx)
			steps = append(steps, mark+" after "+name)
			return err
		}
	}
	err := port.Chain(around("outer"), port.Plain, around("inner"))(t.Context(), "x.Do", func(context.Context) error {
		steps = append(steps, "call")
		return errCall
	})
	want := []string{"outer before x.Do", "inner before x.Do", "call", "inner after x.Do", "outer after x.Do"}
	if !errors.Is(err, errCall) || !slices.Equal(steps, want) {
		t.Errorf("steps %q, error %v", steps, err)
	}
}

func TestChain_of_nothing_just_calls(t *testing.T) {
	if err := port.Chain()(t.Context(), "x.Do", func(context.Context) error { return errCall }); !errors.Is(err, errCall) {
		t.Errorf("got %v", err)
	}
}

func TestValue_passes_the_value_and_the_error_through(t *testing.T) {
	got, err := port.Value(t.Context(), port.Plain, "x.Get", func(context.Context) (int, error) { return 7, errCall })
	if got != 7 || !errors.Is(err, errCall) {
		t.Errorf("got %d, error %v", got, err)
	}
	// A decorator may refuse to call at all, as one that injects a fault does.
	refuse := func(context.Context, string, func(context.Context) error) error { return errCall }
	if got, err := port.Value(t.Context(), refuse, "x.Get", func(context.Context) (int, error) { return 7, nil }); got != 0 || !errors.Is(err, errCall) {
		t.Errorf("got %d, error %v", got, err)
	}
}
