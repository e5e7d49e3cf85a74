package command_test

import (
	"os"
	"runtime/debug"
	"testing"

	"github.com/primecloud/primecloud/pkg/command"
)

func TestTuneMemory_leaves_the_last_word_to_the_operator(t *testing.T) {
	was := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(was) })
	t.Setenv("GOGC", "50")
	command.TuneMemory()
	if got := debug.SetGCPercent(100); got != 100 {
		t.Errorf("the operator's choice became %d %%", got)
	}
	if err := os.Unsetenv("GOGC"); err != nil {
		t.Fatal(err)
	}
	command.TuneMemory()
	if got := debug.SetGCPercent(100); got != 400 {
		t.Errorf("without a choice it is %d %%, not 400", got)
	}
}
