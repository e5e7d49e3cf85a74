package ownership

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
)

// Transfers are the use cases.
type Transfers struct {
	store Store
	clock clock.Clock
}

// New returns the use cases over the store.
func New(store Store, clock clock.Clock) *Transfers { return &Transfers{store: store, clock: clock} }

// Get returns a transfer of the account.
func (s *Transfers) Get(ctx context.Context, accountID, transferID string) (Transfer, error) {
	t, err := s.store.Transfer(ctx, accountID, transferID)
	return t.At(s.clock.Now()), err
}

// List returns a page of the account's transfers, oldest first.
func (s *Transfers) List(ctx context.Context, accountID, after string, limit int) ([]Transfer, error) {
	list, err := s.store.ListTransfers(ctx, accountID, after, limit)
	for n, t := range list {
		list[n] = t.At(s.clock.Now())
	}
	return list, err
}

// Create proposes a member. A repetition with the same idempotency key gives the same transfer.
func (s *Transfers) Create(ctx context.Context, accountID, toUserID string, keepOwnership bool) (Transfer, error) {
	now := unit.Now(s.clock)
	fresh := Transfer{
		ID: id.New(Prefix, now), AccountID: accountID, FromUserID: principal.FromContext(ctx).ID, ToUserID: toUserID,
		KeepOwnership: keepOwnership, State: Pending, Version: 1, CreateTime: now, ExpireTime: now.Add(Lifetime),
	}
	return s.once(ctx, fresh, func(ctx context.Context, tx Tx, _ int64) (Transfer, error) {
		if err := s.mayPropose(ctx, tx, fresh); err != nil {
			return Transfer{}, err
		}
		if err := tx.InsertTransfer(ctx, fresh); err != nil {
			return Transfer{}, err
		}
		return fresh, tell(ctx, tx, told{"create", "created", nil, fresh})
	})
}

func (s *Transfers) mayPropose(ctx context.Context, tx Tx, t Transfer) error {
	if err := mustOwn(ctx, tx, t.AccountID); err != nil {
		return err
	}
	member, err := tx.Membership(ctx, t.AccountID, t.ToUserID)
	switch {
	case err != nil:
		return err
	case t.ToUserID == t.FromUserID, member.Role == membership.Owner, member.Role == membership.External:
		return ErrTargetInvalid
	}
	if err := tx.ExpireTransfers(ctx, t.AccountID, t.CreateTime); err != nil {
		return err
	}
	waits, err := tx.HasPendingTransfer(ctx, t.AccountID)
	if err == nil && waits {
		err = ErrExists
	}
	return err
}

// mustOwn refuses a caller who is no owner, by the row: the token may be minutes old.
func mustOwn(ctx context.Context, tx Tx, accountID string) error {
	caller, err := membership.Caller(ctx, tx, accountID)
	if err == nil && caller.Role != membership.Owner {
		err = membership.ErrRoleNotAllowed
	}
	return err
}

// Confirm makes the calling member, whom the transfer names, an owner, and the proposer an
// admin unless they stay. A repetition gives the same transfer.
func (s *Transfers) Confirm(ctx context.Context, accountID, transferID string) (Transfer, error) {
	return s.answer(ctx, Transfer{ID: transferID, AccountID: accountID}, Confirmed, func(ctx context.Context, tx Tx, t Transfer, version int64) error {
		now := unit.Now(s.clock)
		from, err := tx.Membership(ctx, accountID, t.FromUserID)
		switch {
		case errs.ReasonOf(err) == membership.ErrNotFound.Reason(), err == nil && from.Role != membership.Owner:
			return ErrClosed
		case err != nil:
			return err
		}
		to, err := tx.Membership(ctx, accountID, t.ToUserID)
		if err != nil {
			return err
		}
		if to.Role != membership.Owner {
			if _, err := membership.SetRole(ctx, tx, to, membership.Owner, version, now); err != nil {
				return err
			}
		}
		if t.KeepOwnership {
			return nil
		}
		// Each membership takes a version of its own.
		if _, version, err = tx.LockAccount(ctx, accountID); err != nil {
			return err
		}
		_, err = membership.SetRole(ctx, tx, from, membership.Admin, version, now)
		return err
	})
}

// Decline ends a transfer on the side of the member whom it names.
func (s *Transfers) Decline(ctx context.Context, accountID, transferID string) (Transfer, error) {
	return s.answer(ctx, Transfer{ID: transferID, AccountID: accountID}, Declined, func(context.Context, Tx, Transfer, int64) error { return nil })
}

