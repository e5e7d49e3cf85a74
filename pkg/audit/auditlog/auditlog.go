// Package auditlog writes the audit trail: an entry becomes an event in the outbox, in the
// transaction of the change it tells of, and identity stores it from there.
//
// It owns what an entry says about the caller, taken from the context, and that nothing
// which looks like a secret gets into one. Refused calls have a Refusals of their own.
package auditlog

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/event"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/idempotency"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/outbox"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/principal"
	auditv1 "github.com/primecloud/primecloud/proto/gen/primecloud/audit/v1"
)

// Log writes one service's entries.
type Log struct {
	service, noun string
	clock         clock.Clock
	logger        *slog.Logger
}

// New returns a log for the service (its long name) whose events are published under noun.
// logger hears of what was dropped; it may be nil.
func New(service, noun string, clock clock.Clock, logger *slog.Logger) *Log {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Log{service: service, noun: noun, clock: clock, logger: logger}
}

// Record adds an entry in the caller's transaction. Actor, request, trace, method, time and
// service come from the context. A caller that is not known there is the service itself,
// working in the background.
func (l *Log) Record(ctx context.Context, q pg.Querier, e audit.Entry) error {
	entry, err := l.entry(ctx, e)
	if err != nil {
		return err
	}
	payload := &auditv1.AuditRecorded{AuditEntry: entry}
	raw, err := proto.Marshal(payload)
	if err != nil {
		return fmt.Errorf("encode audit entry %s: %w", entry.GetId(), err)
	}
	return outbox.Add(ctx, q, event.Event{
		ID:          id.New("evt", entry.GetTime().AsTime()),
		Type:        event.Type(l.noun, "audit", "recorded"),
		AccountID:   e.AccountID,
		Actor:       event.Actor{Kind: entry.GetActor().GetKind(), ID: entry.GetActor().GetId()},
		Aggregate:   event.Aggregate{Kind: "audit_entry", ID: entry.GetId(), Version: 1},
		Time:        entry.GetTime().AsTime(),
		Traceparent: Traceparent(ctx),
		RequestID:   entry.GetRequestId(),
		PayloadType: string(payload.ProtoReflect().Descriptor().FullName()),
		Payload:     raw,
	})
}

func (l *Log) entry(ctx context.Context, e audit.Entry) (*auditv1.AuditEntry, error) {
	if e.Action == "" {
		return nil, fmt.Errorf("an audit entry needs an action")
	}
	before, err := l.convert(ctx, e.Action, e.Before)
	if err != nil {
		return nil, err
	}
	after, err := l.convert(ctx, e.Action, e.After)
	if err != nil {
		return nil, err
	}
	now := l.clock.Now().Truncate(time.Microsecond)
	outcome, severity := complete(e)
	entry := &auditv1.AuditEntry{
		Id:        id.New("aud", now),
		AccountId: e.AccountID,
		Time:      timestamppb.New(now),
		Service:   l.service,
		Action:    e.Action,
		Severity:  auditv1.AuditEntry_Severity(severity),
		Outcome:   auditv1.AuditEntry_Outcome(outcome),
		Reason:    e.Reason,
		Actor:     l.actor(ctx),
		RequestId: observe.RequestID(ctx),
		Before:    before,
		After:     after,
		Method:    idempotency.FromContext(ctx).Method,
	}
	if e.Target != (audit.Target{}) {
		entry.Target = &auditv1.AuditEntry_Target{Kind: e.Target.Kind, Id: keepable(e.Target.ID), DisplayName: keepable(e.Target.Name)}
	}
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		entry.TraceId = span.TraceID().String()
	}
	return entry, nil
}

// keepable returns a text that the trail's database can keep: neither U+0000 nor broken
// UTF-8. An entry may quote what a refused caller has sent, who would otherwise decide
// whether the attempt gets into the trail.
func keepable(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "\uFFFD"), "\uFFFD")
}

func complete(e audit.Entry) (audit.Outcome, audit.Severity) {
	if e.Outcome == 0 {
		e.Outcome = audit.Succeeded
	}
	if e.Severity == 0 {
		e.Severity = audit.Info
		if e.Outcome == audit.Failed || e.Outcome == audit.Denied {
			e.Severity = audit.Warning
		}
	}
	return e.Outcome, e.Severity
}

func (l *Log) actor(ctx context.Context) *auditv1.AuditEntry_Actor {
	p := principal.FromContext(ctx)
	if p.Kind == principal.Anonymous && p.Address == "" && p.Peer == "" {
		p = principal.Background(l.service)
	}
	if p.UserID != "" {
		// A personal API key: the person did it, and the key is what they were logged in with.
		return &auditv1.AuditEntry_Actor{Kind: string(principal.Person), Id: p.UserID, Role: p.Role, Address: p.Address, SessionId: p.ID}
	}
	return &auditv1.AuditEntry_Actor{Kind: string(p.Kind), Id: p.ID, Role: p.Role, Address: p.Address, SessionId: p.SessionID}
}

func (l *Log) convert(ctx context.Context, action string, values map[string]any) (*structpb.Struct, error) {
	if values == nil {
		return nil, nil
	}
	clean, dropped := withoutSecrets(values)
	if len(dropped) > 0 {
		// A defect of the caller: the entry is written without them, and somebody should know.
		l.logger.ErrorContext(ctx, "an audit entry carried what looks like a secret; it was dropped",
			"action", action, "keys", dropped)
	}
	s, err := structpb.NewStruct(clean)
	if err != nil {
		return nil, fmt.Errorf("audit entry %s: %w", action, err)
	}
	return s, nil
}

// Traceparent returns the W3C trace context of the call, or "" when there is none.
func Traceparent(ctx context.Context) string {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return ""
	}
	return "00-" + span.TraceID().String() + "-" + span.SpanID().String() + "-" + span.TraceFlags().String()
}
