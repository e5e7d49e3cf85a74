package faults_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

const (
	// atOnce is how many victims run at a time.
	atOnce = 4
	// restWithin is how long it may take to come to rest after the last death: a lease of
	// the dead, another of the account's identity, and seeing a name absent twice.
	restWithin = 40 * time.Second
)

func TestKilled_at_any_step_a_change_of_a_bucket_converges_to_one_of_two_states(t *testing.T) {
	w := newWorld(t)
	var cells []*cell
	for _, operation := range []string{"create", "update", "delete", refusedDelete} {
		for _, step := range w.record(operation) {
			for _, after := range []bool{false, true} {
				c := &cell{step: step, after: after}
				c.call, c.bearer = w.newCall(operation)
				cells = append(cells, c)
			}
		}
	}
	for batch := range slices.Chunk(cells, atOnce) {
		for _, c := range batch {
			c.victim = w.start(order{Call: c.call, Bearer: c.bearer, Step: c.step, After: c.after})
		}
		for _, c := range batch {
			c.bury()
		}
	}
	w.settle(cells)
	for _, c := range cells {
		w.repeat(c)
	}
	w.settle(cells)
	t.Logf("%d deaths\n%s", len(cells), table(cells))
	for _, c := range cells {
		t.Run(c.name(), func(t *testing.T) {
			if c.trouble != nil {
				t.Error(c.trouble)
			}
		})
	}
}

// record runs the call in a victim that lives and returns its steps.
func (w *world) record(operation string) []string {
	w.t.Helper()
	c := &cell{}
	c.call, c.bearer = w.newCall(operation)
	process := w.start(order{Call: c.call, Bearer: c.bearer})
	var steps []string
	if err := json.Unmarshal([]byte(process.Expect(says)), &steps); err != nil {
		w.t.Fatal(err)
	}
	w.t.Logf("%s takes %d steps: %s", operation, len(steps), strings.Join(steps, ", "))
	// What is not enumerated is not tested: the ends of a change, and what it is for.
	for _, step := range map[string][]string{
		"create":      {"postgres.commit#1", "minio.MakeBucket#1", "minio.MarkBucket#1", "minio.SetVersioning#1", "minio.PutUser#1"},
		"update":      {"postgres.commit#1", "minio.SetVersioning#1", "minio.SetQuota#1", "minio.SetLifecycle#1"},
		"delete":      {"postgres.commit#1", "minio.RemoveBucket#1"},
		refusedDelete: {"postgres.commit#1", "minio.CountContent#1", "postgres.commit#2"},
	}[operation] {
		if !slices.Contains(steps, step) {
			w.t.Errorf("%s has no step %s", operation, step)
		}
	}
	return steps
}

// settle waits until every cell is at rest, or the time for that is over. After the
// repeated call, rest is the state that was told.
func (w *world) settle(cells []*cell) {
	deadline := time.NewTimer(restWithin)
	defer deadline.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	waiting := slices.DeleteFunc(slices.Clone(cells), func(c *cell) bool { return c.trouble != nil })
	for {
		waiting = slices.DeleteFunc(waiting, w.rested)
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

// rested looks at a cell once.
func (w *world) rested(c *cell) bool {
	outcome, err := w.atRest(c)
	if err == nil && c.again != "" && outcome != c.call.told() {
		err = fmt.Errorf("the repeated call was answered and its operation is %s", outcome)
	}
	if err != nil {
		c.trouble = fmt.Errorf("not at rest: %w", err)
		return false
	}
	c.trouble = nil
	if c.again == "" {
		c.outcome, c.rest = outcome, time.Since(c.died)
	}
	return true
}

// repeat sends the same call under the same key, and looks at once: what was told must be.
func (w *world) repeat(c *cell) {
	if c.trouble != nil {
		return
	}
	c.again = "done now"
	switch {
	case c.call.Operation == refusedDelete:
		c.again = "refused with the reason"
	case c.outcome == succeeded:
		c.again = "told what was done"
	}
	if err := c.call.judge(w.send(c.call, c.bearer)); err != nil {
		c.again, c.trouble = "answered wrongly", fmt.Errorf("the answer to the same call: %w", err)
		return
	}
	spec, there := c.want(c.call.told())
	var mark bucket.Mark
	var visible int
	err := w.rows.QueryRow(w.t.Context(), `select coalesce(min(id), ''), coalesce(min(account_id), ''), count(*)
		from storage.bucket where account_id = $1 and desired = 'PRESENT'`, c.call.Account).Scan(&mark.ID, &mark.AccountID, &visible)
	if err == nil {
		err = w.has(w.t.Context(), c, spec, there, mark)
	}
	if rows := map[bool]int{true: 1}[there]; err == nil && visible != rows {
		err = fmt.Errorf("%d buckets are recorded, wanted %d", visible, rows)
	}
	if err != nil {
		c.trouble = fmt.Errorf("right after the same call: %w", err)
	}
}

// table shows what came of each death.
func table(cells []*cell) string {
	var text strings.Builder
	out := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "operation\tkilled\tstep\tafter restart\tat rest within\tthe same call again")
	for _, c := range cells {
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n",
			c.call.Operation, c.when(), c.step, c.outcome, c.rest.Round(100*time.Millisecond), c.again)
	}
	_ = out.Flush()
	return text.String()
}
