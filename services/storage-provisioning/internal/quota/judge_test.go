package quota

import (
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// newsOf returns what is told, in words.
func newsOf(list []notice) string {
	text := ""
	for _, n := range list {
		if n.verb != "" {
			text += n.verb + " " + string(n.kind) + ";"
		}
	}
	return text
}

func TestJudge_stops_at_once_and_comes_back_below_the_lower_mark_by_a_confirmed_figure(t *testing.T) {
	q := Quota{AccountID: "acc_1", Limits: Limits{Storage: Limit{Soft: 800, Hard: 1000}}}
	listed := func(bytes, reserved int64, at time.Time) Usage {
		return Usage{Bytes: bytes, Reserved: reserved, Confirmed: true, ListedAt: at}
	}
	for i, step := range []struct {
		usage   Usage
		stopped bool
		news    string
	}{
		{listed(700, 300, noon), false, ""},            // up to the limit
		{Usage{Bytes: 700, Reserved: 9000}, false, ""}, // what is only reserved stops nobody
		{Usage{Bytes: 1200}, true, "exceeded storage;soft_exceeded storage;"},
		{Usage{Bytes: 100}, true, ""},                                         // reported, not confirmed
		{listed(100, 0, noon.Add(-time.Hour)), true, ""},                      // counted before writes were stopped
		{listed(951, 0, noon.Add(time.Hour)), true, "soft_exceeded storage;"}, // above the lower mark
		{listed(900, 50, noon.Add(time.Hour)), true, ""},                      // at the mark
		{listed(900, 49, noon.Add(time.Hour)), false, "recovered storage;"},
		{listed(790, 0, noon.Add(time.Hour)), false, ""}, // still told
		{Usage{Bytes: 700}, false, ""},                   // and a report does not end that
		{listed(750, 0, noon.Add(time.Hour)), false, ""}, // now it is over
		{listed(801, 0, noon.Add(time.Hour)), false, "soft_exceeded storage;"},
	} {
		var news []notice
		q, news = judge(q, step.usage, 95, noon)
		if q.Stopped() != step.stopped || newsOf(news) != step.news {
			t.Errorf("step %d: stopped %v, told %q, want %v, %q", i, q.Stopped(), newsOf(news), step.stopped, step.news)
		}
	}
}

func TestJudge_gives_writes_back_when_there_is_no_limit_any_more(t *testing.T) {
	q, news := judge(Quota{StoppedAt: noon}, Usage{Bytes: 1 << 40}, 95, noon)
	if q.Stopped() || newsOf(news) != "recovered storage;" {
		t.Errorf("stopped %v, told %q", q.Stopped(), newsOf(news))
	}
}

func TestJudge_tells_of_each_kind_once(t *testing.T) {
	q := Quota{Limits: Limits{Buckets: Limit{Soft: 2}, AccessKeys: Limit{Soft: 1}}}
	for i, step := range []struct {
		usage Usage
		news  string
	}{
		{Usage{Buckets: 2, AccessKeys: 1}, ""},
		{Usage{Buckets: 3, AccessKeys: 2}, "soft_exceeded buckets;soft_exceeded access_keys;"},
		{Usage{Buckets: 4, AccessKeys: 2}, ""},
		{Usage{Buckets: 2, AccessKeys: 2}, ""},
		{Usage{Buckets: 3, AccessKeys: 2}, "soft_exceeded buckets;"},
	} {
		var news []notice
		if q, news = judge(q, step.usage, 95, noon); newsOf(news) != step.news {
			t.Errorf("step %d: told %q, want %q", i, newsOf(news), step.news)
		}
	}
}

func TestLimits_that_contradict_themselves_are_refused(t *testing.T) {
	for _, bad := range []Limits{
		{Storage: Limit{Soft: 2, Hard: 1}}, {Buckets: Limit{Soft: -1}}, {AccessKeys: Limit{Hard: -1}},
	} {
		if err := bad.Check(); errs.ReasonOf(err) != "QUOTA_INVALID" {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	for _, good := range []Limits{{}, {Storage: Limit{Soft: 5}}, {Buckets: Limit{Soft: 1, Hard: 1}}} {
		if err := good.Check(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
}

func TestRequest_raises_what_it_asks_for_and_nothing_else(t *testing.T) {
	limits := Limits{Storage: Limit{Soft: 80, Hard: 100}, Buckets: Limit{Hard: 5}}
	if got, want := (Request{Storage: 200, Buckets: 3}).raised(limits), (Limits{Storage: Limit{Soft: 160, Hard: 200}, Buckets: Limit{Hard: 5}}); got != want {
		t.Errorf("%+v", got)
	}
	if got := (Request{AccessKeys: 9}).raised(limits); got != limits {
		t.Errorf("a limit was made of none: %+v", got)
	}
	for _, bad := range []Request{{}, {Storage: 100}, {AccessKeys: 1}, {Storage: 200, Buckets: 5}} {
		if err := bad.check(limits); errs.ReasonOf(err) != "QUOTA_REQUEST_INVALID" {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if err := (Request{Storage: 101}).check(limits); err != nil {
		t.Error(err)
	}
}

func TestScaled_does_not_overflow(t *testing.T) {
	for _, c := range [][4]int64{{maxInt64, 95, 100, 8762203435012037016}, {maxInt64, 2, 1, maxInt64}, {7, 95, 100, 6}, {0, 5, 3, 0}} {
		if got := scaled(c[0], c[1], c[2]); got != c[3] {
			t.Errorf("%d·%d/%d is %d, want %d", c[0], c[1], c[2], got, c[3])
		}
	}
	if sum(maxInt64, 1) != maxInt64 {
		t.Error("a sum overflows")
	}
}
