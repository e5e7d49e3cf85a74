package purge

import (
	"context"

	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

// Rows are the purges of the account, in the transaction. Whoever locks several locks the
// purge first, then its bucket.
type Rows interface {
	// Insert writes a new purge.
	Insert(ctx context.Context, p Purge) error
	// ByID returns a purge and locks it.
	ByID(ctx context.Context, id string) (p Purge, ok bool, err error)
	// OfBucket returns the purge of a bucket that is not over, and locks it.
	OfBucket(ctx context.Context, bucketID string) (p Purge, ok bool, err error)
	// Save writes a purge, which is locked.
	Save(ctx context.Context, p Purge) error
}

// Calls recognise a repeated call.
type Calls interface {
	// Once claims the call's idempotency key, if it has one, and records the call as done.
	// When an earlier call with the key has succeeded, again is true.
	Once(ctx context.Context, accountID string, resource operation.Resource) (again bool, err error)
}

// Tx is a transaction of the account.
type Tx struct {
	bucket.Tx
	Purges Rows
	Calls  Calls
}

// Query asks for a page of an account's purges, newest first.
type Query struct {
	AccountID string
	// Bucket (its name) narrows the list unless empty.
	Bucket string
	// Before is the last id of the page before; empty for the first page.
	Before string
	// Limit is how many at most.
	Limit int
}

// Store keeps purges.
type Store interface {
	// InAccount runs fn in a transaction in which only that account's rows exist. fn may
	// run several times.
	InAccount(ctx context.Context, accountID string, fn func(ctx context.Context, tx Tx) error) error
	// Get returns a purge of the account.
	Get(ctx context.Context, accountID, id string) (p Purge, ok bool, err error)
	// List returns one page.
	List(ctx context.Context, query Query) ([]Purge, error)
	// Bucket returns a bucket of the account, visible or not.
	Bucket(ctx context.Context, accountID, id string) (b bucket.Bucket, ok bool, err error)
}

// Count is what one look at a part of a bucket found.
type Count struct {
	Content
	// To is the last key that was counted; all its versions were.
	To string
	// More says whether there are keys after it.
	More bool
}

// Batch is what one removal came to.
type Batch struct {
	// Removed is what was removed.
	Removed Content
	// Locked is how many entries the backend must keep, for retention or legal hold.
	Locked int64
	// To is the last key that was looked at; all its versions were.
	To string
	// More says whether there is, or may be, more after it.
	More bool
}

// Contents is the part of a backend that holds what is in buckets. Both methods may be
// repeated. Errors are classified as those of bucket.BackendReader.
type Contents interface {
	// CountEntries counts objects, old versions and delete markers after a key: limit of
	// them, and the rest of the last one's versions.
	CountEntries(ctx context.Context, bucket, after string, limit int) (Count, error)
	// RemoveEntries removes objects, old versions and delete markers after a key: limit of
	// them, and the rest of the last one's versions; and, when there are no more, incomplete
	// uploads, as far as the backend knows them. Retention is never bypassed.
	RemoveEntries(ctx context.Context, bucket, after string, limit int) (Batch, error)
}

// Backends finds a backend by its name.
type Backends interface {
	// Backend returns the backend as buckets see it.
	Backend(name string) (bucket.Backend, error)
	// Purges returns what is in its buckets.
	Purges(name string) (Contents, error)
}

// Buckets are the use cases of buckets that a purge needs.
type Buckets interface {
	// StartPurge takes a bucket out of reach.
	StartPurge(ctx context.Context, tx bucket.Tx, accountID, name, etag string) (bucket.Bucket, error)
	// ResumePurge takes it out of reach again, if it has come back.
	ResumePurge(ctx context.Context, tx bucket.Tx, id string) error
	// EndPurge brings it back.
	EndPurge(ctx context.Context, tx bucket.Tx, id string) error
	// DeletePurged removes it once it is empty.
	DeletePurged(ctx context.Context, accountID, id string) error
}
