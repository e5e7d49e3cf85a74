package postgres

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/services/identity/internal/ownership"
	"github.com/primecloud/primecloud/services/identity/internal/postgres/db"
)

// Transfers implements ownership.Store.
type Transfers struct{ *base }

var _ ownership.Store = (*Transfers)(nil)

// InAccount runs fn in the scope of the account.
func (s *Transfers) InAccount(ctx context.Context, accountID string, fn func(context.Context, ownership.Tx) error) error {
	return s.inAccount(ctx, accountID, func(ctx context.Context, t *transaction) error { return fn(ctx, t) })
}

// Transfer returns one.
func (s *Transfers) Transfer(ctx context.Context, accountID, transferID string) (ownership.Transfer, error) {
	row, err := s.readIn(accountID).GetTransfer(ctx, db.GetTransferParams{AccountID: accountID, ID: transferID})
	return transferOf(row), notFound(err, ownership.ErrNotFound)
}

// ListTransfers returns a page of the account's.
func (s *Transfers) ListTransfers(ctx context.Context, accountID, after string, limit int) ([]ownership.Transfer, error) {
	rows, err := s.readIn(accountID).ListTransfers(ctx, db.ListTransfersParams{AccountID: accountID, After: after, Count: int32(limit)})
	if err != nil {
		return nil, err
	}
	list := make([]ownership.Transfer, len(rows))
	for n, r := range rows {
		list[n] = transferOf(r)
	}
	return list, nil
}

// InsertTransfer makes one.
func (t *transaction) InsertTransfer(ctx context.Context, o ownership.Transfer) error {
	return t.q.InsertTransfer(ctx, db.InsertTransferParams{
		ID: o.ID, AccountID: o.AccountID, FromUserID: o.FromUserID, ToUserID: o.ToUserID, KeepOwnership: o.KeepOwnership,
		State: string(o.State), Version: o.Version, CreateTime: o.CreateTime, ExpireTime: o.ExpireTime,
	})
}

// Transfer returns one.
func (t *transaction) Transfer(ctx context.Context, accountID, transferID string) (ownership.Transfer, error) {
	row, err := t.q.GetTransfer(ctx, db.GetTransferParams{AccountID: accountID, ID: transferID})
	return transferOf(row), notFound(err, ownership.ErrNotFound)
}

// EndTransfer sets its state, version and end.
func (t *transaction) EndTransfer(ctx context.Context, o ownership.Transfer) error {
	return t.q.EndTransfer(ctx, db.EndTransferParams{ID: o.ID, State: string(o.State), Version: o.Version, EndTime: orNull(o.EndTime)})
}

// ExpireTransfers ends the account's pending one if its time has come.
func (t *transaction) ExpireTransfers(ctx context.Context, accountID string, now time.Time) error {
	return t.q.ExpireTransfers(ctx, db.ExpireTransfersParams{AccountID: accountID, Now: now})
}

// HasPendingTransfer reports whether one waits in the account.
func (t *transaction) HasPendingTransfer(ctx context.Context, accountID string) (bool, error) {
	return t.q.HasPendingTransfer(ctx, accountID)
}

func transferOf(r db.OwnershipTransfer) ownership.Transfer {
	return ownership.Transfer{
		ID: r.ID, AccountID: r.AccountID, FromUserID: r.FromUserID, ToUserID: r.ToUserID, KeepOwnership: r.KeepOwnership,
		State: ownership.State(r.State), Version: r.Version,
		CreateTime: r.CreateTime.UTC(), ExpireTime: r.ExpireTime.UTC(), EndTime: orZero(r.EndTime),
	}
}
