package postgres

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/idempotency"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/operation/pgoperation"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres/db"
)

// Grants implements grant.Store.
type Grants struct{ *base }

var _ grant.Store = (*Grants)(nil)

// InAccount runs fn in the scope of the account.
func (s *Grants) InAccount(ctx context.Context, accountID string, fn func(context.Context, grant.Tx) error) error {
	return s.inAccount(ctx, accountID, func(ctx context.Context, t *transaction) error { return fn(ctx, t.grant()) })
}

// In is the transaction of somebody else, such as a consumer of events. What it tells is
// relayed in a moment rather than at once.
func (s *Grants) In(tx *pg.Tx) grant.Tx {
	return (&transaction{base: s.base, tx: tx, q: db.New(tx)}).grant()
}

func (t *transaction) grant() grant.Tx {
	return grant.Tx{Grants: grantRows{t}, Calls: calls{t}, Record: record{t}}
}

// Held returns the grant of a person on a visible bucket.
func (s *Grants) Held(ctx context.Context, accountID, name, userID string) (grant.Grant, bool, error) {
	row, err := s.readIn(accountID).HeldGrant(ctx, db.HeldGrantParams{AccountID: accountID, Name: name, UserID: userID})
	return grantOf(row.BucketGrant, row.Bucket, err)
}

// List returns one page.
func (s *Grants) List(ctx context.Context, q grant.Query) ([]grant.Grant, error) {
	rows, err := s.readIn(q.AccountID).ListBucketGrants(ctx, db.ListBucketGrantsParams{
		AccountID: q.AccountID, After: q.After, Bucket: q.Bucket, UserID: q.UserID, Count: int32(q.Limit),
	})
	if err != nil {
		return nil, err
	}
	list := make([]grant.Grant, len(rows))
	for i, row := range rows {
		list[i], _, _ = grantOf(row.BucketGrant, row.Bucket, nil)
	}
	return list, nil
}

// HasBucket reports whether the account has a visible bucket of that name.
func (s *Grants) HasBucket(ctx context.Context, accountID, name string) (bool, error) {
	return s.readIn(accountID).HasBucket(ctx, db.HasBucketParams{AccountID: accountID, Name: name})
}

// RoleOf returns the role of a person as far as it was heard of.
func (s *Grants) RoleOf(ctx context.Context, accountID, userID string) (string, error) {
	role, err := s.readIn(accountID).MemberRole(ctx, db.MemberRoleParams{AccountID: accountID, UserID: userID})
	if pg.NoRows(err) {
		return "", nil
	}
	return role, err
}

// SweepMembers removes what is remembered of people who were removed before the moment, at
// most limit of them.
func (s *Grants) SweepMembers(ctx context.Context, before time.Time, limit int) error {
	return s.in(ctx, pg.System("sweep members"), func(ctx context.Context, t *transaction) error {
		_, err := t.q.SweepMembers(ctx, db.SweepMembersParams{HeardBefore: before, Count: int32(limit)})
		return err
	})
}

// calls implements grant.Calls.
type calls struct{ *transaction }

// Once claims the call's idempotency key.
func (c calls) Once(ctx context.Context, accountID string, resource operation.Resource) (bool, error) {
	key := idempotency.FromContext(ctx)
	if key.Value == "" {
		return false, nil
	}
	now := c.Clock.Now()
	_, again, err := pgoperation.Once(ctx, c.tx, operation.Operation{
		ID: id.New("opn", now), AccountID: accountID, Resource: resource,
		Method: key.Method, Principal: key.Principal, IdempotencyKey: key.Value, RequestHash: key.RequestHash[:], CreatedAt: now,
	}, key)
	return again, err
}

// grantRows implements grant.Rows.
type grantRows struct{ *transaction }

// Member returns what was heard of a person, and locks it.
func (r grantRows) Member(ctx context.Context, accountID, userID string) (grant.Member, error) {
	err := r.q.NoteMember(ctx, db.NoteMemberParams{AccountID: accountID, UserID: userID, HeardAt: r.Clock.Now()})
	if err != nil {
		return grant.Member{}, err
	}
	row, err := r.q.LockMember(ctx, db.LockMemberParams{AccountID: accountID, UserID: userID})
	return grant.Member{AccountID: row.AccountID, UserID: row.UserID, Role: row.Role, Version: row.Version, Applied: row.Applied}, err
}

// SaveMember writes it.
func (r grantRows) SaveMember(ctx context.Context, m grant.Member, at time.Time) error {
	return r.q.SaveMember(ctx, db.SaveMemberParams{
		AccountID: m.AccountID, UserID: m.UserID, Role: m.Role, Version: m.Version, Applied: m.Applied, HeardAt: at,
	})
}

