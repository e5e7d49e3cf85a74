// Package removal is the concept of an account's removal: what becomes of all that an account
// had in storage once identity has closed it for good.
//
// It owns: the exit manifest, the order of the steps, and the deletion record. How a bucket is
// purged, a key deleted and an identity removed belongs to the packages purge, accesskey and
// principal; the period in which a closing can be taken back is identity's.
//
// Guarantees: an account that is not closed loses nothing; nothing is removed before the exit
// manifest is written; each step may be repeated and is taken by one process at a time; it is
// done only when the record holds no bucket, key or identity of the account any more, and what
// was removed then stands in the deletion record, which stays. Neither holds a secret or an
// access key id.
package removal

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/purge"
)

// Kind is the kind of a removal as a managed resource, in events and in the audit trail.
const Kind = "account_removal"

// State says where a removal stands.
type State string

// The states, in their order.
const (
	// Counting counts what the account has, for the manifest.
	Counting State = "COUNTING"
	// Removing removes what the manifest lists.
	Removing State = "REMOVING"
	// Done has removed everything.
	Done State = "DONE"
)

// Removal is the removal of one account.
type Removal struct {
	// ID is `arm_…`.
	ID string
	// AccountID is the account.
	AccountID string
	// State is where it stands.
	State State
	// Manifest is what the account had; nil until it is written.
	Manifest *Manifest
	// Record is what was removed; nil until it is done.
	Record *Record
	// Keys and Identities are how many were removed so far.
	Keys, Identities int64
	// Reason and Message say what keeps it from going on; empty otherwise.
	Reason, Message string
	// Version grows with every change.
	Version int64
	// CreatedAt and UpdatedAt are by our clock; EndedAt is zero until it is done.
	CreatedAt, UpdatedAt, EndedAt time.Time
}

// Ref names the removal as a managed resource.
func (r Removal) Ref() reconcile.Ref {
	return reconcile.Ref{Kind: Kind, ID: r.ID, AccountID: r.AccountID}
}

// Manifest is what an account had when its removal began.
type Manifest struct {
	Buckets    []Bucket  `json:"buckets"`
	AccessKeys []Key     `json:"access_keys"`
	WrittenAt  time.Time `json:"written_at"`
}

// Bucket is a bucket in a manifest.
type Bucket struct {
	Bucket bucket.Bucket `json:"bucket"`
	// Objects are those that a plain listing showed; Entries count old versions and delete
	// markers too; Bytes is the size of all.
	Objects int64 `json:"objects"`
	Entries int64 `json:"entries"`
	Bytes   int64 `json:"bytes"`
}

// Key is an access key in a manifest, without its secret and its access key id.
type Key struct {
	ID                string         `json:"id"`
	DisplayName       string         `json:"display_name"`
	Backend           string         `json:"backend"`
	CustomerReference string         `json:"customer_reference,omitempty"`
	Grants            []policy.Grant `json:"grants"`
	// ExpireTime is when it would have ended; zero for never.
	ExpireTime time.Time `json:"expire_time,omitzero"`
	CreatedAt  time.Time `json:"created_at"`
}

// Record is what was removed of an account.
type Record struct {
	Buckets []DeletedBucket `json:"buckets"`
	// Entries and Bytes are of all buckets.
	Entries    int64     `json:"entries"`
	Bytes      int64     `json:"bytes"`
	AccessKeys int64     `json:"access_keys"`
	Identities int64     `json:"identities"`
	WrittenAt  time.Time `json:"written_at"`
}

// DeletedBucket is a bucket in a deletion record.
type DeletedBucket struct {
	BucketID  string    `json:"bucket_id"`
	Bucket    string    `json:"bucket"`
	Backend   string    `json:"backend"`
	Entries   int64     `json:"entries"`
	Bytes     int64     `json:"bytes"`
	Uploads   int64     `json:"uploads"`
	DeletedAt time.Time `json:"deleted_at"`
}

// ErrNotFound says that nothing of the account is being removed.
var ErrNotFound = errs.New(errs.NotFound, "ACCOUNT_REMOVAL_NOT_FOUND",
	"storage removes nothing of this account; it is not closed, or storage has not heard of it yet")

// OwnedKey is an access key of the account as it is now.
type OwnedKey struct {
	Key
	// Visible says that it is not on its way out.
	Visible bool
}

// Holdings are all that the record has of an account.
type Holdings struct {
	// Buckets are its buckets, by name, those on their way out too.
	Buckets []bucket.Bucket
	// Keys are its access keys, oldest first, those on their way out too.
	Keys []OwnedKey
	// Backends are where it has an identity.
	Backends []string
	// Purges are those that belong to its removal.
	Purges []purge.Purge
}

// Rows are the removals, in the transaction.
type Rows interface {
	// Insert writes a new removal; false when the account has one already.
	Insert(ctx context.Context, r Removal) (bool, error)
	// Find returns the account's removal, and locks it.
	Find(ctx context.Context, accountID string) (r Removal, ok bool, err error)
	// Save writes it.
	Save(ctx context.Context, r Removal) error
	// ForgetRest removes what is kept of the account besides: deleted buckets, quotas and requests
	// for more, uses of keys, members.
	ForgetRest(ctx context.Context, accountID string) error
	// Closed says whether identity has closed the account for good, as far as was heard.
	Closed(ctx context.Context, accountID string) (bool, error)
}

// Tx is a transaction of the account.
type Tx struct {
	purge.Tx
	Removals Rows
}

// Store keeps removals.
type Store interface {
	// InAccount runs fn in a transaction in which only that account's rows exist. fn may
	// run several times.
	InAccount(ctx context.Context, accountID string, fn func(ctx context.Context, tx Tx) error) error
	// Get returns the account's removal.
	Get(ctx context.Context, accountID string) (r Removal, ok bool, err error)
	// List returns at most limit removals of all accounts, newest first, after the one of
	// that id.
	List(ctx context.Context, before string, limit int) ([]Removal, error)
	// Holdings returns what the record has of an account.
	Holdings(ctx context.Context, accountID string) (Holdings, error)
	// Missed returns accounts that are closed and have no removal, at most limit of them.
	Missed(ctx context.Context, limit int) ([]string, error)
}

// Purges are the use cases of purges that a removal needs.
type Purges interface {
	// Hold begins a purge that counts and does not remove yet.
	Hold(ctx context.Context, b bucket.Bucket) error
	// Release lets held purges remove.
	Release(ctx context.Context, tx purge.Tx, held []purge.Purge) error
}

// Keys deletes access keys.
type Keys interface {
	// DeleteKey deletes an access key of the account.
	DeleteKey(ctx context.Context, accountID, id string) error
}

// Identities removes the account's identities.
type Identities interface {
	// Remove removes the one on a backend, and returns whether it is gone for good; until
	// then it is to be called again.
	Remove(ctx context.Context, accountID, backend string) (gone bool, err error)
}

// of returns the removal of an account.
func of(accountID string, now time.Time) Removal {
	return Removal{ID: id.New("arm", now), AccountID: accountID, State: Counting, Version: 1, CreatedAt: now, UpdatedAt: now}
}
