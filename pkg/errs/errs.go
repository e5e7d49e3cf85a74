// Package errs is the one error type of the suite: an error is classified where
// it is born, with a kind (what class of thing went wrong), a reason (which thing
// exactly, a value of the service's ErrorReason enum) and a message that says what
// to do. Translation to a wire format happens once, in package rpc.
//
// The package owns the classification and nothing else: it imports only the
// standard library, so that domain code can use it without knowing a protocol.
package errs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"
)

// Kind is the class of an error. Its values mirror the canonical gRPC codes,
// except Unknown, which means "the outcome could not be recorded".
type Kind uint8

// The kinds, from the most general to the most specific.
const (
	// Internal is a defect of ours; its text never reaches a caller.
	Internal Kind = iota
	// InvalidArgument is a request that can never succeed as it is.
	InvalidArgument
	// Unauthenticated means that who calls is not known, or no longer trusted.
	Unauthenticated
	// PermissionDenied means that the caller is known and may not do this.
	PermissionDenied
	// NotFound means absent, or not visible to the caller: they look alike.
	NotFound
	// AlreadyExists means that the name is taken.
	AlreadyExists
	// FailedPrecondition means that the state of the resource forbids it; a retry
	// without changing that state is pointless.
	FailedPrecondition
	// Aborted is a conflict with another caller; read again and retry.
	Aborted
	// ResourceExhausted is a limit: rate, quota, size.
	ResourceExhausted
	// Unavailable means that a dependency is down; retry later, same call.
	Unavailable
	// DeadlineExceeded means that the caller's time ran out.
	DeadlineExceeded
	// Canceled means that the caller went away.
	Canceled
	// Unimplemented means that this server does not offer the method.
	Unimplemented
	// Unknown means that the outcome could not even be recorded; a retry with the
	// same idempotency key tells which it was.
	Unknown
)

var kindNames = map[Kind]string{
	Internal: "INTERNAL", InvalidArgument: "INVALID_ARGUMENT", Unauthenticated: "UNAUTHENTICATED",
	PermissionDenied: "PERMISSION_DENIED", NotFound: "NOT_FOUND", AlreadyExists: "ALREADY_EXISTS",
	FailedPrecondition: "FAILED_PRECONDITION", Aborted: "ABORTED", ResourceExhausted: "RESOURCE_EXHAUSTED",
	Unavailable: "UNAVAILABLE", DeadlineExceeded: "DEADLINE_EXCEEDED", Canceled: "CANCELED",
	Unimplemented: "UNIMPLEMENTED", Unknown: "UNKNOWN",
}

// String returns the canonical upper-case name of the kind.
func (k Kind) String() string { return kindNames[k] }

// Violation is one field of a request that broke one rule.
type Violation struct {
	// Field is the path of the field in the request, in snake case.
	Field string
	// Rule names the broken rule, UPPER_SNAKE.
	Rule string
	// Description says in words what to do.
	Description string
}

// Error is a classified error. Build it with New and the With methods, each of
// which returns a changed copy, so that a package-level error may be refined safely.
type Error struct {
	kind       Kind
	reason     string
	message    string
	metadata   map[string]string
	violations []Violation
	retryAfter time.Duration
	cause      error
}

// New returns an error of the kind. reason is UPPER_SNAKE and a value of the
// service's ErrorReason enum; message is shown to the caller and says what to do.
func New(kind Kind, reason, message string) *Error {
	return &Error{kind: kind, reason: reason, message: message}
}

// Newf is New with a formatted message.
func Newf(kind Kind, reason, format string, args ...any) *Error {
	return New(kind, reason, fmt.Sprintf(format, args...))
}

// Error returns kind, reason and message, followed by the cause. It is for logs;
// callers are shown Message alone.
func (e *Error) Error() string {
	text := e.kind.String() + " " + e.reason + ": " + e.message
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is an *Error of the same kind and reason, so that
// errors.Is works with the package-level errors of a domain package.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.kind == e.kind && t.reason == e.reason
}

// Kind returns the class of the error.
func (e *Error) Kind() Kind { return e.kind }

// Reason returns the UPPER_SNAKE reason.
func (e *Error) Reason() string { return e.reason }

// Message returns the text for the caller.
func (e *Error) Message() string { return e.message }

// Metadata returns a copy of the details a program may act on.
func (e *Error) Metadata() map[string]string { return maps.Clone(e.metadata) }

// Violations returns the broken field rules.
func (e *Error) Violations() []Violation { return append([]Violation(nil), e.violations...) }

// RetryAfter returns how long to wait before a retry; zero says nothing about it.
func (e *Error) RetryAfter() time.Duration { return e.retryAfter }

// With returns a copy with one more metadata entry.
func (e *Error) With(key, value string) *Error {
	c := *e
	c.metadata = maps.Clone(e.metadata)
	if c.metadata == nil {
		c.metadata = map[string]string{}
	}
	c.metadata[key] = value
	return &c
}

// WithMessage returns a copy with another message, for a package-level error that
// wants to name the thing at hand.
func (e *Error) WithMessage(format string, args ...any) *Error {
	c := *e
	c.message = fmt.Sprintf(format, args...)
	return &c
}

// WithViolation returns a copy with one more broken field rule.
func (e *Error) WithViolation(v Violation) *Error {
	c := *e
	c.violations = append(append([]Violation(nil), e.violations...), v)
	return &c
}

// WithRetryAfter returns a copy that asks the caller to wait.
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	c := *e
	c.retryAfter = d
	return &c
}

// Wrap returns a copy with a cause. The cause is logged and never shown to a caller.
func (e *Error) Wrap(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// As returns the classified error within err, if there is one.
func As(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// KindOf returns the kind of err: that of the classified error within it, the
// matching kind of a context error, or Internal.
func KindOf(err error) Kind {
	if e, ok := As(err); ok {
		return e.kind
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return DeadlineExceeded
	case errors.Is(err, context.Canceled):
		return Canceled
	default:
		return Internal
	}
}

// ReasonOf returns the reason of the classified error within err, or "".
func ReasonOf(err error) string {
	if e, ok := As(err); ok {
		return e.reason
	}
	return ""
}

// Retriable reports whether the same call may succeed later without a change.
func Retriable(err error) bool {
	switch KindOf(err) {
	case Unavailable, DeadlineExceeded, Aborted, Unknown, Canceled, Internal:
		return true
	default:
		return false
	}
}
