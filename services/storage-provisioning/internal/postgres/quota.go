package postgres

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres/db"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/quota"
)

// Quotas implements quota.Store.
type Quotas struct{ *base }

var _ quota.Store = (*Quotas)(nil)

// InAccount runs fn in the scope of the account.
func (s *Quotas) InAccount(ctx context.Context, accountID string, fn func(context.Context, quota.Tx) error) error {
	return s.inAccount(ctx, accountID, func(ctx context.Context, t *transaction) error {
		return fn(ctx, quota.Tx{
			Quotas: quotaRows{t}, Reservations: reservations{t}, Requests: quotaRequests{t},
			Standings: t.standing(), Calls: calls{t}, Record: record{t},
		})
	})
}

// Get returns the account's quota and what is used of it.
func (s *Quotas) Get(ctx context.Context, accountID string) (quota.Held, error) {
	return heldIn(ctx, s.readIn(accountID), accountID)
}

func heldIn(ctx context.Context, q *db.Queries, accountID string) (quota.Held, error) {
	row, err := q.AccountQuota(ctx, accountID)
	found, err := quotaOf(row, accountID, err)
	if err != nil {
		return quota.Held{}, err
	}
	usage, err := usageIn(ctx, q, accountID)
	return quota.Held{Quota: found, Usage: usage}, err
}

