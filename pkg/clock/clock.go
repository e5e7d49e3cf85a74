// Package clock tells the time. Every process gets its clock in Deps, so that a test
// can move it; nothing else in the suite asks the system for the time.
package clock

import (
	"sync"
	"time"
)

// Clock tells the time, always in UTC.
type Clock interface {
	// Now returns the current time in UTC.
	Now() time.Time
	// After returns a channel that receives once d has passed.
	After(d time.Duration) <-chan time.Time
}

// System is the clock of the machine.
func System() Clock { return system{} }

type system struct{}

func (system) Now() time.Time                         { return time.Now().UTC() }
func (system) After(d time.Duration) <-chan time.Time { return time.After(d) }

// Manual is a clock for tests that moves only when told to. It is safe for
// concurrent use.
type Manual struct {
	mu      sync.Mutex
	now     time.Time
	waiters []waiter
}

type waiter struct {
	at time.Time
	ch chan time.Time
}

// NewManual returns a manual clock that stands at now.
func NewManual(now time.Time) *Manual { return &Manual{now: now.UTC()} }

// Now returns where the clock stands.
func (m *Manual) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// After returns a channel that receives once the clock was moved by d.
func (m *Manual) After(d time.Duration) <-chan time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	ch := make(chan time.Time, 1)
	at := m.now.Add(d)
	if !at.After(m.now) {
		ch <- m.now
		return ch
	}
	m.waiters = append(m.waiters, waiter{at: at, ch: ch})
	return ch
}

// Advance moves the clock and wakes those whose time has come.
func (m *Manual) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = m.now.Add(d)
	var rest []waiter
	for _, w := range m.waiters {
		if w.at.After(m.now) {
			rest = append(rest, w)
			continue
		}
		w.ch <- m.now
	}
	m.waiters = rest
}
