package revocation_test

import (
	"testing"
	"time"

	"github.com/primecloud/primecloud/services/identity/internal/revocation"
)

func TestLatest_keeps_of_each_subject_the_entry_that_says_all(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	var all revocation.Snapshot
	add := func(kind revocation.Kind, subject string) {
		all.Epoch++
		e := revocation.New(kind, subject, now.Add(time.Duration(all.Epoch)*time.Second))
		e.Epoch = all.Epoch
		all.Entries = append(all.Entries, e)
	}
	for range 1000 {
		add(revocation.Membership, "usr_1/acc_1")
	}
	add(revocation.Session, "ses_1")
	add(revocation.Account, "ses_1") // another kind is another subject
	add(revocation.Membership, "usr_1/acc_1")
	got := all.Latest()
	if got.Epoch != 1003 || len(got.Entries) != 3 {
		t.Fatalf("epoch %d with %d entries", got.Epoch, len(got.Entries))
	}
	for i, want := range []int64{1001, 1002, 1003} {
		if got.Entries[i] != all.Entries[want-1] {
			t.Errorf("entry %d is %+v, want epoch %d", i, got.Entries[i], want)
		}
	}
	if len(all.Entries) != 1003 {
		t.Errorf("%d entries are left of what was given", len(all.Entries))
	}
}
