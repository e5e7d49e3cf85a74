// Package idempotency carries a caller's idempotency key from the transport to the use
// case. It owns the key's shape and scope; whether a key was used before is known only
// to the store of the service, in the transaction of the change itself.
package idempotency

import (
	"context"

	"github.com/primecloud/primecloud/pkg/errs"
)

// MaxLength is the longest key accepted, in bytes.
const MaxLength = 255

// Key is one caller's claim that calls with it are one call.
type Key struct {
	// Principal scopes the key: principal.Principal.Subject().
	Principal string
	// Method is the full gRPC method name.
	Method string
	// Value is what the caller sent; empty when the caller sent none.
	Value string
	// RequestHash is the SHA-256 of the request, so that a key used with another
	// payload is noticed.
	RequestHash [32]byte
}

// ErrReused is returned when a key comes back with another payload.
var ErrReused = errs.New(errs.InvalidArgument, "IDEMPOTENCY_KEY_REUSED",
	"this idempotency key was used with another request; use a new key for a new request")

// ErrInProgress is returned while a call with the same key still runs.
var ErrInProgress = errs.New(errs.Aborted, "IDEMPOTENCY_KEY_IN_PROGRESS",
	"a call with this idempotency key is still running; retry in a moment to learn its outcome")

// ErrInvalid is returned for a key that is no visible ASCII or too long.
var ErrInvalid = errs.New(errs.InvalidArgument, "IDEMPOTENCY_KEY_INVALID",
	"an idempotency key is 1 to 255 visible ASCII characters")

// Check reports whether a value may serve as a key.
func Check(value string) error {
	if value == "" || len(value) > MaxLength {
		return ErrInvalid
	}
	for i := range len(value) {
		if value[i] < 0x21 || value[i] > 0x7e {
			return ErrInvalid
		}
	}
	return nil
}

type contextKey struct{}

// NewContext returns a context that carries k.
func NewContext(ctx context.Context, k Key) context.Context {
	return context.WithValue(ctx, contextKey{}, k)
}

// FromContext returns the key of the call. Of a method that changes something, principal
// and method are set even when the caller sent no key, and the hash when it may send one.
func FromContext(ctx context.Context) Key {
	k, _ := ctx.Value(contextKey{}).(Key)
	return k
}
