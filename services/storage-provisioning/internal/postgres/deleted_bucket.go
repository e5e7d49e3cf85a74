package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres/db"
)

var _ bucket.Trash = (*Buckets)(nil)

// LastDeleted returns the last deleted bucket of that name that can be restored.
func (s *Buckets) LastDeleted(ctx context.Context, accountID, name string, at time.Time) (bucket.Deleted, bool, error) {
	return deletedOf(s.readIn(accountID).LastDeletedBucket(ctx, db.LastDeletedBucketParams{AccountID: accountID, Name: name, At: at}))
}

// ListDeleted returns one page of what can be restored, the last deleted first.
func (s *Buckets) ListDeleted(ctx context.Context, accountID, before string, at time.Time, limit int) ([]bucket.Deleted, error) {
	rows, err := s.readIn(accountID).ListDeletedBuckets(ctx, db.ListDeletedBucketsParams{
		AccountID: accountID, Before: before, At: at, Count: int32(limit),
	})
	if err != nil {
		return nil, err
	}
	list := make([]bucket.Deleted, len(rows))
	for i, row := range rows {
		if list[i], _, err = deletedOf(row, nil); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// SweepDeleted removes what is kept of buckets that cannot be restored any more, at most limit
// of them.
func (s *Buckets) SweepDeleted(ctx context.Context, at time.Time, limit int) error {
	return s.in(ctx, pg.System("sweep deleted buckets"), func(ctx context.Context, t *transaction) error {
		_, err := t.q.SweepDeletedBuckets(ctx, db.SweepDeletedBucketsParams{At: at, Count: int32(limit)})
		return err
	})
}

// deletedRows implements bucket.DeletedRows.
type deletedRows struct{ *transaction }

// Keep writes what is kept of a bucket, with the grants on it.
func (r deletedRows) Keep(ctx context.Context, d bucket.Deleted) error {
	raw, err := json.Marshal(d.Bucket)
	if err != nil {
		return fmt.Errorf("encode bucket %s: %w", d.Bucket.ID, err)
	}
	return r.q.KeepDeletedBucket(ctx, db.KeepDeletedBucketParams{
		ID: d.ID, AccountID: d.Bucket.AccountID, Name: d.Bucket.Name, Bucket: raw, BucketID: d.Bucket.ID,
		DeletedAt: d.DeletedAt, RestorableUntil: d.RestorableUntil,
	})
}

func deletedOf(r db.DeletedBucket, err error) (bucket.Deleted, bool, error) {
	if pg.NoRows(err) {
		return bucket.Deleted{}, false, nil
	}
	if err != nil {
		return bucket.Deleted{}, false, err
	}
	d := bucket.Deleted{ID: r.ID, DeletedAt: r.DeletedAt.UTC(), RestorableUntil: r.RestorableUntil.UTC()}
	if err := json.Unmarshal(r.Bucket, &d.Bucket); err != nil {
		return bucket.Deleted{}, false, fmt.Errorf("decode deleted bucket %s: %w", r.ID, err)
	}
	d.Bucket.Spec = d.Bucket.Spec.Normal()
	if err := json.Unmarshal(r.Grants, &d.Grants); err != nil {
		return bucket.Deleted{}, false, fmt.Errorf("decode the grants of deleted bucket %s: %w", r.ID, err)
	}
	return d, true, nil
}
