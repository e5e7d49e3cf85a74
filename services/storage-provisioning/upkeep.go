package storage

import (
	"context"
	"errors"
	"time"

	"github.com/primecloud/primecloud/pkg/operation/pgoperation"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/lastuse"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/share"
)

const (
	// upkeepEvery is how often kept secrets are destroyed and old rows swept.
	upkeepEvery = time.Minute
	// keepEnded is how long operations and repaired drift stay to be looked at, and removed
	// members are remembered: longer than an event can be late.
	keepEnded = 30 * 24 * time.Hour
	// sweepBatch bounds one sweep of a table; the next one comes soon.
	sweepBatch = 1000
)

// fullPass has everything compared with the backends: each resource by itself, through the
// reconciler, and the names on each backend with the record. While a backend is down it is
// tried again and again: what was looked at since it fell due is not woken once more.
func (s *Service) fullPass(ctx context.Context, scheduledFor time.Time) error {
	if err := s.stores.WakeAll(ctx, scheduledFor); err != nil {
		return err
	}
	var failures []error
	for _, b := range s.backends.List() {
		began := s.deps.Clock.Now()
		passed, err := s.use.Buckets.PassOver(ctx, b.Name, scheduledFor)
		s.bg.metrics.pass(ctx, b.Name, began, s.deps.Clock.Now(), err)
		if err == nil {
			s.deps.Telemetry.Logger.InfoContext(ctx, "a pass over a backend ended", "backend", b.Name,
				"buckets", passed.Buckets, "woken", passed.Woken, "nobodys", passed.Extras)
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// upkeep destroys secrets whose window has ended and sweeps what nobody can need any more.
// Every step is idempotent; a failed one is tried again.
func (s *Service) upkeep(ctx context.Context, _ time.Time) error {
	now := s.deps.Clock.Now()
	destroyed, err := s.stores.AccessKeys.DestroySecrets(ctx, sweepBatch)
	if destroyed > 0 {
		s.deps.Telemetry.Logger.InfoContext(ctx, "kept secrets were destroyed", "count", destroyed)
	}
	failures := []error{
		err, s.use.Removals.BeginMissed(ctx), s.stores.Buckets.SweepDeleted(ctx, now, sweepBatch), s.stores.Drifts.Sweep(ctx, now.Add(-keepEnded), sweepBatch), s.stores.Grants.SweepMembers(ctx, now.Add(-keepEnded), sweepBatch),
		s.stores.Shares.Sweep(ctx, now.Add(-share.Kept), now.Add(-time.Hour), sweepBatch),
		s.stores.Uses.Upkeep(ctx, now.Add(-lastuse.Keep), sweepBatch),
	}
	failures = append(failures, s.db.InTx(ctx, pg.System("sweep operations"), func(ctx context.Context, tx *pg.Tx) error {
		_, err := pgoperation.Sweep(ctx, tx, now.Add(-keepEnded), now, sweepBatch)
		return err
	}))
	return errors.Join(failures...)
}

// abortUploads aborts the incomplete uploads whose time has come.
func (s *Service) abortUploads(ctx context.Context, _ time.Time) error {
	return s.use.Lifecycle.AbortUploads(ctx)
}
