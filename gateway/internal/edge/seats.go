package edge

import (
	"sync"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
)

const (
	// downloadsOfOne is how many files one caller may be sent at a time, downloadsOfAll how many
	// all of them: a file may take half an hour, and each holds one of the streams that every
	// other call to the service goes over too.
	downloadsOfOne = 3
	downloadsOfAll = 64
)

var errTooManyDownloads = errs.New(errs.ResourceExhausted, "RATE_LIMITED",
	"too many files are being sent at present; let one of yours end first").WithRetryAfter(5 * time.Second)

// seats bounds what goes on at a time, for each caller and in all. The zero value is ready.
type seats struct {
	mu    sync.Mutex
	all   int
	taken map[string]int
}

// take takes a seat for the caller, if there is one.
func (s *seats) take(who string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= downloadsOfAll || s.taken[who] >= downloadsOfOne {
		return false
	}
	if s.taken == nil {
		s.taken = map[string]int{}
	}
	s.all++
	s.taken[who]++
	return true
}

// leave gives the seat back.
func (s *seats) leave(who string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.taken[who]--; s.taken[who] == 0 {
		delete(s.taken, who)
	}
}
