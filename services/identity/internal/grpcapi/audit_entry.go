package grpcapi

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/primecloud/primecloud/pkg/page"
	auditv1 "github.com/primecloud/primecloud/proto/gen/primecloud/audit/v1"
	"github.com/primecloud/primecloud/services/identity/internal/auditchain"
	"github.com/primecloud/primecloud/services/identity/internal/audittrail"
)

type auditEntries struct {
	auditv1.UnimplementedAuditServiceServer
	use    *audittrail.Trail
	export *auditchain.Exporter
	keys   *auditchain.Keyring
	pages  *page.Codec
}

func (s *auditEntries) ListAuditEntries(
	ctx context.Context, r *auditv1.ListAuditEntriesRequest,
) (*auditv1.ListAuditEntriesResponse, error) {
	filter, err := filterOf(r)
	if err != nil {
		return nil, err
	}
	asked := pageOf(r, auditv1.AuditService_ListAuditEntries_FullMethodName, r.GetAccountId(), filter.Words()...)
	asked.Keys = 2
	rows, next, err := page.List(s.pages, asked, func(at page.Position, limit int) ([]audittrail.Entry, error) {
		after, err := positionOf(at)
		if err != nil {
			return nil, err
		}
		return s.use.List(ctx, r.GetAccountId(), filter, after, limit)
	}, func(e audittrail.Entry) page.Position {
		return page.Position{e.Time.Format(time.RFC3339Nano), strconv.FormatInt(e.Link.Sequence, 10)}
	})
	if err != nil {
		return nil, err
	}
	shown := make([]*auditv1.AuditEntry, len(rows))
	for i, row := range rows {
		if shown[i], err = auditEntry(row); err != nil {
			return nil, err
		}
	}
	return &auditv1.ListAuditEntriesResponse{AuditEntries: shown, NextPageToken: next}, nil
}

// positionOf reads the position of an entry; the start of the list has none.
func positionOf(at page.Position) (after audittrail.Position, err error) {
	if len(at) == 0 {
		return after, nil
	}
	if after.Time, err = positionTime(at.At(0)); err != nil {
		return after, err
	}
	if after.Sequence, err = strconv.ParseInt(at.At(1), 10, 64); err != nil {
		return after, page.ErrInvalid.Wrap(err)
	}
	return after, nil
}

func filterOf(r *auditv1.ListAuditEntriesRequest) (audittrail.Filter, error) {
	filter := audittrail.Filter{
		ActorID: r.GetActorId(), Action: r.GetAction(), TargetID: r.GetTargetId(), ActorKind: r.GetActorKind(), ActionPrefix: r.GetActionPrefix(),
		TargetKind: r.GetTargetKind(), Service: r.GetService(), Address: r.GetAddress(),
	}
	if r.GetOutcome() != auditv1.AuditEntry_OUTCOME_UNSPECIFIED {
		filter.Outcome = strings.TrimPrefix(r.GetOutcome().String(), "OUTCOME_")
	}
	if least := r.GetMinSeverity(); least > auditv1.AuditEntry_SEVERITY_INFO {
		for severity := least; auditv1.AuditEntry_Severity_name[int32(severity)] != ""; severity++ {
			filter.Severities = append(filter.Severities, strings.TrimPrefix(severity.String(), "SEVERITY_"))
		}
	}
	var err error
	if filter.Start, err = timeOf("start_time", r.GetStartTime()); err != nil {
		return filter, err
	}
	filter.End, err = timeOf("end_time", r.GetEndTime())
	return filter, err
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
		Sequence: e.Link.Sequence, AppendTime: stamp(e.Link.AppendTime), Hash: auditchain.Digest(e.Link.Hash).String(),
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
