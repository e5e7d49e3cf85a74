package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/services/identity/internal/auditchain"
	"github.com/primecloud/primecloud/services/identity/internal/audittrail"
	"github.com/primecloud/primecloud/services/identity/internal/postgres/db"
)

// AuditTrail implements audittrail.Reader.
type AuditTrail struct{ *base }

var _ audittrail.Reader = (*AuditTrail)(nil)

const listEntries = `-- name: ListEntries :many
select account_id, sequence, append_time, event_id, id, time, service, method, action, severity, outcome, reason, actor_kind, actor_id, actor_role,
    actor_address, actor_session_id, target_kind, target_id, target_name, request_id, trace_id, before, after, hash
from audit_entry where account_id = $1`

// ListEntries returns a page of the account's entries. What the filter does not ask for is
// not in the statement, so that each combination gets a plan, and an index, of its own.
func (s *AuditTrail) ListEntries(
	ctx context.Context, accountID string, f audittrail.Filter, after audittrail.Position, limit int,
) ([]audittrail.Entry, error) {
	statement, args := listEntries, []any{accountID}
	narrow := func(wanted bool, condition string, value any) {
		if wanted {
			args = append(args, value)
			statement += fmt.Sprintf(" and "+condition, len(args))
		}
	}
	narrow(f.ActorID != "", "actor_id = $%d", f.ActorID)
	narrow(f.Action != "", "action = $%d", f.Action)
	narrow(f.TargetID != "", "target_id = $%d", f.TargetID)
	narrow(f.ActorKind != "", "actor_kind = $%d", f.ActorKind)
	narrow(f.ActionPrefix != "", "starts_with(action, $%d)", f.ActionPrefix)
	narrow(f.Outcome != "", "outcome = $%d", f.Outcome)
	narrow(f.TargetKind != "", "target_kind = $%d", f.TargetKind)
	narrow(f.Service != "", "service = $%d", f.Service)
	narrow(f.Address != "", "actor_address = $%d", f.Address)
	narrow(len(f.Severities) > 0, "severity = any ($%d)", f.Severities)
	narrow(!f.Start.IsZero(), "time >= $%d", f.Start)
	// One upper bound alone: given two, an index is read from the one that lies further off. What
	// lies behind a position lies before the filter's end too.
	if after.Time.IsZero() {
		narrow(!f.End.IsZero(), "time < $%d", f.End)
	} else {
		args = append(args, after.Time, after.Sequence)
		statement += fmt.Sprintf(" and (time, sequence) < ($%d, $%d)", len(args)-1, len(args))
	}
	narrow(true, "true order by time desc, sequence desc limit $%d", limit)
	var found []db.AuditEntry
	err := s.DB.InTxWith(ctx, pg.Account(accountID), pg.TxOptions{ReadOnly: true}, func(ctx context.Context, tx *pg.Tx) error {
		// Planning over all months anew takes longer than the whole of the rest, and one plan must
		// fit a month that grows.
		tx.Later("set local plan_cache_mode = force_generic_plan")
		tx.Later("set local enable_seqscan = off")
		rows, err := tx.Query(ctx, statement, args...)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[db.AuditEntry])
		return err
	})
	if err != nil {
		return nil, err
	}
	list := make([]audittrail.Entry, len(found))
	for i, r := range found {
		list[i] = entryOf(r)
	}
	return list, nil
}

// Appender stores entries in the transaction that it was made of.
type Appender struct {
	q  *db.Queries
	at time.Time
}

var _ audittrail.Appender = Appender{}

// AppenderIn returns the appender of a transaction in the system scope, in which it is at.
func AppenderIn(tx pg.Querier, at time.Time) Appender {
	return Appender{q: db.New(tx), at: at.UTC().Truncate(time.Microsecond)}
}

// AppendEntries gives each entry its place at the end of its account's chain, unless its
// event is stored already. It is this transaction's turn to do so until it ends.
func (a Appender) AppendEntries(ctx context.Context, entries []audittrail.Entry) error {
	ends, known, err := a.turn(ctx, entries)
	if err != nil {
		return err
	}
	var p db.AppendEntriesParams
	heads := map[string]int{}
	for _, e := range entries {
		if known[e.EventID] {
			continue
		}
		known[e.EventID] = true
		last := ends[e.AccountID]
		// A replica's clock may go behind another one's.
		if e.Link.AppendTime = a.at; last.AppendTime.After(a.at) {
			e.Link.AppendTime = last.AppendTime
		}
		e.Time = e.Time.Truncate(time.Microsecond)
		place := auditchain.After(auditchain.Position{Sequence: last.Sequence, Hash: last.Hash}, e)
		e.Link.Sequence, e.Link.Hash = place.Sequence, place.Hash
		ends[e.AccountID] = e.Link
		addEntry(&p, e)
		i, begun := heads[e.AccountID]
		if !begun {
			i = len(p.Heads)
			heads[e.AccountID] = i
			p.Heads, p.Starts, p.Places = append(p.Heads, e.AccountID), append(p.Starts, last.Sequence), append(p.Places, 0)
		}
		p.Places[i] = int32(len(p.Ids)) // as PostgreSQL counts
	}
	if len(p.Ids) == 0 {
		return nil
	}
	return a.q.AppendEntries(ctx, p)
}

