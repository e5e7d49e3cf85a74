package object

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
)

// Login is the credentials that the backend is asked with: the account's own user, so that
// the account's policy bounds whatever is done and a disabled user stops it. Both are secret.
type Login struct{ User, Secret string }

// Ref names an object, or one version of it.
type Ref struct {
	Key string
	// VersionID is empty for the current one.
	VersionID string
}

// Object is what the backend keeps of one version besides its bytes. A list fills in the
// first block alone, and the tags if they were asked for.
type Object struct {
	Ref
	// Size is in bytes.
	Size int64
	// ETag tells contents apart; it has no quotes.
	ETag         string
	StorageClass string
	ModifiedAt   time.Time
	// Latest says that it is the current one, DeleteMarker that it stands for a deletion.
	Latest, DeleteMarker bool
	Tags                 map[string]string

	Headers  Headers
	Metadata map[string]string
	// Mode is GOVERNANCE, COMPLIANCE or empty, RetainUntil when that ends.
	Mode        string
	RetainUntil time.Time
	// Held says that a legal hold is on it.
	Held bool
}

// Headers are those that the backend answers with beside the bytes.
type Headers struct {
	ContentType, CacheControl, ContentDisposition, ContentEncoding, ContentLanguage string
}

// Listing asks for one page.
type Listing struct {
	Bucket, Prefix, Delimiter string
	// After is the key, or the shared prefix, that the page begins behind; AfterVersion is the
	// version of that key, in a list of versions.
	After, AfterVersion string
	// Tags asks for the objects' tags too.
	Tags bool
	// Limit is how many at most, 1 to 1000.
	Limit int
}

// Page is one page, in the order of the keys' bytes.
type Page struct {
	Objects []Object
	// Prefixes are what keys share up to the delimiter.
	Prefixes []string
	// More says that there is another page, and NextKey and NextVersion behind what.
	More                 bool
	NextKey, NextVersion string
}

// Copying asks for a copy.
type Copying struct {
	FromBucket string
	From       Ref
	// ETag is what the source must have; otherwise the copy is ErrChanged.
	ETag          string
	ToBucket, Key string
}

// Removed says how the removal of one ended.
type Removed struct {
	Ref Ref
	// VersionID is the delete marker that was put on top, or the version that is gone.
	VersionID string
	// DeleteMarker says that the version is a delete marker.
	DeleteMarker bool
	// Err is why it was not removed.
	Err error
}

// Store is what is in the buckets of one backend. Keys come as they are, whatever they hold.
// Errors are classified as those of bucket.BackendReader, and besides as ErrNotFound,
// ErrLocked, ErrAccessDenied and ErrChanged.
type Store interface {
	// List returns a page of the current objects.
	List(ctx context.Context, login Login, in Listing) (Page, error)
	// ListVersions returns a page of versions and delete markers, of each key the newest first.
	ListVersions(ctx context.Context, login Login, in Listing) (Page, error)
	// Stat returns an object without its bytes.
	Stat(ctx context.Context, login Login, bucket string, ref Ref) (Object, error)
	// Copy copies on the backend, with headers, metadata and tags. Of the copy it returns
	// version, etag and time.
	Copy(ctx context.Context, login Login, in Copying) (Object, error)
	// Remove removes each, and says of each in the same order how it ended. What is absent is
	// removed.
	Remove(ctx context.Context, login Login, bucket string, refs []Ref) ([]Removed, error)
	// SetTags replaces the tags.
	SetTags(ctx context.Context, login Login, bucket string, ref Ref, tags map[string]string) error
}

// Ports are what the use cases need of one backend besides its Signer.
type Ports struct {
	Store   Store
	Uploads Uploads
	Forms   UploadSigner
}

// room is a bucket that the caller may act in, with what acts there.
type room struct {
	place
	Ports
}

func (r room) login() Login {
	return Login{User: r.identity.User, Secret: r.identity.UserSecret}
}

// enter returns the account's bucket for a caller who may do all of this there, on these keys or
// prefixes.
func (s *Service) enter(ctx context.Context, accountID, bucket string, on []string, acts ...grant.Act) (room, error) {
	for _, act := range acts {
		if err := s.Gate.Admit(ctx, accountID, bucket, act, on...); err != nil {
			return room{}, err
		}
	}
	at, err := s.find(ctx, accountID, bucket)
	if err != nil {
		return room{}, err
	}
	ports, err := s.Backends.Objects(at.bucket.Backend)
	return room{place: at, Ports: ports}, err
}
