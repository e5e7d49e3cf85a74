package storage_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// change is one kind of call that changes a backend.
type change struct {
	name string
	// call makes the change.
	call func(w *world, ctx context.Context, acc, bucket string) error
	// prepare makes what the change needs.
	prepare func(w *world, acc, bucket string)
	// done and undone say whether the change is there, or what was before it.
	done, undone func(w *world, acc, bucket string) error
}

func (w *world) told(acc, bucket string) (*storagev1.Bucket, error) {
	response, err := w.buckets.GetBucket(w.as(acc), &storagev1.GetBucketRequest{AccountId: acc, Bucket: bucket})
	return response.GetBucket(), err
}

// absent says whether the bucket is neither told of nor on MinIO.
func absent(w *world, acc, bucket string) error {
	if b, err := w.told(acc, bucket); errs.ReasonOf(err) != "BUCKET_NOT_FOUND" {
		return fmt.Errorf("it is told of: %v, %v", b, err)
	}
	if w.exists(bucket) {
		return errors.New("MinIO has it")
	}
	return nil
}

// present says whether the bucket is there with the quota, told and on MinIO alike.
func present(quota int64) func(w *world, acc, bucket string) error {
	return func(w *world, acc, bucket string) error {
		b, err := w.told(acc, bucket)
		if err != nil {
			return err
		}
		if b.GetState() != storagev1.BucketState_BUCKET_STATE_READY || b.GetQuotaBytes() != quota {
			return fmt.Errorf("it is told as %s with %d", b.GetState(), b.GetQuotaBytes())
		}
		has, err := w.admin().GetBucketQuota(testkit.Context(w.t), bucket)
		if err != nil || int64(has.Size) != quota {
			return fmt.Errorf("MinIO has quota %v, %w", has, err)
		}
		tags, err := w.s3().GetBucketTagging(testkit.Context(w.t), bucket)
		if err != nil || tags.ToMap()["primecloud-id"] != b.GetId() {
			return fmt.Errorf("MinIO has the mark %v, %w", tags, err)
		}
		return nil
	}
}

var changes = []change{
	{
		name: "create",
		call: func(w *world, ctx context.Context, acc, bucket string) error {
			_, err := w.buckets.CreateBucket(ctx, &storagev1.CreateBucketRequest{
				AccountId: acc, Name: bucket, QuotaBytes: 1000,
				Versioning:     storagev1.Versioning_VERSIONING_ENABLED,
				LifecycleRules: []*storagev1.LifecycleRule{{Id: "a", ExpireAfterDays: 3}},
			})
			return err
		},
		prepare: func(*world, string, string) {},
		done:    present(1000), undone: absent,
	},
	{
		name: "update",
		call: func(w *world, ctx context.Context, acc, bucket string) error {
			_, err := w.buckets.UpdateBucket(ctx, &storagev1.UpdateBucketRequest{
				AccountId: acc, BucketName: bucket,
				Bucket: &storagev1.Bucket{QuotaBytes: 2000, Versioning: storagev1.Versioning_VERSIONING_ENABLED},
			})
			return err
		},
		prepare: func(w *world, acc, bucket string) { w.create(acc, bucket) },
		done:    present(2000), undone: present(0),
	},
	{
		name: "delete",
		call: func(w *world, ctx context.Context, acc, bucket string) error {
			_, err := w.buckets.DeleteBucket(ctx, &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: bucket})
			return err
		},
		prepare: func(w *world, acc, bucket string) { w.create(acc, bucket) },
		done:    absent, undone: present(0),
	},
}

// TestPromise cuts every call and every commit of every change, before and after its
// effect, and holds what the caller was told against what the system converges to. Most of
// its time is waiting, so the changes run beside each other, each in a world of its own.
func TestPromise_holds_wherever_a_call_is_cut(t *testing.T) {
	for _, c := range changes {
		for _, effect := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s with effect %v", c.name, effect), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, testkit.MinIO(t), func(s config.Source) {
					s["PRIMECLOUD_STORAGE_ATTEMPT"], s["PRIMECLOUD_STORAGE_SETTLE"] = "1s", "100ms"
				})
				steps := 0
				for cutOnce(t, w, c, steps+1, effect) != "" {
					steps++
				}
				if steps < 5 {
					t.Errorf("only %d steps were seen", steps)
				}
			})
		}
	}
}

// cutOnce cuts the n-th call and returns which one that was, or "" when there is none.
func cutOnce(t *testing.T, w *world, c change, n int, effect bool) string {
	t.Helper()
	acc, bucket := account(), name()
	c.prepare(w, acc, bucket)
	w.quiet()
	w.calls.arm(n, effect)
	ctx, cancel := context.WithTimeout(withKey(w.as(acc), "k"), 5*time.Second)
	defer cancel()
	failure := c.call(w, ctx, acc, bucket)
	w.calls.mu.Lock()
	hit := w.calls.hit
	w.calls.mu.Unlock()
	w.calls.arm(0, false)
	outcome := "success"
	switch {
	case failure == nil:
		testkit.Eventually(t, 15*time.Second, func() error { return c.done(w, acc, bucket) })
	case errs.ReasonOf(failure) == "OUTCOME_UNKNOWN":
		outcome = "unknown"
	default:
		outcome = errs.ReasonOf(failure)
		testkit.Eventually(t, 15*time.Second, func() error { return c.undone(w, acc, bucket) })
	}
	// The same call again makes it so, whatever the outcome was.
	testkit.Eventually(t, 30*time.Second, func() error {
		return c.call(w, withKey(w.as(acc), "k"), acc, bucket)
	})
	testkit.Eventually(t, 15*time.Second, func() error { return c.done(w, acc, bucket) })
	t.Logf("%-6s step %2d %-22s effect %-5v %s", c.name, n, hit, effect, outcome)
	return hit
}

// dueSoon is what tests wait for: all but the last look at what a backend may apply late.
const dueSoon = `due_at < now() + interval '30 minutes'`

// quiet waits until the reconciler has nothing to do for now.
func (w *world) quiet() {
	w.t.Helper()
	conn := w.database.Superuser(w.t)
	testkit.Eventually(w.t, time.Minute, func() error {
		var n int
		err := conn.QueryRow(w.t.Context(), `select count(*) from storage.managed_resource where `+dueSoon+` or lease_owner is not null`).Scan(&n)
		if err == nil && n > 0 {
			err = fmt.Errorf("%d resources are due", n)
		}
		return err
	})
	_ = conn.Close(w.t.Context())
}
