package events

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/primecloud/primecloud/pkg/event"
	auditv1 "github.com/primecloud/primecloud/proto/gen/primecloud/audit/v1"
	"github.com/primecloud/primecloud/services/identity/internal/audittrail"
)

// RecordAudit stores the audit entries that events bring: all of them or, when one lies or
// is malformed, none.
func RecordAudit(ctx context.Context, to audittrail.Appender, events ...event.Event) error {
	entries := make([]audittrail.Entry, len(events))
	for i, e := range events {
		var err error
		if entries[i], err = auditEntryOf(e); err != nil {
			return err
		}
	}
	return audittrail.Record(ctx, to, entries...)
}

func auditEntryOf(e event.Event) (audittrail.Entry, error) {
	var payload auditv1.AuditRecorded
	if e.PayloadType != string(payload.ProtoReflect().Descriptor().FullName()) {
		return audittrail.Entry{}, fmt.Errorf("event %s carries %s and no audit entry", e.ID, e.PayloadType)
	}
	if err := proto.Unmarshal(e.Payload, &payload); err != nil {
		return audittrail.Entry{}, fmt.Errorf("event %s: %w", e.ID, err)
	}
	in := payload.GetAuditEntry()
	if in.GetAccountId() != e.AccountID {
		return audittrail.Entry{}, fmt.Errorf("event %s is about account %q, its entry about %q", e.ID, e.AccountID, in.GetAccountId())
	}
	out := audittrail.Entry{
		EventID: e.ID, ID: in.GetId(), AccountID: in.GetAccountId(), Service: in.GetService(),
		Method: in.GetMethod(), Action: in.GetAction(), Reason: in.GetReason(),
		Severity: strings.TrimPrefix(in.GetSeverity().String(), "SEVERITY_"),
		Outcome:  strings.TrimPrefix(in.GetOutcome().String(), "OUTCOME_"),
		Actor: audittrail.Actor{
			Kind: in.GetActor().GetKind(), ID: in.GetActor().GetId(), Role: in.GetActor().GetRole(),
			Address: in.GetActor().GetAddress(), SessionID: in.GetActor().GetSessionId(),
		},
		Target: audittrail.Target{
			Kind: in.GetTarget().GetKind(), ID: in.GetTarget().GetId(), Name: in.GetTarget().GetDisplayName(),
		},
		RequestID: in.GetRequestId(), TraceID: in.GetTraceId(),
	}
	if in.GetTime() != nil {
		out.Time = in.GetTime().AsTime()
	}
	var err error
	if out.Before, err = jsonOf(in.GetBefore()); err != nil {
		return audittrail.Entry{}, fmt.Errorf("event %s: before: %w", e.ID, err)
	}
	if out.After, err = jsonOf(in.GetAfter()); err != nil {
		return audittrail.Entry{}, fmt.Errorf("event %s: after: %w", e.ID, err)
	}
	return out, nil
}

// jsonOf writes an object as JSON, always in the same way: it is part of what is hashed.
// Absent is nil.
func jsonOf(s *structpb.Struct) (json.RawMessage, error) {
	if s == nil {
		return nil, nil
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(s.AsMap())
	return bytes.TrimSpace(out.Bytes()), err
}
