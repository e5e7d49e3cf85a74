package command

import (
	"os"
	"runtime/debug"
)

// collectAt is how much may be allocated between two collections, in percent of what is alive.
const collectAt = 400

// TuneMemory has the garbage collector run less often than it does by itself: what is alive in
// a process of the suite, the compiled contract above all, is some tens of megabytes that every
// collection looks at, while requests leave only garbage. GOGC in the environment prevails, and
// GOMEMLIMIT bounds it where memory is short. It concerns the whole process: for main alone.
func TuneMemory() {
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(collectAt)
	}
}
