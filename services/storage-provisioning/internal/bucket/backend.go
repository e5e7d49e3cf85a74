package bucket

import (
	"context"

	"github.com/primecloud/primecloud/pkg/errs"
)

// CountLimit is where counting a bucket's content stops.
const CountLimit = 1000

// Mark is what we write on a bucket to know it again as ours: the tags primecloud-id and
// primecloud-account.
type Mark struct {
	// ID is the bucket's id.
	ID string
	// AccountID is its owner.
	AccountID string
}

// Observed is a bucket as the backend has it.
type Observed struct {
	// Exists says whether there is one; the other fields mean nothing without.
	Exists bool
	// Mark is our mark on it; the zero value when it has none.
	Mark Mark
	// Spec is how it is set up, in normal form.
	Spec Spec
}

// BackendReader looks at the buckets of one backend and changes nothing.
//
// Errors are classified: errs.Unavailable BACKEND_UNAVAILABLE when no answer came or the
// answer was the server's own trouble, BACKEND_REJECTED (errs.FailedPrecondition or
// errs.InvalidArgument) when the backend refused for good.
type BackendReader interface {
	// ObserveBucket returns the bucket as it is; an absent one is no error.
	ObserveBucket(ctx context.Context, name string) (Observed, error)
	// CountContent counts objects, versions, delete markers and incomplete uploads, and
	// stops at limit; more says whether there are more than that.
	CountContent(ctx context.Context, name string, limit int) (n int, more bool, err error)
	// ObserveAll visits every bucket, whoever owns it, by one answer of the backend for all.
	// One that is not visited need not be absent, and what is told of one may be a moment old.
	ObserveAll(ctx context.Context, visit func(name string, o Observed)) error
}

// BackendWriter changes one bucket of one backend. Every method may be repeated. Errors
// are classified as those of BackendReader; one that says the bucket is not there is
// ErrVanished, except where noted.
type BackendWriter interface {
	// MakeBucket makes an empty bucket. One that exists, whoever made it, is ErrExists.
	MakeBucket(ctx context.Context, name string) error
	// MarkBucket writes the mark on it; tags that were there before are gone.
	MarkBucket(ctx context.Context, name string, mark Mark) error
	// UnmarkBucket takes our mark off and leaves the owner's tags.
	UnmarkBucket(ctx context.Context, name string, tags map[string]string) error
	// SetVersioning sets versioning; VersioningOff is never asked for.
	SetVersioning(ctx context.Context, name string, versioning Versioning) error
	// SetQuota sets the hard quota; zero removes it.
	SetQuota(ctx context.Context, name string, bytes int64) error
	// SetLifecycle replaces all rules, which are those of ForBackend; none removes the
	// configuration. A tier that is not there is ErrTierUnknown.
	SetLifecycle(ctx context.Context, name string, rules []Rule) error
	// RemoveBucket removes an empty bucket, never a full one: that is ErrNotEmpty. An
	// absent one is no error.
	RemoveBucket(ctx context.Context, name string) error
}

// BackendSettings changes settings that not every bucket has. Methods are as those of
// BackendWriter.
type BackendSettings interface {
	// MakeLockedBucket is MakeBucket with object lock, and so versioning.
	MakeLockedBucket(ctx context.Context, name string) error
	// SetBucketTags writes the owner's tags, and our mark again with them.
	SetBucketTags(ctx context.Context, name string, mark Mark, tags map[string]string) error
	// SetRetention sets the default retention of a bucket that has the object lock; a lock
	// without a mode removes it.
	SetRetention(ctx context.Context, name string, lock Lock) error
	// SetEncryption sets or removes the default encryption. A backend without a key
	// management is ErrEncryptionUnsupported.
	SetEncryption(ctx context.Context, name string, encryption Encryption) error
	// SetPublic lets everybody read, or removes whatever policy the bucket has.
	SetPublic(ctx context.Context, name string, public Public) error
}

// Features is what a backend can do for a bucket that not every backend can.
type Features struct {
	// Encryption says whether it can encrypt by default.
	Encryption bool
	// CORS says whether it keeps rules for other origins by bucket.
	CORS bool
	// Tiers are where rules can move objects, by name.
	Tiers []string
}

// BackendFeatures tells what a backend can do. Errors are as those of BackendReader.
type BackendFeatures interface {
	Features(ctx context.Context) (Features, error)
}

// Backend is one S3 deployment, seen from here.
type Backend struct {
	// Name is what requests and rows call it.
	Name string
	// Reader looks.
	Reader BackendReader
	// Writer acts.
	Writer BackendWriter
	// Settings acts on what not every bucket has.
	Settings BackendSettings
	// Features says what it can do.
	Features BackendFeatures
}

// Backends finds a backend by its name.
type Backends interface {
	// Backend returns the backend of that name, the default one for "", and
	// ErrBackendUnknown for a name that is not configured.
	Backend(name string) (Backend, error)
}

// What the adapter of a backend answers besides trouble.
var (
	// ErrExists is MakeBucket's answer when a bucket of that name is already there.
	ErrExists = errs.New(errs.AlreadyExists, "BUCKET_NAME_TAKEN",
		"a bucket of this name exists on the backend; choose another name")
	// ErrNotEmpty is RemoveBucket's answer when there is content.
	ErrNotEmpty = errs.New(errs.FailedPrecondition, "BUCKET_NOT_EMPTY",
		"the bucket still has content; delete it first, old versions and incomplete uploads included")
	// ErrEncryptionUnsupported is SetEncryption's answer without a key management.
	ErrEncryptionUnsupported = errs.New(errs.FailedPrecondition, "ENCRYPTION_UNSUPPORTED",
		"this backend has no key management and cannot encrypt by default; choose another backend, or encrypt before uploading")
	// ErrTierUnknown is the answer for a tier that the backend does not have.
	ErrTierUnknown = errs.New(errs.FailedPrecondition, "TIER_UNKNOWN",
		"the backend has no such tier; use one of those in its features")
	// ErrVanished is the answer of a call on a bucket that is not there any more.
	ErrVanished = errs.New(errs.Aborted, "BUCKET_CONFLICT",
		"the bucket vanished from the backend while it was being changed; retry")
)
