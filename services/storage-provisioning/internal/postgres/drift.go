package postgres

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/drift"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres/db"
)

// Drifts implements drift.Store.
type Drifts struct{ *base }

var _ drift.Store = (*Drifts)(nil)

// Drifts returns the findings of one page, newest first.
func (s *Drifts) Drifts(ctx context.Context, q drift.Query) ([]drift.Finding, error) {
	read := s.readIn(q.AccountID)
	if q.Platform {
		read = db.New(s.DB.Read(pg.System("findings for the platform's operators")))
	}
	rows, err := read.ListDrifts(ctx, db.ListDriftsParams{
		AccountID: q.AccountID, Unowned: q.Unowned, ResourceKind: q.ResourceKind, Standing: string(q.Standing),
		Before: q.Before, Count: int32(q.Limit),
	})
	if err != nil {
		return nil, err
	}
	list := make([]drift.Finding, len(rows))
	for i, r := range rows {
		list[i] = findingOf(r)
	}
	return list, nil
}

// Drift returns one finding of the account.
func (s *Drifts) Drift(ctx context.Context, accountID, id string) (drift.Finding, bool, error) {
	row, err := s.readIn(accountID).GetDrift(ctx, db.GetDriftParams{ID: id, AccountID: accountID})
	if pg.NoRows(err) {
		return drift.Finding{}, false, nil
	}
	return findingOf(row), err == nil, err
}

// InScope runs fn in the scope of the account, or across accounts when there is none.
func (s *Drifts) InScope(ctx context.Context, accountID string, fn func(context.Context, drift.Tx) error) error {
	scope := pg.System("an operator acts upon a finding")
	if accountID != "" {
		scope = pg.Account(accountID)
	}
	return s.in(ctx, scope, func(ctx context.Context, t *transaction) error {
		return fn(ctx, drift.Tx{Acts: driftActs{t}, Audit: record{t}})
	})
}

// Open counts the findings that stand, by kind of resource and of difference.
func (s *Drifts) Open(ctx context.Context) (map[[2]string]int64, error) {
	rows, err := db.New(s.DB.Read(pg.System("count findings"))).CountOpenDrifts(ctx)
	counts := map[[2]string]int64{}
	for _, r := range rows {
		counts[[2]string{r.ResourceKind, r.Kind}] = r.Count
	}
	return counts, err
}

func findingOf(r db.Drift) drift.Finding {
	return drift.Finding{
		ID: r.ID, AccountID: r.AccountID, ResourceKind: r.ResourceKind, ResourceID: r.ResourceID, ResourceName: r.ResourceName,
		Kind: drift.Kind(r.Kind), Field: r.Field, Desired: r.Desired, Observed: r.Observed,
		DetectedAt: r.DetectedAt.UTC(), RepairedAt: orZero(r.RepairedAt), IgnoredAt: orZero(r.IgnoredAt), IgnoreReason: r.IgnoreReason,
	}
}

// driftActs implements drift.Acts.
type driftActs struct{ *transaction }

// Lock returns a finding, and locks it.
func (a driftActs) Lock(ctx context.Context, id string) (drift.Finding, bool, error) {
	row, err := a.q.LockDrift(ctx, id)
	if pg.NoRows(err) {
		return drift.Finding{}, false, nil
	}
	return findingOf(row), err == nil, err
}

// SaveIgnored writes that somebody accepts it, or that nobody does.
func (a driftActs) SaveIgnored(ctx context.Context, f drift.Finding) error {
	return a.q.SaveDriftIgnored(ctx, db.SaveDriftIgnoredParams{ID: f.ID, IgnoredAt: orNull(f.IgnoredAt), IgnoreReason: f.IgnoreReason})
}

// Due has the resource looked at now.
func (a driftActs) Due(ctx context.Context, ref reconcile.Ref, at time.Time) (bool, error) {
	n, err := a.q.DueResource(ctx, db.DueResourceParams{At: &at, Kind: ref.Kind, ID: ref.ID})
	return n == 1, err
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

// OpenExtras returns the places of the open findings of what nobody made.
func (r driftRows) OpenExtras(ctx context.Context, kind, place string) ([]string, error) {
	return r.q.OpenExtras(ctx, db.OpenExtrasParams{ResourceKind: kind, Place: place})
}

// GoneExtras closes the open findings of what nobody made and is gone.
func (r driftRows) GoneExtras(ctx context.Context, kind, place string, still []string, at time.Time) (int64, error) {
	if still == nil {
		still = []string{} // as null it would keep all
	}
	return r.q.GoneExtras(ctx, db.GoneExtrasParams{At: &at, ResourceKind: kind, Place: place, Still: still})
}

// Sweep removes findings that were repaired before the given moment, at most limit of them.
func (s *Drifts) Sweep(ctx context.Context, repairedBefore time.Time, limit int) error {
	return s.in(ctx, pg.System("sweep drift"), func(ctx context.Context, t *transaction) error {
		_, err := t.q.SweepDrifts(ctx, db.SweepDriftsParams{RepairedBefore: &repairedBefore, Count: int32(limit)})
		return err
	})
}
