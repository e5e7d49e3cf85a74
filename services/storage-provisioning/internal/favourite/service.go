package favourite

import (
	"context"
	"strings"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/page"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
)

// Deps is what the use cases need. All must be set.
type Deps struct {
	Store Store
	// Gate decides what external people reach.
	Gate  *grant.Gate
	Pages *page.Codec
	Clock clock.Clock
}

// Service is the use cases of favourites.
type Service struct{ Deps }

// NewService returns the use cases.
func NewService(d Deps) *Service { return &Service{Deps: d} }

// Add notes something for the caller. What they have noted already stays as it is.
func (s *Service) Add(ctx context.Context, at Place) (Favourite, error) {
	if err := s.Gate.Admit(ctx, at.AccountID, at.Bucket, grant.See, at.Path); err != nil {
		return Favourite{}, err
	}
	if err := checkPath(at.Path); err != nil {
		return Favourite{}, err
	}
	now := s.Clock.Now().Truncate(time.Microsecond)
	fresh := Favourite{ID: id.New("fav", now), AccountID: at.AccountID, UserID: principal.FromContext(ctx).ID, Path: at.Path, CreatedAt: now}
	var result Favourite
	err := s.Store.InAccount(ctx, at.AccountID, func(ctx context.Context, tx Tx) error {
		b, ok, err := tx.Favourites.Bucket(ctx, at.AccountID, at.Bucket)
		switch {
		case err != nil:
			return err
		case !ok || b.Making:
			return grant.ErrBucketNotFound
		case b.Deleting:
			return grant.ErrBucketDeleting
		}
		wanted := fresh
		wanted.BucketID, wanted.Bucket = b.ID, b.Name
		result, err = add(ctx, tx, wanted)
		return err
	})
	if err != nil {
		return Favourite{}, err
	}
	return result, nil
}

// checkPath holds a path against the rules of object keys; of a prefix, what stands below it
// must be able to have a key.
func checkPath(path string) error {
	switch {
	case path == "":
		return nil
	case strings.HasSuffix(path, "/"):
		return object.CheckKey(path + "x")
	default:
		return object.CheckKey(path)
	}
}

// add writes a favourite, unless there is one.
func add(ctx context.Context, tx Tx, wanted Favourite) (Favourite, error) {
	found, added, err := tx.Favourites.Add(ctx, wanted)
	if err != nil || !added {
		return found, err
	}
	// Two calls at once may go one beyond it each, which hurts nobody.
	count, err := tx.Favourites.Count(ctx, found.AccountID, found.UserID)
	if err == nil && count > Most {
		err = errLimit
	}
	if err != nil {
		return Favourite{}, err
	}
	return found, tx.Record.Audit(ctx, entry("create", found))
}

// Remove forgets something of the caller's. They may have lost the bucket meanwhile.
func (s *Service) Remove(ctx context.Context, at Place) error {
	return s.Store.InAccount(ctx, at.AccountID, func(ctx context.Context, tx Tx) error {
		f, ok, err := tx.Favourites.Remove(ctx, principal.FromContext(ctx).ID, at)
		if err != nil || !ok {
			return err
		}
		return tx.Record.Audit(ctx, entry("delete", f))
	})
}

const listMethod = "/primecloud.storage.v1.FavouriteService/ListFavourites"

// List returns a page of the caller's favourites, oldest first, and the token of the next.
func (s *Service) List(ctx context.Context, accountID string, size int32, token string) ([]Favourite, string, error) {
	q := Query{AccountID: accountID, UserID: principal.FromContext(ctx).ID, For: s.Gate.Scope(ctx)}
	r := page.Request{Size: size, Token: token, Binding: page.Binding{Method: listMethod, Account: accountID, Query: []string{q.UserID}}}
	return page.List(s.Pages, r, func(after page.Position, limit int) ([]Favourite, error) {
		q.After, q.Limit = after.At(0), limit
		return s.Store.List(ctx, q)
	}, func(f Favourite) page.Position { return page.Position{f.ID} })
}

// MemberLeft forgets what somebody noted who is no member any more since that moment. What
// they noted after they came back stays, however late the event is.
func (s *Service) MemberLeft(ctx context.Context, tx Tx, accountID, userID string, at time.Time) error {
	return tx.Favourites.EndOfPerson(ctx, accountID, userID, at)
}
