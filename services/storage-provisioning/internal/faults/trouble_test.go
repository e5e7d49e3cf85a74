package faults_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/primecloud/primecloud/pkg/testkit"
)

const (
	// extent is the setting that says how much of the matrix is tried: a sample when empty,
	// `all` of it, or all of it and the document written anew (`update`).
	extent = "PRIMECLOUD_FAULTS"
	// sample is one in how many cells are tried when not all are.
	sample = 12
	// together is how many calls are in one trouble at a time.
	together = 8
	// document is what is promised of each trouble.
	document = "../../docs/fault-matrix.md"
)

// deeds are the calls of this matrix: those that change something, and two that ask the
// backend and change nothing that is recorded. What is added to call_test.go and named here
// is tried in every trouble.
var deeds = append(slices.Clone(operations), reconcileBucket, presignUpload)

func TestMinIO_in_trouble_at_any_request_the_call_converges_to_what_was_told(t *testing.T) {
	w := newWorldOn(t, testkit.NewMinIO(t))
	w.settings["PRIMECLOUD_STORAGE_ATTEMPT"] = "10s" // of those that are well; what they prepare must succeed
	// Hundreds of accounts looked at one by one, since MinIO does not answer for all, would keep the two busy for minutes.
	w.passOver()
	w.build()
	w.live()
	w.build() // a second one: two replicas reconcile at once
	w.live()
	all := os.Getenv(extent) != ""
	steps := map[string][]string{}
	for _, deed := range deeds {
		steps[deed] = w.requests(deed)
	}
	var trials []*trial
	for k, trouble := range troubles {
		var cells [][2]string
		n := 0
		for _, deed := range deeds {
			for _, step := range steps[deed] {
				if n++; all || !trouble.rare && (n+k)%sample == 0 {
					cells = append(cells, [2]string{deed, step})
				}
			}
		}
		for some := range slices.Chunk(cells, together) {
			var batch []*trial
			for _, c := range some {
				one := w.newTrial(c[0], c[1], trouble)
				one.soon = (len(trials)+len(batch))%2 == 1
				batch = append(batch, one)
			}
			w.besiege(batch)
			trials = append(trials, batch...)
		}
	}
	rest(trials)
	for _, c := range trials {
		c.hold()
	}
	for _, c := range trials {
		if c.again == "" {
			c.repeat()
		}
	}
	rest(trials)
	tell(t, trials)
	if err := w.compareAll(); err != nil {
		complain(t, "when all was over: %v", err)
	}
	if os.Getenv(extent) == "update" {
		writeMatrix(t, trials)
		return
	}
	holdAgainstDocument(t, trials)
}

// complain fails the test and says why at once, below the table: the test's own log, which comes
// after, is too long to look for it.
func complain(t *testing.T, format string, args ...any) {
	t.Helper()
	fmt.Printf("| BROKEN: "+format+"\n", args...)
	t.Errorf(format, args...)
}

func started(s *testkit.Storage) error { return s.Start(context.Background()) }

// requests records the requests that the call takes.
func (w *world) requests(deed string) []string {
	w.t.Helper()
	steps := w.sendAlone(deed)
	// What a replica does of its own accord once it was started is none of them.
	again := w.sendAlone(deed)
	steps = slices.DeleteFunc(steps, func(step string) bool { return !slices.Contains(again, step) })
	w.t.Logf("%s takes %d requests: %s", deed, len(steps), strings.Join(steps, ", "))
	if len(steps) == 0 {
		w.t.Errorf("%s asks the backend nothing", deed)
	}
	return steps
}

// sendAlone sends the call without any trouble and returns the requests that it took.
func (w *world) sendAlone(deed string) []string {
	w.t.Helper()
	c := w.newTrial(deed, "", trouble{})
	c.send()
	c.stop()
	if c.told != "done" {
		w.t.Fatalf("%s without any trouble: %v", deed, c.answer)
	}
	return c.siege.seen()
}

// rest waits until the account of each trial is at rest.
func rest(trials []*trial) {
	for some := range slices.Chunk(trials, 8*together) {
		var cells []*cell
		for _, c := range some {
			cells = append(cells, &c.cell)
		}
		settle(cells)
	}
}

// tell prints what came of each trial, and fails the test where something is wrong.
func tell(t *testing.T, trials []*trial) {
	t.Helper()
	var text strings.Builder
	out := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintf(out, "| call\ttrouble\tfrom request\tthe caller was told\tat rest\tthe same call again\n")
	for _, c := range trials {
		outcome := map[string]string{succeeded: "done", abandoned: "as before", none: "as before"}[c.outcome]
		if c.again == "done soon" {
			outcome = "-"
		}
		if c.cell.trouble != nil {
			outcome = "BROKEN"
		}
		told := c.told
		if c.spared {
			told += ", not reached"
		}
		fmt.Fprintf(out, "| %s\t%s\t%s\t%s\t%s\t%s\n", c.call.Operation, c.trouble.name, c.step, told, outcome, c.again)
	}
	_ = out.Flush()
	fmt.Printf("|\n| MinIO in trouble at each request of a call: %d cells\n|\n%s|\n", len(trials), text.String())
	for _, c := range trials {
		t.Run(c.name(), func(t *testing.T) {
			if c.cell.trouble != nil {
				complain(t, "%s: %v", c.name(), c.cell.trouble)
			}
		})
	}
}
