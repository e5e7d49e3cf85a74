package postgres

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/favourite"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres/db"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/share"
)

// Favourites implements favourite.Store.
type Favourites struct{ *base }

var _ favourite.Store = (*Favourites)(nil)

// InAccount runs fn in the scope of the account.
func (s *Favourites) InAccount(ctx context.Context, accountID string, fn func(context.Context, favourite.Tx) error) error {
	return s.inAccount(ctx, accountID, func(ctx context.Context, t *transaction) error {
		return fn(ctx, favourite.Tx{Favourites: favouriteRows{t}, Record: record{t}})
	})
}

// In is the transaction of somebody else, such as a consumer of events.
func (s *Favourites) In(tx *pg.Tx) favourite.Tx {
	t := &transaction{base: s.base, tx: tx, q: db.New(tx)}
	return favourite.Tx{Favourites: favouriteRows{t}, Record: record{t}}
}

// List returns one page.
func (s *Favourites) List(ctx context.Context, q favourite.Query) ([]favourite.Favourite, error) {
	rows, err := s.readIn(q.AccountID).ListFavourites(ctx, db.ListFavouritesParams{
		AccountID: q.AccountID, UserID: q.UserID, After: q.After, Everywhere: q.For.All, GrantedTo: q.For.UserID, Count: int32(q.Limit),
	})
	list := make([]favourite.Favourite, len(rows))
	for i, row := range rows {
		list[i] = favouriteOf(row.ObjectFavourite, row.Bucket)
	}
	return list, err
}

// favouriteRows implements favourite.Rows.
type favouriteRows struct{ *transaction }

// Bucket returns the account's visible bucket of that name, and keeps it from changing.
func (r favouriteRows) Bucket(ctx context.Context, accountID, name string) (grant.Bucket, bool, error) {
	return grantRows(r).Bucket(ctx, accountID, name)
}

// Add writes one, unless the person has it.
func (r favouriteRows) Add(ctx context.Context, f favourite.Favourite) (favourite.Favourite, bool, error) {
	added, err := r.q.AddFavourite(ctx, db.AddFavouriteParams{
		ID: f.ID, AccountID: f.AccountID, UserID: f.UserID, BucketID: f.BucketID, Path: f.Path, CreatedAt: f.CreatedAt,
	})
	if err != nil || added > 0 {
		return f, err == nil, err
	}
	row, err := r.q.FindFavourite(ctx, db.FindFavouriteParams{
		AccountID: f.AccountID, UserID: f.UserID, BucketID: f.BucketID, Path: f.Path,
	})
	return favouriteOf(row, f.Bucket), false, err
}

// Count counts those of a person.
func (r favouriteRows) Count(ctx context.Context, accountID, userID string) (int64, error) {
	return r.q.CountFavourites(ctx, db.CountFavouritesParams{AccountID: accountID, UserID: userID})
}

// Remove removes one.
func (r favouriteRows) Remove(ctx context.Context, userID string, at favourite.Place) (favourite.Favourite, bool, error) {
	row, err := r.q.RemoveFavourite(ctx, db.RemoveFavouriteParams{
		AccountID: at.AccountID, UserID: userID, Bucket: at.Bucket, Path: at.Path,
	})
	if pg.NoRows(err) {
		return favourite.Favourite{}, false, nil
	}
	return favouriteOf(row, at.Bucket), err == nil, err
}

// EndOfPerson removes what a person noted up to a moment.
func (r favouriteRows) EndOfPerson(ctx context.Context, accountID, userID string, until time.Time) error {
	return r.q.EndFavouritesOfPerson(ctx, db.EndFavouritesOfPersonParams{AccountID: accountID, UserID: userID, Before: until})
}

func favouriteOf(row db.ObjectFavourite, bucketName string) favourite.Favourite {
	return favourite.Favourite{
		ID: row.ID, AccountID: row.AccountID, UserID: row.UserID, BucketID: row.BucketID, Bucket: bucketName,
		Path: row.Path, CreatedAt: row.CreatedAt.UTC(),
	}
}

// dependents implements bucket.Dependents.
type dependents struct{ *transaction }

var _ bucket.Dependents = dependents{}

// EndOfBucket ends the bucket's shares, and what people noted there.
func (d dependents) EndOfBucket(ctx context.Context, bucketID string) error {
	if err := share.EndWithBucket(ctx, shareRows(d), record(d), bucketID, d.Clock.Now().Truncate(time.Microsecond)); err != nil {
		return err
	}
	return d.q.EndFavouritesOfBucket(ctx, bucketID)
}
