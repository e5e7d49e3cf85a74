package rpc

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/primecloud/primecloud/pkg/token"
)

// The names in the metadata.
const (
	// HeaderAuthorization carries `Bearer <access token>`.
	HeaderAuthorization = "authorization"
	// HeaderRequestID carries the request id, both ways.
	HeaderRequestID = "x-request-id"
	// HeaderIdempotencyKey carries the caller's idempotency key.
	HeaderIdempotencyKey = "idempotency-key"
	// HeaderClientAddress is the client's address, believed from trusted forwarders only.
	HeaderClientAddress = "x-primecloud-client-address"
	// HeaderUserAgent is the client's user agent, believed from trusted forwarders only.
	HeaderUserAgent = "x-primecloud-user-agent"
	// HeaderOperationID names, in a response, the operation of a changing call.
	HeaderOperationID = "primecloud-operation-id"

	headerTraceparent = "traceparent"
	headerTracestate  = "tracestate"
	headerGRPCAgent   = "user-agent"
)

const (
	maxRequestID = 128
	maxUserAgent = 256
)

// WithBearer returns a context whose outgoing calls carry the access token.
func WithBearer(ctx context.Context, accessToken string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, HeaderAuthorization, "Bearer "+accessToken)
}

// WithIdempotencyKey returns a context whose outgoing calls carry the key. Use it for one
// call and its repetitions.
func WithIdempotencyKey(ctx context.Context, key string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, HeaderIdempotencyKey, key)
}

// WithClient returns a context whose outgoing calls assert the client that the caller
// itself serves. Servers believe it of trusted forwarders only.
func WithClient(ctx context.Context, address, userAgent string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, HeaderClientAddress, address, HeaderUserAgent, clean(userAgent))
}

// SetOperationID tells the caller of the current call the id of the operation that it began.
func SetOperationID(ctx context.Context, id string) error {
	return grpc.SetHeader(ctx, metadata.Pairs(HeaderOperationID, id))
}

// OperationID returns the id of the operation from the headers of a response, or "".
func OperationID(headers metadata.MD) string { return last(headers.Get(HeaderOperationID)) }

// bearer returns the access token of an authorization header: none when there is no
// header, an error when there is one of another form or more than one.
func bearer(values []string) (string, error) {
	switch len(values) {
	case 0:
		return "", nil
	case 1:
	default:
		return "", token.ErrInvalid.WithMessage("more than one authorization header was sent; send one access token")
	}
	const scheme = "bearer "
	value := values[0]
	if len(value) <= len(scheme) || !strings.EqualFold(value[:len(scheme)], scheme) {
		return "", token.ErrInvalid.WithMessage("the authorization header must be `Bearer` and an access token")
	}
	return strings.TrimLeft(value[len(scheme):], " "), nil
}

// validRequestID reports whether a caller's request id may stand in our logs and headers.
func validRequestID(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

// clean makes a user agent fit to be kept: visible ASCII and spaces, of limited length.
func clean(agent string) string {
	ok := len(agent) <= maxUserAgent
	for i := 0; ok && i < len(agent); i++ {
		ok = agent[i] >= 0x20 && agent[i] < 0x7f
	}
	if ok {
		return agent
	}
	if len(agent) > maxUserAgent {
		agent = agent[:maxUserAgent]
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f {
			return '?'
		}
		return r
	}, agent)
}

// first returns the first value, or "".
func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// last returns the last value, or "".
func last(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}
