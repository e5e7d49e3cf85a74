package bucket

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/page"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
)

// Deleted is what is kept of a deleted bucket.
type Deleted struct {
	// ID is `dbk_…`.
	ID string
	// Bucket is the bucket as it was.
	Bucket Bucket
	// Grants are what people had on it.
	Grants []grant.Kept
	// DeletedAt and RestorableUntil are by our clock.
	DeletedAt, RestorableUntil time.Time
}

// DeletedRows are the deleted buckets of the account, in the transaction.
type DeletedRows interface {
	// Keep writes what is kept of a bucket, with the grants on it as they are in the record.
	Keep(ctx context.Context, d Deleted) error
}

// Trash keeps deleted buckets.
type Trash interface {
	// LastDeleted returns the last one of that name that can be restored at a moment.
	LastDeleted(ctx context.Context, accountID, name string, at time.Time) (d Deleted, ok bool, err error)
	// ListDeleted returns at most limit that can be restored at a moment, the last deleted
	// first, after the one of that id.
	ListDeleted(ctx context.Context, accountID, before string, at time.Time, limit int) ([]Deleted, error)
}

// Reinstater gives people back what they had on a bucket.
type Reinstater interface {
	// Reinstate grants again what was kept, to those whose membership is what it was. It may
	// be repeated.
	Reinstate(ctx context.Context, accountID, bucket string, kept []grant.Kept) error
}

// ErrNothingDeleted is for a name of which nothing is kept.
var ErrNothingDeleted = errs.New(errs.NotFound, "DELETED_BUCKET_NOT_FOUND",
	"no bucket of this name can be restored; it was not deleted, or too long ago")

// Restore makes a deleted bucket again, through Create, and gives back the grants on it. The
// name was not kept for it: one that is taken by now is ErrNameTaken. A repetition with the
// same idempotency key completes what was cut off.
func (s *Service) Restore(ctx context.Context, accountID, name string) (Done, error) {
	was, ok, err := s.Trash.LastDeleted(ctx, accountID, name, s.Clock.Now())
	if err != nil {
		return Done{}, err
	}
	if !ok {
		return Done{}, ErrNothingDeleted
	}
	spec := was.Bucket.Spec
	spec.Public = Public{} // opening a bucket to everybody is an act of its own
	done, err := s.Create(ctx, NewBucket{
		AccountID: accountID, Name: name, Backend: was.Bucket.Backend,
		CustomerReference: was.Bucket.CustomerReference, Labels: was.Bucket.Labels, Spec: spec,
	})
	if err != nil {
		return done, err
	}
	return done, s.Grants.Reinstate(ctx, accountID, name, was.Grants)
}

// DeletedMethod is the list that page tokens are bound to.
const DeletedMethod = "/primecloud.storage.v1.DeletedBucketService/ListDeletedBuckets"

// ListDeleted returns a page of what can be restored, the last deleted first, and the token of
// the next page.
func (s *Service) ListDeleted(ctx context.Context, accountID string, size int32, token string) ([]Deleted, string, error) {
	r := page.Request{Size: size, Token: token, Binding: page.Binding{Method: DeletedMethod, Account: accountID}}
	return page.List(s.Pages, r, func(after page.Position, limit int) ([]Deleted, error) {
		return s.Trash.ListDeleted(ctx, accountID, after.At(0), s.Clock.Now(), limit)
	}, func(d Deleted) page.Position { return page.Position{d.ID} })
}

// keep writes what is kept of a bucket that its owner has deleted. A purge took more than its
// settings, and is not undone so.
func (s *Service) keep(ctx context.Context, tx Tx, b Bucket, j job) error {
	var back previous
	if j.operation == nil || s.UndoFor <= 0 {
		return nil
	}
	if err := json.Unmarshal(j.operation.Previous, &back); err != nil {
		return fmt.Errorf("decode what operation %s goes back to: %w", j.operation.ID, err)
	}
	if back.State == Purging {
		return nil
	}
	now := s.Clock.Now()
	return tx.Deleted.Keep(ctx, Deleted{ID: id.New("dbk", now), Bucket: b, DeletedAt: now, RestorableUntil: now.Add(s.UndoFor)})
}
