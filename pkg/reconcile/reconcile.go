// Package reconcile makes backends converge to what is recorded: whatever is due is
// claimed, handled and given back, on wake-up and by a sweep that alone is enough.
//
// It owns the loop, the lease and the pace of retries. It guarantees that two replicas
// never act on one resource while a lease lasts, that every attempt has a fencing number
// greater than the one before, and that a handler's panic or hang costs its own resource
// an attempt and nobody else anything. It knows no resource: handlers do, and must be
// idempotent (observe, act on the difference, observe again).
//
// The store is package pgreconcile.
package reconcile

import (
	"context"
	"time"
)

// Ref names a managed resource.
type Ref struct {
	// Kind is snake case, such as "bucket"; it chooses the handler.
	Kind      string
	ID        string
	AccountID string
}

// Lease is the right to act on a resource for a while.
type Lease struct {
	Ref
	// Backend is where the resource lives.
	Backend string
	// Owner is who holds the lease: unique per process.
	Owner string
	// Until is when it ends, by our clock. Stop acting before.
	Until time.Time
	// Fence grows with every claim of the resource.
	Fence int64
	// Generation is what is wanted, as of the claim.
	Generation int64
	// Observed is the generation that the backend was last seen to have.
	Observed int64
	// Failures counts the attempts since the last good one.
	Failures int
	// Conditions are what was last said about the resource.
	Conditions []Condition
}

// Condition says one thing about a resource in words.
type Condition struct {
	// Type is what it speaks of, such as "Ready".
	Type string `json:"type"`
	// Status says whether it holds.
	Status bool `json:"status"`
	// Reason is UPPER_SNAKE.
	Reason string `json:"reason,omitempty"`
	// Message is for people.
	Message string `json:"message,omitempty"`
	// Since is when Status last changed.
	Since time.Time `json:"since"`
}

// SetCondition returns the conditions with c among them. Since stays what it was unless
// the status changes.
func SetCondition(conditions []Condition, c Condition, now time.Time) []Condition {
	next := make([]Condition, 0, len(conditions)+1)
	c.Since = now.UTC()
	found := false
	for _, old := range conditions {
		if old.Type == c.Type {
			if old.Status == c.Status {
				c.Since = old.Since
			}
			old, found = c, true
		}
		next = append(next, old)
	}
	if !found {
		next = append(next, c)
	}
	return next
}

// Next is what giving a lease back records.
type Next struct {
	// DueAt is when to look again; nil for not before somebody asks. A wake-up that came
	// while the lease was held is never lost to it.
	DueAt *time.Time
	// Observed is the generation that the backend was seen to have; zero leaves it.
	Observed int64
	// Failures replaces the count.
	Failures int
	// Conditions replace what was said; nil leaves it.
	Conditions []Condition
}

// Result is how a handler's attempt ended well.
type Result struct {
	// Observed is the generation that the backend was seen to have; zero leaves it.
	Observed int64
	// Conditions replace what was said about the resource; nil leaves it.
	Conditions []Condition
	// After asks for another look after a while; zero for none.
	After time.Duration
	// Released says that the handler has given the lease back itself, in a transaction
	// of its own; everything else here is then ignored.
	Released bool
}

// Handler makes one resource so. Its context ends before the lease does. An error brings
// another attempt: soon when a dependency is down, later and later otherwise.
type Handler func(ctx context.Context, lease Lease) (Result, error)

// Store keeps the managed resources.
type Store interface {
	// Due returns resources that are due and not leased, the longest due first.
	Due(ctx context.Context, limit int) ([]Ref, error)
	// Claim takes the lease unless somebody holds it, or the resource is gone.
	Claim(ctx context.Context, owner string, ref Ref, ttl time.Duration) (Lease, bool, error)
	// Release gives the lease back; false when it had been lost.
	Release(ctx context.Context, lease Lease, next Next) (bool, error)
}
