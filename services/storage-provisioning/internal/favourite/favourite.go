// Package favourite is the concept of what a person noted to find again: an object, a prefix
// or a bucket, theirs alone, in one account.
//
// Guarantees: adding and removing may be repeated; an external person's favourites are shown
// as far as their grants go; favourites end with the membership and with the bucket. Whether
// an object exists is nobody's business here.
package favourite

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
)

// Kind is the kind of a favourite in the audit trail.
const Kind = "favourite"

// Most is how many a person may have in an account.
const Most = 1000

// Favourite is what a person noted.
type Favourite struct {
	// ID is `fav_…`.
	ID string
	// AccountID and UserID say whose.
	AccountID, UserID string
	// BucketID and Bucket are id and name of the bucket.
	BucketID, Bucket string
	// Path is a key, a prefix that ends in a slash, or empty for the bucket itself.
	Path string
	// CreatedAt is by our clock.
	CreatedAt time.Time
}

var errLimit = errs.New(errs.ResourceExhausted, "FAVOURITE_LIMIT_REACHED",
	"you have as many favourites here as there may be, 1000; remove some")

// Place names a favourite of the caller.
type Place struct {
	AccountID string
	// Bucket is the bucket's name.
	Bucket, Path string
}

// Rows are favourites, in the transaction.
type Rows interface {
	// Bucket returns the account's visible bucket of that name, and keeps it from changing.
	Bucket(ctx context.Context, accountID, name string) (b grant.Bucket, ok bool, err error)
	// Add writes one; added is false when the person has it already, and then it is that one.
	Add(ctx context.Context, f Favourite) (_ Favourite, added bool, err error)
	// Count counts those of a person.
	Count(ctx context.Context, accountID, userID string) (int64, error)
	// Remove removes one; ok is false when there was none.
	Remove(ctx context.Context, userID string, at Place) (f Favourite, ok bool, err error)
	// EndOfPerson removes what a person noted up to a moment.
	EndOfPerson(ctx context.Context, accountID, userID string, until time.Time) error
}

// Tx is a transaction of the account.
type Tx struct {
	Favourites Rows
	Record     change.Record
}

// Query asks for a page of a person's favourites, oldest first.
type Query struct {
	AccountID, UserID string
	// For says which buckets they may see.
	For grant.Scope
	// After is the id of the last one shown; empty for the first page.
	After string
	// Limit is how many at most.
	Limit int
}

// Store keeps favourites.
type Store interface {
	// InAccount runs fn in a transaction in which only that account's rows exist. fn may
	// run several times.
	InAccount(ctx context.Context, accountID string, fn func(ctx context.Context, tx Tx) error) error
	// List returns one page.
	List(ctx context.Context, query Query) ([]Favourite, error)
}

// entry is what the trail says of a favourite that was made or is gone.
func entry(verb string, f Favourite) audit.Entry {
	shown := map[string]any{"bucket": f.Bucket, "bucket_id": f.BucketID, "path": f.Path}
	e := audit.Entry{
		Action: Kind + "." + verb, Severity: audit.Info, Outcome: audit.Succeeded, AccountID: f.AccountID,
		Target: audit.Target{Kind: Kind, ID: f.ID, Name: f.Bucket}, After: shown,
	}
	if verb == "delete" {
		e.Before, e.After = shown, nil
	}
	return e
}
