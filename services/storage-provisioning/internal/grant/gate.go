package grant

import (
	"context"

	"github.com/primecloud/primecloud/pkg/principal"
)

// Act is what somebody wants with a bucket.
type Act string

// The acts.
const (
	// See finds it in the list and reads its settings.
	See Act = "SEE"
	// Download gets objects.
	Download Act = "DOWNLOAD"
	// Upload puts objects.
	Upload Act = "UPLOAD"
)

// Scope says which buckets of an account a caller may see. The zero Scope is none.
type Scope struct {
	// All is every one.
	All bool
	// UserID narrows it to those granted to the person.
	UserID string
}

// ScopeOf returns what the caller may see. What else they may do with it is up to their
// role, which the contract holds against the method.
func ScopeOf(p principal.Principal) Scope {
	if p.Role != External {
		return Scope{All: true}
	}
	return Scope{UserID: personOf(p)}
}

// personOf returns the person behind a caller, or "": a grant is for people alone.
func personOf(p principal.Principal) string {
	if p.Kind == principal.Person {
		return p.ID
	}
	return p.UserID
}

// Lookup finds what somebody was granted.
type Lookup interface {
	// Held returns the grant of the person on the account's visible bucket of that name.
	Held(ctx context.Context, accountID, bucket, userID string) (g Grant, ok bool, err error)
}

// Gate decides what external people reach.
type Gate struct{ lookup Lookup }

// NewGate returns the gate.
func NewGate(lookup Lookup) *Gate { return &Gate{lookup: lookup} }

// Scope returns which buckets the caller in ctx may see.
func (g *Gate) Scope(ctx context.Context) Scope { return ScopeOf(principal.FromContext(ctx)) }

// Admit returns nil when the caller in ctx may do so on these keys, or prefixes of keys, of the
// account's bucket of that name; without any it is about the whole bucket. Otherwise it
// returns ErrBucketNotFound for a bucket that they must not know of, be it there or not,
// and ErrTooLow or ErrTooNarrow for one that they reach otherwise. It comes before anything
// else is learnt of the bucket.
func (g *Gate) Admit(ctx context.Context, accountID, bucket string, act Act, on ...string) error {
	scope := g.Scope(ctx)
	if scope.All {
		return nil
	}
	held, ok, err := g.lookup.Held(ctx, accountID, bucket, scope.UserID)
	switch {
	case err != nil:
		return err
	case !ok:
		return ErrBucketNotFound
	default:
		return held.allows(act, on)
	}
}
