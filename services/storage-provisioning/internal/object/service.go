package object

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/page"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/quota"
)

// How long a URL works.
const (
	DefaultLifetime = 15 * time.Minute
	minLifetime     = time.Minute
	maxLifetime     = time.Hour
)

const maxName = 255

// Buckets finds buckets of accounts.
type Buckets interface {
	// Get returns the account's visible bucket of that name.
	Get(ctx context.Context, accountID, name string) (b bucket.Bucket, ok bool, err error)
}

// Principals is what a URL needs of its account's identity.
type Principals interface {
	// Identity returns the account's identity once it is on the backend as recorded.
	Identity(ctx context.Context, accountID, backend string) (principal.Principal, error)
}

// Backends finds a backend by its name.
type Backends interface {
	// Signer returns the signer of the backend of that name, and an error BACKEND_UNKNOWN
	// for a name that is not configured.
	Signer(name string) (Signer, error)
	// Objects returns what else the backend offers; errors are those of Signer.
	Objects(name string) (Ports, error)
}

// Trail keeps the audit entries of what was handed out.
type Trail interface {
	// Record writes the entry, which then reaches the account's trail whatever happens.
	Record(ctx context.Context, entry audit.Entry) error
}

// Quota is the account's limit of bytes.
type Quota interface {
	// Reserve counts an upload against it, or is QUOTA_EXCEEDED.
	Reserve(ctx context.Context, u quota.Upload) (quota.Reservation, error)
	// Release takes that back, for an upload that was not handed out.
	Release(ctx context.Context, r quota.Reservation) error
}

// Deps is what the use cases need.
type Deps struct {
	Buckets    Buckets
	Principals Principals
	Backends   Backends
	// Gate decides what external people reach.
	Gate *grant.Gate
	// Quota decides whether an upload fits.
	Quota Quota
	// Trail is where it stands who was given which URL, and what was done.
	Trail Trail
	Pages *page.Codec
	Clock clock.Clock
}

// Service is the use cases of objects.
type Service struct{ Deps }

// NewService returns the use cases.
func NewService(d Deps) *Service { return &Service{Deps: d} }

// NewURL asks for a URL.
type NewURL struct {
	AccountID, Bucket, Key string
	// Lifetime is DefaultLifetime when zero.
	Lifetime time.Duration
	// ContentType must be declared by an upload, and is what a download is answered with; empty
	// for any, or the object's own.
	ContentType string
	// Size is how many bytes an upload must have; nil for any.
	Size *int64
	// CacheControl is what a download is answered with; empty for the object's own.
	CacheControl string
	// VersionID is the version of a download; empty for the current one.
	VersionID string
	// DownloadName is the file name that a browser saves a download under; empty for none.
	DownloadName string
}

// PresignUpload returns a URL that puts one object, signed with credentials that can do
// nothing else. What it may bring is reserved in the account's quota.
func (s *Service) PresignUpload(ctx context.Context, in NewURL) (Signed, error) {
	if err := in.check(); err != nil {
		return Signed{}, err
	}
	at, err := s.enter(ctx, in.AccountID, in.Bucket, []string{in.Key}, grant.Upload)
	if err != nil {
		return Signed{}, err
	}
	session, err := policy.Upload(in.Bucket, in.Key)
	switch {
	case errors.Is(err, policy.ErrTooLong):
		return Signed{}, errTooLong(err)
	case err != nil:
		return Signed{}, errNotExact(err)
	}
	reserved, err := s.Quota.Reserve(ctx, quota.Upload{
		AccountID: in.AccountID, BucketID: at.bucket.ID, Key: in.Key, Size: in.Size, Lifetime: in.lifetime(),
	})
	if err != nil {
		return Signed{}, err
	}
	signed, err := at.signer.PresignUpload(ctx, Upload{
		User: at.identity.User, Secret: at.identity.UserSecret, Policy: session,
		Bucket: in.Bucket, Key: in.Key, ContentType: in.ContentType, Size: in.Size, Lifetime: in.lifetime(),
	})
	if signed, err = s.handOut(ctx, "presign_upload", in, at.bucket, signed, err); err != nil {
		return Signed{}, errors.Join(err, s.Quota.Release(ctx, reserved))
	}
	return signed, nil
}

