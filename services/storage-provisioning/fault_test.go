package storage_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// within calls with a deadline and fails the test when the call takes longer.
func within(t *testing.T, ctx context.Context, limit time.Duration, call func(context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	began := time.Now()
	err := call(ctx)
	if took := time.Since(began); took > limit {
		t.Errorf("the call took %s, its deadline was %s", took, limit)
	}
	return err
}

func TestCreateBucket_while_MinIO_is_paused(t *testing.T) {
	t.Parallel() // it waits most of its time
	w := newWorld(t, testkit.NewMinIO(t))
	acc, bucket := account(), name()
	w.create(acc, name()) // the identity is there already, as it mostly is
	request := &storagev1.CreateBucketRequest{AccountId: acc, Name: bucket, QuotaBytes: 1 << 20}
	if err := w.minio.Pause(); err != nil {
		t.Fatal(err)
	}
	begun := make(chan struct{})
	var first error
	var running sync.WaitGroup
	running.Go(func() {
		close(begun)
		first = within(t, withKey(w.as(acc), "k"), 3*time.Second, func(ctx context.Context) error {
			_, err := w.buckets.CreateBucket(ctx, request)
			return err
		})
	})
	<-begun
	conn := w.database.Superuser(t)
	testkit.Eventually(t, 2*time.Second, func() error {
		var open int
		if err := conn.QueryRow(t.Context(), `select count(*) from storage.operation where state = 'TRYING'`).Scan(&open); err != nil || open != 1 {
			return fmt.Errorf("%d operations are open, %v", open, err)
		}
		return nil
	})
	_, err := w.buckets.CreateBucket(withKey(w.as(acc), "k"), request)
	refused(t, err, errs.Aborted, "IDEMPOTENCY_KEY_IN_PROGRESS")
	_, err = w.buckets.DeleteBucket(w.as(acc), &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: bucket})
	refused(t, err, errs.Aborted, "OPERATION_IN_PROGRESS")
	running.Wait()
	if e := refused(t, first, errs.Unavailable, "BACKEND_UNAVAILABLE"); e.RetryAfter() <= 0 {
		t.Error("the answer does not say when to retry")
	}
	_, err = w.buckets.GetBucket(w.as(acc), &storagev1.GetBucketRequest{AccountId: acc, Bucket: bucket})
	refused(t, err, errs.NotFound, "BUCKET_NOT_FOUND")
	if got := w.row(`select string_agg(type || ':' || aggregate_kind, ' ' order by seq) from storage.outbox where type like '%audit%' and created_at > now() - interval '10 s'`); got == "" {
		t.Error("nothing was audited")
	}
	if err := w.minio.Resume(); err != nil {
		t.Fatal(err)
	}
	t.Run("it converges to absent", func(t *testing.T) {
		w.gone(bucket)
		if w.exists(bucket) {
			t.Error("MinIO has the bucket")
		}
	})
	t.Run("the same key then succeeds", func(t *testing.T) {
		response, err := w.buckets.CreateBucket(withKey(w.as(acc), "k"), request)
		if err != nil || response.GetBucket().GetState() != storagev1.BucketState_BUCKET_STATE_READY || !w.exists(bucket) {
			t.Errorf("got %v, %v", response, err)
		}
	})
}

func TestCreateBucket_retried_at_once_after_MinIO_resumes(t *testing.T) {
	t.Parallel() // it waits most of its time
	w := newWorld(t, testkit.NewMinIO(t))
	acc := account()
	w.create(acc, name())
	for round := range 5 {
		bucket := name()
		request := &storagev1.CreateBucketRequest{AccountId: acc, Name: bucket}
		if err := w.minio.Pause(); err != nil {
			t.Fatal(err)
		}
		err := within(t, withKey(w.as(acc), bucket), 1500*time.Millisecond, func(ctx context.Context) error {
			_, err := w.buckets.CreateBucket(ctx, request)
			return err
		})
		refused(t, err, errs.Unavailable, "BACKEND_UNAVAILABLE")
		if err := w.minio.Resume(); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, patience, func() error {
			_, err := w.buckets.CreateBucket(withKey(w.as(acc), bucket), request)
			return err
		})
		if !w.exists(bucket) {
			t.Errorf("round %d: MinIO has no bucket", round)
		}
	}
}

