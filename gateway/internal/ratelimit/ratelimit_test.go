package ratelimit_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/gateway/internal/ratelimit"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestNobody_gets_more_than_the_budget_in_any_minute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		budget := rapid.Int64Range(1, 100).Draw(t, "budget")
		l := ratelimit.New("x", budget)
		now := start
		var allowed []time.Time
		for range rapid.IntRange(1, 400).Draw(t, "requests") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(5*time.Second)).Draw(t, "pause")))
			d := l.Take("a", now)
			if d.Allowed != (d.RetryAfter == 0) || d.Remaining < 0 || d.Remaining >= budget || d.Reset > time.Minute {
				t.Fatalf("the decision contradicts itself: %+v", d)
			}
			if d.Allowed {
				allowed = append(allowed, now)
				continue
			}
			if again := ratelimitAfter(l, now, d); !again.Allowed {
				t.Fatalf("waited %s for nothing: %+v", d.RetryAfter, again)
			}
			return // the question itself cost a request
		}
		// A full bucket and what flows in while it is emptied: twice the budget in a minute.
		for i, first := range allowed {
			n := int64(0)
			for _, at := range allowed[i:] {
				if at.Sub(first) < time.Minute {
					n++
				}
			}
			if n > 2*budget {
				t.Fatalf("%d requests in a minute with a budget of %d", n, budget)
			}
		}
	})
}

func ratelimitAfter(l *ratelimit.Limiter, now time.Time, d ratelimit.Decision) ratelimit.Decision {
	return l.Take("a", now.Add(d.RetryAfter))
}

func TestBudgets_are_apart_and_bounded_in_number(t *testing.T) {
	l := ratelimit.New("x", 2)
	for range 2 {
		l.Take("a", start)
	}
	if l.Take("a", start).Allowed || !l.Take("b", start).Allowed {
		t.Error("budgets are not apart")
	}
	for i := range 300_000 {
		l.Take(fmt.Sprint("made up ", i), start)
	}
	if n := l.Size(); n > 64*2048 {
		t.Errorf("%d budgets are kept", n)
	}
}

func TestNo_budget_is_no_limit(t *testing.T) {
	l := ratelimit.New("x", 0)
	header := http.Header{}
	for range 10_000 {
		d := l.Take("a", start)
		l.Tell(header, d)
		if !d.Allowed || len(header) != 0 {
			t.Fatalf("got %+v %v", d, header)
		}
	}
}

func TestA_line_has_one_budget(t *testing.T) {
	for address, key := range map[string]string{
		"203.0.113.7": "address:203.0.113.7", "2001:db8:1:2:3:4:5:6": "address:2001:db8:1:2::/64", "": "address:",
	} {
		if got := ratelimit.Key(address); got != key {
			t.Errorf("%s has %s", address, got)
		}
	}
}
