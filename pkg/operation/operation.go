// Package operation is one attempt to change a resource that lives in a backend: what was
// asked, by whom, and how it ended. It owns the states and their one transition; the store
// is package pgoperation.
//
// An operation leaves TRYING exactly once, by a compare-and-set: SUCCEEDED when the backend
// has it, ABANDONED when the resource goes back to what it was before. A resource has at
// most one open operation.
package operation

import (
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
)

// Window is how long an idempotency key is remembered at least.
const Window = 24 * time.Hour

// State says where an operation stands.
type State string

// The states.
const (
	// Trying means that the change is being made.
	Trying State = "TRYING"
	// Succeeded means that the backend has it.
	Succeeded State = "SUCCEEDED"
	// Abandoned means that it was given up and the resource goes back.
	Abandoned State = "ABANDONED"
)

// ErrInProgress is returned when another operation on the resource is open.
var ErrInProgress = errs.New(errs.Aborted, "OPERATION_IN_PROGRESS",
	"another operation on this resource still runs; retry in a moment").WithRetryAfter(time.Second)

// Resource names what is changed.
type Resource struct {
	// Kind is snake case, such as "bucket".
	Kind string
	// ID is the resource's id.
	ID string
}

// Progress says how far an operation is. A zero Total means that it is not known.
type Progress struct {
	Done, Total int64
	// Unit is what is counted, such as "objects".
	Unit string
}

// Failure says why an operation was abandoned, in words that a caller may read.
type Failure struct {
	Kind    errs.Kind
	Reason  string
	Message string
}

// FailureOf describes err. An error that was never classified shows nothing of its text.
func FailureOf(err error) Failure {
	if e, ok := errs.As(err); ok && e.Kind() != errs.Internal {
		return Failure{Kind: e.Kind(), Reason: e.Reason(), Message: e.Message()}
	}
	switch kind := errs.KindOf(err); kind {
	case errs.DeadlineExceeded:
		return Failure{Kind: kind, Reason: "DEADLINE_EXCEEDED", Message: "the deadline passed before it was done"}
	case errs.Canceled:
		return Failure{Kind: kind, Reason: "CANCELED", Message: "the caller went away"}
	default:
		return Failure{Kind: errs.Internal, Reason: "INTERNAL", Message: "an error inside the service"}
	}
}

// Operation is one attempt.
type Operation struct {
	// ID is `opn_…`.
	ID        string
	AccountID string
	Resource  Resource
	// Method is the full gRPC method name of the call that began it.
	Method string
	// Principal is principal.Principal.Subject() of the caller.
	Principal string
	// IdempotencyKey is empty when the caller sent none.
	IdempotencyKey string
	// RequestHash is the SHA-256 of the request.
	RequestHash []byte
	State       State
	// Generation is what the resource wants to reach.
	Generation int64
	// Previous is the spec to go back to, JSON; nil when there was nothing before.
	Previous []byte
	// Result is what the call returned, JSON, for the service to replay; nil when the
	// resource itself tells.
	Result    []byte
	Progress  Progress
	Failure   Failure
	CreatedAt time.Time
	// EndedAt is zero while the operation runs.
	EndedAt time.Time
	// ExpiresAt is until when the idempotency key is remembered; CreatedAt plus Window when zero.
	ExpiresAt time.Time
}

// Outcome is how an operation ends.
type Outcome struct {
	// State is Succeeded or Abandoned.
	State State
	// Failure says why, when abandoned.
	Failure Failure
	// Result is kept for replays, JSON; may be nil.
	Result []byte
	// At is when, by our clock.
	At time.Time
}
