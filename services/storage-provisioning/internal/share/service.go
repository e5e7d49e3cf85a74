package share

import (
	"context"
	"net/netip"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/page"
	account "github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/standing"
)

// Buckets finds buckets of accounts.
type Buckets interface {
	// Get returns the account's visible bucket of that name.
	Get(ctx context.Context, accountID, name string) (b bucket.Bucket, ok bool, err error)
}

// Principals is what a link needs of its account's identity.
type Principals interface {
	// Identity returns the account's identity once it is on the backend as recorded.
	Identity(ctx context.Context, accountID, backend string) (principal.Principal, error)
}

// Standings says how accounts stand.
type Standings interface {
	// Of returns the standing of an account.
	Of(ctx context.Context, accountID string) (standing.Standing, error)
}

// Deps is what the use cases need. All must be set.
type Deps struct {
	Store      Store
	Buckets    Buckets
	Principals Principals
	Standings  Standings
	Backends   Backends
	// Gate decides what external people reach.
	Gate *grant.Gate
	// Quota decides whether an upload fits.
	Quota object.Quota
	Pages *page.Codec
	Clock clock.Clock
}

// Service is the use cases of shares.
type Service struct {
	Deps
	passwords *passwords
}

// NewService returns the use cases.
func NewService(d Deps) *Service { return &Service{Deps: d, passwords: newPasswords()} }

// now is the time to what the database keeps.
func (s *Service) now() time.Time { return s.Clock.Now().Truncate(time.Microsecond) }

// NewShare asks for a share.
type NewShare struct {
	AccountID, Bucket, DisplayName string
	Scope                          Scope
	// Path is the key of the object, or the prefix.
	Path string
	// Password is empty for none.
	Password string
	// ExpireTime is the zero time for never.
	ExpireTime time.Time
	// UseLimit is zero for any number.
	UseLimit int64
	// Networks are as ParseNetworks reads them.
	Networks []string
	// MaxUploadBytes is zero for MaxUpload.
	MaxUploadBytes int64
}

// Create makes a share and returns its token, once: a repetition with the same idempotency
// key returns the share with an empty one.
func (s *Service) Create(ctx context.Context, in NewShare) (made Share, token string, err error) {
	if err := s.Gate.Admit(ctx, in.AccountID, in.Bucket, actOf(in.Scope), in.Path); err != nil {
		return Share{}, "", err
	}
	networks, err := s.check(in)
	if err != nil {
		return Share{}, "", err
	}
	hashed, err := s.passwords.hash(ctx, in.Password)
	if err != nil {
		return Share{}, "", err
	}
	now := s.now()
	fresh := Share{
		ID: id.New("shr", now), AccountID: in.AccountID, Bucket: in.Bucket, DisplayName: in.DisplayName, Scope: in.Scope, Path: in.Path,
		PasswordHash: hashed, ExpireTime: in.ExpireTime.Truncate(time.Microsecond), UseLimit: in.UseLimit, Networks: networks,
		MaxUploadBytes: in.MaxUploadBytes, CreatorID: account.FromContext(ctx).ID, Version: 1, CreatedAt: now, UpdatedAt: now,
	}
	err = s.Store.InAccount(ctx, in.AccountID, func(ctx context.Context, tx Tx) error {
		var again bool
		made, token = fresh, newToken()
		made, again, err = s.insert(ctx, tx, made, token)
		if again {
			token = ""
		}
		return err
	})
	if err != nil {
		return Share{}, "", err
	}
	return made.seen(s.Clock.Now()), token, nil
}

// insert writes a new share, unless an earlier call with the key did.
func (s *Service) insert(ctx context.Context, tx Tx, made Share, token string) (_ Share, again bool, err error) {
	earlier, again, err := tx.Calls.Once(ctx, made.AccountID, resource(made.ID))
	if err != nil {
		return Share{}, false, err
	}
	if again {
		found, err := find(ctx, tx, Place{made.AccountID, earlier.ID})
		return found, true, err
	}
	b, ok, err := tx.Shares.Bucket(ctx, made.AccountID, made.Bucket)
	switch {
	case err != nil:
		return Share{}, false, err
	case !ok || b.Making:
		return Share{}, false, grant.ErrBucketNotFound
	case b.Deleting:
		return Share{}, false, grant.ErrBucketDeleting
	}
	made.BucketID = b.ID
	hash, _ := hashOf(token)
	if err := tx.Shares.Insert(ctx, made, hash); err != nil {
		return Share{}, false, err
	}
	return made, false, tell(ctx, tx.Record, "create", nil, &made)
}

