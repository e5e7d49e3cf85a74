package purge

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

// Hold begins a purge of a bucket of a closed account that counts and does not remove: the
// exit manifest comes first. A purge that its owner has begun becomes part of the removal: one
// that waits is held too, one that runs goes on. It may be repeated. A bucket that is being
// changed is operation.ErrInProgress.
func (s *Service) Hold(ctx context.Context, b bucket.Bucket) error {
	var p Purge
	err := s.Store.InAccount(ctx, b.AccountID, func(ctx context.Context, tx Tx) error {
		var ok bool
		var err error
		p, ok, err = tx.Purges.OfBucket(ctx, b.ID)
		switch {
		case err != nil || ok && (p.AccountClosed || p.State == Cancelling):
			return err
		case ok:
			p.AccountClosed = true
			if p.State == Waiting {
				p.BeginsAt = time.Time{}
			}
			return s.save(ctx, tx, &p)
		}
		b, err := s.Buckets.StartPurge(ctx, tx.Tx, b.AccountID, b.Name, "")
		if err != nil {
			return err
		}
		p = of(b, s.now(), time.Time{})
		p.AccountClosed = true
		return s.insert(ctx, tx, p)
	})
	if err == nil {
		s.Wake(p.Ref())
	}
	return err
}

// Release lets the held purges of a closed account begin to remove, in the transaction that
// writes its exit manifest.
func (s *Service) Release(ctx context.Context, tx Tx, held []Purge) error {
	for _, h := range held {
		p, ok, err := tx.Purges.ByID(ctx, h.ID)
		if err != nil {
			return err
		}
		if !ok || p.Ended() || !p.BeginsAt.IsZero() {
			continue
		}
		p.BeginsAt = s.now()
		if err := s.save(ctx, tx, &p); err != nil {
			return err
		}
		if _, err := tx.Resources.Touch(ctx, p.Ref(), p.Backend, s.Clock.Now()); err != nil {
			return err
		}
	}
	return nil
}
