package storage_test

import (
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"

	"github.com/primecloud/primecloud/pkg/testkit"
)

// A call without an idempotency key is the only one that can hand its secret over. The
// reconciler, which may be looking at the key when the call comes, must not take its
// operation away while it waits.
func TestRotateAccessKey_is_left_to_its_call_while_that_waits_for_a_look_to_end(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket := account(), name()
	w.create(acc, bucket)
	k := w.createKey(w.as(acc), acc, readWrite, bucket)
	for range 5 {
		reached, goOn := w.calls.hold("minio.ObserveKey")
		w.due(k.GetId())
		<-reached
		answer := make(chan error, 1)
		go func() {
			_, err := w.keys.RotateAccessKey(w.as(acc), &storagev1.RotateAccessKeyRequest{
				AccountId: acc, KeyId: k.GetId(), Overlap: durationpb.New(0),
			})
			answer <- err
		}()
		testkit.Eventually(t, 10*time.Second, func() error {
			if w.row(`select count(*)::text from storage.operation where resource_id = $1 and state = 'TRYING'`, k.GetId()) == "0" {
				return errors.New("the call has not come yet")
			}
			return nil
		})
		w.due(k.GetId()) // whoever else wants it looked at now
		close(goOn)
		if err := <-answer; err != nil {
			t.Fatal(err)
		}
	}
}

// The call has looked at the credentials before while they were to work, and ends after that.
func TestRotateAccessKey_whose_overlap_ends_before_it_does_leaves_nothing_behind(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket := account(), name()
	w.create(acc, bucket)
	k := w.createKey(w.as(acc), acc, readWrite, bucket)
	w.passed() // which would look at it again
	tried, goOn := w.calls.hold("minio.TryKey")
	answer := make(chan error, 1)
	go func() {
		_, err := w.keys.RotateAccessKey(w.as(acc), &storagev1.RotateAccessKeyRequest{
			AccountId: acc, KeyId: k.GetId(), Overlap: durationpb.New(3 * time.Second),
		})
		answer <- err
	}()
	<-tried
	seen, end := w.calls.hold("minio.ObserveKey")
	close(goOn)
	<-seen
	w.until(`(select former_end < now() from storage.access_key where id = $1)`, k.GetId())
	close(end)
	if err := <-answer; err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, patience, func() error {
		if w.keyOnMinIO(k.GetAccessKeyId()) {
			return errors.New("MinIO still has it")
		}
		return nil
	})
}
