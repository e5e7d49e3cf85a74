package postgres

import (
	"context"
	"strings"
	"time"

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
	return accountOf(row), notFound(err, account.ErrNotFound)
}

// AccountsOf returns the person's accounts.
func (s *Accounts) AccountsOf(ctx context.Context, userID, after string, limit int) ([]account.Membership, error) {
	return s.accountsOf(ctx, userID, after, limit)
}

// likeLiteral makes a text stand for itself in a pattern.
var likeLiteral = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// FindAccounts returns a page of all tenants' accounts.
func (s *Accounts) FindAccounts(ctx context.Context, f account.Filter, after account.Position, limit int) ([]account.Account, error) {
	rows, err := s.read("an operator lists accounts").FindAccounts(ctx, db.FindAccountsParams{
		State: string(f.State), Query: f.Query, Pattern: likeLiteral.Replace(strings.ToLower(f.Query)) + "%",
		AfterID: after.ID, AfterTime: after.CreateTime, Count: int32(limit),
	})
	if err != nil {
		return nil, err
	}
	list := make([]account.Account, len(rows))
	for i, r := range rows {
		list[i] = accountOf(r)
	}
	return list, nil
}

// DueAccounts returns accounts whose trial or retention period has ended.
func (s *Accounts) DueAccounts(ctx context.Context, now time.Time, limit int) ([]string, error) {
	return s.read("time does what it does to accounts").DueAccounts(ctx, db.DueAccountsParams{Now: now, Count: int32(limit)})
}

func (b *base) accountsOf(ctx context.Context, userID, after string, limit int) ([]account.Membership, error) {
	rows, err := b.read("a person lists their accounts").AccountsOf(ctx, db.AccountsOfParams{UserID: userID, After: after, Count: int32(limit)})
	if err != nil {
		return nil, err
	}
	list := make([]account.Membership, len(rows))
	for i, r := range rows {
		list[i] = account.Membership{Account: accountOf(r.Account), Role: membership.Role(r.Role)}
	}
	return list, nil
}

// InsertAccount makes the account, unless another one has its slug.
func (t *transaction) InsertAccount(ctx context.Context, a account.Account) (bool, error) {
	count, err := t.q.InsertAccount(ctx, db.InsertAccountParams{
		ID: a.ID, DisplayName: a.DisplayName, CustomerReference: a.CustomerReference, Slug: a.Slug, State: string(a.State),
		StateReason: a.Last.Reason, StateActorKind: a.Last.ActorKind, StateActorID: a.Last.ActorID, StateTime: a.Last.Time,
		TrialEndTime: orNull(a.TrialEndTime), Version: a.Version, CreateTime: a.CreateTime, UpdateTime: a.UpdateTime,
	})
	return count == 1, err
}

// AccountForUpdate returns the account and locks it.
func (t *transaction) AccountForUpdate(ctx context.Context, accountID string) (account.Account, error) {
	row, err := t.q.AccountForUpdate(ctx, accountID)
	return accountOf(row), notFound(err, account.ErrNotFound)
}

// UpdateAccount replaces it.
func (t *transaction) UpdateAccount(ctx context.Context, a account.Account) error {
	err := t.q.UpdateAccount(ctx, db.UpdateAccountParams{
		ID: a.ID, DisplayName: a.DisplayName, CustomerReference: a.CustomerReference, Slug: a.Slug, State: string(a.State),
		StateReason: a.Last.Reason, StateActorKind: a.Last.ActorKind, StateActorID: a.Last.ActorID, StateTime: a.Last.Time,
		Resumes: string(a.Resumes), TrialEndTime: orNull(a.TrialEndTime), CloseTime: orNull(a.CloseTime),
		Version: a.Version, UpdateTime: a.UpdateTime,
	})
	if pg.IsUnique(err, "account_slug_key") {
		return account.ErrSlugTaken
	}
	return err
}

// LockAccount locks the account by drawing the next version of its memberships.
func (t *transaction) LockAccount(ctx context.Context, accountID string) (owners int, version int64, err error) {
	if version, err = t.q.LockAccount(ctx, accountID); err != nil {
		return 0, 0, notFound(err, membership.ErrAccountNotFound)
	}
	count, err := t.q.CountOwners(ctx, accountID)
	return int(count), version, err
}

func accountOf(r db.Account) account.Account {
	return account.Account{
		ID: r.ID, DisplayName: r.DisplayName, CustomerReference: r.CustomerReference, Slug: r.Slug,
		State: account.State(r.State), Resumes: account.State(r.Resumes),
		Last:         account.Step{Reason: r.StateReason, ActorKind: r.StateActorKind, ActorID: r.StateActorID, Time: r.StateTime.UTC()},
		TrialEndTime: orZero(r.TrialEndTime), CloseTime: orZero(r.CloseTime),
		Version: r.Version, CreateTime: r.CreateTime.UTC(), UpdateTime: r.UpdateTime.UTC(),
	}
}
