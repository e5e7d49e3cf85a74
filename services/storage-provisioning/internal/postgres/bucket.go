package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/operation/pgoperation"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres/db"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

// Buckets implements bucket.Store and bucket.Inventory.
type Buckets struct{ *base }

var (
	_ bucket.Store     = (*Buckets)(nil)
	_ bucket.Inventory = (*Buckets)(nil)
)

// InAccount runs fn in the scope of the account.
func (s *Buckets) InAccount(ctx context.Context, accountID string, fn func(context.Context, bucket.Tx) error) error {
	return s.inAccount(ctx, accountID, func(ctx context.Context, t *transaction) error { return fn(ctx, t.bucket()) })
}

// InPlatform runs fn in the system scope.
func (s *Buckets) InPlatform(ctx context.Context, fn func(context.Context, bucket.Tx) error) error {
	return s.in(ctx, pg.System("pass over a backend"), func(ctx context.Context, t *transaction) error { return fn(ctx, t.bucket()) })
}

func (t *transaction) bucket() bucket.Tx {
	return bucket.Tx{
		Tx: t.change(), Buckets: bucketRows{t}, Access: access{t}, Drifts: driftRows{t}, Grants: grantRows{t}, Quotas: quotaRows{t},
		Dependents: dependents{t}, Deleted: deletedRows{t}, Standings: standingRows{t},
	}
}

// Get returns the account's visible bucket of that name.
func (s *Buckets) Get(ctx context.Context, accountID, name string) (bucket.Bucket, bool, error) {
	row, err := s.readIn(accountID).GetBucket(ctx, db.GetBucketParams{AccountID: accountID, Name: name})
	return bucketOf(db.LoadBucketRow(row), err)
}

// Load returns a bucket with its open operation.
func (s *Buckets) Load(ctx context.Context, ref reconcile.Ref) (b bucket.Bucket, open *operation.Operation, ok bool, err error) {
	err = s.inAccount(ctx, ref.AccountID, func(ctx context.Context, t *transaction) error {
		row, err := t.q.LoadBucket(ctx, ref.ID)
		if b, ok, err = bucketOf(row, err); err != nil || !ok {
			return err
		}
		o, found, err := pgoperation.Open(ctx, t.tx, operation.Resource{Kind: bucket.Kind, ID: ref.ID})
		if open = nil; found {
			open = &o
		}
		return err
	})
	return b, open, ok, err
}

