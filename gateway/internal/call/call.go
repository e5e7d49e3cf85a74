// Package call carries what the gateway knows of one REST request from the edge, where
// it is found out, to the connection, where it becomes metadata of the gRPC call.
//
// It owns the value, and what a call of the gateway's own tells a service of its client. One
// goroutine works on a call at a time.
package call

import (
	"context"
	"net/http"

	"google.golang.org/grpc/metadata"

	"github.com/primecloud/primecloud/pkg/rpc"
)

// Call is one REST request. The edge fills it; the connection reads it.
type Call struct {
	// RequestID is told to the services and to the client.
	RequestID string
	// Address is the client's, as far as trusted proxies tell the truth.
	Address string
	// UserAgent is what the client calls itself.
	UserAgent string
	// Principal names the caller for rate limits: a verified subject, or the address.
	Principal string
	// Bearer is the access token to send, or "".
	Bearer string
	// Renewer gets another token when Bearer, which came out of a cache, was refused; nil
	// when Bearer is the client's own.
	Renewer Renewer
	// Refusal is why the login that the client showed does not count; methods that need
	// no login work all the same.
	Refusal error
	// IdempotencyKey is what the client sent, or "".
	IdempotencyKey string
	// IfMatch is the etag that the client has seen, without quotes, or "".
	IfMatch string
	// Query is the raw query.
	Query string
	// Response is the header of the response.
	Response http.Header
	// Failure is what the call was answered with, if it failed.
	Failure error
	// Method is the full gRPC name of the method, once it is known.
	Method string
	// Route is the path template, once it is known; it names the request in metrics.
	Route string
}

// Renewer gets a fresh access token in place of one that was refused.
type Renewer interface {
	// Renew returns a token that is not stale.
	Renew(ctx context.Context, stale string) (string, error)
}

type contextKey struct{}

// NewContext returns a context that carries c.
func NewContext(ctx context.Context, c *Call) context.Context {
	return context.WithValue(ctx, contextKey{}, c)
}

// FromContext returns the call, or nil outside of one.
func FromContext(ctx context.Context) *Call {
	c, _ := ctx.Value(contextKey{}).(*Call)
	return c
}

// Outgoing gives a call of the gateway's own (a login, an exchange) the client's name, as the
// edge does for all others.
func Outgoing(ctx context.Context) context.Context {
	k := FromContext(ctx)
	if k == nil {
		return ctx
	}
	pairs := []string{rpc.HeaderRequestID, k.RequestID, rpc.HeaderClientAddress, k.Address}
	if k.UserAgent != "" {
		pairs = append(pairs, rpc.HeaderUserAgent, k.UserAgent)
	}
	return metadata.AppendToOutgoingContext(ctx, pairs...)
}
