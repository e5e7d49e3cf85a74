package purge

import (
	"testing"
	"time"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

func TestRemaining_is_what_was_found_and_not_removed(t *testing.T) {
	for _, c := range []struct {
		name           string
		state          State
		found, removed Content
		want           Content
	}{
		{"nothing yet", Waiting, Content{Entries: 3, Bytes: 9}, Content{}, Content{Entries: 3, Bytes: 9}},
		{"some", Running, Content{Entries: 3, Bytes: 9}, Content{Entries: 2, Bytes: 4, Uploads: 7}, Content{Entries: 1, Bytes: 5}},
		{"more than was found, since something came in late", Running, Content{Entries: 3, Bytes: 9}, Content{Entries: 4, Bytes: 10}, Content{}},
		{"all, though a crash kept the count", Done, Content{Entries: 3, Bytes: 9}, Content{Entries: 1, Bytes: 1}, Content{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := (Purge{State: c.state, Found: c.found, Removed: c.removed}).Remaining(); got != c.want {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestPurge_leaves_what_blocked_it_behind(t *testing.T) {
	for state, want := range map[State]State{Waiting: Waiting, Running: Running, Blocked: Running, Cancelling: Cancelling} {
		p := Purge{State: state, Reason: "X", Message: "x"}
		if p.goOn(); p.State != want || p.Reason != "" || p.Message != "" {
			t.Errorf("%s goes on as %+v", state, p)
		}
	}
}

func TestPurge_is_of_its_bucket_and_waits(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	p := of(bucket.Bucket{ID: "bkt_1", AccountID: "acc_1", Name: "b", Backend: "local"}, now, now.Add(time.Hour))
	if p.State != Waiting || p.Ended() || p.BucketID != "bkt_1" || p.Bucket != "b" || p.Backend != "local" ||
		p.Ref().Kind != Kind || p.Ref().AccountID != "acc_1" || p.BeginsAt != now.Add(time.Hour) {
		t.Errorf("got %+v", p)
	}
}
