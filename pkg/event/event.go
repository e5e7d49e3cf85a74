// Package event is the envelope of what has happened. It owns the fields every event
// carries and their meaning; the payload belongs to the service that publishes it.
//
// An event is a snapshot: it carries the aggregate as it was after the change and the
// aggregate's version, so that a consumer may drop whatever is older than what it knows.
package event

import (
	"fmt"
	"regexp"
	"time"
)

// Aggregate names the thing that changed.
type Aggregate struct {
	// Kind is the resource's kind in snake case, such as "bucket".
	Kind string
	// ID is the resource's id.
	ID string
	// Version grows with every change of the resource.
	Version int64
}

// Actor names who caused the event.
type Actor struct {
	// Kind is the principal's kind.
	Kind string
	// ID is the principal's id.
	ID string
}

// Event is one thing that has happened.
type Event struct {
	// ID is unique (`evt_…`); consumers remember it.
	ID string
	// Type is the subject: primecloud.<noun>.<resource>.<past verb>.v1.
	Type string
	// AccountID is the account concerned, or empty for the platform.
	AccountID string
	// Actor is who caused it.
	Actor Actor
	// Aggregate is what changed.
	Aggregate Aggregate
	// Time is when, by the publisher's clock.
	Time time.Time
	// Traceparent continues the trace of the call, W3C format, or empty.
	Traceparent string
	// RequestID is the id of the request that caused it, or empty.
	RequestID string
	// PayloadType is the full name of the payload's protobuf message.
	PayloadType string
	// Payload is that message, in protobuf binary format.
	Payload []byte
}

var typePattern = regexp.MustCompile(`^primecloud\.[a-z]+\.[a-z_]+\.[a-z_]+\.v[0-9]+$`)

// Validate reports what is missing or malformed.
func (e Event) Validate() error {
	switch {
	case e.ID == "":
		return fmt.Errorf("event has no id")
	case !typePattern.MatchString(e.Type):
		return fmt.Errorf("event type %q is not primecloud.<noun>.<resource>.<past verb>.v<n>", e.Type)
	case e.Aggregate.Kind == "" || e.Aggregate.ID == "":
		return fmt.Errorf("event %s names no aggregate", e.ID)
	case e.Time.IsZero():
		return fmt.Errorf("event %s has no time", e.ID)
	default:
		return nil
	}
}

// Type builds an event type.
func Type(noun, resource, verb string) string {
	return "primecloud." + noun + "." + resource + "." + verb + ".v1"
}
