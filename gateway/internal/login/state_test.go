package login

import (
	"strconv"
	"testing"
	"time"
)

func TestMany_logins_from_elsewhere_turn_nobody_away(t *testing.T) {
	v, err := newVault(make([]byte, 32), true)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for i := range maxUsed + 1 {
		s := state{State: strconv.Itoa(i), Ends: now.Add(lifetime)}
		if !v.first(s, now) {
			t.Fatalf("login %d is refused", i)
		}
		if v.first(s, now) {
			t.Fatalf("login %d counts twice", i)
		}
	}
	if len(v.used) > maxUsed {
		t.Errorf("%d are remembered", len(v.used))
	}
}
