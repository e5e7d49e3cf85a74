package revoke

import (
	"sync"
	"time"

	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/token"
)

// ledger is what a view knows: the last epoch at which each subject was revoked, and up to
// which epoch nothing is missing. It knows neither network nor clock.
type ledger struct {
	mu      sync.RWMutex
	revoked map[subject]mark
	// applied is the epoch up to which nothing is missing.
	applied int64
	// ahead are the epochs seen beyond a gap.
	ahead map[int64]struct{}
}

type mark struct {
	epoch   int64
	expires time.Time
}

func newLedger() *ledger {
	return &ledger{revoked: map[subject]mark{}, ahead: map[int64]struct{}{}}
}

// apply takes in one entry. It takes effect at once, gap or not.
func (l *ledger) apply(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mark(e)
	if e.Epoch > l.applied {
		l.ahead[e.Epoch] = struct{}{}
		l.close()
	}
}

// replace takes in a snapshot, which is complete up to its epoch. A snapshot of an older
// epoch than we know means that identity's table was set back: what we had seen beyond it
// says nothing any more, but goes on refusing until it ends.
func (l *ledger) replace(s Snapshot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range s.Entries {
		l.mark(e)
	}
	if s.Epoch < l.applied {
		clear(l.ahead)
	}
	l.applied = s.Epoch
	for epoch := range l.ahead {
		if epoch <= l.applied {
			delete(l.ahead, epoch)
		}
	}
	l.close()
}

func (l *ledger) mark(e Entry) {
	key := subjectOf(e)
	old := l.revoked[key]
	l.revoked[key] = mark{epoch: max(old.epoch, e.Epoch), expires: later(old.expires, e.ExpiresAt)}
}

// close moves applied over the epochs that follow it without a gap.
func (l *ledger) close() {
	for {
		if _, seen := l.ahead[l.applied+1]; !seen {
			return
		}
		l.applied++
		delete(l.ahead, l.applied)
	}
}

// epoch returns up to where nothing is missing.
func (l *ledger) epoch() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.applied
}

// forget drops what no living token can depend on.
func (l *ledger) forget(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, m := range l.revoked {
		if now.After(m.expires.Add(token.Skew)) {
			delete(l.revoked, key)
		}
	}
}

// refuses reports whether something the claims depend on was revoked after they were made.
func (l *ledger) refuses(c *token.Claims) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if len(l.revoked) == 0 {
		return false
	}
	if c.Session != "" && l.after(subject{kind: Session, id: c.Session}, c.Epoch) {
		return true
	}
	if c.Kind == principal.Machine && l.after(subject{kind: APIKey, id: c.Subject}, c.Epoch) {
		return true
	}
	if c.Account == "" {
		return false
	}
	member := c.Subject
	if c.User != "" {
		member = c.User
	}
	return l.after(subject{kind: Membership, id: member, inner: c.Account}, c.Epoch) ||
		l.after(subject{kind: Account, id: c.Account}, c.Epoch)
}

func (l *ledger) after(key subject, epoch int64) bool {
	m, found := l.revoked[key]
	return found && m.epoch > epoch
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
