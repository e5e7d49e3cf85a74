package storage_test

import (
	"slices"
	"testing"

	"github.com/primecloud/primecloud/pkg/testkit"
)

func TestAClosedAccountWhoseBucketIsMissing_is_removed_without_the_bucket_being_made_again(t *testing.T) {
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