// answer ends a transfer as the member whom it names says, after do.
func (s *Transfers) answer(
	ctx context.Context, asked Transfer, state State, do func(ctx context.Context, tx Tx, t Transfer, version int64) error,
) (Transfer, error) {
	return s.once(ctx, asked, func(ctx context.Context, tx Tx, version int64) (Transfer, error) {
		t, err := tx.Transfer(ctx, asked.AccountID, asked.ID)
		switch {
		case err != nil:
			return Transfer{}, err
		case t.ToUserID != principal.FromContext(ctx).ID:
			return Transfer{}, ErrNotYours
		}
		// The row says whether they still belong to the account.
		if _, err := tx.Membership(ctx, t.AccountID, t.ToUserID); err != nil {
			return Transfer{}, err
		}
		return s.end(ctx, tx, t, state, func() error { return do(ctx, tx, t, version) })
	})
}

// Cancel takes a transfer back. Any owner may, so that one whose proposer is gone does not
// stand in the way.
func (s *Transfers) Cancel(ctx context.Context, accountID, transferID string) (Transfer, error) {
	return s.once(ctx, Transfer{ID: transferID, AccountID: accountID}, func(ctx context.Context, tx Tx, _ int64) (Transfer, error) {
		if err := mustOwn(ctx, tx, accountID); err != nil {
			return Transfer{}, err
		}
		t, err := tx.Transfer(ctx, accountID, transferID)
		if err != nil {
			return Transfer{}, err
		}
		return s.end(ctx, tx, t, Canceled, func() error { return nil })
	})
}

// end brings a pending transfer into the state, after do. One that is in it stays as it is.
func (s *Transfers) end(ctx context.Context, tx Tx, before Transfer, state State, do func() error) (Transfer, error) {
	now := unit.Now(s.clock)
	switch before.At(now).State {
	case state:
		return before, nil
	case Pending:
	default:
		return Transfer{}, ErrClosed
	}
	if err := do(); err != nil {
		return Transfer{}, err
	}
	after := before
	after.State, after.EndTime, after.Version = state, now, before.Version+1
	if err := tx.EndTransfer(ctx, after); err != nil {
		return Transfer{}, err
	}
	verb := map[State]string{Confirmed: "confirm", Declined: "decline", Canceled: "cancel"}[state]
	return after, tell(ctx, tx, told{verb, string(state), &before, after})
}

// once runs do once per idempotency key, under the account's lock and with the version that
// it drew.
func (s *Transfers) once(ctx context.Context, asked Transfer, do func(context.Context, Tx, int64) (Transfer, error)) (Transfer, error) {
	var result Transfer
	err := s.store.InAccount(ctx, asked.AccountID, func(ctx context.Context, tx Tx) error {
		var err error
		result, err = unit.Once(ctx, tx, unit.Resource{Kind: Kind, ID: asked.ID, AccountID: asked.AccountID},
			func(ctx context.Context, transferID string) (Transfer, error) {
				return tx.Transfer(ctx, asked.AccountID, transferID)
			},
			func(ctx context.Context) (Transfer, error) {
				_, version, err := tx.LockAccount(ctx, asked.AccountID)
				if err != nil {
					return Transfer{}, err
				}
				return do(ctx, tx, version)
			})
		return err
	})
	return result.At(s.clock.Now()), err
}

// told is what a change tells; before is nil for a new transfer.
type told struct {
	verb, past string
	before     *Transfer
	after      Transfer
}

func tell(ctx context.Context, tx unit.Work, t told) error {
	entry := audit.Entry{
		AccountID: t.after.AccountID,
		Action:    Kind + "." + t.verb,
		Severity:  audit.Notice,
		Outcome:   audit.Succeeded,
		Target:    audit.Target{Kind: Kind, ID: t.after.ID},
		After:     t.after.describe(),
	}
	if t.before != nil {
		entry.Before = t.before.describe()
	}
	if err := tx.Audit(ctx, entry); err != nil {
		return err
	}
	return tx.Publish(ctx, unit.Change{
		Kind: Kind, Verb: t.past, AccountID: t.after.AccountID, ID: t.after.ID, Version: t.after.Version, Snapshot: t.after,
	})
}

func (t Transfer) describe() map[string]any {
	return map[string]any{
		"from_user_id": t.FromUserID, "to_user_id": t.ToUserID, "keep_ownership": t.KeepOwnership, "state": string(t.State),
		"expire_time": t.ExpireTime.Format(time.RFC3339),
	}
}
