package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres/db"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/removal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/standing"
)

// Removals implements removal.Store.
type Removals struct{ *base }

var _ removal.Store = (*Removals)(nil)

// InAccount runs fn in the scope of the account.
func (s *Removals) InAccount(ctx context.Context, accountID string, fn func(context.Context, removal.Tx) error) error {
	return s.inAccount(ctx, accountID, func(ctx context.Context, t *transaction) error { return fn(ctx, t.removal()) })
}

// In is the transaction of somebody else, such as a consumer of events. What it tells is
// relayed in a moment rather than at once.
func (s *Removals) In(tx *pg.Tx) removal.Tx {
	return (&transaction{base: s.base, tx: tx, q: db.New(tx)}).removal()
}

func (t *transaction) removal() removal.Tx {
	return removal.Tx{Tx: t.purge(), Removals: removalRows{t}}
}

// Get returns the account's removal.
func (s *Removals) Get(ctx context.Context, accountID string) (removal.Removal, bool, error) {
	return removalOf(s.readIn(accountID).GetAccountRemoval(ctx, accountID))
}

// List returns removals of all accounts, newest first.
func (s *Removals) List(ctx context.Context, before string, limit int) ([]removal.Removal, error) {
	rows, err := db.New(s.DB.Read(pg.System("list removals of accounts"))).ListAccountRemovals(ctx, db.ListAccountRemovalsParams{
		Before: before, Count: int32(limit),
	})
	if err != nil {
		return nil, err
	}
	list := make([]removal.Removal, len(rows))
	for i, row := range rows {
		if list[i], _, err = removalOf(row, nil); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Missed returns accounts that are closed and have no removal.
func (s *Removals) Missed(ctx context.Context, limit int) ([]string, error) {
	return db.New(s.DB.Read(pg.System("find closed accounts"))).ClosedWithoutRemoval(ctx, int32(limit))
}

// Holdings returns what the record has of an account.
func (s *Removals) Holdings(ctx context.Context, accountID string) (has removal.Holdings, err error) {
	err = s.inAccount(ctx, accountID, func(ctx context.Context, t *transaction) error {
		has = removal.Holdings{}
		buckets, err := t.q.BucketsOfAccount(ctx, accountID)
		if err != nil {
			return err
		}
		for _, row := range buckets {
			b, _, err := bucketOf(db.LoadBucketRow(row), nil)
			if err != nil {
				return err
			}
			has.Buckets = append(has.Buckets, b)
		}
		if has.Keys, err = t.ownedKeys(ctx, accountID); err != nil {
			return err
		}
		identities, err := t.q.PrincipalsOf(ctx, accountID)
		if err != nil {
			return err
		}
		for _, row := range identities {
			has.Backends = append(has.Backends, row.Backend)
		}
		purges, err := t.q.PurgesForRemoval(ctx, accountID)
		for _, row := range purges {
			p, _, _ := purgeOf(row, nil)
			has.Purges = append(has.Purges, p)
		}
		return err
	})
	return has, err
}

func (t *transaction) ownedKeys(ctx context.Context, accountID string) ([]removal.OwnedKey, error) {
	rows, err := t.q.AccessKeysOfAccount(ctx, accountID)
	if err != nil {
		return nil, err
	}
	var list []removal.OwnedKey
	for _, row := range rows {
		k, _, err := t.accessKeyOf(ctx, db.LoadAccessKeyRow(row), nil, false)
		if err != nil {
			return nil, err
		}
		list = append(list, removal.OwnedKey{Visible: k.Visible(), Key: removal.Key{
			ID: k.ID, DisplayName: k.DisplayName, Backend: k.Backend, CustomerReference: k.CustomerReference,
			Grants: k.Grants, ExpireTime: k.ExpireTime, CreatedAt: k.CreatedAt,
		}})
	}
	return list, nil
}

// removalRows implements removal.Rows.
type removalRows struct{ *transaction }

// Insert writes a new removal, unless the account has one.
func (r removalRows) Insert(ctx context.Context, m removal.Removal) (bool, error) {
	n, err := r.q.InsertAccountRemoval(ctx, db.InsertAccountRemovalParams{
		ID: m.ID, AccountID: m.AccountID, State: string(m.State), Version: m.Version, CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	})
	return n == 1, err
}

// Find returns the account's removal, and locks it.
func (r removalRows) Find(ctx context.Context, accountID string) (removal.Removal, bool, error) {
	return removalOf(r.q.LockAccountRemoval(ctx, accountID))
}

// Save writes it.
func (r removalRows) Save(ctx context.Context, m removal.Removal) error {
	manifest, err := orNullJSON(m.Manifest)
	if err != nil {
		return err
	}
	deletion, err := orNullJSON(m.Record)
	if err != nil {
		return err
	}
	return r.q.SaveAccountRemoval(ctx, db.SaveAccountRemovalParams{
		ID: m.ID, State: string(m.State), ExitManifest: manifest, Deletion: deletion, Keys: m.Keys, Identities: m.Identities,
		Reason: m.Reason, Message: m.Message, Version: m.Version, UpdatedAt: m.UpdatedAt, EndedAt: orNull(m.EndedAt),
	})
}

// ForgetRest removes what is kept of the account besides.
func (r removalRows) ForgetRest(ctx context.Context, accountID string) error {
	for _, forget := range []func(context.Context, string) error{
		r.q.ForgetDeletedBuckets, r.q.ForgetQuota, r.q.ForgetQuotaRequests, r.q.ForgetKeyUses, r.q.ForgetMembers,
	} {
		if err := forget(ctx, accountID); err != nil {
			return err
		}
	}
	return nil
}

// Closed says whether identity has closed the account for good.
func (r removalRows) Closed(ctx context.Context, accountID string) (bool, error) {
	s, err := standingOf(ctx, r.q, accountID)
	return s.State == standing.Closed, err
}

func orNullJSON[T any](v *T) ([]byte, error) {
	if v == nil {
		return nil, nil
	}
	return json.Marshal(v)
}

func removalOf(r db.AccountRemoval, err error) (removal.Removal, bool, error) {
	if pg.NoRows(err) {
		return removal.Removal{}, false, nil
	}
	if err != nil {
		return removal.Removal{}, false, err
	}
	m := removal.Removal{
		ID: r.ID, AccountID: r.AccountID, State: removal.State(r.State), Keys: r.Keys, Identities: r.Identities,
		Reason: r.Reason, Message: r.Message, Version: r.Version,
		CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(), EndedAt: orZero(r.EndedAt),
	}
	for _, document := range []struct {
		raw  []byte
		into any
	}{{r.ExitManifest, &m.Manifest}, {r.Deletion, &m.Record}} {
		if document.raw == nil {
			continue
		}
		if err := json.Unmarshal(document.raw, document.into); err != nil {
			return removal.Removal{}, false, fmt.Errorf("decode the removal of account %s: %w", r.AccountID, err)
		}
	}
	return m, true, nil
}
