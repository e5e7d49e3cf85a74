package postgres

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/services/identity/internal/audittrail"
	"github.com/primecloud/primecloud/services/identity/internal/postgres/db"
)

// AuditTrail implements audittrail.Reader.
type AuditTrail struct{ *base }

var _ audittrail.Reader = (*AuditTrail)(nil)

// beyond lies behind every entry: where a list begins.
var beyond = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// ListEntries returns a page of the account's entries.
func (s *AuditTrail) ListEntries(
	ctx context.Context, accountID string, f audittrail.Filter, after audittrail.Position, limit int,
) ([]audittrail.Entry, error) {
	if after.Time.IsZero() {
		after.Time = beyond
	}
	rows, err := s.readIn(accountID).ListEntries(ctx, db.ListEntriesParams{
		AccountID: accountID, BeforeTime: after.Time, BeforeEvent: after.EventID,
		ActorID: textOrNull(f.ActorID), Action: textOrNull(f.Action), TargetID: textOrNull(f.TargetID),
		StartTime: orNull(f.Start), EndTime: orNull(f.End), Count: int32(limit),
	})
	if err != nil {
		return nil, err
	}
	list := make([]audittrail.Entry, len(rows))
	for i, r := range rows {
		list[i] = entryOf(r)
	}
	return list, nil
}

// Appender stores entries in the transaction that it was made of.
type Appender struct{ q *db.Queries }

var _ audittrail.Appender = Appender{}

// AppenderIn returns the appender of a transaction in the system scope.
func AppenderIn(tx pg.Querier) Appender { return Appender{db.New(tx)} }

// AppendEntry stores the entry unless its event is stored already.
func (a Appender) AppendEntry(ctx context.Context, e audittrail.Entry) error {
	return a.q.AppendEntry(ctx, db.AppendEntryParams{
		EventID: e.EventID, ID: e.ID, AccountID: textOrNull(e.AccountID), Time: e.Time, Service: e.Service, Action: e.Action,
		Severity: e.Severity, Outcome: e.Outcome, Reason: e.Reason,
		ActorKind: e.Actor.Kind, ActorID: e.Actor.ID, ActorRole: e.Actor.Role,
		ActorAddress: e.Actor.Address, ActorSessionID: e.Actor.SessionID,
		TargetKind: e.Target.Kind, TargetID: e.Target.ID, TargetName: e.Target.Name,
		RequestID: e.RequestID, TraceID: e.TraceID, Method: e.Method, Before: e.Before, After: e.After,
	})
}

func entryOf(r db.AuditEntry) audittrail.Entry {
	return audittrail.Entry{
		EventID: r.EventID, ID: r.ID, AccountID: orEmpty(r.AccountID), Time: r.Time.UTC(), Service: r.Service, Method: r.Method,
		Action: r.Action, Severity: r.Severity, Outcome: r.Outcome, Reason: r.Reason,
		Actor: audittrail.Actor{
			Kind: r.ActorKind, ID: r.ActorID, Role: r.ActorRole, Address: r.ActorAddress, SessionID: r.ActorSessionID,
		},
		Target:    audittrail.Target{Kind: r.TargetKind, ID: r.TargetID, Name: r.TargetName},
		RequestID: r.RequestID, TraceID: r.TraceID, Before: r.Before, After: r.After,
	}
}
