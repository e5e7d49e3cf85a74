package change

import (
	"cmp"
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/reconcile"
)

// End ends an operation. When somebody else has ended it before, it is ErrAlreadyEnded and
// the transaction must not commit.
func (t Tx) End(ctx context.Context, id string, outcome operation.Outcome) error {
	won, err := t.Operations.End(ctx, id, outcome)
	if err == nil && !won {
		err = ErrAlreadyEnded
	}
	return err
}

// GiveBack releases a lease. When it was lost, it is ErrLeaseLost and the transaction must
// not commit. An attempt that never got one has nothing to give.
func (t Tx) GiveBack(ctx context.Context, lease reconcile.Lease, next reconcile.Next) error {
	if lease.Fence == 0 {
		return nil
	}
	return stillHeld(t.Resources.Release(ctx, lease, next))
}

// LetGo removes a resource that is gone, with the lease on it. Errors are as for GiveBack.
func (t Tx) LetGo(ctx context.Context, lease reconcile.Lease) error {
	return stillHeld(t.Resources.Forget(ctx, lease))
}

func stillHeld(held bool, err error) error {
	if err == nil && !held {
		err = ErrLeaseLost
	}
	return err
}

// Sighting is what is remembered of a resource between attempts, because a backend may
// apply late what it had been asked by one whose end nobody heard.
type Sighting struct {
	// Unsure says that an attempt was given up whose last request may still be applied:
	// what is seen must be seen again a while later.
	Unsure bool
	// SightedAt is when the backend was first seen as wanted since; zero when not yet.
	SightedAt time.Time
}

// Look is one look at a backend that found all as wanted.
type Look struct {
	// At is when.
	At time.Time
	// Patience says when it must be seen once more.
	Patience Patience
	// Wanted says whether the resource is to be there at all. One that is not must be seen
	// absent twice.
	Wanted bool
	// Acted says that the attempt had to change the backend first.
	Acted bool
}

// Patience is how long a backend may take to apply what it was asked by an attempt that was
// given up: a server that was paused does so late.
type Patience struct {
	// Again is how long after a first look it must be seen once more; 2 s when zero.
	Again time.Duration
	// Last is how long after it what is wanted is looked at for the last time; 20 s when zero.
	// Nobody waits for that, and a very busy server may apply what it was asked before later
	// than it answers what it is asked now.
	Last time.Duration
}

// OrDefault returns it with what is zero filled in.
func (p Patience) OrDefault() Patience {
	return Patience{Again: cmp.Or(p.Again, 2*time.Second), Last: cmp.Or(p.Last, 20*time.Second)}
}

// Seen notes a look and returns when to look again; nothing is due once all is certain.
func (s *Sighting) Seen(l Look) (next reconcile.Next) {
	if l.Wanted && !s.Unsure {
		s.SightedAt = time.Time{}
		return next
	}
	if s.SightedAt.IsZero() || l.Acted {
		s.SightedAt = l.At
	}
	again := s.SightedAt.Add(l.Patience.Again)
	if l.Wanted && !again.After(l.At) {
		again = s.SightedAt.Add(l.Patience.Last)
	}
	if !l.Wanted || again.After(l.At) {
		next.DueAt = &again
		return next
	}
	*s = Sighting{}
	return next
}

// Settled reports whether this look, at a resource that was seen so before, is certain.
func (s Sighting) Settled(l Look) bool {
	return !l.Acted && !s.SightedAt.IsZero() && l.At.Sub(s.SightedAt) >= l.Patience.Again
}

// GivenUp notes that an attempt was given up, and whether it may have been heard.
func (s *Sighting) GivenUp(acted bool, failure error) {
	*s = Sighting{Unsure: s.Unsure || acted || InDoubt(failure)}
}
