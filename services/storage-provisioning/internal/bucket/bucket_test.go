package bucket_test

import (
	"testing"
	"time"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestBucket_is_reachable_only_while_it_is_known_to_be_the_owners(t *testing.T) {
	for _, c := range []struct {
		name string
		b    bucket.Bucket
		want bool
	}{
		{"ready", bucket.Bucket{Desired: bucket.Present, State: bucket.Ready, Marked: true}, true},
		{"being made, and not yet seen absent", bucket.Bucket{Desired: bucket.Present, State: bucket.Creating}, false},
		{"being made, and seen absent", bucket.Bucket{Desired: bucket.Present, State: bucket.Creating, SeenAbsentAt: start}, true},
		{"in conflict", bucket.Bucket{Desired: bucket.Present, State: bucket.Conflict, Marked: true}, false},
		{"being deleted, which may yet be refused", bucket.Bucket{Desired: bucket.Absent, State: bucket.Deleting, Marked: true}, true},
		{"deleted, its name still kept", bucket.Bucket{Desired: bucket.Absent, State: bucket.Vanishing, Marked: true}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.b.Reachable() != c.want {
				t.Errorf("reachable is %v", !c.want)
			}
		})
	}
}
