package auditlog

import (
	"sync"
	"time"
)

const (
	// paceBurst entries of one principal are written at once, then one each paceEvery.
	paceBurst = 20
	paceEvery = time.Second
	// maxPaced bounds the memory; beyond it everybody starts afresh.
	maxPaced = 10_000
)

// pace limits how many entries one principal gets.
type pace struct {
	mu      sync.Mutex
	buckets map[string]*bucket
}

// bucket is full when at lies paceBurst intervals back; each entry moves it forward by one.
type bucket struct{ at time.Time }

func newPace() *pace { return &pace{buckets: map[string]*bucket{}} }

// allow reports whether an entry of the principal may be written now.
func (p *pace) allow(principal string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	full := now.Add(-paceBurst * paceEvery)
	b, ok := p.buckets[principal]
	if !ok {
		if len(p.buckets) >= maxPaced {
			clear(p.buckets)
		}
		b = &bucket{at: full}
		p.buckets[principal] = b
	}
	if b.at.Before(full) {
		b.at = full
	}
	next := b.at.Add(paceEvery)
	if next.After(now) {
		return false
	}
	b.at = next
	return true
}
