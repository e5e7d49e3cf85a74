package bench

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func report() *Report {
	return &Report{
		config: Config{Rounds: 3, For: time.Second, Callers: 4, Creates: 2},
		outcomes: []outcome{
			{title: "near", target: 0.7, ours: side{rate: sample{70, 80, 10}, cost: sample{300}}, theirs: side{rate: sample{100, 100, 100}, cost: sample{210}}, ratios: sample{0.7, 0.8, 0.1}, costs: sample{0.7}},
			{title: "far", target: 0.7, ours: side{rate: sample{1}, cost: sample{1}}, theirs: side{rate: sample{2}, cost: sample{1}}, ratios: sample{0.5}, costs: sample{1}},
		},
		creations: []creation{{ours: sample{34}, theirs: sample{20}, calls: "all"}},
	}
}

func TestReport_replaces_its_figures_and_leaves_the_words(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(file, []byte("before\n"+begins+"old\n"+ends+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := report().Write(file, "make bench"); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	for _, want := range []string{
		"before\n", "after\n", "make bench",
		"| near | 70/s | 100/s | 70 % | 10 % to 80 % | 70 % | yes | 300 µs | 210 µs | 70 % | 0 % |", "| far | 1/s | 2/s | 50 % | 50 % to 50 % | 70 % | **no** | 1 µs | 1 µs | 100 % | 0 % |",
		"| 34.0 ms | met: yes |",
	} {
		if strings.Count(page, want) != 1 {
			t.Errorf("%q is not there once:\n%s", want, page)
		}
	}
	if strings.Contains(page, "old") {
		t.Error("the old figures are still there")
	}
}

func TestReport_refuses_a_page_without_a_place_for_figures(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(file, []byte("words"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := report().Write(file, "make bench"); err == nil {
		t.Error("it was written somewhere")
	}
}

func TestAnAnswerIsTheSameHoweverItsTimesAreWritten(t *testing.T) {
	one, err1 := plain([]byte(`{"at":"2026-01-01T00:00:00.120Z","n":"1"}`))
	two, err2 := plain([]byte(`{"n":"1","at":"2026-01-01T01:00:00.12+01:00"}`))
	if err1 != nil || err2 != nil || !reflect.DeepEqual(one, two) {
		t.Errorf("%v and %v differ: %v, %v", one, two, err1, err2)
	}
	if other, _ := plain([]byte(`{"at":"2026-01-01T00:00:00.121Z","n":"1"}`)); reflect.DeepEqual(one, other) {
		t.Error("another time passes for the same")
	}
}

func TestTheCostOfAProcessIsReadWhateverItIsCalled(t *testing.T) {
	pid, c := consumerOf("42 (a ) name) S 7 1 1 0 -1 4194304 10 0 0 0 250 50 0 0 20 0 1 0 100")
	if pid != 42 || c.parent != 7 || c.seconds != 3 {
		t.Errorf("process %d: %+v", pid, c)
	}
	if used() < 0 {
		t.Error("less than nothing was used")
	}
}

func TestTheQuietestRoundsCountWhateverTheirOutcome(t *testing.T) {
	rounds, measured, err := quietest(3, func(i int) (int, error) { return i, nil })
	if err != nil || len(rounds) != 3 || measured < 3 || measured > 3*patience {
		t.Errorf("%d rounds of %d, %v", len(rounds), measured, err)
	}
	for i := 1; i < len(rounds); i++ {
		if rounds[i].value <= rounds[i-1].value {
			t.Errorf("the order is lost: %v", rounds)
		}
	}
}
