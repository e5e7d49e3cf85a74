package bucket

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
)

// Delete removes an empty bucket; one with content, old versions included, is ErrNotEmpty.
// Its name stays reserved for its account until the backend was seen without it.
func (s *Service) Delete(ctx context.Context, accountID, name, etag string) (Done, error) {
	window := s.Runner.Window(ctx)
	var begun change.Begun
	var b Bucket
	var replay *Done
	err := s.Store.InAccount(ctx, accountID, func(ctx context.Context, tx Tx) error {
		var err error
		if replay, err = again(ctx, tx); err != nil || replay != nil {
			return err
		}
		was, err := s.owned(ctx, tx, accountID, name, etag)
		if err != nil {
			return err
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
		return Done{}, err
	}
	if replay != nil {
		return *replay, nil
	}
	return s.run(ctx, begun, b)
}
