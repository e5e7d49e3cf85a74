package edge

import (
	"strconv"
	"testing"
)

func TestNobody_and_not_all_together_take_more_downloads_than_there_are(t *testing.T) {
	var s seats
	for range downloadsOfOne {
		if !s.take("anna") {
			t.Fatal("a free seat was refused")
		}
	}
	if s.take("anna") {
		t.Error("one caller has more than their share")
	}
	taken := downloadsOfOne
	for i := 0; s.take(strconv.Itoa(i)); i++ {
		taken++
	}
	if taken != downloadsOfAll {
		t.Errorf("%d are sent at a time", taken)
	}
	s.leave("anna")
	if !s.take("anna") || s.take("bert") {
		t.Error("a seat that was left is not had again, or is had twice")
	}
	for range downloadsOfOne {
		s.leave("anna")
	}
	for i := range taken - downloadsOfOne {
		s.leave(strconv.Itoa(i))
	}
	if s.all != 0 || len(s.taken) != 0 {
		t.Errorf("%d seats are still taken, by %v", s.all, s.taken)
	}
}
