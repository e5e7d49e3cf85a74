package bucket_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

// hanging is a backend that never answers.
type hanging struct {
	bucket.BackendReader
	bucket.Backends
}

func (h hanging) Backend(name string) (bucket.Backend, error) {
	return bucket.Backend{Name: name, Reader: h}, nil
}

func (hanging) ObserveAll(ctx context.Context, _ func(string, bucket.Observed)) error {
	<-ctx.Done()
	return ctx.Err()
}

// woken is an inventory that takes note of what is woken, as long as it may.
type woken struct {
	bucket.Inventory
	backends []string
}

func (*woken) Records(context.Context, string, string, int) ([]bucket.Record, error) { return nil, nil }

func (w *woken) WakeBackend(ctx context.Context, backend string, _ time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, bounded := ctx.Deadline(); !bounded {
		return errors.New("for as long as it likes")
	}
	w.backends = append(w.backends, backend)
	return nil
}

func TestABackendThatHangs_has_everything_looked_at_by_itself_before_and_after_the_job_ends(t *testing.T) {
	for name, job := range map[string]time.Duration{"within its time": time.Minute, "when it is over": 30 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), job)
				defer cancel()
				inventory, began := &woken{}, time.Now()
				s := &bucket.Service{Deps: bucket.Deps{Backends: hanging{}, Inventory: inventory}}
				if _, err := s.PassOver(ctx, "hung", began); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("it ended as %v", err)
				}
				if len(inventory.backends) != 1 || time.Since(began) >= time.Minute-10*time.Second {
					t.Errorf("woke %v after %s", inventory.backends, time.Since(began))
				}
			})
		})
	}
}
