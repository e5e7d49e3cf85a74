package quota

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestFigure_falls_by_a_count_alone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := Figure{}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			before, size := f.Bytes, rapid.Int64Range(0, 100).Draw(t, "bytes")
			now := noon
			if rapid.Bool().Draw(t, "reported") {
				f, _ = f.heard(Size{Bytes: size}, now)
				if f.Bytes < before {
					t.Fatalf("a report of %d made %d of %d", size, f.Bytes, before)
				}
				continue
			}
			next := rapid.SampledFrom([]string{"", "k"}).Draw(t, "next")
			f = f.begun(now)
			whole := f.Tally.Bytes + size
			f = f.counted(Size{Bytes: size}, next, Size{}, time.Second, now)
			if next == "" && (f.Bytes != whole || f.Source != Listing) {
				t.Fatalf("a whole count of %d made %+v", whole, f)
			}
			if next != "" && f.Bytes < before {
				t.Fatalf("half a count made %d of %d", f.Bytes, before)
			}
		}
	})
}

func TestFigure_takes_a_report_for_news_only_beyond_what_was_reported_before(t *testing.T) {
	f, _ := Figure{}.heard(Size{Bytes: 100, Versions: 3}, noon)
	if f.Bytes != 100 || f.Source != Report {
		t.Fatalf("the first report: %+v", f)
	}
	f = f.begun(noon).counted(Size{Bytes: 10, Versions: 1}, "", Size{Bytes: 100}, time.Second, noon)
	if f, changed := f.heard(Size{Bytes: 100}, noon); changed || f.Bytes != 10 || f.Source != Listing {
		t.Errorf("a report from before the count: %+v", f)
	}
	if f, changed := f.heard(Size{}, noon); changed || f.Bytes != 10 {
		t.Errorf("an empty report: %+v", f)
	}
	if f, changed := f.heard(Size{Bytes: 101}, noon); !changed || f.Bytes != 101 || f.Source != Report {
		t.Errorf("a report of more: %+v", f)
	}
	// An empty answer at the time of the count must not make news of the next old one.
	f = f.begun(noon).counted(Size{Bytes: 10}, "", Size{}, time.Second, noon)
	if f, _ := f.heard(Size{Bytes: 100}, noon); f.Bytes != 10 {
		t.Errorf("after an empty report the old one is news: %+v", f)
	}
}

func TestDue_counts_the_oftener_the_nearer_the_limit(t *testing.T) {
	p := pace{tick: 10 * time.Second, slow: time.Hour, lower: 10 * time.Minute, rate: 10}
	f := Figure{Known: true, Source: Listing, ListedAt: noon, Bytes: 50}
	for _, c := range []struct {
		what     string
		figure   func(*Figure)
		left     int64
		limited  bool
		reported int64
		after    time.Duration
	}{
		{"far from the limit: the slow pace", nil, 1 << 40, true, 0, time.Hour - 5*time.Second},
		{"without one: the slow pace", nil, maxInt64, false, 0, time.Hour - 5*time.Second},
		{"as long as it takes to fill what is left", nil, 600, true, 0, 55 * time.Second},
		{"near the limit: every pass", nil, 1, true, 0, 5 * time.Second},
		{"beyond it: every pass", nil, -5, true, 0, 5 * time.Second},
		{"one that takes long: half of the time", func(f *Figure) { f.Took = time.Minute }, -5, true, 0, 115 * time.Second},
		{"less is reported: soon", nil, 1 << 40, true, 20, 595 * time.Second},
		{"nothing is reported: that says nothing", nil, 1 << 40, true, 0, time.Hour - 5*time.Second},
		{"never counted: now", func(f *Figure) { f.ListedAt = time.Time{} }, 1 << 40, true, 0, 0},
		{"half counted: now", func(f *Figure) { f.Tally.Began = noon }, 1 << 40, true, 0, 0},
		{"beyond the limit by a report alone: now", func(f *Figure) { f.Source = Report }, 0, true, 0, 0},
	} {
		g := f
		if c.figure != nil {
			c.figure(&g)
		}
		at := noon.Add(c.after)
		if !p.due(g, c.left, c.limited, Size{Bytes: c.reported}, at) {
			t.Errorf("%s: not due after %s", c.what, c.after)
		}
		if c.after > 0 && p.due(g, c.left, c.limited, Size{Bytes: c.reported}, at.Add(-time.Second)) {
			t.Errorf("%s: due a second before", c.what)
		}
	}
}
