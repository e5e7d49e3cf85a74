// Package audittrail keeps what every service says was done, and lists it.
//
// It guarantees that an entry is stored once, however often its event arrives, and never
// changes: there is no way to, and the serving role may not. It lists newest first; an
// entry shows up a moment after its act. Package auditchain proves that none was changed,
// left out or cut off.
//
// It does not write entries of its own making: services do, in the transaction of the act.
package audittrail

import (
	"context"
	"encoding/json"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
)

// ErrPeriodInvalid is for a period that ends before it begins.
var ErrPeriodInvalid = errs.New(errs.InvalidArgument, "PERIOD_INVALID", "end_time does not lie after start_time; swap or drop one of them").
	WithViolation(errs.Violation{Field: "end_time", Rule: "PERIOD_INVALID", Description: "must lie after start_time"})

// Entry is one act or refused attempt.
type Entry struct {
	// EventID is that of the event that brought it: what it is stored once by.
	EventID string
	// ID names it (`aud_…`).
	ID string
	// AccountID is the account concerned; empty for the platform.
	AccountID string
	// Time is when, by the clock of the service that did it.
	Time time.Time
	// Service did it, Method is the call that asked for it, or empty.
	Service, Method string
	// Action is what was done, Severity how much attention it deserves, Outcome how it
	// ended, Reason why it failed.
	Action, Severity, Outcome, Reason string
	// Actor is who did it.
	Actor Actor
	// Target is what it was done to.
	Target Target
	// RequestID and TraceID lead to logs and traces.
	RequestID, TraceID string
	// Before and After are the target as JSON objects; nil where nothing was or is.
	Before, After json.RawMessage
	// Link is its place in the chain of its account; storing it fills this.
	Link Link
}

// Link is an entry's place in the chain of its account.
type Link struct {
	// Sequence counts the account's entries, from one and without gaps.
	Sequence int64
	// AppendTime is when it got its place; it never goes back within an account.
	AppendTime time.Time
	// Hash is over the entry, its place and the hash before it.
	Hash [32]byte
}

// Actor is who did it.
type Actor struct{ Kind, ID, Role, Address, SessionID string }

// Target is what it was done to.
type Target struct{ Kind, ID, Name string }

// Filter narrows a list; empty fields do not.
type Filter struct {
	ActorID, Action, TargetID string
	// ActionPrefix is how the action begins.
	ActorKind, ActionPrefix, Outcome, TargetKind, Service, Address string
	// Severities are those wanted.
	Severities []string
	// Start is included, End is not.
	Start, End time.Time
}

// Words returns all that the filter says, always in the same order: a page token is bound
// to it.
func (f Filter) Words() []string {
	return append([]string{
		f.ActorID, f.Action, f.TargetID, f.Start.Format(time.RFC3339Nano), f.End.Format(time.RFC3339Nano),
		f.ActorKind, f.ActionPrefix, f.Outcome, f.TargetKind, f.Service, f.Address,
	}, f.Severities...)
}

// Position is where a page of entries ends.
type Position struct {
	// Time and Sequence are those of the last entry shown.
	Time     time.Time
	Sequence int64
}

// Reader lists entries.
type Reader interface {
	// ListEntries returns up to limit entries of the account behind the position, newest first.
	ListEntries(ctx context.Context, accountID string, f Filter, after Position, limit int) ([]Entry, error)
}

// Appender stores entries, in the transaction that also remembers their events.
type Appender interface {
	// AppendEntries stores the entries, in their order, whose events are not stored already.
	AppendEntries(ctx context.Context, entries []Entry) error
}

// Trail is the use case of reading.
type Trail struct{ reader Reader }

// New returns the use case.
func New(reader Reader) *Trail { return &Trail{reader: reader} }

// List returns a page of the account's entries, newest first.
func (t *Trail) List(ctx context.Context, accountID string, f Filter, after Position, limit int) ([]Entry, error) {
	if !f.Start.IsZero() && !f.End.IsZero() && !f.End.After(f.Start) {
		return nil, ErrPeriodInvalid
	}
	return t.reader.ListEntries(ctx, accountID, f, after, limit)
}

// Record stores entries that events brought. One that lacks what the trail is read by is
// refused, and all with it: its publisher is broken, and so would the trail be.
func Record(ctx context.Context, to Appender, entries ...Entry) error {
	for _, e := range entries {
		if err := e.check(); err != nil {
			return err
		}
	}
	return to.AppendEntries(ctx, entries)
}

func (e Entry) check() error {
	for name, value := range map[string]string{
		"event id": e.EventID, "id": e.ID, "service": e.Service, "action": e.Action, "outcome": e.Outcome, "actor": e.Actor.Kind,
	} {
		if value == "" {
			return errs.Newf(errs.InvalidArgument, "REQUEST_INVALID", "audit entry %s has no %s", e.ID, name)
		}
	}
	if e.Time.IsZero() {
		return errs.Newf(errs.InvalidArgument, "REQUEST_INVALID", "audit entry %s has no time", e.ID)
	}
	return nil
}
