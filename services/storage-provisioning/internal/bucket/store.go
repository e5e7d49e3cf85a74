package bucket

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/drift"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/quota"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/standing"
)

// Rows are the buckets of the account, in the transaction.
type Rows interface {
	// Reserve inserts the bucket; false when its name is taken, on its backend by whomever
	// or in its account on whichever backend.
	Reserve(ctx context.Context, b Bucket) (bool, error)
	// ByName returns the account's bucket of that name, whether visible or not, and locks it.
	ByName(ctx context.Context, accountID, name string) (b Bucket, ok bool, err error)
	// ByID returns a bucket and locks it.
	ByID(ctx context.Context, id string) (b Bucket, ok bool, err error)
	// Save writes the bucket, which is locked, with one version more than it has, and
	// returns that.
	Save(ctx context.Context, b Bucket) (version int64, err error)
	// Note writes what only reconciliation keeps (Marked, SeenAbsent…, Unsure, SightedAt)
	// and leaves the version.
	Note(ctx context.Context, b Bucket) error
	// Remove removes the bucket: its name is free from then on.
	Remove(ctx context.Context, id string) error
}

// Access is the account's identity on a backend, in the transaction: whoever changes
// which buckets it reaches says so here.
type Access interface {
	// Touch makes the identity known, on first use with secrets of its own, raises its
	// generation, which it returns, and sets when it is due.
	Touch(ctx context.Context, accountID, backend string, due time.Time) (int64, error)
}

// Dependents are what others keep of a bucket and must not outlive it, in the transaction.
type Dependents interface {
	// EndOfBucket ends all of it, and tells of it.
	EndOfBucket(ctx context.Context, bucketID string) error
}

// Tx is a transaction of the account.
type Tx struct {
	change.Tx
	Buckets Rows
	Access  Access
	Drifts  drift.Rows
	Grants  grant.Ends
	Quotas  quota.Rows
	// Dependents are what else ends with a bucket.
	Dependents Dependents
	Deleted    DeletedRows
	Standings  standing.Ends
}

// Quota is the account's limits.
type Quota interface {
	// Admit lets one more of a kind be made, in the transaction that makes it, or is
	// QUOTA_EXCEEDED.
	Admit(ctx context.Context, rows quota.Rows, accountID string, k quota.Kind) error
}

// Query asks for a page of an account's buckets, by name.
type Query struct {
	AccountID string
	// For says which of them the caller may see.
	For grant.Scope
	// Backend and CustomerReference narrow the list unless empty.
	Backend, CustomerReference string
	// Labels narrows it to buckets that have all of them.
	Labels map[string]string
	// After is the last name of the page before; empty for the first page.
	After string
	// Limit is how many at most.
	Limit int
}

// Store keeps buckets.
type Store interface {
	// InAccount runs fn in a transaction in which only that account's rows exist. fn may
	// run several times.
	InAccount(ctx context.Context, accountID string, fn func(ctx context.Context, tx Tx) error) error
	// Get returns the account's visible bucket of that name.
	Get(ctx context.Context, accountID, name string) (b Bucket, ok bool, err error)
	// Load returns a bucket, visible or not, with its open operation, if it has one.
	Load(ctx context.Context, ref reconcile.Ref) (b Bucket, open *operation.Operation, ok bool, err error)
	// List returns visible buckets of one page, by name.
	List(ctx context.Context, query Query) ([]Bucket, error)
	// Operation returns an operation of the account.
	Operation(ctx context.Context, accountID, id string) (operation.Operation, error)
}

// Inventory is what the pass over a whole backend needs, across accounts.
type Inventory interface {
	// Names returns every name that is reserved on the backend.
	Names(ctx context.Context, backend string) (map[string]bool, error)
	// Records returns a page of the backend's buckets, visible or not, by name, after a name.
	Records(ctx context.Context, backend, after string, limit int) ([]Record, error)
	// Wake makes buckets due now, WakeBackend all of a backend that nobody looked at since.
	Wake(ctx context.Context, ids []string) error
	WakeBackend(ctx context.Context, backend string, since time.Time) error
	// InPlatform runs fn in a transaction across accounts. fn may run several times.
	InPlatform(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
}

// Principals is what a bucket needs of its account's identity.
type Principals interface {
	// Ensure returns once the identity is on the backend with all that the generation
	// asked for; zero stands for the present one.
	Ensure(ctx context.Context, accountID, backend string, generation int64) error
}
