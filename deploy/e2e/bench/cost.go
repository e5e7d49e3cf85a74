package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
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

// busy is the processor time, in seconds, that all processes of the machine have used, and that
// there was.
func busy() (taken, all float64) {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	line, _, _ := strings.Cut(string(raw), "\n")
	for i, field := range strings.Fields(line)[1:] {
		value, _ := strconv.ParseFloat(field, 64)
		if i < 3 { // user, nice, system; interrupts belong to nobody
			taken += value / ticks
		}
		if i < 8 { // the rest is in user and nice already
			all += value / ticks
		}
	}
	return taken, all
}

const (
	// quiet is how much of the machine others may take during a round.
	quiet = 0.10
	// patience is how many times as many rounds as wanted are measured in the hope for quiet ones.
	patience = 2
)

// round is one round of a comparison, with what others took of the machine meanwhile.
type round[T any] struct {
	value  T
	others float64
}

// quietest measures rounds until n of them were quiet, or patience ends, and returns the n
// quietest in their order. What is chosen depends on the others alone, not on the outcome.
func quietest[T any](n int, once func(i int) (T, error)) (rounds []round[T], measured int, err error) {
	for calm := 0; calm < n && measured < n*patience; measured++ {
		ours := used()
		taken, all := busy()
		value, err := once(measured)
		if err != nil {
			return nil, measured, err
		}
		takenAfter, allAfter := busy()
		r := round[T]{value: value}
		if allAfter > all {
			r.others = max(0, (takenAfter-taken)-(used()-ours)) / (allAfter - all)
		}
		if r.others <= quiet {
			calm++
		}
		rounds = append(rounds, r)
	}
	for len(rounds) > n {
		loudest := 0
		for i, r := range rounds {
			if r.others > rounds[loudest].others {
				loudest = i
			}
		}
		rounds = slices.Delete(rounds, loudest, loudest+1)
	}
	return rounds, measured, nil
}

// others is the median of what others took during the rounds.
func others[T any](rounds []round[T]) float64 {
	var shares sample
	for _, r := range rounds {
		shares = append(shares, r.others)
	}
	return shares.median()
}
