package storage_test

import (
	"slices"
	"testing"

	"github.com/primecloud/primecloud/pkg/testkit"
)

func TestAClosedAccountWhoseBucketIsMissing_is_removed_without_the_bucket_being_made_again(t *testing.T) {
	t.Parallel() // it waits most of its time
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket := account(), name()
	w.create(acc, bucket)
	w.passed()
	w.settled()
	if err := w.s3().RemoveBucket(testkit.Context(t), bucket); err != nil {
		t.Fatal(err)
	}
	w.calls.writes()
	w.says(stands(acc, "closing", closing, 2))
	w.says(stands(acc, "closed", closed, 3))
	manifest := w.isRemoved(acc).GetExitManifest()
	if made := w.calls.writes(); slices.Contains(made, "MakeBucket") {
		t.Errorf("the removal called %v", made)
	}
	if list := manifest.GetBuckets(); len(list) != 1 || list[0].GetBucket().GetName() != bucket || list[0].GetEntries() != 0 {
		t.Errorf("the manifest says %v", list)
	}
	w.forgotten(acc)
}

func TestAPurgeWhoseBucketCameBack_takes_it_out_of_reach_again_and_removes_it(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t), purgedAtOnce)
	acc, bucket := account(), name()
	w.create(acc, bucket)
	w.fill(bucket, 3)
	reached, held := w.calls.hold("minio.CountEntries")
	p := w.purge(acc, bucket)
	<-reached
	w.row(`update storage.bucket set state = 'READY' where name = $1 returning state`, bucket)
	close(held)
	if p = w.purged(p, is(done)); w.exists(bucket) || p.GetRemovedEntries() != 3 {
		t.Errorf("it is said to be %v", p)
	}
	w.gone(bucket)
}