// List returns a page of the quotas of accounts with limits of their own or with writes
// stopped.
func (s *Quotas) List(ctx context.Context, query quota.Query) ([]quota.Held, error) {
	q := db.New(s.DB.Read(pg.System("list quotas")))
	rows, err := q.ListAccountQuotas(ctx, db.ListAccountQuotasParams{After: query.After, Stopped: query.Stopped, Count: int32(query.Limit)})
	if err != nil {
		return nil, err
	}
	list := make([]quota.Held, len(rows))
	for i, row := range rows {
		list[i].Quota, _ = quotaOf(row, row.AccountID, nil)
		if list[i].Usage, err = usageIn(ctx, q, row.AccountID); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Request returns the account's request of that id.
func (s *Quotas) Request(ctx context.Context, accountID, requestID string) (quota.Request, bool, error) {
	return quotaRequestOf(s.readIn(accountID).QuotaRequest(ctx, db.QuotaRequestParams{AccountID: accountID, ID: requestID}))
}

// ListRequests returns one page.
func (s *Quotas) ListRequests(ctx context.Context, query quota.RequestQuery) ([]quota.Request, error) {
	scope := pg.Account(query.AccountID)
	if query.AccountID == "" {
		scope = pg.System("list quota requests")
	}
	rows, err := db.New(s.DB.Read(scope)).ListQuotaRequests(ctx, db.ListQuotaRequestsParams{
		AccountID: query.AccountID, Before: query.Before, State: string(query.State), Count: int32(query.Limit),
	})
	list := make([]quota.Request, len(rows))
	for i, row := range rows {
		list[i], _, _ = quotaRequestOf(row, nil)
	}
	return list, err
}

// quotaRows implements quota.Rows.
type quotaRows struct{ *transaction }

// Find returns the account's quota.
func (r quotaRows) Find(ctx context.Context, accountID string) (quota.Quota, error) {
	row, err := r.q.AccountQuota(ctx, accountID)
	return quotaOf(row, accountID, err)
}

// Lock is Find that makes the row, if there is none, and locks it.
func (r quotaRows) Lock(ctx context.Context, accountID string) (quota.Quota, error) {
	if err := r.q.NoteAccountQuota(ctx, accountID); err != nil {
		return quota.Quota{}, err
	}
	row, err := r.q.LockAccountQuota(ctx, accountID)
	return quotaOf(row, accountID, err)
}

// Save writes it. The limits of an account without its own are not kept.
func (r quotaRows) Save(ctx context.Context, q quota.Quota) error {
	var limits quota.Limits
	if q.Own {
		limits = q.Limits
	}
	return r.q.SaveAccountQuota(ctx, db.SaveAccountQuotaParams{
		AccountID: q.AccountID, OwnLimits: q.Own, StorageSoft: limits.Storage.Soft, StorageHard: limits.Storage.Hard,
		BucketsSoft: limits.Buckets.Soft, BucketsHard: limits.Buckets.Hard,
		AccessKeysSoft: limits.AccessKeys.Soft, AccessKeysHard: limits.AccessKeys.Hard,
		Revision: q.Revision, Version: q.Version, StoppedAt: orNull(q.StoppedAt), LimitsUpdatedAt: orNull(q.UpdatedAt),
		StorageOver: q.Over.Storage, BucketsOver: q.Over.Buckets, AccessKeysOver: q.Over.AccessKeys,
	})
}

// Usage returns how much the account uses.
func (r quotaRows) Usage(ctx context.Context, accountID string) (quota.Usage, error) {
	return usageIn(ctx, r.q, accountID)
}

// Count returns how many buckets or access keys there are.
func (r quotaRows) Count(ctx context.Context, accountID string, k quota.Kind) (int64, error) {
	if k == quota.AccessKeys {
		return r.q.CountAccessKeys(ctx, accountID)
	}
	return r.q.CountBuckets(ctx, accountID)
}

func usageIn(ctx context.Context, q *db.Queries, accountID string) (quota.Usage, error) {
	row, err := q.AccountUsage(ctx, accountID)
	u := quota.Usage{
		Bytes: row.Bytes, Versions: row.Versions, Reserved: row.Reserved, Buckets: row.Buckets, AccessKeys: row.AccessKeys,
		Confirmed: row.Listed && !row.Unmeasured,
	}
	// The epoch stands for never.
	if row.MeasuredAt.Unix() > 0 && !row.Unmeasured {
		u.MeasuredAt = row.MeasuredAt.UTC()
	}
	if row.ListedAt.Unix() > 0 {
		u.ListedAt = row.ListedAt.UTC()
	}
	return u, err
}

func quotaOf(row db.AccountQuota, accountID string, err error) (quota.Quota, error) {
	if pg.NoRows(err) {
		return quota.Quota{AccountID: accountID}, nil
	}
	return quota.Quota{
		AccountID: accountID, Own: row.OwnLimits, Revision: row.Revision, Version: row.Version,
		Limits: quota.Limits{
			Storage:    quota.Limit{Soft: row.StorageSoft, Hard: row.StorageHard},
			Buckets:    quota.Limit{Soft: row.BucketsSoft, Hard: row.BucketsHard},
			AccessKeys: quota.Limit{Soft: row.AccessKeysSoft, Hard: row.AccessKeysHard},
		},
		StoppedAt: orZero(row.StoppedAt), UpdatedAt: orZero(row.LimitsUpdatedAt),
		Over: quota.Over{Storage: row.StorageOver, Buckets: row.BucketsOver, AccessKeys: row.AccessKeysOver},
	}, err
}

// reservations implements quota.Reservations.
type reservations struct{ *transaction }

// Reserved returns how much is reserved for the object.
func (r reservations) Reserved(ctx context.Context, bucketID, key string) (int64, error) {
	return r.q.ReservedFor(ctx, db.ReservedForParams{BucketID: bucketID, Key: key})
}

// Reserve reserves for an object.
func (r reservations) Reserve(ctx context.Context, v quota.Reservation) error {
	return r.q.Reserve(ctx, db.ReserveParams{
		BucketID: v.BucketID, Key: v.Key, Bytes: v.Bytes, ReservedAt: v.At, ExpireAt: v.ExpireAt,
	})
}

// EndReservation removes the reservation, unless it was made anew since.
func (r reservations) EndReservation(ctx context.Context, v quota.Reservation) error {
	return r.q.EndReservation(ctx, db.EndReservationParams{BucketID: v.BucketID, Key: v.Key, ReservedAt: v.At})
}

// SweepReservations removes those that nothing can come of any more.
func (r reservations) SweepReservations(ctx context.Context, accountID string, late time.Time) error {
	return r.q.SweepReservations(ctx, db.SweepReservationsParams{AccountID: accountID, Late: late})
}

// quotaRequests implements quota.Requests.
type quotaRequests struct{ *transaction }

// InsertRequest writes a new one.
func (r quotaRequests) InsertRequest(ctx context.Context, v quota.Request) (bool, error) {
	n, err := r.q.InsertQuotaRequest(ctx, db.InsertQuotaRequestParams{
		ID: v.ID, AccountID: v.AccountID, StorageHard: v.Storage, BucketsHard: v.Buckets, AccessKeysHard: v.AccessKeys,
		Note: v.Note, CreatedBy: v.CreatedBy, Version: v.Version, CreatedAt: v.CreatedAt,
	})
	return n == 1, err
}

// LockRequest returns the account's request of that id, and locks it.
func (r quotaRequests) LockRequest(ctx context.Context, accountID, requestID string) (quota.Request, bool, error) {
	return quotaRequestOf(r.q.LockQuotaRequest(ctx, db.LockQuotaRequestParams{AccountID: accountID, ID: requestID}))
}

// SaveRequest writes how it was decided.
func (r quotaRequests) SaveRequest(ctx context.Context, v quota.Request) error {
	return r.q.DecideQuotaRequest(ctx, db.DecideQuotaRequestParams{
		ID: v.ID, State: string(v.State), DecidedBy: v.DecidedBy, DecisionNote: v.DecisionNote, Version: v.Version,
		DecidedAt: orNull(v.DecidedAt),
	})
}

func quotaRequestOf(row db.QuotaRequest, err error) (quota.Request, bool, error) {
	if pg.NoRows(err) {
		return quota.Request{}, false, nil
	}
	return quota.Request{
		ID: row.ID, AccountID: row.AccountID, Storage: row.StorageHard, Buckets: row.BucketsHard, AccessKeys: row.AccessKeysHard,
		Note: row.Note, State: quota.State(row.State), CreatedBy: row.CreatedBy, DecidedBy: row.DecidedBy,
		DecisionNote: row.DecisionNote, Version: row.Version, CreatedAt: row.CreatedAt.UTC(), DecidedAt: orZero(row.DecidedAt),
	}, err == nil, err
}