// Bucket returns the account's visible bucket of that name, and keeps it from changing.
func (r grantRows) Bucket(ctx context.Context, accountID, name string) (grant.Bucket, bool, error) {
	row, err := r.q.ShareBucketByName(ctx, db.ShareBucketByNameParams{AccountID: accountID, Name: name})
	return grantable(db.ShareBucketByIDRow(row), err)
}

// BucketByID is the same by id.
func (r grantRows) BucketByID(ctx context.Context, accountID, bucketID string) (grant.Bucket, bool, error) {
	return grantable(r.q.ShareBucketByID(ctx, db.ShareBucketByIDParams{AccountID: accountID, ID: bucketID}))
}

func grantable(row db.ShareBucketByIDRow, err error) (grant.Bucket, bool, error) {
	if pg.NoRows(err) {
		return grant.Bucket{}, false, nil
	}
	state := bucket.State(row.State)
	return grant.Bucket{ID: row.ID, Name: row.Name, Making: state == bucket.Creating, Deleting: state == bucket.Deleting}, err == nil, err
}

// Find returns the grant of a person on a bucket, and locks it.
func (r grantRows) Find(ctx context.Context, b grant.Bucket, userID string) (grant.Grant, bool, error) {
	row, err := r.q.FindBucketGrant(ctx, db.FindBucketGrantParams{BucketID: b.ID, UserID: userID})
	return grantOf(row, b.Name, err)
}

// Insert writes a new grant.
func (r grantRows) Insert(ctx context.Context, g grant.Grant) error {
	return r.q.InsertBucketGrant(ctx, db.InsertBucketGrantParams{
		ID: g.ID, AccountID: g.AccountID, BucketID: g.BucketID, UserID: g.UserID, Permission: string(g.Permission), Prefixes: prefixesOf(g.Reach),
		MembershipVersion: g.MembershipVersion, Version: g.Version, CreatedAt: g.CreatedAt, UpdatedAt: g.UpdatedAt,
	})
}

// Save writes reach, version and time of a grant.
func (r grantRows) Save(ctx context.Context, g grant.Grant) error {
	return r.q.SaveBucketGrant(ctx, db.SaveBucketGrantParams{
		ID: g.ID, Permission: string(g.Permission), Prefixes: prefixesOf(g.Reach), Version: g.Version, UpdatedAt: g.UpdatedAt,
	})
}

// EndOne removes a grant.
func (r grantRows) EndOne(ctx context.Context, grantID string) error {
	return r.q.EndBucketGrant(ctx, grantID)
}

// EndEarlier removes the grants of a person that belong to an earlier membership.
func (r grantRows) EndEarlier(ctx context.Context, accountID, userID string, before int64) ([]grant.Grant, error) {
	rows, err := r.q.EndEarlierGrants(ctx, db.EndEarlierGrantsParams{AccountID: accountID, UserID: userID, Before: before})
	ended := make([]grant.Grant, len(rows))
	for i, row := range rows {
		ended[i], _, _ = grantOf(row.BucketGrant, row.Bucket, nil)
	}
	return ended, err
}

// EndOfBucket removes all grants on a bucket.
func (r grantRows) EndOfBucket(ctx context.Context, bucketID string) ([]grant.Grant, error) {
	rows, err := r.q.EndGrantsOfBucket(ctx, bucketID)
	ended := make([]grant.Grant, len(rows))
	for i, row := range rows {
		ended[i], _, _ = grantOf(row.BucketGrant, row.Bucket, nil)
	}
	return ended, err
}

// prefixesOf returns the prefixes for a column that is never null.
func prefixesOf(reach grant.Reach) []string { return append([]string{}, reach.Prefixes...) }

func grantOf(row db.BucketGrant, name string, err error) (grant.Grant, bool, error) {
	if pg.NoRows(err) {
		return grant.Grant{}, false, nil
	}
	if err != nil {
		return grant.Grant{}, false, err
	}
	return grant.Grant{
		ID: row.ID, AccountID: row.AccountID, BucketID: row.BucketID, Bucket: name, UserID: row.UserID,
		Reach: grant.Reach{Permission: policy.Permission(row.Permission), Prefixes: row.Prefixes}, MembershipVersion: row.MembershipVersion, Version: row.Version,
		CreatedAt: row.CreatedAt.UTC(), UpdatedAt: row.UpdatedAt.UTC(),
	}, true, nil
}
