package bucket_test

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/drift"
)

// shrunken is a backend whose answer about everything leaves everything out.
type shrunken struct {
	bucket.BackendReader
	bucket.Backends
	stands map[string]error
	asked  int
}

func (s *shrunken) Backend(name string) (bucket.Backend, error) {
	return bucket.Backend{Name: name, Reader: s}, nil
}

func (*shrunken) ObserveAll(context.Context, func(string, bucket.Observed)) error { return nil }

func (s *shrunken) ObserveBucket(_ context.Context, name string) (bucket.Observed, error) {
	s.asked++
	err, stands := s.stands[name]
	return bucket.Observed{Exists: stands && err == nil}, err
}

// findings is an inventory with open findings of what nobody made.
type findings struct {
	bucket.Inventory
	drift.Rows
	open  []string
	names map[string]bool
}

func (*findings) Records(context.Context, string, string, int) ([]bucket.Record, error) {
	return nil, nil
}

func (f *findings) Names(context.Context, string) (map[string]bool, error) { return f.names, nil }

func (f *findings) OpenExtras(context.Context, string, string) ([]string, error) { return f.open, nil }

func (f *findings) InPlatform(ctx context.Context, fn func(context.Context, bucket.Tx) error) error {
	return fn(ctx, bucket.Tx{Drifts: f})
}

func (f *findings) GoneExtras(_ context.Context, _, _ string, still []string, _ time.Time) (int64, error) {
	f.open = slices.DeleteFunc(f.open, func(place string) bool { return !slices.Contains(still, place) })
	return 0, nil
}

func TestAFinding_that_an_answer_leaves_out_is_closed_only_when_its_bucket_is_gone(t *testing.T) {
	away := errs.New(errs.Unavailable, "BACKEND_UNAVAILABLE", "no answer")
	refusal := errs.New(errs.FailedPrecondition, "BACKEND_REJECTED", "no")
	for name, c := range map[string]struct {
		stands map[string]error
		left   []string
		asked  int
	}{
		"one stands and one is gone":           {map[string]error{"a": nil}, []string{"b1/a"}, 2},
		"about one the backend says nothing":   {map[string]error{"a": refusal, "b": nil}, []string{"b1/a", "b1/b"}, 2},
		"the backend does not answer any more": {map[string]error{"a": away}, []string{"b1/a", "b1/b"}, 1},
		"all are gone":                         {nil, nil, 2},
	} {
		t.Run(name, func(t *testing.T) {
			backend := &shrunken{stands: maps.Clone(c.stands)}
			kept := &findings{open: []string{"b1/a", "b1/b", "b1/adopted"}, names: map[string]bool{"adopted": true}}
			s := &bucket.Service{Deps: bucket.Deps{Backends: backend, Inventory: kept, Clock: clock.System()}}
			if _, err := s.PassOver(t.Context(), "b1", time.Now()); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(kept.open, c.left) || backend.asked != c.asked {
				t.Errorf("left %v, asked %d times", kept.open, backend.asked)
			}
		})
	}
}
