package storage_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
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
	w := newWorld(t, testkit.MinIO(t), func(s config.Source) { s["PRIMECLOUD_STORAGE_SETTLE"] = "5s" })
	acc, bucket := account(), name()
	w.create(acc, bucket)
	if _, err := w.buckets.DeleteBucket(w.as(acc), &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	// A look in between finds it empty and removes it.
	testkit.Eventually(t, 3*time.Second, func() error {
		_ = w.s3().MakeBucket(testkit.Context(t), bucket, makeOptions(w))
		_, err := w.s3().PutObject(testkit.Context(t), bucket, "k", strings.NewReader("content"), 7, putOptions)
		return err
	})
	w.until(`(select state = 'CONFLICT' from storage.bucket where name = $1)`, bucket)
	if !w.exists(bucket) {
		t.Error("it is gone")
	}
}

// So it may be before the call has looked again at what it removed.
func TestABucketThatTheBackendMakesAgainWhileItIsDeletedIsRemoved(t *testing.T) {
	server := testkit.MinIO(t)
	proxy := testkit.NewProxy(t, server.Endpoint())
	w := newWorld(t, server, func(s config.Source) { s["PRIMECLOUD_STORAGE_BACKEND_ENDPOINT"] = proxy.Endpoint() })
	acc, bucket := account(), name()
	w.create(acc, bucket)
	var again sync.Once
	proxy.Order(func(e *testkit.Exchange) {
		if e.Request.Method != http.MethodDelete || strings.Trim(e.Request.URL.Path, "/") != bucket || e.Request.URL.RawQuery != "" {
			return
		}
		e.Deliver(func() bool {
			again.Do(func() {
				if err := w.s3().MakeBucket(testkit.Context(t), bucket, makeOptions(w)); err != nil {
					t.Error(err)
				}
			})
			return true
		})
	})
	if _, err := w.buckets.DeleteBucket(w.as(acc), &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	again.Do(func() { t.Error("the bucket was not removed through the proxy") })
	if w.exists(bucket) {
		t.Error("it is still there")
	}
}
