package purge

import (
	"testing"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

func TestOnly_a_bucket_that_is_known_to_be_gone_ends_a_purge(t *testing.T) {
	for _, c := range []struct {
		state   bucket.State
		desired bucket.Desired
		want    place
	}{
		{bucket.Purging, bucket.Present, reached},
		{bucket.Deleting, bucket.Absent, changing},
		{bucket.Updating, bucket.Present, changing},
		{bucket.Vanishing, bucket.Absent, gone},
		{bucket.Creating, bucket.Present, gone},
		{bucket.Conflict, bucket.Absent, gone},
		{bucket.Conflict, bucket.Present, displaced},
		{bucket.Ready, bucket.Present, back},
	} {
		if got := standing(Purge{}, bucket.Bucket{State: c.state, Desired: c.desired}, true); got != c.want {
			t.Errorf("%s, wanted %s: %d, want %d", c.state, c.desired, got, c.want)
		}
	}
	if got := standing(Purge{}, bucket.Bucket{}, false); got != gone {
		t.Errorf("no row: %d", got)
	}
	anew := bucket.Bucket{State: bucket.Ready, Desired: bucket.Present}
	if got := standing(Purge{LastStep: true}, anew, true); got != gone {
		t.Errorf("made anew after it was removed: %d", got)
	}
}