func TestUpdate_and_delete_go_back_while_MinIO_is_down(t *testing.T) {
	w := newWorld(t, testkit.NewMinIO(t))
	acc, bucket := account(), name()
	w.create(acc, bucket)
	if err := w.minio.Kill(); err != nil {
		t.Fatal(err)
	}
	err := within(t, w.as(acc), 3*time.Second, func(ctx context.Context) error {
		_, err := w.buckets.UpdateBucket(ctx, &storagev1.UpdateBucketRequest{AccountId: acc, BucketName: bucket, Bucket: &storagev1.Bucket{QuotaBytes: 777}})
		return err
	})
	refused(t, err, errs.Unavailable, "BACKEND_UNAVAILABLE")
	err = within(t, w.as(acc), 3*time.Second, func(ctx context.Context) error {
		_, err := w.buckets.DeleteBucket(ctx, &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: bucket})
		return err
	})
	refused(t, err, errs.Unavailable, "BACKEND_UNAVAILABLE")
	got, err := w.buckets.GetBucket(w.as(acc), &storagev1.GetBucketRequest{AccountId: acc, Bucket: bucket})
	if err != nil || got.GetBucket().GetState() != storagev1.BucketState_BUCKET_STATE_READY || got.GetBucket().GetQuotaBytes() != 0 {
		t.Errorf("it is told as %v, %v", got, err)
	}
	if err := w.minio.Start(testkit.Context(t)); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 30*time.Second, func() error {
		got, err := w.buckets.ReconcileBucket(w.as(acc), &storagev1.ReconcileBucketRequest{AccountId: acc, Bucket: bucket})
		if err == nil && got.GetBucket().GetObservedGeneration() != got.GetBucket().GetGeneration() {
			err = errors.New("the backend was not seen as wanted yet")
		}
		return err
	})
	quota, err := w.admin().GetBucketQuota(testkit.Context(t), bucket)
	if err != nil || quota.Size != 0 || !w.exists(bucket) {
		t.Errorf("MinIO has quota %v, %v", quota, err)
	}
}

func TestRetry_with_the_same_key_and_etag_succeeds_after_MinIO_returns(t *testing.T) {
	w := newWorld(t, testkit.NewMinIO(t))
	acc, bucket := account(), name()
	seen := w.create(acc, bucket)
	key, err := w.keys.CreateAccessKey(w.as(acc), &storagev1.CreateAccessKeyRequest{
		AccountId: acc, DisplayName: "k", Grants: []*storagev1.Grant{{Bucket: bucket, Permission: storagev1.Permission_PERMISSION_READ}},
	})
	if err != nil {
		t.Fatal(err)
	}
	calls := []func(context.Context) error{
		func(ctx context.Context) error {
			response, err := w.buckets.UpdateBucket(withKey(ctx, "u"), &storagev1.UpdateBucketRequest{
				AccountId: acc, BucketName: bucket, Bucket: &storagev1.Bucket{QuotaBytes: 777}, Etag: seen.GetEtag(),
			})
			seen = response.GetBucket()
			return err
		},
		func(ctx context.Context) error {
			_, err := w.keys.DeleteAccessKey(withKey(ctx, "k"), &storagev1.DeleteAccessKeyRequest{
				AccountId: acc, KeyId: key.GetAccessKey().GetId(), Etag: key.GetAccessKey().GetEtag(),
			})
			return err
		},
		func(ctx context.Context) error {
			_, err := w.buckets.DeleteBucket(withKey(ctx, "d"), &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: bucket, Etag: seen.GetEtag()})
			return err
		},
	}
	for i, call := range calls {
		was := seen
		if err := w.minio.Kill(); err != nil {
			t.Fatal(err)
		}
		refused(t, within(t, w.as(acc), 3*time.Second, call), errs.Unavailable, "BACKEND_UNAVAILABLE")
		if err := w.minio.Start(testkit.Context(t)); err != nil {
			t.Fatal(err)
		}
		seen = was
		testkit.Eventually(t, patience, func() error {
			err := call(w.as(acc))
			if errs.ReasonOf(err) == "ETAG_MISMATCH" {
				t.Fatalf("call %d: nothing has changed, and its etag is refused: %v", i, err)
			}
			if err != nil {
				seen = was
			}
			return err
		})
	}
}

