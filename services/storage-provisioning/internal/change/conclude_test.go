package change_test

import (
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
)

func TestSighting_is_certain_at_the_first_look_when_nothing_was_given_up(t *testing.T) {
	var s change.Sighting
	if next := s.Seen(change.Look{At: time.Unix(100, 0), Patience: change.Patience{Again: time.Second, Last: time.Minute}, Wanted: true, Acted: true}); next.DueAt != nil {
		t.Errorf("it is due again at %s", next.DueAt)
	}
}

// patience is the usual one.
var patience = change.Patience{}.OrDefault()

func TestSighting_wants_a_second_and_a_last_look_after_an_attempt_that_was_given_up(t *testing.T) {
	at := time.Unix(100, 0)
	look := func(after time.Duration, acted bool) change.Look {
		return change.Look{At: at.Add(after), Patience: patience, Wanted: true, Acted: acted}
	}
	var s change.Sighting
	s.GivenUp(false, errs.New(errs.Unavailable, "BACKEND_UNAVAILABLE", "it was not heard"))
	for _, step := range []struct {
		name string
		look change.Look
		due  time.Duration // when to look again; zero for never
	}{
		{"the first look", look(0, false), 2 * time.Second},
		{"a look too soon", look(time.Second, false), 2 * time.Second},
		{"a look that had to act begins anew", look(3*time.Second, true), 5 * time.Second},
		{"a look late enough", look(5*time.Second, false), 23 * time.Second},
		{"a look in between", look(9*time.Second, false), 23 * time.Second},
		{"the last look", look(23*time.Second, false), 0},
		{"a look when all is certain", look(24*time.Second, false), 0},
	} {
		next := s.Seen(step.look)
		switch {
		case step.due == 0 && next.DueAt != nil:
			t.Errorf("%s: it is due again at %s", step.name, next.DueAt)
		case step.due != 0 && (next.DueAt == nil || !next.DueAt.Equal(at.Add(step.due))):
			t.Errorf("%s: it is due again at %v", step.name, next.DueAt)
		}
	}
	if s != (change.Sighting{}) {
		t.Errorf("left is %+v", s)
	}
}

func TestSighting_of_what_is_not_wanted_settles_only_when_seen_so_twice(t *testing.T) {
	at := time.Unix(100, 0)
	look := func(after time.Duration, acted bool) change.Look {
		return change.Look{At: at.Add(after), Patience: patience, Acted: acted}
	}
	var s change.Sighting
	if s.Settled(look(0, false)) {
		t.Error("it is settled before it was seen")
	}
	if next := s.Seen(look(0, true)); next.DueAt == nil || !next.DueAt.Equal(at.Add(2*time.Second)) {
		t.Errorf("it is due again at %v", next.DueAt)
	}
	for after, want := range map[time.Duration]bool{time.Second: false, 2 * time.Second: true, time.Hour: true} {
		if s.Settled(look(after, false)) != want {
			t.Errorf("after %s it is settled: %v", after, !want)
		}
	}
	if s.Settled(look(time.Hour, true)) {
		t.Error("it is settled by a look that had to act")
	}
}
