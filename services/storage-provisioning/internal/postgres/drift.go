package postgres

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/drift"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres/db"
)

// Drifts implements drift.Store.
type Drifts struct{ *base }

var _ drift.Store = (*Drifts)(nil)

// Drifts returns the findings of one page, newest first.
func (s *Drifts) Drifts(ctx context.Context, q drift.Query) ([]drift.Finding, error) {
	rows, err := s.readIn(q.AccountID).ListDrifts(ctx, db.ListDriftsParams{AccountID: q.AccountID, Before: q.Before, Count: int32(q.Limit)})
	if err != nil {
		return nil, err
	}
	list := make([]drift.Finding, len(rows))
	for i, r := range rows {
		list[i] = drift.Finding{
			ID: r.ID, AccountID: r.AccountID, ResourceKind: r.ResourceKind, ResourceID: r.ResourceID, ResourceName: r.ResourceName,
			Kind: drift.Kind(r.Kind), Field: r.Field, Desired: r.Desired, Observed: r.Observed,
			DetectedAt: r.DetectedAt.UTC(), RepairedAt: orZero(r.RepairedAt),
		}
	}
	return list, nil
}

// driftRows implements drift.Rows.
type driftRows struct{ *transaction }

// Record keeps a finding unless it is open already.
func (r driftRows) Record(ctx context.Context, f drift.Finding) (bool, error) {
	n, err := r.q.RecordDrift(ctx, db.RecordDriftParams{
		ID: f.ID, AccountID: f.AccountID, ResourceKind: f.ResourceKind, ResourceID: f.ResourceID, ResourceName: f.ResourceName,
		Kind: string(f.Kind), Field: f.Field, Desired: f.Desired, Observed: f.Observed, DetectedAt: f.DetectedAt,
	})
	return n == 1, err
}

// Repaired closes the open findings of a resource.
func (r driftRows) Repaired(ctx context.Context, kind, id string, at time.Time) (int64, error) {
	return r.q.RepairedDrifts(ctx, db.RepairedDriftsParams{At: &at, ResourceKind: kind, ResourceID: id})
}

// GoneExtras closes the open findings of what nobody made and is gone.
func (r driftRows) GoneExtras(ctx context.Context, kind, place string, still []string, at time.Time) (int64, error) {
	return r.q.GoneExtras(ctx, db.GoneExtrasParams{At: &at, ResourceKind: kind, Place: place, Still: still})
}

// Sweep removes findings that were repaired before the given moment, at most limit of them.
func (s *Drifts) Sweep(ctx context.Context, repairedBefore time.Time, limit int) error {
	return s.in(ctx, pg.System("sweep drift"), func(ctx context.Context, t *transaction) error {
		_, err := t.q.SweepDrifts(ctx, db.SweepDriftsParams{RepairedBefore: &repairedBefore, Count: int32(limit)})
		return err
	})
}
