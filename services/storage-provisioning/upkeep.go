package storage

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/primecloud/primecloud/pkg/operation/pgoperation"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/lastuse"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
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
	backends := s.backends.List()
	failures := make([]error, len(backends))
	var passes sync.WaitGroup
	for i, b := range backends {
		// All at once: one that does not answer takes no other's time.
		passes.Go(func() { failures[i] = s.passOver(ctx, b.Name, scheduledFor) })
	}
	passes.Wait()
	return errors.Join(failures...)
}

// passOver compares one backend with the record, and tells how that went.
func (s *Service) passOver(ctx context.Context, backend string, scheduledFor time.Time) error {
	began := s.deps.Clock.Now()
	passed, err := s.use.Buckets.PassOver(ctx, backend, scheduledFor)
	strays := 0
	// Also where that failed: what cannot be compared is to be looked at by itself.
	differing, failure := s.passOverIdentities(ctx, backend, scheduledFor)
	if err = errors.Join(err, failure); err == nil {
		strays, err = s.use.AccessKeys.PassOver(ctx, backend)
	}
	s.bg.metrics.pass(ctx, backend, began, s.deps.Clock.Now(), err)
	if err == nil {
		s.deps.Telemetry.Logger.InfoContext(ctx, "a pass over a backend ended", "backend", backend,
			"buckets", passed.Buckets, "woken", passed.Woken, "nobodys", passed.Extras,
			"identities_woken", differing, "keys_of_nobody", strays)
	}
	return err
}

// passOverIdentities compares the accounts' identities and keys with what the backend says of
// all at once, has those looked at that differ, and returns how many. Where it does not say,
// each is looked at by itself.
func (s *Service) passOverIdentities(ctx context.Context, backend string, since time.Time) (int, error) {
	inventory, err := s.backends.Inventory(backend)
	if err != nil {
		return 0, err
	}
	census, ok, err := inventory.TakeCensus(ctx)
	if err != nil || !ok {
		return 0, errors.Join(err, s.stores.WakeIdentities(ctx, backend, since))
	}
	identities, err := s.use.Principals.Compare(ctx, backend, census)
	var keys []string
	if err == nil {
		keys, err = s.use.AccessKeys.Compare(ctx, backend, census, identities.Users)
	}
	if err != nil {
		return 0, errors.Join(err, s.stores.WakeIdentities(ctx, backend, since))
	}
	return len(identities.Differ) + len(keys), errors.Join(
		s.stores.Wake(ctx, principal.Kind, identities.Differ), s.stores.Wake(ctx, accesskey.Kind, keys))
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
