package storage_test

import (
	"strings"
	"testing"

	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

func TestReplicas_never_purge_one_bucket_at_once(t *testing.T) {
	one := newWorld(t, testkit.MinIO(t), purgedAtOnce)
	acc, bucket := account(), name()
	one.create(acc, bucket)
	one.fill(bucket, 30)
	reached, held := one.calls.hold("minio.RemoveEntries")
	p := one.purge(acc, bucket)
	<-reached
	two := one.replica()
	// The other one is at work, with everything else.
	for range 3 {
		two.create(acc, name())
	}
	if n := two.calls.count("minio.RemoveEntries"); n != 0 {
		t.Errorf("the other replica has removed %d batches meanwhile", n)
	}
	close(held)
	p = one.purged(p, is(done))
	if p.GetRemovedEntries() != 30 || p.GetState() != storagev1.BucketPurgeState_BUCKET_PURGE_STATE_DONE || one.exists(bucket) {
		t.Errorf("it ended as %v", p)
	}
}

func TestPurge_removes_its_bucket_out_of_reach(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t), purgedAtOnce)
	acc, bucket, other := account(), name(), name()
	w.create(acc, bucket)
	w.fill(bucket, 3)
	identity := w.identityOf(acc)
	reached, held := w.calls.hold("minio.RemoveBucket")
	p := w.purge(acc, bucket)
	<-reached
	// What changes the account's policy meanwhile does not bring the bucket back into it.
	w.create(acc, other)
	if document := w.policyOf(identity); strings.Contains(document, bucket) || !strings.Contains(document, other) {
		t.Errorf("the account's policy is %s", document)
	}
	close(held)
	w.purged(p, is(done))
}

// count returns how often a call was made.
func (c *calls) count(name string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, called := range c.names {
		if called == name {
			n++
		}
	}
	return n
}
