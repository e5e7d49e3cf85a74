package postgres

import (
	"context"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/services/identity/internal/account"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
	"github.com/primecloud/primecloud/services/identity/internal/postgres/db"
)

// Accounts implements account.Store.
type Accounts struct{ *base }

var _ account.Store = (*Accounts)(nil)

// InAccount runs fn in the scope of the account.
func (s *Accounts) InAccount(ctx context.Context, accountID string, fn func(context.Context, account.Tx) error) error {
	return s.inAccount(ctx, accountID, func(ctx context.Context, t *transaction) error { return fn(ctx, t) })
}

// BeyondAccounts runs fn in the system scope.
func (s *Accounts) BeyondAccounts(ctx context.Context, fn func(context.Context, account.Tx) error) error {
	return s.in(ctx, pg.System("a person makes an account"), func(ctx context.Context, t *transaction) error { return fn(ctx, t) })
}

// Account returns one.
func (s *Accounts) Account(ctx context.Context, accountID string) (account.Account, error) {
	row, err := s.readIn(accountID).GetAccount(ctx, accountID)
	return accountOf(db.AccountForUpdateRow(row)), notFound(err, account.ErrNotFound)
}

// AccountsOf returns the person's accounts.
func (s *Accounts) AccountsOf(ctx context.Context, userID, after string, limit int) ([]account.Membership, error) {
	return s.accountsOf(ctx, userID, after, limit)
}

func (b *base) accountsOf(ctx context.Context, userID, after string, limit int) ([]account.Membership, error) {
	rows, err := b.read("a person lists their accounts").AccountsOf(ctx, db.AccountsOfParams{UserID: userID, After: after, Count: int32(limit)})
	if err != nil {
		return nil, err
	}
	list := make([]account.Membership, len(rows))
	for i, r := range rows {
		list[i] = account.Membership{
			Account: accountOf(db.AccountForUpdateRow{
				ID: r.ID, DisplayName: r.DisplayName, CustomerReference: r.CustomerReference, State: r.State,
				Version: r.Version, CreateTime: r.CreateTime, UpdateTime: r.UpdateTime,
			}),
			Role: membership.Role(r.Role),
		}
	}
	return list, nil
}

// InsertAccount makes the account.
func (t *transaction) InsertAccount(ctx context.Context, a account.Account) error {
	return t.q.InsertAccount(ctx, db.InsertAccountParams{
		ID: a.ID, DisplayName: a.DisplayName, CustomerReference: a.CustomerReference, State: string(a.State),
		Version: a.Version, CreateTime: a.CreateTime, UpdateTime: a.UpdateTime,
	})
}

// AccountForUpdate returns the account and locks it.
func (t *transaction) AccountForUpdate(ctx context.Context, accountID string) (account.Account, error) {
	row, err := t.q.AccountForUpdate(ctx, accountID)
	return accountOf(row), notFound(err, account.ErrNotFound)
}

// UpdateAccount replaces it.
func (t *transaction) UpdateAccount(ctx context.Context, a account.Account) error {
	return t.q.UpdateAccount(ctx, db.UpdateAccountParams{
		ID: a.ID, DisplayName: a.DisplayName, CustomerReference: a.CustomerReference, State: string(a.State),
		Version: a.Version, UpdateTime: a.UpdateTime,
	})
}

// LockAccount locks the account by drawing the next version of its memberships.
func (t *transaction) LockAccount(ctx context.Context, accountID string) (owners int, version int64, err error) {
	if version, err = t.q.LockAccount(ctx, accountID); err != nil {
		return 0, 0, notFound(err, membership.ErrAccountNotFound)
	}
	count, err := t.q.CountOwners(ctx, accountID)
	return int(count), version, err
}

func accountOf(r db.AccountForUpdateRow) account.Account {
	return account.Account{
		ID: r.ID, DisplayName: r.DisplayName, CustomerReference: r.CustomerReference, State: account.State(r.State),
		Version: r.Version, CreateTime: r.CreateTime.UTC(), UpdateTime: r.UpdateTime.UTC(),
	}
}