// PresignDownload returns a URL that gets one object, signed by a key that can only read.
func (s *Service) PresignDownload(ctx context.Context, in NewURL) (Signed, error) {
	if err := in.check(); err != nil {
		return Signed{}, err
	}
	at, err := s.enter(ctx, in.AccountID, in.Bucket, []string{in.Key}, grant.Download)
	if err != nil {
		return Signed{}, err
	}
	signed, err := at.signer.PresignDownload(ctx, Download{
		Reader: at.identity.ReaderKey, Secret: at.identity.ReaderSecret,
		Bucket: in.Bucket, Key: in.Key, VersionID: in.VersionID, Lifetime: in.lifetime(),
		Disposition: in.disposition(), ContentType: in.ContentType, CacheControl: in.CacheControl,
	})
	return s.handOut(ctx, "presign_download", in, at.bucket, signed, err)
}

// handOut records who is given which URL, and gives it only then: whoever has it reaches the
// object past us.
func (s *Service) handOut(ctx context.Context, verb string, in NewURL, b bucket.Bucket, signed Signed, err error) (Signed, error) {
	if err == nil {
		err = s.Trail.Record(ctx, audit.Entry{
			AccountID: in.AccountID, Action: "object." + verb, Severity: audit.Info, Outcome: audit.Succeeded,
			Target: audit.Target{Kind: bucket.Kind, ID: b.ID, Name: b.Name},
			After:  map[string]any{"key": in.Key, "lifetime": in.lifetime().String()},
		})
	}
	if err != nil {
		return Signed{}, err
	}
	return signed, nil
}

// place is where an object is, with what URLs to it are signed by.
type place struct {
	bucket   bucket.Bucket
	identity principal.Principal
	signer   Signer
}

// find returns the account's identity where the bucket lives. A bucket that is not there yet, or
// that stands in conflict, has none.
func (s *Service) find(ctx context.Context, accountID, name string) (place, error) {
	b, ok, err := s.Buckets.Get(ctx, accountID, name)
	switch {
	case err != nil:
		return place{}, err
	case !ok || b.State == bucket.Creating:
		return place{}, bucket.ErrNotFound
	case b.State == bucket.Deleting:
		return place{}, bucket.ErrDeleting
	case b.State == bucket.Purging:
		return place{}, bucket.ErrPurging
	case !b.Reachable():
		return place{}, bucket.ErrConflict
	}
	signer, err := s.Backends.Signer(b.Backend)
	if err != nil {
		return place{}, err
	}
	identity, err := s.Principals.Identity(ctx, accountID, b.Backend)
	return place{bucket: b, identity: identity, signer: signer}, err
}

func (in NewURL) lifetime() time.Duration {
	if in.Lifetime == 0 {
		return DefaultLifetime
	}
	// Signatures know whole seconds.
	return in.Lifetime.Truncate(time.Second)
}

// disposition returns the header that makes a browser save the object.
func (in NewURL) disposition() string {
	if in.DownloadName == "" {
		return ""
	}
	return mime.FormatMediaType("attachment", map[string]string{"filename": in.DownloadName})
}

// check reports what about a request can never be.
func (in NewURL) check() error {
	if err := CheckKey(in.Key); err != nil {
		return err
	}
	refusal := errRequestInvalid
	refuse := func(field, rule, ask string) {
		refusal = refusal.WithViolation(errs.Violation{Field: field, Rule: rule, Description: ask})
	}
	if l := in.lifetime(); l < minLifetime || l > maxLifetime {
		refuse("lifetime", "RANGE", fmt.Sprintf("must lie between %s and %s", minLifetime, maxLifetime))
	}
	if in.ContentType != "" && !mediaType(in.ContentType) {
		refuse("content_type", "MEDIA_TYPE", "must be a media type, such as text/plain")
	}
	if !printable(in.CacheControl) || len(in.CacheControl) > maxName {
		refuse("cache_control", "HEADER", "must be 255 characters of printable ASCII at most")
	}
	if err := checkStored(Ref{Key: in.Key, VersionID: in.VersionID}); err != nil {
		return err
	}
	if n := in.DownloadName; n != "" && (!utf8.ValidString(n) || utf8.RuneCountInString(n) > maxName ||
		strings.ContainsFunc(n, unicode.IsControl) || strings.ContainsAny(n, `/\`)) {
		refuse("download_name", "FILE_NAME", "must be a file name of 255 characters at most, without slashes and control characters")
	}
	if refusal == errRequestInvalid {
		return nil
	}
	return refusal
}

var errRequestInvalid = errs.New(errs.InvalidArgument, "REQUEST_INVALID", "a field breaks a rule; see the violations")

// mediaType reports whether a Content-Type header may carry the value.
func mediaType(s string) bool {
	kind, _, err := mime.ParseMediaType(s)
	return err == nil && strings.Contains(kind, "/") && printable(s) && len(s) <= maxName
}

// printable reports whether a header may carry the value as it is.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
