package clock_test

import (
	"sync"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
)

func rang(ch <-chan time.Time) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

func TestManual_wakes_those_whose_time_has_come(t *testing.T) {
	start := time.Date(2026, 1, 1, 1, 0, 0, 0, time.FixedZone("CET", 3600))
	m := clock.NewManual(start)
	if now := m.Now(); !now.Equal(start) || now.Location() != time.UTC {
		t.Errorf("it is %s", now)
	}
	late, soon, past := m.After(2*time.Second), m.After(time.Second), m.After(-time.Second)
	if rang(late) || rang(soon) || !rang(past) {
		t.Error("before it moved, only the past may ring")
	}
	m.Advance(time.Second)
	if rang(late) || !rang(soon) {
		t.Error("after one second, only the sooner may ring")
	}
	m.Advance(time.Hour)
	if !rang(late) || rang(soon) {
		t.Error("after an hour the later rings, and the sooner not again")
	}
	if got := m.Now().Sub(start); got != time.Hour+time.Second {
		t.Errorf("moved by %s", got)
	}
}

func TestManual_may_be_shared(t *testing.T) {
	m := clock.NewManual(time.Unix(0, 0))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			ch := m.After(time.Nanosecond)
			m.Advance(time.Nanosecond)
			<-ch
		})
	}
	wg.Wait()
	if got := m.Now(); !got.Equal(time.Unix(0, 8)) {
		t.Errorf("it is %s", got)
	}
}

func TestSystem_tells_the_time_in_UTC_and_rings(t *testing.T) {
	before := time.Now()
	now := clock.System().Now()
	if now.Location() != time.UTC || now.Before(before.Add(-time.Millisecond)) {
		t.Errorf("it is %s", now)
	}
	select {
	case <-clock.System().After(time.Nanosecond):
	case <-t.Context().Done():
		t.Error("it never rang")
	}
}
