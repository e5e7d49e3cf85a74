// Package quota is the concept of what an account may use: bytes over all of its buckets,
// number of buckets, number of access keys, each with a soft and a hard limit.
//
// It owns: the limits, what was measured of each bucket, what uploads by presigned URL may
// still bring, and the requests for higher limits.
//
// Guarantees: two creations at once do not both get the last place; a figure of a bucket
// falls by a listing of our own alone, whatever the backend reports, and so do writes come
// back; a change of where an account stands is told once; reading and deleting are never
// stopped.
//
// It does not: know the bytes at every moment. The backend has no limit for an account, so
// what is written between two measurements is too much by then; README.md states the bound.
package quota

import (
	"fmt"
	"math/bits"
	"strconv"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
)

// Resource is the kind of a quota in events and in the audit trail.
const Resource = "quota"

// Kind is a kind of limit.
type Kind string

// The kinds of limits.
const (
	Storage    Kind = "storage"
	Buckets    Kind = "buckets"
	AccessKeys Kind = "access_keys"
)

// Kinds are all of them.
var Kinds = []Kind{Storage, Buckets, AccessKeys}

// Limit is one kind's limits; zero is none.
type Limit struct {
	// Soft is how much may be used until people are told, Hard how much may be used.
	Soft, Hard int64
}

// Limits are the limits of an account. The zero value limits nothing.
type Limits struct {
	// Storage is in bytes, all versions of objects included.
	Storage Limit
	// Buckets and AccessKeys are numbers.
	Buckets, AccessKeys Limit
}

// Of returns the limits of a kind.
func (l Limits) Of(k Kind) Limit {
	switch k {
	case Buckets:
		return l.Buckets
	case AccessKeys:
		return l.AccessKeys
	default:
		return l.Storage
	}
}

// Check reports limits that contradict themselves.
func (l Limits) Check() error {
	refusal := errInvalid
	for _, k := range Kinds {
		switch limit := l.Of(k); {
		case limit.Soft < 0 || limit.Hard < 0:
			refusal = refusal.WithViolation(errs.Violation{Field: string(k), Rule: "RANGE", Description: "must not be negative"})
		case limit.Hard > 0 && limit.Soft > limit.Hard:
			refusal = refusal.WithViolation(errs.Violation{
				Field: string(k), Rule: "SOFT_ABOVE_HARD", Description: "the soft limit must not lie above the hard one",
			})
		}
	}
	if refusal == errInvalid {
		return nil
	}
	return refusal
}

// Over says which soft limits are exceeded and were told so.
type Over struct{ Storage, Buckets, AccessKeys bool }

func (o *Over) of(k Kind) *bool {
	switch k {
	case Buckets:
		return &o.Buckets
	case AccessKeys:
		return &o.AccessKeys
	default:
		return &o.Storage
	}
}

// Quota is an account's limits and where it stands with them.
type Quota struct {
	// AccountID is the account.
	AccountID string
	// Own says that the limits are the account's own; else they are the platform's.
	Own bool
	// Limits are those that count.
	Limits Limits
	// Revision grows with every change of the limits, Version with whatever is told.
	Revision, Version int64
	// StoppedAt is since when the account's credentials may not write; zero while they may.
	StoppedAt time.Time
	// Over are the soft limits that are exceeded.
	Over Over
	// UpdatedAt is when the account's own limits last changed; zero for the platform's.
	UpdatedAt time.Time
}

// ETag changes with every change of the limits.
func (q Quota) ETag() string { return Resource + "." + strconv.FormatInt(q.Revision, 10) }

// Stopped says whether the account's credentials have lost the right to write.
func (q Quota) Stopped() bool { return !q.StoppedAt.IsZero() }

// Usage is how much an account uses.
type Usage struct {
	// Bytes are stored in all buckets as last measured, in so many versions of objects.
	Bytes, Versions int64
	// Reserved is what uploads by presigned URL may still bring.
	Reserved int64
	// Buckets and AccessKeys are how many there are.
	Buckets, AccessKeys int64
	// Confirmed says that every bucket's figure comes from a listing of ours.
	Confirmed bool
	// MeasuredAt is when the bucket measured longest ago was measured, ListedAt when the
	// listing of the one listed longest ago began; zero when there is none such.
	MeasuredAt, ListedAt time.Time
}

// Used is what counts against the limit of bytes.
func (u Usage) Used() int64 { return sum(u.Bytes, u.Reserved) }

// of returns how much of a kind is used.
func (u Usage) of(k Kind) int64 {
	switch k {
	case Buckets:
		return u.Buckets
	case AccessKeys:
		return u.AccessKeys
	default:
		return u.Bytes
	}
}

// confirmedSince says that every bucket was listed, from the moment on, and nothing was
// reported beyond that.
func (u Usage) confirmedSince(at time.Time) bool {
	return u.Confirmed && (u.ListedAt.IsZero() || u.ListedAt.After(at))
}

// View is a quota as it is shown.
type View struct {
	Quota
	Usage Usage
	// ResumeBelow is the mark below which stopped writes come back; zero without a limit.
	ResumeBelow int64
}

// Explanation says in words why writes are stopped, and what lets them come back.
func (v View) Explanation() string {
	if !v.Stopped() {
		return ""
	}
	return fmt.Sprintf("%d bytes are stored and %d reserved for uploads, and the limit is %d: writing comes back once both together "+
		"are seen to lie below %d; delete objects, or ask for more", v.Usage.Bytes, v.Usage.Reserved, v.Limits.Storage.Hard, v.ResumeBelow)
}

// Told is a change of where an account stands, as it is published.
type Told struct {
	View
	// Kind is which limit it is about; empty for a change of the limits.
	Kind Kind
}

// The refusals.
var (
	errExceeded = errs.New(errs.ResourceExhausted, "QUOTA_EXCEEDED", "a limit of the account is reached")
	errInvalid  = errs.New(errs.InvalidArgument, "QUOTA_INVALID", "the limits contradict each other; see the violations")
	// ErrETagMismatch refuses a change of what the caller has not seen.
	ErrETagMismatch = errs.New(errs.Aborted, "ETAG_MISMATCH", "the quota changed since it was read; read it again and retry")
)

// exceeded is the refusal of one more of a kind.
func exceeded(k Kind, limit, used int64) *errs.Error {
	nouns := map[Kind]string{Buckets: "buckets", AccessKeys: "access keys"}
	return errExceeded.WithMessage("the account has %d %s and may have %d; delete one, or ask for more", used, nouns[k], limit).
		With("kind", string(k)).With("limit", strconv.FormatInt(limit, 10)).With("used", strconv.FormatInt(used, 10))
}

// share returns so many hundredths of n, without overflow.
func share(n, percent int64) int64 { return scaled(n, percent, 100) }

// scaled returns n·by/of; the largest int64 when it is more than that.
func scaled(n, by, of int64) int64 {
	high, low := bits.Mul64(uint64(n), uint64(by))
	if high >= uint64(of) {
		return maxInt64
	}
	result, _ := bits.Div64(high, low, uint64(of))
	return int64(min(result, maxInt64))
}

const maxInt64 = 1<<63 - 1

// sum adds without overflow.
func sum(a, b int64) int64 {
	if a > maxInt64-b {
		return maxInt64
	}
	return a + b
}
