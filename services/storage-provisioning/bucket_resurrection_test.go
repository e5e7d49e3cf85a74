package storage_test

import (
	"errors"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// TestABucket stands for MinIO right after its start: it makes every bucket again that it had
// listed then, also one that was removed since.
func TestABucketThatTheBackendMakesAgainAfterItsDeletionIsRemoved(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t), func(s config.Source) { s["PRIMECLOUD_STORAGE_SETTLE"] = "3s" })
	acc, bucket := account(), name()
	w.create(acc, bucket)
	if _, err := w.buckets.DeleteBucket(w.as(acc), &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	if err := w.s3().MakeBucket(testkit.Context(t), bucket, makeOptions(w)); err != nil {
		t.Fatal(err)
	}
	w.gone(bucket)
	testkit.Eventually(t, 10*time.Second, func() error {
		if w.exists(bucket) {
			return errors.New("it is still there")
		}
		return nil
	})
}

func TestABucketThatSomebodyFillsAfterItsDeletionIsLeftAlone(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t), func(s config.Source) { s["PRIMECLOUD_STORAGE_SETTLE"] = "3s" })
	acc, bucket := account(), name()
	w.create(acc, bucket)
	w.calls.writes()
	if _, err := w.buckets.DeleteBucket(w.as(acc), &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	reached, held := w.calls.hold("minio.ObserveBucket")
	<-reached // the look after the deletion has seen it absent
	if err := w.s3().MakeBucket(testkit.Context(t), bucket, makeOptions(w)); err != nil {
		t.Fatal(err)
	}
	w.put(bucket, "k")
	close(held)
	w.until(`(select state = 'CONFLICT' from storage.bucket where name = $1)`, bucket)
	if !w.exists(bucket) {
		t.Error("it is gone")
	}
}
