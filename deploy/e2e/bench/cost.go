package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ticks is how many of the kernel's ticks make a second, on every Linux.
const ticks = 100

// consumer is a process as the kernel tells of it.
type consumer struct {
	parent  int
	seconds float64
}

// used is the processor time, in seconds, of everything that takes part: this process with the
// client, both sides, and the servers around them. Unlike a rate it hardly depends on what else
// the machine does. It is zero where the kernel does not tell.
func used() float64 {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0
	}
	consumers := map[int]consumer{}
	for _, file := range files {
		// A process may have ended meanwhile.
		if raw, err := os.ReadFile(file); err == nil {
			pid, c := consumerOf(string(raw))
			consumers[pid] = c
		}
	}
	self, total := os.Getpid(), 0.0
	for pid, c := range consumers {
		for at := pid; at > 0; at = consumers[at].parent {
			if at == self {
				total += c.seconds
				break
			}
		}
	}
	return total
}

// consumerOf reads a line of /proc: id, name in brackets, which may hold anything, state,
// parent, and further behind the time used.
func consumerOf(stat string) (pid int, c consumer) {
	_, _ = fmt.Sscan(stat, &pid)
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return pid, c
	}
	c.parent, _ = strconv.Atoi(fields[1])
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	c.seconds = (user + system) / ticks
	return pid, c
}
