package rpc

import (
	"errors"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/primecloud/primecloud/pkg/errs"
)

// internalMessage is all that a caller learns of a defect of ours.
const internalMessage = "something went wrong on our side; report it with the request id"

// Reasons of the shared mechanisms that this package gives by itself
// (primecloud.options.v1.ErrorReason).
const (
	reasonInternal      = "INTERNAL"
	reasonDeadline      = "DEADLINE_EXCEEDED"
	reasonCanceled      = "CANCELED"
	reasonUnimplemented = "UNIMPLEMENTED"
	reasonInvalid       = "REQUEST_INVALID"
	reasonTooLarge      = "BODY_TOO_LARGE"
	reasonDependency    = "DEPENDENCY_UNAVAILABLE"
	reasonLogin         = "LOGIN_REQUIRED"
	reasonCaller        = "CALLER_NOT_ALLOWED"
	reasonNotFound      = "NOT_FOUND"
)

var codeOfKind = map[errs.Kind]codes.Code{
	errs.Internal: codes.Internal, errs.InvalidArgument: codes.InvalidArgument, errs.Unauthenticated: codes.Unauthenticated,
	errs.PermissionDenied: codes.PermissionDenied, errs.NotFound: codes.NotFound, errs.AlreadyExists: codes.AlreadyExists,
	errs.FailedPrecondition: codes.FailedPrecondition, errs.Aborted: codes.Aborted, errs.ResourceExhausted: codes.ResourceExhausted,
	errs.Unavailable: codes.Unavailable, errs.DeadlineExceeded: codes.DeadlineExceeded, errs.Canceled: codes.Canceled,
	errs.Unimplemented: codes.Unimplemented, errs.Unknown: codes.Unknown,
}

// Domain returns the domain of a noun's reasons.
func Domain(noun string) string { return "primecloud." + noun }

// ToStatus returns the status that a caller sees for err: always with ErrorInfo, with
// RequestInfo when there is a request id, BadRequest for broken field rules and RetryInfo
// for a delay. domain is that of the service that answers; an error that came from another
// service keeps the domain its reason belongs to. What err wraps is never shown.
func ToStatus(err error, domain, requestID string) *status.Status {
	if err == nil {
		return nil
	}
	e := classify(err)
	if r, ok := remoteOf(err); ok && r.domain != "" {
		domain = r.domain
	}
	message := e.Message()
	if e.Kind() == errs.Internal {
		message = internalMessage
	}
	metadata := e.Metadata()
	for key, value := range metadata {
		metadata[key] = sendable(value)
	}
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: e.Reason(), Domain: domain, Metadata: metadata}}
	if requestID != "" {
		details = append(details, &errdetails.RequestInfo{RequestId: requestID})
	}
	if violations := e.Violations(); len(violations) > 0 {
		bad := &errdetails.BadRequest{}
		for _, v := range violations {
			bad.FieldViolations = append(bad.FieldViolations,
				&errdetails.BadRequest_FieldViolation{Field: sendable(v.Field), Reason: v.Rule, Description: sendable(v.Description)})
		}
		details = append(details, bad)
	}
	if after := e.RetryAfter(); after > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
	}
	s := status.New(codeOfKind[e.Kind()], sendable(message))
	if with, err := s.WithDetails(details...); err == nil {
		return with
	}
	return s
}

