package postgres

import (
	"context"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres/db"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/purge"
)

// Purges implements purge.Store.
type Purges struct{ *base }

var _ purge.Store = (*Purges)(nil)

// InAccount runs fn in the scope of the account.
func (s *Purges) InAccount(ctx context.Context, accountID string, fn func(context.Context, purge.Tx) error) error {
	return s.inAccount(ctx, accountID, func(ctx context.Context, t *transaction) error { return fn(ctx, t.purge()) })
}

func (t *transaction) purge() purge.Tx {
	return purge.Tx{Tx: t.bucket(), Purges: purgeRows{t}, Calls: calls{t}}
}

// Get returns a purge of the account.
func (s *Purges) Get(ctx context.Context, accountID, id string) (purge.Purge, bool, error) {
	return purgeOf(s.readIn(accountID).GetBucketPurge(ctx, id))
}

// List returns one page, newest first.
func (s *Purges) List(ctx context.Context, q purge.Query) ([]purge.Purge, error) {
	rows, err := s.readIn(q.AccountID).ListBucketPurges(ctx, db.ListBucketPurgesParams{
		AccountID: q.AccountID, Before: q.Before, Bucket: q.Bucket, Count: int32(q.Limit),
	})
	list := make([]purge.Purge, len(rows))
	for i, row := range rows {
		list[i], _, _ = purgeOf(row, nil)
	}
	return list, err
}

// Bucket returns a bucket of the account, visible or not.
func (s *Purges) Bucket(ctx context.Context, accountID, id string) (bucket.Bucket, bool, error) {
	return bucketOf(s.readIn(accountID).LoadBucket(ctx, id))
}

// purgeRows implements purge.Rows.
type purgeRows struct{ *transaction }

// Insert writes a new purge.
func (r purgeRows) Insert(ctx context.Context, p purge.Purge) error {
	return r.q.InsertBucketPurge(ctx, db.InsertBucketPurgeParams{
		ID: p.ID, AccountID: p.AccountID, BucketID: p.BucketID, Bucket: p.Bucket, Backend: p.Backend, State: string(p.State),
		RequestedBy: p.RequestedBy, AccountClosed: p.AccountClosed, BeginsAt: orNull(p.BeginsAt), Version: p.Version,
		CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
	})
}

// ByID returns a purge and locks it.
func (r purgeRows) ByID(ctx context.Context, id string) (purge.Purge, bool, error) {
	return purgeOf(r.q.LockBucketPurge(ctx, id))
}

// OfBucket returns the purge of a bucket that is not over, and locks it.
func (r purgeRows) OfBucket(ctx context.Context, bucketID string) (purge.Purge, bool, error) {
	return purgeOf(r.q.LockOpenBucketPurge(ctx, bucketID))
}

// Save writes a purge.
func (r purgeRows) Save(ctx context.Context, p purge.Purge) error {
	return r.q.SaveBucketPurge(ctx, db.SaveBucketPurgeParams{
		ID: p.ID, State: string(p.State), AccountClosed: p.AccountClosed, BeginsAt: orNull(p.BeginsAt), Counted: p.Counted,
		CountedTo: []byte(p.CountedTo), FoundEntries: p.Found.Entries, FoundObjects: p.Found.Objects, FoundBytes: p.Found.Bytes,
		RemovedEntries: p.Removed.Entries, RemovedBytes: p.Removed.Bytes, RemovedUploads: p.Removed.Uploads,
		PassedTo: []byte(p.PassedTo), Locked: p.Locked, LastStep: p.LastStep, Reason: p.Reason, Message: p.Message,
		Version: p.Version, UpdatedAt: p.UpdatedAt, EndedAt: orNull(p.EndedAt),
	})
}

func purgeOf(r db.BucketPurge, err error) (purge.Purge, bool, error) {
	if pg.NoRows(err) {
		return purge.Purge{}, false, nil
	}
	if err != nil {
		return purge.Purge{}, false, err
	}
	return purge.Purge{
		ID: r.ID, AccountID: r.AccountID, BucketID: r.BucketID, Bucket: r.Bucket, Backend: r.Backend, State: purge.State(r.State),
		RequestedBy: r.RequestedBy, AccountClosed: r.AccountClosed, BeginsAt: orZero(r.BeginsAt), Counted: r.Counted,
		CountedTo: string(r.CountedTo), PassedTo: string(r.PassedTo), Locked: r.Locked, LastStep: r.LastStep,
		Found:   purge.Content{Entries: r.FoundEntries, Objects: r.FoundObjects, Bytes: r.FoundBytes},
		Removed: purge.Content{Entries: r.RemovedEntries, Bytes: r.RemovedBytes, Uploads: r.RemovedUploads},
		Reason:  r.Reason, Message: r.Message, Version: r.Version,
		CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(), EndedAt: orZero(r.EndedAt),
	}, true, nil
}
