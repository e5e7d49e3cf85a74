// Package audit is one entry of the audit trail: what was done to what, and how it ended.
// It owns the words; who did it, when and through which request is filled in by package
// auditlog from the context, so that no caller can get it wrong.
//
// An entry never carries a secret or an access key id.
package audit

// Severity says how much attention an entry deserves.
type Severity int

// The severities; the zero value is taken for Info, or for Warning when the outcome is
// Failed or Denied.
const (
	// Info is everyday work.
	Info Severity = iota + 1
	// Notice changes who may do what, or removes something.
	Notice
	// Warning was refused, failed, or found different from what was recorded.
	Warning
	// Critical needs a person now.
	Critical
)

// Outcome says how an act ended.
type Outcome int

// The outcomes; the zero value is taken for Succeeded.
const (
	// Started means that another entry tells how it ended.
	Started Outcome = iota + 1
	// Succeeded means that it was done.
	Succeeded
	// Failed means that it was tried and failed.
	Failed
	// Denied means that it was not allowed.
	Denied
)

// Target is what an act was done to.
type Target struct {
	// Kind is snake case, such as "bucket".
	Kind string
	ID   string
	// Name is for reading.
	Name string
}

// Entry is one act or one refused attempt.
type Entry struct {
	// Action is `<resource>.<verb>`, such as "bucket.create".
	Action   string
	Severity Severity
	Outcome  Outcome
	// Reason of a refusal or failure, a value of the service's ErrorReason; else empty.
	Reason string
	Target Target
	// AccountID is the account concerned; empty for the platform.
	AccountID string
	// Before and After are the target without secrets; nil where nothing was or is.
	// Values are what JSON has: strings, booleans, numbers, lists and maps of those.
	Before, After map[string]any
}
