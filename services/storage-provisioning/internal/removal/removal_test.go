package removal

import (
	"testing"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/purge"
)

func TestRemoval_counts_the_newest_purge_of_each_bucket(t *testing.T) {
	got := byBucket([]purge.Purge{{ID: "bpg_1", BucketID: "a"}, {ID: "bpg_3", BucketID: "a"}, {ID: "bpg_2", BucketID: "b"}})
	if len(got) != 2 || got["a"].ID != "bpg_3" || got["b"].ID != "bpg_2" {
		t.Errorf("got %v", got)
	}
}

func TestRemoval_says_what_keeps_it_from_going_on(t *testing.T) {
	locked := purge.Purge{Bucket: "b", State: purge.Blocked, Reason: "OBJECTS_LOCKED"}
	for _, c := range []struct {
		name string
		has  Holdings
		want string
	}{
		{"nothing", Holdings{Buckets: []bucket.Bucket{{State: bucket.Purging}}, Purges: []purge.Purge{{State: purge.Running}}}, ""},
		{"a purge that is blocked", Holdings{Purges: []purge.Purge{{State: purge.Running}, locked}}, "OBJECTS_LOCKED"},
		{"not one that is over", Holdings{Purges: []purge.Purge{{State: purge.Cancelled, Reason: "X"}}}, ""},
		{"a bucket in conflict", Holdings{Buckets: []bucket.Bucket{{Name: "b", State: bucket.Conflict}}}, "BUCKET_CONFLICT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := blocker(c.has); got.Reason != c.want || c.want != "" && got.Bucket != "b" {
				t.Errorf("got %+v", got)
			}
		})
	}
}