func TestPass_over_everything_wakes_it_once_however_often_it_is_tried(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testkit.NewMinIO(t))
	w.create(account(), name())
	w.stop()
	if err := w.minio.Kill(); err != nil {
		t.Fatal(err)
	}
	w.row(`with gone as (delete from storage.schedule_run returning 1), old as (
		update storage.managed_resource set updated_at = now() - interval '1 day' returning 1) select ''`)
	w.start()
	const tried = `exists (select from storage.river_job where args->>'schedule' = 'full_pass' and (metadata->>'snoozes')::int >= $1)`
	w.until(tried, 1)
	w.until(`(select min(failures) > 0 and max(lease_until) is null from storage.managed_resource)`)
	w.row(`with later as (update storage.managed_resource set due_at = now() + interval '1 hour' returning 1) select ''`)
	w.until(tried, 2)
	if n := w.row(`select count(*)::text from storage.managed_resource where due_at < now() + interval '30 minutes'`); n != "0" {
		t.Errorf("%s resources were woken again before their time", n)
	}
}

func TestConcurrentCalls(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	t.Run("of many who want one name, one gets it", func(t *testing.T) {
		bucket := name()
		outcomes := make([]error, 8)
		contexts, accounts := make([]context.Context, 8), make([]string, 8)
		for i := range outcomes {
			accounts[i] = account()
			contexts[i] = w.as(accounts[i])
		}
		var running sync.WaitGroup
		for i := range outcomes {
			running.Go(func() {
				_, outcomes[i] = w.buckets.CreateBucket(contexts[i], &storagev1.CreateBucketRequest{AccountId: accounts[i], Name: bucket})
			})
		}
		running.Wait()
		won := 0
		for _, err := range outcomes {
			if err == nil {
				won++
				continue
			}
			refused(t, err, errs.AlreadyExists, "BUCKET_NAME_TAKEN")
		}
		if won != 1 {
			t.Errorf("%d have it", won)
		}
	})
	t.Run("many buckets of one account come to be at once, and its policy has them all", func(t *testing.T) {
		acc := account()
		ctx := w.as(acc)
		names, outcomes := make([]string, 12), make([]error, 12)
		var running sync.WaitGroup
		for i := range names {
			names[i] = name()
			running.Go(func() {
				_, outcomes[i] = w.buckets.CreateBucket(ctx, &storagev1.CreateBucketRequest{AccountId: acc, Name: names[i]})
			})
		}
		running.Wait()
		if err := errors.Join(outcomes...); err != nil {
			t.Fatal(err)
		}
		w.reaches(acc, names...)
	})
	t.Run("one change at a time", func(t *testing.T) {
		acc, bucket := account(), name()
		w.create(acc, bucket)
		ctx := w.as(acc)
		outcomes := make([]error, 8)
		var running sync.WaitGroup
		for i := range outcomes {
			running.Go(func() {
				_, outcomes[i] = w.buckets.UpdateBucket(ctx, &storagev1.UpdateBucketRequest{
					AccountId: acc, BucketName: bucket, Bucket: &storagev1.Bucket{QuotaBytes: int64(1000 + i)},
				})
			})
		}
		running.Wait()
		won := 0
		for _, err := range outcomes {
			if err == nil {
				won++
				continue
			}
			refused(t, err, errs.Aborted, "OPERATION_IN_PROGRESS")
		}
		if won == 0 {
			t.Error("nobody got through")
		}
		got, err := w.buckets.GetBucket(ctx, &storagev1.GetBucketRequest{AccountId: acc, Bucket: bucket})
		if err != nil {
			t.Fatal(err)
		}
		quota, err := w.admin().GetBucketQuota(testkit.Context(t), bucket)
		if err != nil || int64(quota.Size) != got.GetBucket().GetQuotaBytes() {
			t.Errorf("told %d, MinIO has %v, %v", got.GetBucket().GetQuotaBytes(), quota, err)
		}
	})
}
