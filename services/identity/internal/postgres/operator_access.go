package postgres

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/services/identity/internal/membership"
	"github.com/primecloud/primecloud/services/identity/internal/operator"
	"github.com/primecloud/primecloud/services/identity/internal/postgres/db"
)

// Accesses implements operator.Store.
type Accesses struct{ *base }

var _ operator.Store = (*Accesses)(nil)

// InAccount runs fn in the scope of the account.
func (s *Accesses) InAccount(ctx context.Context, accountID string, fn func(context.Context, operator.Tx) error) error {
	return s.inAccount(ctx, accountID, func(ctx context.Context, t *transaction) error { return fn(ctx, t) })
}

// ListAccesses returns a page of the accesses to the account.
func (s *Accesses) ListAccesses(ctx context.Context, accountID, before string, limit int) ([]operator.Access, error) {
	rows, err := s.readIn(accountID).ListAccesses(ctx, db.ListAccessesParams{AccountID: accountID, Before: before, Count: int32(limit)})
	if err != nil {
		return nil, err
	}
	list := make([]operator.Access, len(rows))
	for i, r := range rows {
		list[i] = accessOf(r)
	}
	return list, nil
}

// InsertAccess makes an access.
func (t *transaction) InsertAccess(ctx context.Context, a operator.Access) error {
	return t.q.InsertAccess(ctx, db.InsertAccessParams{
		ID: a.ID, AccountID: a.AccountID, UserID: a.UserID, Role: string(a.Role), Reason: a.Reason,
		CreateTime: a.CreateTime, ExpireTime: a.ExpireTime,
	})
}

// AccessForUpdate returns one, locked.
func (t *transaction) AccessForUpdate(ctx context.Context, accountID, accessID string) (operator.Access, error) {
	row, err := t.q.AccessForUpdate(ctx, db.AccessForUpdateParams{AccountID: accountID, ID: accessID})
	return accessOf(row), notFound(err, operator.ErrNotFound)
}

// EndAccess sets its end.
func (t *transaction) EndAccess(ctx context.Context, accessID string, at time.Time) error {
	return t.q.EndAccess(ctx, db.EndAccessParams{ID: accessID, EndTime: &at})
}

func accessOf(r db.OperatorAccess) operator.Access {
	return operator.Access{
		ID: r.ID, AccountID: r.AccountID, UserID: r.UserID, Role: membership.Role(r.Role), Reason: r.Reason,
		CreateTime: r.CreateTime.UTC(), ExpireTime: r.ExpireTime.UTC(), EndTime: orZero(r.EndTime),
	}
}
