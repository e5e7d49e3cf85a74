package postgres

import (
	"context"
	"net/netip"
	"time"

	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/idempotency"
	"github.com/primecloud/primecloud/pkg/network"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/operation/pgoperation"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres/db"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/share"
)

// Shares implements share.Store.
type Shares struct{ *base }

var _ share.Store = (*Shares)(nil)

// InAccount runs fn in the scope of the account.
func (s *Shares) InAccount(ctx context.Context, accountID string, fn func(context.Context, share.Tx) error) error {
	return s.inAccount(ctx, accountID, func(ctx context.Context, t *transaction) error {
		return fn(ctx, share.Tx{Shares: shareRows{t}, Calls: shareCalls{t}, Record: record{t}})
	})
}

// ByToken returns the share of a token: whoever shows one says nothing of the account.
func (s *Shares) ByToken(ctx context.Context, token share.Hash) (share.Share, bool, error) {
	row, err := db.New(s.DB.Read(pg.System("a link names no account"))).ShareByToken(ctx, token[:])
	return shareOf(row.ObjectShare, row.Bucket, err)
}

// Get returns a share of the account.
func (s *Shares) Get(ctx context.Context, accountID, shareID string) (share.Share, bool, error) {
	row, err := s.readIn(accountID).GetShare(ctx, db.GetShareParams{AccountID: accountID, ID: shareID})
	return shareOf(row.ObjectShare, row.Bucket, err)
}

