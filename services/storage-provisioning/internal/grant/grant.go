// Package grant says which buckets the external people of an account reach, and how far.
//
// It owns grants, what storage has heard of the account's memberships, and the gate: the
// one place that decides about a bucket by grant. Every use case that shows a bucket or
// hands out access to one passes it.
//
// Guarantees: a bucket that was not granted looks absent, and finding that out takes what
// an absent one takes; a grant belongs to one version of a membership, so that nobody who
// was removed and comes back finds what they had; events may come twice and in any order
// and end the same; a grant goes with its bucket.
//
// Identity decides who is a member and what an invitation carries; package policy what a
// permission means to the backend.
package grant

import (
	"strconv"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
)

// Kind is the kind of a grant in events and in the audit trail.
const Kind = "bucket_grant"

// External is the role whose holders reach what was granted to them and nothing else.
const External = "external"

// The refusals.
var (
	// ErrBucketNotFound hides whether a bucket is absent, another account's, or not granted.
	ErrBucketNotFound = errs.New(errs.NotFound, "BUCKET_NOT_FOUND", "the account has no bucket of this name")
	// ErrBucketDeleting refuses a grant on a bucket on its way out.
	ErrBucketDeleting = errs.New(errs.FailedPrecondition, "BUCKET_DELETING", "the bucket is being removed")
	// ErrTooLow is for an external person whose grant on the bucket does not go so far.
	ErrTooLow = errs.New(errs.PermissionDenied, "BUCKET_GRANT_TOO_LOW",
		"your grant on this bucket does not go so far; ask an admin of the account")
	// ErrTooNarrow is for an external person whose grant covers folders of the bucket, and not
	// what the call is about.
	ErrTooNarrow = errs.New(errs.PermissionDenied, "BUCKET_GRANT_TOO_NARROW",
		"your grant on this bucket covers only some folders; name a key or a prefix within, or ask an admin of the account")
	errPrefixInvalid = errs.New(errs.InvalidArgument, "GRANT_PATTERN_INVALID",
		"a prefix cannot be kept apart from what it must not reach; see the violations")
	// ErrNotFound is for a person without a grant on the bucket.
	ErrNotFound = errs.New(errs.NotFound, "BUCKET_GRANT_NOT_FOUND", "this person has no grant on the bucket")
	// ErrMemberNotFound is for somebody who is no external member, as far as storage has heard.
	ErrMemberNotFound = errs.New(errs.NotFound, "EXTERNAL_MEMBER_NOT_FOUND",
		"this person is not an external member of the account, or became one a moment ago; "+
			"give them the role external first, or retry in a moment").WithRetryAfter(time.Second)
	// ErrETagMismatch refuses a change of what the caller has not seen.
	ErrETagMismatch = errs.New(errs.Aborted, "ETAG_MISMATCH",
		"the grant changed since it was read; read it again and retry")
	// errNotOneself is for a question about somebody else.
	errNotOneself = errs.New(errs.PermissionDenied, "ROLE_NOT_ALLOWED",
		"only owners and admins may ask about others; ask about yourself, or ask one of them")
	// errBusy has an event come again once the bucket's change has ended.
	errBusy = errs.New(errs.Aborted, "OPERATION_IN_PROGRESS", "the bucket is being made or removed")

	// What the trail says of grants of an invitation that were left out.
	errLevelUnknown      = errs.New(errs.InvalidArgument, "ACCESS_LEVEL_UNKNOWN", "say read, write or read_write")
	errMembershipChanged = errs.New(errs.FailedPrecondition, "MEMBERSHIP_CHANGED", "the membership has changed since")
)

// Grant lets a person reach a bucket.
type Grant struct {
	// ID is `bgr_…`.
	ID string
	// AccountID is the account.
	AccountID string
	// BucketID and Bucket are id and name of the bucket.
	BucketID, Bucket string
	// UserID is the person.
	UserID string
	// Reach is how far it goes.
	Reach
	// MembershipVersion is the version of the membership that it belongs to.
	MembershipVersion int64
	// Version grows with every change.
	Version int64
	// CreatedAt and UpdatedAt are by our clock.
	CreatedAt, UpdatedAt time.Time
}

// ETag changes with every change, and with a grant that was deleted and made again.
func (g Grant) ETag() string { return g.ID + "." + strconv.FormatInt(g.Version, 10) }

// Member is what storage has heard of a person's membership in an account.
type Member struct {
	// AccountID and UserID name it.
	AccountID, UserID string
	// Role is the role as tokens carry it; empty for somebody who is no member (any more).
	Role string
	// Version is the newest one heard of; zero for none.
	Version int64
	// Applied is the version whose invitation's grants were dealt with.
	Applied int64
}

// Bucket is a bucket of the account, as far as a grant needs it.
type Bucket struct {
	// ID and Name say which it is.
	ID, Name string
	// Making and Deleting say that a call that has not ended makes or removes it.
	Making, Deleting bool
}

// levels are the permissions in the words of invitations.
var levels = map[string]policy.Permission{
	"read": policy.Read, "write": policy.Write, "read_write": policy.ReadWrite, "read-write": policy.ReadWrite,
}