// sendable returns a text that a message can carry. An error may quote what the caller sent,
// and one byte that is no UTF-8 would cost the status all of its details.
func sendable(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

// classify returns the classified error within err, or the one that fits it.
func classify(err error) *errs.Error {
	if e, ok := errs.As(err); ok {
		if e.Reason() == "" && e.Kind() == errs.Internal {
			return errs.New(errs.Internal, reasonInternal, internalMessage).Wrap(err)
		}
		return e
	}
	switch errs.KindOf(err) {
	case errs.DeadlineExceeded:
		return errs.New(errs.DeadlineExceeded, reasonDeadline,
			"the deadline passed; retry with more time and the same idempotency key").Wrap(err)
	case errs.Canceled:
		return errs.New(errs.Canceled, reasonCanceled, "the call was cancelled").Wrap(err)
	default:
	}
	// The generated code answers methods that a server does not implement by itself.
	if s, ok := status.FromError(err); ok && s.Code() == codes.Unimplemented {
		return errUnimplemented.Wrap(err)
	}
	return errs.New(errs.Internal, reasonInternal, internalMessage).Wrap(err)
}

var errUnimplemented = errs.New(errs.Unimplemented, reasonUnimplemented, "this server does not offer the method")

// FromStatus returns the classified error of a failed call: kind, reason, metadata,
// violations and delay as the other side gave them, and the other side's text as message.
// A status without ErrorInfo comes from the transport, not from a service of ours: its text
// becomes the cause, for the log, and a dependency that cannot be reached stays Unavailable.
// The result still is a gRPC error: status.Code works.
func FromStatus(err error) error {
	if err == nil {
		return nil
	}
	if _, classified := errs.As(err); classified {
		return err
	}
	s, ok := status.FromError(err)
	if !ok {
		if kind := errs.KindOf(err); kind == errs.DeadlineExceeded || kind == errs.Canceled {
			return classify(err)
		}
		return errs.New(errs.Internal, reasonInternal, internalMessage).Wrap(err)
	}
	r := &remote{status: s}
	var info *errdetails.ErrorInfo
	var bad *errdetails.BadRequest
	var delay time.Duration
	for _, detail := range s.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			info = d
		case *errdetails.BadRequest:
			bad = d
		case *errdetails.RetryInfo:
			delay = d.GetRetryDelay().AsDuration()
		}
	}
	if info == nil {
		r.classified = ofTransport(s).Wrap(err)
		return r
	}
	r.domain = info.GetDomain()
	e := errs.New(kindOf(s.Code(), true), info.GetReason(), s.Message())
	for key, value := range info.GetMetadata() {
		e = e.With(key, value)
	}
	for _, v := range bad.GetFieldViolations() {
		e = e.WithViolation(errs.Violation{Field: v.GetField(), Rule: v.GetReason(), Description: v.GetDescription()})
	}
	if delay > 0 {
		e = e.WithRetryAfter(delay)
	}
	r.classified = e
	return r
}

// remote is an error that another service gave.
type remote struct {
	classified *errs.Error
	domain     string
	status     *status.Status
}

// Error returns the text for the log.
func (r *remote) Error() string { return r.classified.Error() }

// Unwrap makes errors.As find the classified error.
func (r *remote) Unwrap() error { return r.classified }

// GRPCStatus makes status.Code and status.FromError work.
func (r *remote) GRPCStatus() *status.Status { return r.status }

// ofTransport classifies a status that no service of ours has written.
func ofTransport(s *status.Status) *errs.Error {
	kind := kindOf(s.Code(), false)
	switch kind {
	case errs.Unavailable:
		return errs.New(kind, reasonDependency, "another service of the suite cannot be reached; try again later")
	case errs.DeadlineExceeded:
		return errs.New(kind, reasonDeadline, "the deadline passed; retry with more time and the same idempotency key")
	case errs.Canceled:
		return errs.New(kind, reasonCanceled, "the call was cancelled")
	case errs.Unimplemented:
		return errUnimplemented
	case errs.ResourceExhausted:
		return errs.New(kind, reasonTooLarge, "the message is too large")
	case errs.Unauthenticated:
		return errs.New(kind, reasonLogin, "the call was not authenticated")
	case errs.PermissionDenied:
		return errs.New(kind, reasonCaller, "the call was refused")
	case errs.NotFound:
		return errs.New(kind, reasonNotFound, "not found")
	case errs.InvalidArgument:
		return errs.New(kind, reasonInvalid, "the request was refused as invalid")
	default:
		return errs.New(errs.Internal, reasonInternal, internalMessage)
	}
}

// kindOf returns the kind of a code. Unknown means an outcome that could not be recorded
// only if a service of ours says so; from the transport it is some defect.
func kindOf(code codes.Code, ours bool) errs.Kind {
	if code == codes.Unknown && !ours {
		return errs.Internal
	}
	for kind, c := range codeOfKind {
		if c == code {
			return kind
		}
	}
	if code == codes.OutOfRange {
		return errs.InvalidArgument
	}
	return errs.Internal
}

// remoteOf returns the error of another service if that is what classifies err.
func remoteOf(err error) (*remote, bool) {
	var r *remote
	if !errors.As(err, &r) {
		return nil, false
	}
	e, _ := errs.As(err)
	return r, e == r.classified
}
