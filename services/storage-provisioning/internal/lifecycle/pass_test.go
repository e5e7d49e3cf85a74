package lifecycle_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/lifecycle"
)

// land is many buckets on two backends, of which one may be down, and a pass that may be
// broken off at a bucket.
type land struct {
	shelf
	mu      sync.Mutex
	n       int
	down    string
	breakAt string
	stop    func()
	asked   []string
}

func (l *land) Standing(_ context.Context, after string, limit int) ([]bucket.Bucket, error) {
	var list []bucket.Bucket
	for i := range l.n {
		id := fmt.Sprintf("bkt_%04d", i)
		if id > after && len(list) < limit {
			list = append(list, bucket.Bucket{ID: id, Name: id, Backend: []string{"a", "b"}[i%2]})
		}
	}
	return list, nil
}

func (l *land) Contents(name string) (lifecycle.Contents, error) { return place{l, name}, nil }

type place struct {
	*land
	backend string
}

func (p place) ListUploads(_ context.Context, name string) ([]lifecycle.Upload, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, name)
	if name == p.breakAt {
		p.stop()
	}
	if p.backend == p.down {
		return nil, errs.New(errs.Unavailable, "BACKEND_UNAVAILABLE", "down")
	}
	return nil, nil
}

func TestAbortUploads_goes_on_where_it_was_broken_off_and_comes_to_every_bucket(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l := &land{n: 450, breakAt: "bkt_0300", stop: cancel}
	use := lifecycle.NewService(lifecycle.Deps{Backends: l, Inventory: l, Clock: clock.NewManual(now)})
	if err := use.AbortUploads(ctx); err == nil {
		t.Error("a pass that was broken off says that it is done")
	}
	first := len(l.asked)
	if err := use.AbortUploads(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again := len(l.asked) - first; again > 450-300+8 {
		t.Errorf("the second pass asked for %d buckets", again)
	}
	slices.Sort(l.asked)
	if seen := len(slices.Compact(l.asked)); seen != 450 {
		t.Errorf("%d of 450 were asked for", seen)
	}
	l.asked = nil
	if err := use.AbortUploads(t.Context()); err != nil || len(l.asked) != 450 {
		t.Errorf("the next pass asks for %d, %v", len(l.asked), err)
	}
}

func TestAbortUploads_leaves_a_backend_alone_that_does_not_answer(t *testing.T) {
	l := &land{n: 450, down: "b"}
	use := lifecycle.NewService(lifecycle.Deps{Backends: l, Inventory: l, Clock: clock.NewManual(now)})
	if err := use.AbortUploads(t.Context()); errs.KindOf(err) != errs.Unavailable {
		t.Errorf("got %v", err)
	}
	if len(l.asked) > 225+8 {
		t.Errorf("%d buckets were asked for", len(l.asked))
	}
}
