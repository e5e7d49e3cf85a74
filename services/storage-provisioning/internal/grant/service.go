package grant

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/page"
	"github.com/primecloud/primecloud/pkg/principal"
)

// Deps is what the use cases need. All must be set.
type Deps struct {
	Store Store
	Pages *page.Codec
	Clock clock.Clock
	// Declared says what the contract alone decides of a caller's call for an act, as the
	// interceptor would.
	Declared func(act Act, p principal.Principal, accountID string) error
}

// Service is the use cases of grants.
type Service struct{ Deps }

// NewService returns the use cases.
func NewService(d Deps) *Service { return &Service{Deps: d} }

// now is the time to what the database keeps.
func (s *Service) now() time.Time { return s.Clock.Now().Truncate(time.Microsecond) }

// Place names a grant by its bucket and its person.
type Place struct {
	AccountID string
	// Bucket is the bucket's name, UserID the person.
	Bucket, UserID string
}

func (p Place) resource() operation.Resource {
	return operation.Resource{Kind: Kind, ID: p.Bucket + "/" + p.UserID}
}

// Set gives an external member a bucket, or changes what they may do there. Nothing happens
// when they have it already. A repetition with the same idempotency key gives the grant as
// it is by now.
func (s *Service) Set(ctx context.Context, at Place, reach Reach, etag string) (Grant, error) {
	reach, err := ReachOf(reach.Permission, reach.Prefixes)
	if err != nil {
		return Grant{}, err
	}
	var result Grant
	err = s.Store.InAccount(ctx, at.AccountID, func(ctx context.Context, tx Tx) error {
		again, err := tx.Calls.Once(ctx, at.AccountID, at.resource())
		if err != nil {
			return err
		}
		if again {
			result, err = find(ctx, tx, at)
		} else {
			result, err = s.set(ctx, tx, at, reach, etag)
		}
		return err
	})
	return result, err
}

func (s *Service) set(ctx context.Context, tx Tx, at Place, reach Reach, etag string) (Grant, error) {
	m, err := tx.Grants.Member(ctx, at.AccountID, at.UserID)
	if err != nil {
		return Grant{}, err
	}
	b, ok, err := tx.Grants.Bucket(ctx, at.AccountID, at.Bucket)
	switch {
	case err != nil:
		return Grant{}, err
	case !ok || b.Making:
		return Grant{}, ErrBucketNotFound
	case b.Deleting:
		return Grant{}, ErrBucketDeleting
	case m.Role != External:
		return Grant{}, ErrMemberNotFound
	}
	before, found, err := tx.Grants.Find(ctx, b, at.UserID)
	switch {
	case err != nil:
		return Grant{}, err
	case etag != "" && (!found || etag != before.ETag()):
		return Grant{}, ErrETagMismatch
	case !found:
		return s.insert(ctx, tx, m, b, reach)
	case before.equal(reach):
		return before, nil
	}
	after := before
	after.Reach, after.Version, after.UpdatedAt = reach, before.Version+1, s.now()
	if err := tx.Grants.Save(ctx, after); err != nil {
		return Grant{}, err
	}
	return after, tell(ctx, tx.Record, &before, &after)
}

// insert makes a grant of the member as they now are.
func (s *Service) insert(ctx context.Context, tx Tx, m Member, b Bucket, reach Reach) (Grant, error) {
	now := s.now()
	g := Grant{
		ID: id.New("bgr", now), AccountID: m.AccountID, BucketID: b.ID, Bucket: b.Name, UserID: m.UserID, Reach: reach,
		MembershipVersion: m.Version, Version: 1, CreatedAt: now, UpdatedAt: now,
	}
	if err := tx.Grants.Insert(ctx, g); err != nil {
		return Grant{}, err
	}
	return g, tell(ctx, tx.Record, nil, &g)
}

// Delete takes a bucket away from a person. A repetition with the same idempotency key
// succeeds again.
func (s *Service) Delete(ctx context.Context, at Place, etag string) error {
	return s.Store.InAccount(ctx, at.AccountID, func(ctx context.Context, tx Tx) error {
		again, err := tx.Calls.Once(ctx, at.AccountID, at.resource())
		if err != nil || again {
			return err
		}
		g, err := find(ctx, tx, at)
		switch {
		case err != nil:
			return err
		case etag != "" && etag != g.ETag():
			return ErrETagMismatch
		}
		if err := tx.Grants.EndOne(ctx, g.ID); err != nil {
			return err
		}
		return tell(ctx, tx.Record, &g, nil)
	})
}

// find returns the grant at a place.
func find(ctx context.Context, tx Tx, at Place) (Grant, error) {
	b, ok, err := tx.Grants.Bucket(ctx, at.AccountID, at.Bucket)
	switch {
	case err != nil:
		return Grant{}, err
	case !ok:
		return Grant{}, ErrBucketNotFound
	}
	g, ok, err := tx.Grants.Find(ctx, b, at.UserID)
	if err == nil && !ok {
		err = ErrNotFound
	}
	return g, err
}

// ListMethod is the list that page tokens are bound to.
const ListMethod = "/primecloud.storage.v1.BucketGrantService/ListBucketGrants"

// List returns a page of the account's grants, oldest first, and the token of the next page.
// Of the query it takes the filter.
func (s *Service) List(ctx context.Context, q Query, size int32, token string) ([]Grant, string, error) {
	r := page.Request{Size: size, Token: token, Binding: page.Binding{Method: ListMethod, Account: q.AccountID, Query: []string{q.Bucket, q.UserID}}}
	return page.List(s.Pages, r, func(after page.Position, limit int) ([]Grant, error) {
		q.After, q.Limit = after.At(0), limit
		return s.Store.List(ctx, q)
	}, func(g Grant) page.Position { return page.Position{g.ID} })
}
