// Package fault answers requests that fail: google.rpc.Status as JSON, always with an
// ErrorInfo. It owns the JSON form and the HTTP statuses; the translation of errors is
// package rpc's.
//
// Guarantees: what an error wraps, and the text of an unclassified one, are never shown;
// an error of a service keeps its domain, reason and details.
package fault

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	_ "google.golang.org/genproto/googleapis/rpc/errdetails" // the details that a status may carry
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/rpc"
)

// Domain is that of the reasons that the gateway gives itself; they are values of
// primecloud.options.v1.ErrorReason.
const Domain = "primecloud.gateway"

// The refusals that more than one room gives.
var (
	// ErrRoute is for a path that does not exist.
	ErrRoute = errs.New(errs.NotFound, "ROUTE_NOT_FOUND", "there is no such path; /docs lists those that exist")
	// ErrMethod is for a path that exists with another HTTP method.
	ErrMethod = errs.New(errs.Unimplemented, "ROUTE_NOT_FOUND", "the path takes another HTTP method; see Allow and /docs")
	// ErrBodyTooLarge is for a body beyond the limit.
	ErrBodyTooLarge = errs.New(errs.ResourceExhausted, "BODY_TOO_LARGE", "the request body is too large; send less")
	// ErrBodyInvalid is for a body that is not the JSON that the method takes.
	ErrBodyInvalid = errs.New(errs.InvalidArgument, "BODY_INVALID", "the body is not the JSON that this method takes")
	// ErrNotJSON is for a body that does not even claim to be JSON.
	ErrNotJSON = errs.New(errs.InvalidArgument, "BODY_INVALID", "send the body as JSON, with Content-Type: application/json").
			With("content_type", "application/json")
	// ErrRequestInvalid is for a header or parameter that breaks a rule.
	ErrRequestInvalid = errs.New(errs.InvalidArgument, "REQUEST_INVALID", "the request is not valid")
	// ErrLoginRequired is for a request without a login.
	ErrLoginRequired = errs.New(errs.Unauthenticated, "LOGIN_REQUIRED", "log in at /auth/login, or send an access token as `Authorization: Bearer …`")
)

// Write answers with err and logs nothing.
func Write(w http.ResponseWriter, requestID string, err error) {
	err = rpc.FromStatus(err)
	s := rpc.ToStatus(err, Domain, requestID)
	e, _ := errs.As(err)
	header := w.Header()
	if s.Code() == codes.Unauthenticated {
		header.Set("WWW-Authenticate", "Bearer")
	}
	if e != nil && e.RetryAfter() > 0 {
		header.Set("Retry-After", Seconds(e.RetryAfter()))
	}
	body, failed := protojson.Marshal(s.Proto())
	if failed != nil {
		body = []byte(`{"code":13,"message":"something went wrong on our side"}`)
	}
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(HTTPStatus(err, s.Code()))
	_, _ = w.Write(body) // a client that went away is not told
}

// HTTPStatus returns the HTTP status of an error whose gRPC code is code.
func HTTPStatus(err error, code codes.Code) int {
	switch {
	case errors.Is(err, ErrMethod):
		return http.StatusMethodNotAllowed
	case errors.Is(err, ErrBodyTooLarge):
		return http.StatusRequestEntityTooLarge
	case code == codes.Aborted && errs.ReasonOf(err) == "ETAG_MISMATCH":
		return http.StatusPreconditionFailed
	}
	if e, ok := errs.As(err); ok && e.Reason() == ErrNotJSON.Reason() && e.Metadata()["content_type"] != "" {
		return http.StatusUnsupportedMediaType
	}
	return runtime.HTTPStatusFromCode(code)
}

// Seconds writes a Retry-After. It rounds up: a client that waits so long is not told to wait
// again.
func Seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
