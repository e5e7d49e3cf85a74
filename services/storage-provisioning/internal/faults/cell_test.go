package faults_test

import (
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"github.com/primecloud/primecloud/pkg/testkit"
)

// cell is one death, or two, and what came of it.
type cell struct {
	// world is where it happens; a cell with two deaths has a database of its own.
	world  *world
	call   call
	bearer string
	// had is the access key that is deleted or adopted.
	had   credentials
	step  string
	after bool
	// second is where the replica that rolled forward died; empty when there was none.
	second string
	// recovery is how many steps the replica took that came to rest before it died.
	recovery int

	victim *testkit.Process
	// died is when, outcome the operation's state once all was at rest, which took rest.
	died    time.Time
	outcome string
	rest    time.Duration
	// again is how the repeated call was answered.
	again string
	// trouble is what is wrong at present, or for good.
	trouble error
}

func when(after bool) string {
	if after {
		return "after"
	}
	return "before"
}

func (c *cell) name() string {
	name := c.call.Operation + " " + when(c.after) + " " + c.step
	if c.second != "" {
		name += ", then " + c.second
	}
	return name
}

// start starts the first victim on its way to its death.
func (c *cell) start() {
	c.victim = c.world.start(victimName, order{Call: c.call, Bearer: c.bearer, Step: c.step, After: c.after})
}

// bury waits until the victim is dead, and checks that it was killed.
func (c *cell) bury() {
	err := c.victim.Wait()
	c.died = time.Now()
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		c.trouble = fmt.Errorf("the process was not killed: %w", errors.Join(err, errors.New("it ended by itself")))
		return
	}
	if status, ok := ended.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
		c.trouble = fmt.Errorf("the process was not killed: %w", err)
	}
}

// rested looks at a cell once.
func (c *cell) rested() bool {
	outcome, err := c.world.atRest(c)
	if err == nil && c.again != "" && outcome != c.call.told() && c.call.Operation != createKeyOnce {
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
func (c *cell) repeat() {
	if c.trouble != nil {
		return
	}
	c.again = "done now"
	switch {
	case c.call.Operation == createKeyOnce:
		c.again = "none: it has no key"
		return
	case c.call.Operation == refusedDelete:
		c.again = "refused with the reason"
	case c.outcome == succeeded:
		c.again = "told what was done"
	}
	got, err := c.world.send(c.call, c.bearer)
	if err := c.call.judge(err); err != nil {
		c.again, c.trouble = "answered wrongly", fmt.Errorf("the answer to the same call: %w", err)
		return
	}
	if err := c.world.toldRightly(c, got); err != nil {
		c.trouble = fmt.Errorf("right after the same call: %w", err)
	}
}
