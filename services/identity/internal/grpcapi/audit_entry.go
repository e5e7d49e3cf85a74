package grpcapi

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/primecloud/primecloud/pkg/page"
	auditv1 "github.com/primecloud/primecloud/proto/gen/primecloud/audit/v1"
	"github.com/primecloud/primecloud/services/identity/internal/audittrail"
)

type auditEntries struct {
	auditv1.UnimplementedAuditServiceServer
	use   *audittrail.Trail
	pages pager
}

func (s *auditEntries) ListAuditEntries(
	ctx context.Context, r *auditv1.ListAuditEntriesRequest,
) (*auditv1.ListAuditEntriesResponse, error) {
	filter := audittrail.Filter{ActorID: r.GetActorId(), Action: r.GetAction(), TargetID: r.GetTargetId()}
	var err error
	if filter.Start, err = timeOf("start_time", r.GetStartTime()); err != nil {
		return nil, err
	}
	if filter.End, err = timeOf("end_time", r.GetEndTime()); err != nil {
		return nil, err
	}
	v, err := s.pages.open(auditv1.AuditService_ListAuditEntries_FullMethodName, r, r.GetAccountId(), filter.ActorID, filter.Action, filter.TargetID,
		filter.Start.Format(time.RFC3339Nano), filter.End.Format(time.RFC3339Nano))
	if err != nil {
		return nil, err
	}
	var after audittrail.Position
	if after.Time, err = positionTime(v.at(0)); err != nil {
		return nil, err
	}
	if after.Sequence, err = positionNumber(v.at(1)); err != nil {
		return nil, err
	}
	rows, err := s.use.List(ctx, r.GetAccountId(), filter, after, v.limit())
	if err != nil {
		return nil, err
	}
	var broken error
	shown, next := cut(v, rows,
		func(e audittrail.Entry) *auditv1.AuditEntry {
			entry, err := auditEntry(e)
			if err != nil {
				broken = err
			}
			return entry
		},
		func(e audittrail.Entry) page.Position {
			return page.Position{e.Time.Format(time.RFC3339Nano), strconv.FormatInt(e.Link.Sequence, 10)}
		})
	if broken != nil {
		return nil, broken
	}
	return &auditv1.ListAuditEntriesResponse{AuditEntries: shown, NextPageToken: next}, nil
}

// positionNumber reads a number of a page token; the start of the list has none.
func positionNumber(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, page.ErrInvalid.Wrap(err)
	}
	return n, nil
}

func auditEntry(e audittrail.Entry) (*auditv1.AuditEntry, error) {
	before, err := object(e.Before)
	if err != nil {
		return nil, fmt.Errorf("audit entry %s: before: %w", e.ID, err)
	}
	after, err := object(e.After)
	if err != nil {
		return nil, fmt.Errorf("audit entry %s: after: %w", e.ID, err)
	}
	entry := &auditv1.AuditEntry{
		Id: e.ID, AccountId: e.AccountID, Time: stamp(e.Time), Service: e.Service, Action: e.Action,
		Severity: auditv1.AuditEntry_Severity(auditv1.AuditEntry_Severity_value["SEVERITY_"+e.Severity]),
		Outcome:  auditv1.AuditEntry_Outcome(auditv1.AuditEntry_Outcome_value["OUTCOME_"+e.Outcome]),
		Reason:   e.Reason,
		Actor: &auditv1.AuditEntry_Actor{
			Kind: e.Actor.Kind, Id: e.Actor.ID, Role: e.Actor.Role, Address: e.Actor.Address, SessionId: e.Actor.SessionID,
		},
		RequestId: e.RequestID, TraceId: e.TraceID, Before: before, After: after, Method: e.Method,
	}
	if e.Target != (audittrail.Target{}) {
		entry.Target = &auditv1.AuditEntry_Target{Kind: e.Target.Kind, Id: e.Target.ID, DisplayName: e.Target.Name}
	}
	return entry, nil
}

// object reads a JSON object; nil is absent.
func object(raw json.RawMessage) (*structpb.Struct, error) {
	if raw == nil {
		return nil, nil
	}
	s := &structpb.Struct{}
	return s, protojson.Unmarshal(raw, s)
}
