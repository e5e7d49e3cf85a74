// Package purge is the concept of a purge: the removal of a bucket with all that is in it,
// in the background, with progress, and undone or stopped by its owner.
//
// It owns: the confirmation, the time of grace, the states of a purge, the order of its
// steps, and its progress. What a bucket is and how it is removed once it is empty belongs
// to package bucket.
//
// Guarantees: nothing is removed before the time of grace is over and the account's identity
// was seen without the bucket; every batch is preceded by a look whether the bucket carries
// our mark, and only one process has a batch under way; that a list is empty never counts as
// done, the backend's removal of the bucket does, which it refuses while there is content;
// what is under retention or legal hold stays, and the purge waits for it. Each step is
// recorded, and may be repeated after a crash: what is counted as removed is then at least
// as much less than what is gone as one batch has.
//
// A cancelled purge brings the bucket back, with its settings and grants, and with what is
// left of its content. What was removed is gone.
package purge

import (
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

// Kind is the kind of a purge as a managed resource, in events and in the audit trail.
const Kind = "bucket_purge"

// State says where a purge stands.
type State string

// The states. Waiting, Running, Done; with Blocked in between while something keeps it from
// going on. Waiting goes to Cancelled at once, Running and Blocked by Cancelling.
const (
	// Waiting is the time of grace; the content is counted meanwhile.
	Waiting State = "WAITING"
	// Running removes.
	Running State = "RUNNING"
	// Blocked waits for what Reason says, and tries again by itself.
	Blocked State = "BLOCKED"
	// Cancelling lets the batch under way end.
	Cancelling State = "CANCELLING"
	// Cancelled is over, and the bucket back.
	Cancelled State = "CANCELLED"
	// Done is over, and the bucket gone.
	Done State = "DONE"
)

// Purge is the removal of one bucket.
type Purge struct {
	// ID is `bpg_…`.
	ID string
	// AccountID, BucketID, Bucket (its name) and Backend say what is removed.
	AccountID, BucketID, Bucket, Backend string
	// State is where it stands.
	State State
	// RequestedBy is kind and id of who asked; empty for the suite itself.
	RequestedBy string
	// AccountClosed says that it is part of the removal of a closed account.
	AccountClosed bool
	// BeginsAt is when the removal begins; zero while it waits to be released.
	BeginsAt time.Time
	// Counted says that all content was counted; CountedTo is the key it has got to.
	Counted   bool
	CountedTo string
	// Found is what was counted, Removed what was removed.
	Found   Content
	Removed Content
	// PassedTo is the key up to which this round has passed entries that the backend would
	// not give up; Locked is how many those are.
	PassedTo string
	Locked   int64
	// LastStep says that the bucket itself is being removed, or that it is not known how that
	// ended.
	LastStep bool
	// Reason and Message say why it is blocked; empty otherwise.
	Reason, Message string
	// Version grows with every change.
	Version int64
	// CreatedAt and UpdatedAt are by our clock; EndedAt is zero until it is over.
	CreatedAt, UpdatedAt, EndedAt time.Time
}

// Content is an amount of what a bucket holds.
type Content struct {
	// Entries are objects, old versions and delete markers.
	Entries int64
	// Objects are those of the entries that a plain listing shows; of what was removed they
	// are not counted.
	Objects int64
	// Bytes is the size of all entries.
	Bytes int64
	// Uploads are incomplete uploads; of what was found they are not counted.
	Uploads int64
}

// Ref names the purge as a managed resource.
func (p Purge) Ref() reconcile.Ref {
	return reconcile.Ref{Kind: Kind, ID: p.ID, AccountID: p.AccountID}
}

// Ended says whether it is over.
func (p Purge) Ended() bool { return p.State == Cancelled || p.State == Done }

// Remaining is what is left as far as known.
func (p Purge) Remaining() Content {
	if p.State == Done {
		return Content{}
	}
	return Content{
		Entries: max(p.Found.Entries-p.Removed.Entries, 0), Bytes: max(p.Found.Bytes-p.Removed.Bytes, 0),
	}
}

// of returns a purge of the bucket that begins at a moment.
func of(b bucket.Bucket, now, begins time.Time) Purge {
	return Purge{
		ID: id.New("bpg", now), AccountID: b.AccountID, BucketID: b.ID, Bucket: b.Name, Backend: b.Backend,
		State: Waiting, BeginsAt: begins, Version: 1, CreatedAt: now, UpdatedAt: now,
	}
}

// What the use cases answer besides the errors of their ports and of package bucket.
var (
	// ErrNotFound hides whether a purge is absent or another account's.
	ErrNotFound = errs.New(errs.NotFound, "BUCKET_PURGE_NOT_FOUND", "the account has no such purge")
	// ErrUnconfirmed refuses a purge whose confirmation names something else.
	ErrUnconfirmed = errs.New(errs.InvalidArgument, "BUCKET_PURGE_UNCONFIRMED",
		"the confirmation is not the name of the bucket; repeat the name of the bucket that is to be removed with all its content").
		WithViolation(errs.Violation{
			Field: "confirm_bucket", Rule: "BUCKET_PURGE_UNCONFIRMED", Description: "must be the name of the bucket",
		})
	// ErrEnded refuses to cancel what is over, or has nothing left but the empty bucket.
	ErrEnded = errs.New(errs.FailedPrecondition, "BUCKET_PURGE_ENDED",
		"the purge is over, or its last step is under way; it cannot be cancelled any more")
	// ErrAccountClosed refuses to cancel a purge of a closed account.
	ErrAccountClosed = errs.New(errs.FailedPrecondition, "ACCOUNT_REMOVAL_BEGUN",
		"the purge belongs to the removal of a closed account; it cannot be cancelled")
	// errLocked is why a purge is blocked by what the backend must keep.
	errLocked = errs.New(errs.FailedPrecondition, "OBJECTS_LOCKED",
		"objects are under retention or legal hold; the purge goes on by itself when that ends")
)
