package quota

import (
	"context"
	"errors"
	"time"

	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/standing"
)

// Rows are the quotas of accounts, in the transaction. Whoever locks several things locks an
// account's quota first.
type Rows interface {
	// Find returns the account's quota, with no limits unless it has its own.
	Find(ctx context.Context, accountID string) (Quota, error)
	// Lock is Find that makes the row, if there is none, and locks it.
	Lock(ctx context.Context, accountID string) (Quota, error)
	// Save writes it.
	Save(ctx context.Context, q Quota) error
	// Usage returns how much the account uses.
	Usage(ctx context.Context, accountID string) (Usage, error)
	// Count returns how many buckets or access keys there are.
	Count(ctx context.Context, accountID string, k Kind) (int64, error)
}

// Reservations are what uploads may still bring, in the transaction.
type Reservations interface {
	// Reserved returns how much is reserved for the object.
	Reserved(ctx context.Context, bucketID, key string) (int64, error)
	// Reserve reserves for an object: the most and the longest of what is there and this.
	Reserve(ctx context.Context, r Reservation) error
	// EndReservation removes the reservation, unless it was made anew since.
	EndReservation(ctx context.Context, r Reservation) error
	// SweepReservations removes those of the account whose uploads are in a listing that
	// began after their end, and those that ended before late.
	SweepReservations(ctx context.Context, accountID string, late time.Time) error
}

// Requests are the requests for higher limits, in the transaction.
type Requests interface {
	// InsertRequest writes a new one; false when the account has an open one.
	InsertRequest(ctx context.Context, r Request) (bool, error)
	// LockRequest returns the account's request of that id, and locks it.
	LockRequest(ctx context.Context, accountID, id string) (r Request, ok bool, err error)
	// SaveRequest writes how it was decided.
	SaveRequest(ctx context.Context, r Request) error
}

// Calls recognise a repeated call.
type Calls interface {
	// Once claims the call's idempotency key, if it has one, and records the call as done.
	// When an earlier call with the key has succeeded, again is true.
	Once(ctx context.Context, accountID string, resource operation.Resource) (again bool, err error)
}

// Tx is a transaction of the account.
type Tx struct {
	Quotas       Rows
	Reservations Reservations
	Requests     Requests
	Standings    standing.Tx
	Calls        Calls
	Record       change.Record
}

// Query asks for a page of quotas, by account.
type Query struct {
	// Stopped narrows it to accounts whose writes are stopped.
	Stopped bool
	// After is the last account of the page before; empty for the first page.
	After string
	// Limit is how many at most.
	Limit int
}

// Held is a quota with what is used of it.
type Held struct {
	Quota Quota
	Usage Usage
}

// RequestQuery asks for a page of requests, newest first.
type RequestQuery struct {
	// AccountID narrows it to one account, State to one state; empty for all.
	AccountID string
	State     State
	// Before is the last id of the page before; empty for the first page.
	Before string
	// Limit is how many at most.
	Limit int
}

// Store keeps quotas and requests.
type Store interface {
	// InAccount runs fn in a transaction in which only that account's rows exist. fn may
	// run several times.
	InAccount(ctx context.Context, accountID string, fn func(ctx context.Context, tx Tx) error) error
	// Get returns the account's quota and what is used of it.
	Get(ctx context.Context, accountID string) (Held, error)
	// List returns a page of the quotas of accounts with limits of their own or with writes
	// stopped.
	List(ctx context.Context, q Query) ([]Held, error)
	// Request returns the account's request of that id.
	Request(ctx context.Context, accountID, id string) (r Request, ok bool, err error)
	// ListRequests returns one page.
	ListRequests(ctx context.Context, q RequestQuery) ([]Request, error)
}

// Holding is what an account has, for a pass over all of them.
type Holding struct {
	Quota Quota
	// Buckets, AccessKeys and Reserved are as in Usage.
	Buckets, AccessKeys, Reserved int64
	// Ended says that there are reservations of uploads that can no longer begin.
	Ended bool
}

// Measured is a figure to keep.
type Measured struct {
	// Before is what it was made of: when that has changed meanwhile, nothing is kept.
	Before, Figure Figure
	// Seen are objects that the listing found written since they were reserved for.
	Seen []string
	// Began is when it looked which are reserved for.
	Began time.Time
}

// Measures keeps figures, across accounts.
type Measures interface {
	// Figures returns those of all buckets, by account.
	Figures(ctx context.Context) ([]Figure, error)
	// Holdings returns what every account has, by account.
	Holdings(ctx context.Context) (map[string]Holding, error)
	// Keep writes a figure.
	Keep(ctx context.Context, m Measured) error
	// Expected returns the objects of the bucket that are reserved for, and since when.
	Expected(ctx context.Context, f Figure) (map[string]time.Time, error)
}

// Stretch is a part of a listing.
type Stretch struct {
	// Size is what is in it.
	Size Size
	// Next is the key to go on after; empty at the end.
	Next string
	// Seen are those of the expected objects that were written no earlier than expected.
	Seen []string
}

// ErrNoBucket says that the backend does not have the bucket. The reconciler of buckets sees to
// that; nothing is learnt of its content.
var ErrNoBucket = errors.New("quota: the backend does not have this bucket")

// Meter measures what is on one backend. Errors are classified as those of
// bucket.BackendReader.
type Meter interface {
	// ReportUsage returns what the backend says of its buckets, by name. It is late, and a
	// bucket that is missing in it may be full.
	ReportUsage(ctx context.Context) (map[string]Size, error)
	// TallyBucket counts a stretch of the bucket, all versions included, after a key; "" for
	// the first one. It is ErrNoBucket when there is none.
	TallyBucket(ctx context.Context, bucket, after string, expected map[string]time.Time) (Stretch, error)
}

// Meters finds the meter of a backend.
type Meters interface {
	// MeterNames are the names of all backends.
	MeterNames() []string
	// Meter returns that of the backend.
	Meter(name string) (Meter, error)
}

// Standing takes the right to write from an account, or gives it back.
type Standing interface {
	// StopWrites does so in the transaction, and has the backends follow.
	StopWrites(ctx context.Context, tx standing.Tx, accountID string, stop bool) (changed bool, err error)
}

// Access is the accounts' identities on the backends.
type Access interface {
	// Ensure returns once the account's identity is on the backend as the record wants it;
	// the generation is zero for now.
	Ensure(ctx context.Context, accountID, backend string, generation int64) error
}
