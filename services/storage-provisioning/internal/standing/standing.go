// Package standing is what storage knows of an account as a whole: whether identity has it
// in use, and whether its writes are stopped. What follows for the backend is said here and
// carried out by the account's identity there (package principal), whose policy bounds all
// keys and all URLs that were ever handed out.
//
// It owns: what was heard of the accounts' states, and who may have writes stopped.
//
// Guarantees: events may come twice and in any order, the newest state counts; an account
// that identity does not have in use reaches nothing on any backend, and comes back as it
// was; the change of a standing and the wish that follows from it commit together.
//
// It does not: keep calls away. Tokens carry the account's state, and the contract says what
// it lets through.
package standing

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
)

// Kind is the kind of a standing in the audit trail.
const Kind = "account_standing"

// Active is the state of an account in use, as tokens and events carry it; Closed is the one
// that nothing leads away from.
const (
	Active = "active"
	Closed = "closed"
)

// ahead is how far in the past a change of a standing is due, so that it comes before the rest.
const ahead = 24 * time.Hour

// Standing is how an account stands with storage.
type Standing struct {
	// AccountID is the account.
	AccountID string
	// State is the newest one heard of; empty before the first.
	State string
	// Version is the account's version of that state; zero before the first.
	Version int64
	// WritesStopped takes the right to write from the account: it reads and deletes.
	WritesStopped bool
}

// Stopped says that the account reaches nothing. One of which nothing was heard is in use:
// its events may be late, and who calls for it has shown a token.
func (s Standing) Stopped() bool { return s.State != "" && s.State != Active }

// Rows are the standings of the account, in the transaction.
type Rows interface {
	// Find returns the account's standing, and locks it; one of version zero when nothing
	// was heard.
	Find(ctx context.Context, accountID string) (Standing, error)
	// Save writes it.
	Save(ctx context.Context, s Standing, at time.Time) error
	// TouchAccess has everything looked at on the backends that follows from a standing.
	TouchAccess(ctx context.Context, accountID string, due time.Time) error
}

// Ends is what others ask of a standing, in their transaction.
type Ends interface {
	// Ended says whether the account was closed for good.
	Ended(ctx context.Context, accountID string) (bool, error)
}

// Tx is a transaction of the account.
type Tx struct {
	Standings Rows
	Record    change.Record
}

// Service is the use cases of standings.
type Service struct{ clock clock.Clock }

// NewService returns the use cases.
func NewService(c clock.Clock) *Service { return &Service{clock: c} }

// Account is an account after a change, as identity tells of it.
type Account struct {
	// ID is the account, State where it stands, Version orders its changes.
	ID, State string
	Version   int64
}

// AccountChanged takes note of an account's state. An older one than is known changes nothing.
func (s *Service) AccountChanged(ctx context.Context, tx Tx, a Account) error {
	was, err := tx.Standings.Find(ctx, a.ID)
	if err != nil || a.Version <= was.Version {
		return err
	}
	now := was
	now.State, now.Version = a.State, a.Version
	return s.save(ctx, tx, was, now)
}

// StopWrites takes the right to write from the account, or gives it back. changed says
// whether it was otherwise before.
func (s *Service) StopWrites(ctx context.Context, tx Tx, accountID string, stop bool) (changed bool, err error) {
	was, err := tx.Standings.Find(ctx, accountID)
	if err != nil || was.WritesStopped == stop {
		return false, err
	}
	now := was
	now.WritesStopped = stop
	return true, s.save(ctx, tx, was, now)
}

// save writes a standing, and has the backends follow where something follows from it.
func (s *Service) save(ctx context.Context, tx Tx, was, now Standing) error {
	at := s.clock.Now()
	if err := tx.Standings.Save(ctx, now, at); err != nil {
		return err
	}
	if was.Stopped() == now.Stopped() && was.WritesStopped == now.WritesStopped {
		return nil
	}
	// Before all that is due for other reasons, such as a pass over everything.
	if err := tx.Standings.TouchAccess(ctx, now.AccountID, at.Add(-ahead)); err != nil {
		return err
	}
	return tx.Record.Audit(ctx, audit.Entry{
		Action: Kind + ".update", Severity: audit.Notice, Outcome: audit.Succeeded, AccountID: now.AccountID,
		Target: audit.Target{Kind: Kind, ID: now.AccountID}, Before: described(was), After: described(now),
	})
}

// described is a standing as the audit trail shows it.
func described(s Standing) map[string]any {
	return map[string]any{"state": s.State, "stopped": s.Stopped(), "writes_stopped": s.WritesStopped}
}
