package ownership

import (
	"testing"
	"time"
)

func TestA_transfer_ends_by_the_clock_while_it_waits_and_not_otherwise(t *testing.T) {
	end := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		state State
		at    time.Time
		want  State
	}{
		{Pending, end.Add(-1), Pending},
		{Pending, end, Expired},
		{Confirmed, end.Add(time.Hour), Confirmed},
		{Canceled, end.Add(time.Hour), Canceled},
	} {
		if got := (Transfer{State: c.state, ExpireTime: end}).At(c.at).State; got != c.want {
			t.Errorf("%s at %v is %s", c.state, c.at, got)
		}
	}
}