// List returns one page.
func (s *Shares) List(ctx context.Context, q share.Query) ([]share.Share, error) {
	rows, err := s.readIn(q.AccountID).ListShares(ctx, db.ListSharesParams{
		AccountID: q.AccountID, After: q.After, Bucket: q.Bucket, Count: int32(q.Limit),
	})
	if err != nil {
		return nil, err
	}
	list := make([]share.Share, len(rows))
	for i, row := range rows {
		if list[i], _, err = shareOf(row.ObjectShare, row.Bucket, nil); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// ListAccesses returns one page of an access log.
func (s *Shares) ListAccesses(ctx context.Context, q share.LogQuery) ([]share.Access, error) {
	rows, err := s.readIn(q.AccountID).ListShareAccesses(ctx, db.ListShareAccessesParams{
		AccountID: q.AccountID, ShareID: q.ShareID, Before: q.Before, Count: int32(q.Limit),
	})
	list := make([]share.Access, len(rows))
	for i, row := range rows {
		list[i] = share.Access{
			ID: row.ID, AccountID: row.AccountID, ShareID: row.ShareID, At: row.At.UTC(), Address: row.Address, UserAgent: row.UserAgent,
			Outcome: share.Outcome(row.Outcome), Key: row.Key,
		}
	}
	return list, err
}

// Sweep removes shares that ended, entries of access logs and tries of passwords from before
// the moments, at most limit of each.
func (s *Shares) Sweep(ctx context.Context, before, triedBefore time.Time, limit int) error {
	return s.in(ctx, pg.System("sweep shares"), func(ctx context.Context, t *transaction) error {
		count := int32(limit)
		if _, err := t.q.SweepShares(ctx, db.SweepSharesParams{Before: &before, Count: count}); err != nil {
			return err
		}
		if _, err := t.q.SweepShareAccesses(ctx, db.SweepShareAccessesParams{Before: before, Count: count}); err != nil {
			return err
		}
		_, err := t.q.SweepShareAttempts(ctx, db.SweepShareAttemptsParams{Before: triedBefore, Count: count})
		return err
	})
}

// shareCalls implements share.Calls.
type shareCalls struct{ *transaction }

// Once claims the call's idempotency key.
func (c shareCalls) Once(ctx context.Context, accountID string, to operation.Resource) (operation.Resource, bool, error) {
	key := idempotency.FromContext(ctx)
	if key.Value == "" {
		return operation.Resource{}, false, nil
	}
	now := c.Clock.Now()
	earlier, again, err := pgoperation.Once(ctx, c.tx, operation.Operation{
		ID: id.New("opn", now), AccountID: accountID, Resource: to,
		Method: key.Method, Principal: key.Principal, IdempotencyKey: key.Value, RequestHash: key.RequestHash[:], CreatedAt: now,
	}, key)
	return earlier.Resource, again, err
}

// shareRows implements share.Rows.
type shareRows struct{ *transaction }

// Bucket returns the account's visible bucket of that name, and keeps it from changing.
func (r shareRows) Bucket(ctx context.Context, accountID, name string) (grant.Bucket, bool, error) {
	return grantRows(r).Bucket(ctx, accountID, name)
}

// Find returns a share of the account, and locks it.
func (r shareRows) Find(ctx context.Context, accountID, shareID string) (share.Share, bool, error) {
	row, err := r.q.LockShare(ctx, db.LockShareParams{AccountID: accountID, ID: shareID})
	return shareOf(row.ObjectShare, row.Bucket, err)
}

// Insert writes a new share.
func (r shareRows) Insert(ctx context.Context, s share.Share, token share.Hash) error {
	return r.q.InsertShare(ctx, db.InsertShareParams{
		ID: s.ID, AccountID: s.AccountID, BucketID: s.BucketID, DisplayName: s.DisplayName, Scope: string(s.Scope), Path: s.Path,
		TokenHash: token[:], PasswordHash: s.PasswordHash, ExpireTime: orNull(s.ExpireTime), UseLimit: s.UseLimit,
		Networks: network.Spell(s.Networks), MaxUploadBytes: s.MaxUploadBytes, CreatorID: s.CreatorID, Version: s.Version,
		CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt,
	})
}

// Save writes what its owner can change, and whether it was revoked.
func (r shareRows) Save(ctx context.Context, s share.Share) error {
	return r.q.SaveShare(ctx, db.SaveShareParams{
		ID: s.ID, DisplayName: s.DisplayName, PasswordHash: s.PasswordHash, ExpireTime: orNull(s.ExpireTime), UseLimit: s.UseLimit,
		Networks: network.Spell(s.Networks), Version: s.Version, UpdatedAt: s.UpdatedAt, RevokedAt: orNull(s.RevokedAt),
	})
}

// Use counts a use, in one statement.
func (r shareRows) Use(ctx context.Context, shareID string, now time.Time) (int64, bool, error) {
	count, err := r.q.UseShare(ctx, db.UseShareParams{ID: shareID, Now: now})
	if pg.NoRows(err) {
		return 0, false, nil
	}
	return count, err == nil, err
}

// Log writes an entry of the access log.
func (r shareRows) Log(ctx context.Context, a share.Access) error {
	return r.q.InsertShareAccess(ctx, db.InsertShareAccessParams{
		ID: a.ID, AccountID: a.AccountID, ShareID: a.ShareID, At: a.At, Address: a.Address, UserAgent: a.UserAgent,
		Outcome: string(a.Outcome), Key: a.Key,
	})
}

// Try counts a password that is about to be tried.
func (r shareRows) Try(ctx context.Context, s share.Share, address string, now, over time.Time) (int, time.Time, error) {
	row, err := r.q.TakeShareAttempt(ctx, db.TakeShareAttemptParams{
		AccountID: s.AccountID, ShareID: s.ID, Address: address, Now: now, Over: over,
	})
	return int(row.Count), row.Began.UTC(), err
}

// Untry takes one try back from each address, in the order given.
func (r shareRows) Untry(ctx context.Context, shareID string, addresses ...string) error {
	for _, address := range addresses {
		if err := r.q.ReturnShareAttempt(ctx, db.ReturnShareAttemptParams{ShareID: shareID, Address: address}); err != nil {
			return err
		}
	}
	return nil
}

// EndOfBucket removes all shares of a bucket.
func (r shareRows) EndOfBucket(ctx context.Context, bucketID string) ([]share.Share, error) {
	rows, err := r.q.EndSharesOfBucket(ctx, bucketID)
	if err != nil {
		return nil, err
	}
	ended := make([]share.Share, len(rows))
	for i, row := range rows {
		if ended[i], _, err = shareOf(row.ObjectShare, row.Bucket, nil); err != nil {
			return nil, err
		}
	}
	return ended, nil
}

func shareOf(row db.ObjectShare, bucketName string, err error) (share.Share, bool, error) {
	if pg.NoRows(err) {
		return share.Share{}, false, nil
	}
	if err != nil {
		return share.Share{}, false, err
	}
	networks := make([]netip.Prefix, len(row.Networks))
	for i, text := range row.Networks {
		if networks[i], err = netip.ParsePrefix(text); err != nil {
			return share.Share{}, false, err
		}
	}
	return share.Share{
		ID: row.ID, AccountID: row.AccountID, BucketID: row.BucketID, Bucket: bucketName, DisplayName: row.DisplayName,
		Scope: share.Scope(row.Scope), Path: row.Path, PasswordHash: row.PasswordHash, ExpireTime: orZero(row.ExpireTime),
		UseLimit: row.UseLimit, UseCount: row.UseCount, Networks: networks, MaxUploadBytes: row.MaxUploadBytes,
		CreatorID: row.CreatorID, Version: row.Version, CreatedAt: row.CreatedAt.UTC(), UpdatedAt: row.UpdatedAt.UTC(),
		RevokedAt: orZero(row.RevokedAt),
	}, true, nil
}
