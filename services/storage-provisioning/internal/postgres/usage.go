package postgres

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres/db"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/quota"
)

// Usages implements quota.Measures.
type Usages struct{ *base }

var _ quota.Measures = (*Usages)(nil)

// measuring is why a pass sees all accounts.
func measuring() pg.Scope { return pg.System("measure usage") }

// Figures returns those of all buckets, by account.
func (s *Usages) Figures(ctx context.Context) ([]quota.Figure, error) {
	rows, err := db.New(s.DB.Read(measuring())).MeasuredBuckets(ctx)
	list := make([]quota.Figure, len(rows))
	for i, row := range rows {
		list[i] = quota.Figure{
			BucketID: row.ID, AccountID: row.AccountID, Backend: row.Backend, Name: row.Name, Known: row.Known,
			Bytes: row.Bytes, Versions: row.Versions, MeasuredAt: orZero(row.MeasuredAt), Source: quota.Source(row.Source),
			Reported: row.Reported, ListedAt: orZero(row.ListedAt), Took: time.Duration(row.ListingMs) * time.Millisecond,
			Tally: quota.Tally{Began: orZero(row.TallyBegan), After: row.TallyAfter, Bytes: row.TallyBytes, Versions: row.TallyVersions},
		}
	}
	return list, err
}

// Holdings returns what every account has.
func (s *Usages) Holdings(ctx context.Context) (map[string]quota.Holding, error) {
	q := db.New(s.DB.Read(measuring()))
	rows, err := q.QuotaHoldings(ctx, s.Clock.Now())
	if err != nil {
		return nil, err
	}
	states, err := q.QuotaStates(ctx)
	if err != nil {
		return nil, err
	}
	quotas := make(map[string]db.AccountQuota, len(states))
	for _, row := range states {
		quotas[row.AccountID] = row
	}
	all := make(map[string]quota.Holding, len(rows))
	for _, row := range rows {
		h := quota.Holding{Buckets: row.Buckets, AccessKeys: row.AccessKeys, Reserved: row.Reserved, Ended: row.Ended}
		h.Quota, _ = quotaOf(quotas[row.AccountID], row.AccountID, nil)
		all[row.AccountID] = h
	}
	return all, nil
}

// Keep writes a figure, unless it has changed since, and ends the reservations of what was
// seen.
func (s *Usages) Keep(ctx context.Context, m quota.Measured) error {
	f := m.Figure
	return s.inAccount(ctx, f.AccountID, func(ctx context.Context, t *transaction) error {
		n, err := t.q.SaveBucketUsage(ctx, db.SaveBucketUsageParams{
			BucketID: f.BucketID, Bytes: f.Bytes, Versions: f.Versions, MeasuredAt: f.MeasuredAt, Source: string(f.Source),
			Reported: f.Reported, ListedAt: orNull(f.ListedAt), ListingMs: f.Took.Milliseconds(),
			TallyBegan: orNull(f.Tally.Began), TallyAfter: f.Tally.After, TallyBytes: f.Tally.Bytes, TallyVersions: f.Tally.Versions,
			ListedBefore: orNull(m.Before.ListedAt), AfterBefore: m.Before.Tally.After,
		})
		if err != nil || n == 0 || len(m.Seen) == 0 {
			return err
		}
		return t.q.EndSeenReservations(ctx, db.EndSeenReservationsParams{BucketID: f.BucketID, Keys: m.Seen, Began: m.Began})
	})
}

// mostExpected bounds what a listing looks for.
const mostExpected = 10000

// Expected returns the objects of the bucket that are reserved for, and since when.
func (s *Usages) Expected(ctx context.Context, f quota.Figure) (map[string]time.Time, error) {
	rows, err := s.readIn(f.AccountID).BucketReservations(ctx, db.BucketReservationsParams{BucketID: f.BucketID, Count: mostExpected})
	expected := make(map[string]time.Time, len(rows))
	for _, row := range rows {
		expected[row.Key] = row.ReservedAt.UTC()
	}
	return expected, err
}