// turn waits for the transaction's turn and returns where the entries' chains end, and
// which of their events are known already.
func (a Appender) turn(ctx context.Context, entries []audittrail.Entry) (map[string]audittrail.Link, map[string]bool, error) {
	p := db.TakeTurnParams{Month: time.Date(a.at.Year(), a.at.Month(), 1, 0, 0, 0, 0, time.UTC)}
	ends, known := map[string]audittrail.Link{}, map[string]bool{}
	for _, e := range entries {
		if _, seen := ends[e.AccountID]; !seen {
			ends[e.AccountID] = audittrail.Link{}
			p.AccountIds = append(p.AccountIds, e.AccountID)
		}
		p.EventIds = append(p.EventIds, e.EventID)
	}
	rows, err := a.q.TakeTurn(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range rows {
		if r.Sequence < 0 {
			known[r.AccountID] = true
			continue
		}
		ends[r.AccountID] = audittrail.Link{Sequence: r.Sequence, AppendTime: r.AppendTime.UTC(), Hash: [32]byte(r.Hash)}
	}
	return ends, known, nil
}

// addEntry appends the entry's values to the columns.
func addEntry(p *db.AppendEntriesParams, e audittrail.Entry) {
	p.AccountIds, p.EventIds, p.Ids = append(p.AccountIds, e.AccountID), append(p.EventIds, e.EventID), append(p.Ids, e.ID)
	p.Sequences, p.AppendTimes = append(p.Sequences, e.Link.Sequence), append(p.AppendTimes, e.Link.AppendTime)
	p.Hashes = append(p.Hashes, e.Link.Hash[:])
	p.Times, p.Services, p.Methods = append(p.Times, e.Time), append(p.Services, e.Service), append(p.Methods, e.Method)
	p.Actions, p.Severities = append(p.Actions, e.Action), append(p.Severities, e.Severity)
	p.Outcomes, p.Reasons = append(p.Outcomes, e.Outcome), append(p.Reasons, e.Reason)
	p.ActorKinds, p.ActorIds = append(p.ActorKinds, e.Actor.Kind), append(p.ActorIds, e.Actor.ID)
	p.ActorRoles, p.ActorAddresses = append(p.ActorRoles, e.Actor.Role), append(p.ActorAddresses, e.Actor.Address)
	p.ActorSessionIds, p.TargetKinds = append(p.ActorSessionIds, e.Actor.SessionID), append(p.TargetKinds, e.Target.Kind)
	p.TargetIds, p.TargetNames = append(p.TargetIds, e.Target.ID), append(p.TargetNames, e.Target.Name)
	p.RequestIds, p.TraceIds = append(p.RequestIds, e.RequestID), append(p.TraceIds, e.TraceID)
	p.Befores, p.Afters = append(p.Befores, string(e.Before)), append(p.Afters, string(e.After))
}

func entryOf(r db.AuditEntry) audittrail.Entry {
	return audittrail.Entry{
		EventID: r.EventID, ID: r.ID, AccountID: r.AccountID, Time: r.Time.UTC(), Service: r.Service, Method: r.Method,
		Action: r.Action, Severity: r.Severity, Outcome: r.Outcome, Reason: r.Reason,
		Actor: audittrail.Actor{
			Kind: r.ActorKind, ID: r.ActorID, Role: r.ActorRole, Address: r.ActorAddress, SessionID: r.ActorSessionID,
		},
		Target:    audittrail.Target{Kind: r.TargetKind, ID: r.TargetID, Name: r.TargetName},
		RequestID: r.RequestID, TraceID: r.TraceID, Before: r.Before, After: r.After,
		Link: audittrail.Link{Sequence: r.Sequence, AppendTime: r.AppendTime.UTC(), Hash: [32]byte(r.Hash)},
	}
}
