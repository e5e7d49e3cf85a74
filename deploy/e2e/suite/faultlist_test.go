package suite_test

import (
	"fmt"
	"testing"
	"time"
)

// faults is one test's part of the list of faults: what was done, and what came of it.
// `make faults` shows the lines that begin with a bar.
type faults struct {
	t     *testing.T
	fault string
	began time.Time
}

// fault begins a part.
func fault(t *testing.T, name string) *faults {
	return &faults{t: t, fault: name, began: time.Now()}
}

// seen notes a step that came out as it must; a test that fails does not get there.
func (f *faults) seen(step, outcome string, args ...any) {
	f.t.Helper()
	outcome = fmt.Sprintf(outcome, args...)
	if f.t.Failed() {
		outcome = "FAILED: " + outcome
	}
	fmt.Printf("| %-11s  %-31s  %-40s %6.1fs  %s\n", running.shape(), f.fault, step, time.Since(f.began).Seconds(), outcome)
}