// List returns visible buckets of one page, by name.
func (s *Buckets) List(ctx context.Context, q bucket.Query) ([]bucket.Bucket, error) {
	labels, err := encodeLabels(q.Labels)
	if err != nil {
		return nil, err
	}
	rows, err := s.readIn(q.AccountID).ListBuckets(ctx, db.ListBucketsParams{
		AccountID: q.AccountID, After: q.After, Everything: q.For.All, GrantedTo: q.For.UserID, Backend: q.Backend, CustomerReference: q.CustomerReference,
		Labels: labels, Count: int32(q.Limit),
	})
	if err != nil {
		return nil, err
	}
	list := make([]bucket.Bucket, len(rows))
	for i, row := range rows {
		if list[i], _, err = bucketOf(db.LoadBucketRow(row), nil); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Operation returns an operation of the account.
func (s *Buckets) Operation(ctx context.Context, accountID, id string) (operation.Operation, error) {
	return pgoperation.Get(ctx, s.DB.Read(pg.Account(accountID)), id)
}

// Names returns every name that is reserved on the backend.
func (s *Buckets) Names(ctx context.Context, backend string) (map[string]bool, error) {
	names, err := db.New(s.DB.Read(pg.System("pass over a backend"))).ReservedNames(ctx, backend)
	known := make(map[string]bool, len(names))
	for _, name := range names {
		known[name] = true
	}
	return known, err
}

// Records returns a page of the backend's buckets.
func (s *Buckets) Records(ctx context.Context, backend, after string, limit int) ([]bucket.Record, error) {
	rows, err := db.New(s.DB.Read(pg.System("pass over a backend"))).BucketsOfBackend(ctx, db.BucketsOfBackendParams{
		Backend: backend, After: after, Count: int32(limit),
	})
	if err != nil {
		return nil, err
	}
	list := make([]bucket.Record, len(rows))
	for i, row := range rows {
		b, _, err := bucketOf(db.LoadBucketRow(row), nil)
		if err != nil {
			return nil, err
		}
		list[i] = bucket.Record{Bucket: b, Settled: b.Generation == b.Observed && !b.Unsure}
	}
	return list, nil
}

// Wake makes buckets due now.
func (s *Buckets) Wake(ctx context.Context, ids []string) error {
	return s.in(ctx, pg.System("pass over a backend"), func(ctx context.Context, t *transaction) error {
		now := t.Clock.Now()
		return t.q.WakeResources(ctx, db.WakeResourcesParams{At: &now, Kind: bucket.Kind, Ids: ids})
	})
}

// WakeBackend makes all of a backend due that nobody looked at since.
func (s *Buckets) WakeBackend(ctx context.Context, backend string, since time.Time) error {
	return s.in(ctx, pg.System("pass over a backend"), func(ctx context.Context, t *transaction) error {
		now := t.Clock.Now()
		return t.q.WakeBackend(ctx, db.WakeBackendParams{At: &now, Kinds: []string{bucket.Kind}, Backend: backend, Since: since})
	})
}

// bucketRows implements bucket.Rows.
type bucketRows struct{ *transaction }

// Reserve inserts the bucket unless its name is taken, be it by a row out of sight.
func (r bucketRows) Reserve(ctx context.Context, b bucket.Bucket) (bool, error) {
	asked, err := encodeAsked(b)
	if err != nil {
		return false, err
	}
	n, err := r.q.ReserveBucket(ctx, db.ReserveBucketParams{
		ID: b.ID, AccountID: b.AccountID, Backend: b.Backend, Name: b.Name, CustomerReference: b.CustomerReference,
		Versioning: string(b.Spec.Versioning), QuotaBytes: b.Spec.QuotaBytes, Lifecycle: asked.rules, Labels: asked.labels, Settings: asked.settings,
		Desired: string(b.Desired), State: string(b.State), Version: b.Version, CreatedAt: b.CreatedAt, UpdatedAt: b.UpdatedAt, Adopting: b.Adopting,
	})
	return n == 1, err
}

// ByName returns the account's bucket of that name and locks it.
func (r bucketRows) ByName(ctx context.Context, accountID, name string) (bucket.Bucket, bool, error) {
	id, err := r.q.LockBucketByName(ctx, db.LockBucketByNameParams{AccountID: accountID, Name: name})
	return r.locked(ctx, id, err)
}

// ByID returns a bucket and locks it.
func (r bucketRows) ByID(ctx context.Context, id string) (bucket.Bucket, bool, error) {
	id, err := r.q.LockBucketByID(ctx, id)
	return r.locked(ctx, id, err)
}

func (r bucketRows) locked(ctx context.Context, id string, err error) (bucket.Bucket, bool, error) {
	if err != nil {
		return bucketOf(db.LoadBucketRow{}, err)
	}
	row, err := r.q.LoadBucket(ctx, id)
	return bucketOf(row, err)
}

// Save writes the bucket with one version more than it has.
func (r bucketRows) Save(ctx context.Context, b bucket.Bucket) (int64, error) {
	asked, err := encodeAsked(b)
	if err != nil {
		return 0, err
	}
	return r.q.SaveBucket(ctx, db.SaveBucketParams{
		ID: b.ID, Version: b.Version + 1, CustomerReference: b.CustomerReference,
		Versioning: string(b.Spec.Versioning), QuotaBytes: b.Spec.QuotaBytes, Lifecycle: asked.rules, Labels: asked.labels, Settings: asked.settings,
		Desired: string(b.Desired), State: string(b.State), Marked: b.Marked, SeenAbsentAt: orNull(b.SeenAbsentAt),
		SeenAbsentGeneration: b.SeenAbsentGeneration, Unsure: b.Unsure, SightedAt: orNull(b.SightedAt),
		CreatedAt: b.CreatedAt, UpdatedAt: b.UpdatedAt, Adopting: b.Adopting,
	})
}

// Note writes what only reconciliation keeps.
func (r bucketRows) Note(ctx context.Context, b bucket.Bucket) error {
	return r.q.NoteBucket(ctx, db.NoteBucketParams{
		ID: b.ID, Marked: b.Marked, SeenAbsentAt: orNull(b.SeenAbsentAt), SeenAbsentGeneration: b.SeenAbsentGeneration,
		Unsure: b.Unsure, SightedAt: orNull(b.SightedAt),
	})
}

// Remove removes the bucket.
func (r bucketRows) Remove(ctx context.Context, id string) error { return r.q.RemoveBucket(ctx, id) }

// access implements bucket.Access.
type access struct{ *transaction }

// Touch makes the account's identity known and raises its generation.
func (a access) Touch(ctx context.Context, accountID, backend string, due time.Time) (int64, error) {
	id, err := a.q.PrincipalID(ctx, db.PrincipalIDParams{AccountID: accountID, Backend: backend})
	if pg.NoRows(err) {
		if err := a.insertPrincipal(ctx, principal.New(accountID, backend, a.Clock.Now())); err != nil {
			return 0, err
		}
		// Another call may have been faster: then it is its row that counts.
		id, err = a.q.PrincipalID(ctx, db.PrincipalIDParams{AccountID: accountID, Backend: backend})
	}
	if err != nil {
		return 0, err
	}
	ref := reconcile.Ref{Kind: principal.Kind, ID: id, AccountID: accountID}
	return a.resources.Touch(ctx, a.tx, ref, backend, due)
}

func bucketOf(row db.LoadBucketRow, err error) (bucket.Bucket, bool, error) {
	if pg.NoRows(err) {
		return bucket.Bucket{}, false, nil
	}
	if err != nil {
		return bucket.Bucket{}, false, err
	}
	r := row.Bucket
	b := bucket.Bucket{
		ID: r.ID, AccountID: r.AccountID, Backend: r.Backend, Name: r.Name, CustomerReference: r.CustomerReference,
		Spec:    bucket.Spec{Versioning: bucket.Versioning(r.Versioning), QuotaBytes: r.QuotaBytes},
		Desired: bucket.Desired(r.Desired), State: bucket.State(r.State), Version: r.Version,
		Generation: row.Generation, Observed: row.Observed, Stopped: row.Stopped,
		Marked: r.Marked, Adopting: r.Adopting, SeenAbsentAt: orZero(r.SeenAbsentAt), SeenAbsentGeneration: r.SeenAbsentGeneration,
		Sighting:  change.Sighting{Unsure: r.Unsure, SightedAt: orZero(r.SightedAt)},
		CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
	if err := json.Unmarshal(r.Lifecycle, &b.Spec.Lifecycle); err != nil {
		return bucket.Bucket{}, false, fmt.Errorf("decode the lifecycle rules of bucket %s: %w", r.ID, err)
	}
	if err := decodeSettings(r, &b); err != nil {
		return bucket.Bucket{}, false, err
	}
	b.Spec = b.Spec.Normal()
	if err := json.Unmarshal(row.Conditions, &b.Conditions); err != nil {
		return bucket.Bucket{}, false, fmt.Errorf("decode the conditions of bucket %s: %w", r.ID, err)
	}
	return b, true, nil
}
