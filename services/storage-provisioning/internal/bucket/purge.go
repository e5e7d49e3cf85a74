package bucket

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
)

// What follows is what package purge needs of a bucket: that it is taken out of reach, that
// it comes back, and that it goes once it is empty. The purge itself is package purge's.

// StartPurge takes the account's bucket of that name out of reach, in the transaction that
// records its purge. A bucket that is being changed is operation.ErrInProgress, one that is
// being purged ErrPurging, one with something else in its place ErrConflict.
func (s *Service) StartPurge(ctx context.Context, tx Tx, accountID, name, etag string) (Bucket, error) {
	b, err := s.owned(ctx, tx, accountID, name, etag)
	switch {
	case err != nil:
		return Bucket{}, err
	case b.State == Conflict:
		return Bucket{}, ErrConflict
	case b.State != Ready:
		return Bucket{}, operation.ErrInProgress
	}
	return s.reachAs(ctx, tx, b, Purging)
}

// ResumePurge takes a bucket out of reach again that is being purged and yet came back, as one
// does where something else stood in its place. Any other is left alone.
func (s *Service) ResumePurge(ctx context.Context, tx Tx, id string) error {
	b, ok, err := tx.Buckets.ByID(ctx, id)
	if err != nil || !ok || b.State != Ready {
		return err
	}
	_, err = s.reachAs(ctx, tx, b, Purging)
	return err
}

// EndPurge brings a bucket back whose purge is cancelled, in the transaction that records so.
// One that is not being purged is left alone.
func (s *Service) EndPurge(ctx context.Context, tx Tx, id string) error {
	b, ok, err := tx.Buckets.ByID(ctx, id)
	if err != nil || !ok || b.State != Purging {
		return err
	}
	_, err = s.reachAs(ctx, tx, b, Ready)
	return err
}

// reachAs puts the bucket into a state that its owner's keys reach otherwise, and tells.
func (s *Service) reachAs(ctx context.Context, tx Tx, b Bucket, state State) (Bucket, error) {
	var err error
	b.State, b.UpdatedAt = state, s.Clock.Now()
	if b.Version, err = tx.Buckets.Save(ctx, b); err != nil {
		return Bucket{}, err
	}
	if err := s.accessChanged(ctx, tx, b); err != nil {
		return Bucket{}, err
	}
	if state == Ready || b.Spec.Public != (Public{}) {
		// What went missing meanwhile is made again, and everybody reads past the account's policy.
		if b.Generation, err = tx.Resources.Touch(ctx, b.Ref(), b.Backend, s.Clock.Now()); err != nil {
			return Bucket{}, err
		}
	}
	return b, tx.Record.Publish(ctx, eventOf(b, "updated"))
}

// DeletePurged removes a bucket that was emptied by its purge, as Delete would. The backend
// has the last word: what still has content is ErrNotEmpty, and goes on being purged.
func (s *Service) DeletePurged(ctx context.Context, accountID, id string) error {
	window := s.Runner.Window(ctx)
	var begun change.Begun
	var b Bucket
	err := s.Store.InAccount(ctx, accountID, func(ctx context.Context, tx Tx) error {
		was, ok, err := tx.Buckets.ByID(ctx, id)
		switch {
		case err != nil:
			return err
		case !ok || was.State != Purging:
			return ErrNotFound
		}
		back := before(was)
		b = was
		b.Desired, b.State, b.SightedAt, b.UpdatedAt = Absent, Deleting, time.Time{}, s.Clock.Now()
		if b.Version, err = tx.Buckets.Save(ctx, b); err != nil {
			return err
		}
		begun, err = s.begin(ctx, tx, &b, &back, window)
		return err
	})
	if err != nil {
		return err
	}
	_, err = s.run(ctx, begun, b)
	return err
}

// settledState is where a bucket stands that the backend has as wanted: one that is being
// purged goes on being so.
func settledState(was State) State {
	if was == Purging {
		return Purging
	}
	return Ready
}
