package faults_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

const (
	// atOnce is how many victims run at a time.
	atOnce = 4
	// restWithin is how long it may take to come to rest after the last death: a lease of
	// the dead, another of the account's identity, and seeing a name absent twice; on a busy
	// machine some of it again.
	restWithin = 2 * time.Minute
)

func TestKilled_at_any_step_a_change_converges_to_one_of_two_states(t *testing.T) {
	w := newWorld(t)
	w.live()
	var cells []*cell
	for _, operation := range operations {
		for _, step := range w.steps(operation) {
			for _, after := range []bool{false, true} {
				c := w.newCell(operation)
				c.step, c.after = step, after
				cells = append(cells, c)
			}
		}
	}
	kill(cells)
	settle(cells)
	for _, c := range cells {
		c.repeat()
	}
	settle(cells)
	report(t, fmt.Sprintf("storage-provisioning is killed at each step of a call: %d deaths", len(cells)), cells)
}

// kill starts the victims of the cells and waits for their deaths. On a busy machine the
// backend may be too slow for a victim to come to its step: it is told so, and another one
// makes the same call for another account.
func kill(cells []*cell) {
	for range 3 {
		alive := slices.DeleteFunc(slices.Clone(cells), func(c *cell) bool { return !c.died.IsZero() && c.trouble == nil })
		for batch := range slices.Chunk(alive, atOnce) {
			for _, c := range batch {
				if c.trouble != nil {
					fresh := c.world.newCell(c.call.Operation)
					fresh.step, fresh.after = c.step, c.after
					*c = *fresh
				}
				c.start()
			}
			for _, c := range batch {
				c.bury()
			}
		}
	}
}

// must are steps that each operation has: what is not enumerated is not tested. They are
// the ends of a change, and what it is for.
var must = map[string][]string{
	createBucket:  {"postgres.commit#1", "minio.MakeBucket#1", "minio.MarkBucket#1", "minio.SetVersioning#1", "minio.PutUser#1"},
	updateBucket:  {"postgres.commit#1", "minio.SetVersioning#1", "minio.SetQuota#1", "minio.SetLifecycle#1"},
	deleteBucket:  {"postgres.commit#1", "minio.RemoveBucket#1"},
	refusedDelete: {"postgres.commit#1", "minio.CountContent#1", "postgres.commit#2"},
	createKey:     {"postgres.commit#1", "minio.PutKey#1", "minio.TryKey#1", "postgres.commit#2"},
	createKeyOnce: {"postgres.commit#1", "minio.PutKey#1", "minio.TryKey#1", "postgres.commit#2"},
	deleteKey:     {"postgres.commit#1", "minio.ReviseKey#1", "postgres.commit#2"},
	adoptBucket:   {"minio.ObserveBucket#1", "postgres.commit#1", "minio.SetBucketTags#1", "minio.PutUser#1"},
	adoptKey:      {"minio.ObserveKey#1", "postgres.commit#1", "minio.ReviseKey#1"},
	adoptUser:     {"minio.ObserveUser#1", "postgres.commit#1", "minio.ShapeUser#1"},
}

// steps runs the call in a victim that lives and returns its steps.
func (w *world) steps(operation string) []string {
	w.t.Helper()
	c := w.newCell(operation)
	process := w.start(victimName, order{Call: c.call, Bearer: c.bearer})
	var steps []string
	if err := json.Unmarshal([]byte(process.Expect(says)), &steps); err != nil {
		w.t.Fatal(err)
	}
	w.t.Logf("%s takes %d steps: %s", operation, len(steps), strings.Join(steps, ", "))
	for _, step := range must[operation] {
		if !slices.Contains(steps, step) {
			w.t.Errorf("%s has no step %s", operation, step)
		}
	}
	return steps
}

// settle waits until every cell is at rest, or the time for that is over. After the
// repeated call, rest is the state that was told.
func settle(cells []*cell) {
	deadline := time.NewTimer(restWithin)
	defer deadline.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	waiting := slices.DeleteFunc(slices.Clone(cells), func(c *cell) bool { return c.trouble != nil })
	for {
		waiting = slices.DeleteFunc(waiting, (*cell).rested)
		if len(waiting) == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return // each keeps its trouble
		}
	}
}

// report prints what came of each death, and fails the test where something is wrong.
// `make faults` shows the lines that begin with a bar.
func report(t *testing.T, title string, cells []*cell) {
	t.Helper()
	fmt.Printf("|\n| %s\n|\n%s|\n", title, table(cells))
	for _, c := range cells {
		t.Run(c.name(), func(t *testing.T) {
			if c.trouble != nil {
				complain(t, "%s: %v", c.name(), c.trouble)
			}
		})
	}
}

// table shows what came of each death.
func table(cells []*cell) string {
	var text strings.Builder
	out := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	twice := slices.ContainsFunc(cells, func(c *cell) bool { return c.second != "" })
	heading := ""
	if twice {
		heading = "the replica that rolls forward dies\t"
	}
	fmt.Fprintf(out, "| operation\tkilled\tstep\t%safter restart\tat rest within\tthe same call again\n", heading)
	for _, c := range cells {
		outcome, second := c.outcome, ""
		if c.trouble != nil {
			outcome = "NOT CONVERGED"
		}
		if twice {
			second = c.second + "\t"
		}
		fmt.Fprintf(out, "| %s\t%s\t%s\t%s%s\t%s\t%s\n",
			c.call.Operation, when(c.after), c.step, second, outcome, c.rest.Round(100*time.Millisecond), c.again)
	}
	_ = out.Flush()
	return text.String()
}
