// Package principal says who calls. It owns the value that authentication puts
// into the context and everything after it reads; it decides nothing.
package principal

import (
	"context"
	"time"
)

// Kind says what kind of caller a principal is.
type Kind string

// The kinds of callers.
const (
	// Anonymous has shown nothing.
	Anonymous Kind = "anonymous"
	// Person is a human who logged in through an OpenID Connect provider.
	Person Kind = "person"
	// Machine is an API key.
	Machine Kind = "machine"
	// Operator is a person with a role on the platform itself.
	Operator Kind = "operator"
	// Service is one of our own processes, known by its mTLS certificate.
	Service Kind = "service"
	// System is a service acting on its own, in the background.
	System Kind = "system"
)

// Principal is one caller. The zero value is not valid; use Nobody.
type Principal struct {
	// Kind says what kind of caller this is.
	Kind Kind
	// ID is the user id, the API key id or the service name.
	ID string
	// AccountID is the one account the token is bound to; empty for a person
	// between accounts, for the platform and for services.
	AccountID string
	// AccountState is the state of that account when the token was minted.
	AccountState string
	// Role is the role in that account (or on the platform).
	Role string
	// Scopes are what a machine may do within its role: "storage.read", "storage.write",
	// …; one without any may do nothing. People have none.
	Scopes []string
	// UserID is the person whose personal API key a machine shows; empty for any other caller.
	UserID string
	// SessionID is the login session of a person.
	SessionID string
	// TokenID is the id of the access token.
	TokenID string
	// Epoch is the revocation epoch at which the token was minted.
	Epoch int64
	// ExpiresAt is when the token ends.
	ExpiresAt time.Time
	// Peer is the name of the process that called (from its mTLS certificate), or
	// empty. The gateway calls for people: then ID is the person, Peer the gateway.
	Peer string
	// Address is the client's address: the transport's, or the one the gateway asserts.
	Address string
	// UserAgent is the client's own description of itself, untrusted.
	UserAgent string
}

// Nobody is a caller that has shown nothing.
func Nobody() Principal { return Principal{Kind: Anonymous} }

// Background is a service acting on its own.
func Background(service string) Principal { return Principal{Kind: System, ID: service} }

// Subject returns kind and id in one string: the scope of idempotency keys and rate limits.
func (p Principal) Subject() string { return string(p.Kind) + ":" + p.ID }

type contextKey struct{}

// NewContext returns a context that carries p.
func NewContext(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// FromContext returns the caller, or Nobody.
func FromContext(ctx context.Context) Principal {
	if p, ok := ctx.Value(contextKey{}).(Principal); ok {
		return p
	}
	return Nobody()
}