func resource(shareID string) operation.Resource { return operation.Resource{Kind: Kind, ID: shareID} }

// actOf returns what the link lets others do, which its maker must be able to.
func actOf(scope Scope) grant.Act {
	if scope == Upload {
		return grant.Upload
	}
	return grant.Download
}

// check reports what about a new share can never be.
func (s *Service) check(in NewShare) ([]netip.Prefix, error) {
	if err := checkPath(in.Scope, in.Path); err != nil {
		return nil, err
	}
	if err := s.checkExpiry(in.ExpireTime); err != nil {
		return nil, err
	}
	if in.Scope != Upload && in.MaxUploadBytes != 0 {
		return nil, invalid("max_upload_bytes", "UPLOAD_ONLY", "leave it out: nothing is uploaded by this link")
	}
	if in.MaxUploadBytes > MaxUpload {
		return nil, invalid("max_upload_bytes", "RANGE", "5 GiB is the most that goes in one request")
	}
	return ParseNetworks(in.Networks)
}

func (s *Service) checkExpiry(at time.Time) error {
	if !at.IsZero() && !at.After(s.Clock.Now()) {
		return invalid("expire_time", "FUTURE", "give a time in the future, or none")
	}
	return nil
}

// Get returns a share of the account.
func (s *Service) Get(ctx context.Context, accountID, shareID string) (Share, error) {
	found, ok, err := s.Store.Get(ctx, accountID, shareID)
	switch {
	case err != nil:
		return Share{}, err
	case !ok:
		return Share{}, ErrNotFound
	}
	if err := s.Gate.Admit(ctx, accountID, found.Bucket, grant.See, found.Path); err != nil {
		return Share{}, ErrNotFound
	}
	return found.seen(s.Clock.Now()), nil
}

// The lists that page tokens are bound to.
const (
	listMethod     = "/primecloud.storage.v1.ShareService/ListShares"
	accessesMethod = "/primecloud.storage.v1.ShareService/ListShareAccesses"
)

// List returns a page of the account's shares, oldest first, and the token of the next page.
// Of the query it takes the filter. External people see none: what they may see ends with
// their grants, and a link does not.
func (s *Service) List(ctx context.Context, q Query, size int32, token string) ([]Share, string, error) {
	if !s.Gate.Scope(ctx).All {
		return nil, "", nil
	}
	r := page.Request{Size: size, Token: token, Binding: page.Binding{Method: listMethod, Account: q.AccountID, Query: []string{q.Bucket}}}
	list, next, err := page.List(s.Pages, r, func(after page.Position, limit int) ([]Share, error) {
		q.After, q.Limit = after.At(0), limit
		return s.Store.List(ctx, q)
	}, func(x Share) page.Position { return page.Position{x.ID} })
	for i, one := range list {
		list[i] = one.seen(s.Clock.Now())
	}
	return list, next, err
}

// Accesses returns a page of a share's access log, newest first, and the token of the next.
func (s *Service) Accesses(ctx context.Context, q LogQuery, size int32, token string) ([]Access, string, error) {
	if _, err := s.Get(ctx, q.AccountID, q.ShareID); err != nil {
		return nil, "", err
	}
	r := page.Request{Size: size, Token: token, Binding: page.Binding{Method: accessesMethod, Account: q.AccountID, Query: []string{q.ShareID}}}
	return page.List(s.Pages, r, func(after page.Position, limit int) ([]Access, error) {
		q.Before, q.Limit = after.At(0), limit
		return s.Store.ListAccesses(ctx, q)
	}, func(a Access) page.Position { return page.Position{a.ID} })
}
