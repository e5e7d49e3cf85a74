package drift

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/reconcile"
)

// The refusals.
var (
	// ErrNotFound hides whether a finding is absent or another account's.
	ErrNotFound = errs.New(errs.NotFound, "DRIFT_NOT_FOUND", "no such finding, or no longer kept; list the findings")
	// ErrNotOurs is for the repair of what nobody made.
	ErrNotOurs = errs.New(errs.FailedPrecondition, "DRIFT_NOT_REPAIRABLE",
		"nobody made this, so there is nothing to bring it to; have it adopted for an account, or ignore it")
	// ErrOver is for an act upon a finding that does not stand any more.
	ErrOver = errs.New(errs.FailedPrecondition, "DRIFT_REPAIRED", "this finding has been repaired, or has gone by itself")
)

// Acts is what the use cases write, in a transaction.
type Acts interface {
	// Lock returns a finding, and locks it.
	Lock(ctx context.Context, id string) (f Finding, ok bool, err error)
	// SaveIgnored writes IgnoredAt and IgnoreReason.
	SaveIgnored(ctx context.Context, f Finding) error
	// Due has the resource looked at now; false when it is not managed any more.
	Due(ctx context.Context, ref reconcile.Ref, at time.Time) (bool, error)
}

// Tx is a transaction: of an account, or of the platform.
type Tx struct {
	Acts  Acts
	Audit Auditor
}

// Ignore marks a finding that stands as accepted: of the account, or of anybody when
// accountID is empty. Done again, it changes the reason.
func (s *Service) Ignore(ctx context.Context, accountID, id, reason string) (Finding, error) {
	return s.act(ctx, accountID, id, "ignore", func(_ context.Context, _ Tx, f *Finding) error {
		if !f.RepairedAt.IsZero() {
			return ErrOver
		}
		f.IgnoredAt, f.IgnoreReason = s.clock.Now(), reason
		return nil
	})
}

// Unignore takes that back; it is no error where nothing was ignored.
func (s *Service) Unignore(ctx context.Context, accountID, id string) (Finding, error) {
	return s.act(ctx, accountID, id, "unignore", func(_ context.Context, _ Tx, f *Finding) error {
		f.IgnoredAt, f.IgnoreReason = time.Time{}, ""
		return nil
	})
}

// Repair has the finding's resource looked at now, by the reconciler.
func (s *Service) Repair(ctx context.Context, accountID, id string) (Finding, error) {
	var ref reconcile.Ref
	f, err := s.act(ctx, accountID, id, "repair", func(ctx context.Context, tx Tx, f *Finding) error {
		if f.AccountID == "" {
			return ErrNotOurs
		}
		if !f.RepairedAt.IsZero() {
			return ErrOver
		}
		ref = reconcile.Ref{Kind: f.ResourceKind, ID: f.ResourceID, AccountID: f.AccountID}
		managed, err := tx.Acts.Due(ctx, ref, s.clock.Now())
		if err == nil && !managed {
			err = ErrOver
		}
		return err
	})
	if err == nil {
		s.wake(ref)
	}
	return f, err
}

// act changes one finding and records who did.
func (s *Service) act(ctx context.Context, accountID, id, verb string, change func(context.Context, Tx, *Finding) error) (Finding, error) {
	var f Finding
	err := s.store.InScope(ctx, accountID, func(ctx context.Context, tx Tx) error {
		var ok bool
		var err error
		if f, ok, err = tx.Acts.Lock(ctx, id); err != nil {
			return err
		}
		if !ok {
			return ErrNotFound
		}
		was := f
		if err := change(ctx, tx, &f); err != nil {
			return err
		}
		if err := tx.Acts.SaveIgnored(ctx, f); err != nil {
			return err
		}
		return tx.Audit.Audit(ctx, audit.Entry{
			Action: "drift." + verb, Severity: audit.Notice, Outcome: audit.Succeeded, AccountID: f.AccountID,
			Target: audit.Target{Kind: "drift", ID: f.ID, Name: f.ResourceName}, Before: described(was), After: described(f),
		})
	})
	return f, err
}

func described(f Finding) map[string]any {
	return map[string]any{
		"resource_kind": f.ResourceKind, "resource_id": f.ResourceID, "kind": string(f.Kind), "field": f.Field,
		"ignored": !f.IgnoredAt.IsZero(), "ignore_reason": f.IgnoreReason,
	}
}
