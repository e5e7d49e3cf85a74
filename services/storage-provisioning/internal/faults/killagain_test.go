package faults_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/testkit"
)

const (
	// everyNth of the first deaths gets a second one, to bound the time.
	everyNth = 5
	// livesAtOnce is how many replicas, each with a database of its own, bring cells to rest.
	livesAtOnce = 8
)

func TestKilled_again_while_it_rolls_forward_a_change_still_converges(t *testing.T) {
	w := newWorld(t)
	w.live()
	var cells []*cell
	deaths := 0
	for _, operation := range operations {
		for _, step := range w.steps(operation) {
			for _, after := range []bool{false, true} {
				if deaths++; deaths%everyNth == 0 {
					cells = append(cells, w.cellApart(operation, step, after))
				}
			}
		}
	}
	kill(cells)
	runOut(cells)
	// Where the second death comes goes round all steps that a recovery has, however many
	// those are for the one step at which the first came.
	var short []*cell
	for i, c := range inherit(cells, func(i int) int { return 1 + 5*i%16 }) {
		if c != 0 {
			short = append(short, cells[i])
		}
	}
	again := map[*cell]int{}
	for _, c := range short {
		n := recoverySteps(c)
		i := slices.Index(cells, c)
		cells[i] = w.cellApart(c.call.Operation, c.step, c.after)
		again[cells[i]] = 1 + i%n
	}
	second := slices.DeleteFunc(slices.Clone(cells), func(c *cell) bool { return again[c] == 0 })
	kill(second)
	runOut(second)
	for i, n := range inherit(second, func(i int) int { return again[second[i]] }) {
		if n != 0 && second[i].trouble == nil {
			second[i].trouble = fmt.Errorf("the recovery took only %d steps this time", n)
		}
	}
	runOut(cells)
	for batch := range slices.Chunk(cells, livesAtOnce) {
		var ends []func()
		for _, c := range batch {
			ends = append(ends, c.world.live())
		}
		settle(batch)
		for _, c := range batch {
			c.repeat()
		}
		settle(batch)
		for _, end := range ends {
			end()
		}
	}
	report(t, fmt.Sprintf("and again at a step of the recovery: %d of %d first deaths, one in %d", len(cells), deaths, everyNth), cells)
}

// cellApart is a cell in a world of its own, whose replica does not live yet.
func (w *world) cellApart(operation, step string, after bool) *cell {
	w.t.Helper()
	own := w.apart()
	// Only a living replica gives out the key that is to be deleted.
	if operation == deleteKey {
		end := own.live()
		defer func() {
			end()
			own.build()
		}()
	}
	c := own.newCell(operation)
	c.step, c.after = step, after
	return c
}

// runOut ends the leases of the dead at once. That they end by themselves, and that nobody
// acts before, is in the first matrix; here it would take the time of a lease per death.
func runOut(cells []*cell) {
	for _, c := range cells {
		_, err := c.world.rows.Exec(c.world.t.Context(), `update storage.managed_resource set lease_until = now() where lease_owner is not null`)
		if err != nil {
			c.world.t.Fatal(err)
		}
	}
}

// inherit has a replica roll forward each cell and die at the step of its recovery that
// ordinal says. For a cell where the replica had done all before, it returns after how
// many steps; there is nothing to do, and nothing to die at, where the first death came
// before anything was recorded.
func inherit(cells []*cell, ordinal func(i int) int) []int {
	early := make([]int, len(cells))
	for first := 0; first < len(cells); first += atOnce {
		batch := cells[first:min(first+atOnce, len(cells))]
		var heirs []*testkit.Process
		for i, c := range batch {
			heirs = append(heirs, c.world.start(heirName, order{Call: c.call, Ordinal: ordinal(first + i), After: (first+i)%2 == 1}))
		}
		for i, c := range batch {
			end := heirs[i].Expect("heir ")
			if n, found := strings.CutPrefix("heir "+end, rests); found {
				_ = heirs[i].Wait()
				c.died = time.Now()
				c.second = "nothing to roll forward"
				early[first+i], _ = strconv.Atoi(n)
				c.recovery = early[first+i]
				continue
			}
			c.second = strings.TrimPrefix("heir "+end, dies)
			c.victim = heirs[i]
			c.bury()
		}
	}
	return early
}

// recoverySteps is how many steps the recovery of the cell took.
func recoverySteps(c *cell) int { return c.recovery }
