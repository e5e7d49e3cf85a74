package object

import (
	"context"
	"crypto/md5" //nolint:gosec // it is what S3 makes the etag of an upload in parts of
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/page"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/quota"
)

// The lists that page tokens are bound to.
const (
	ListUploadsMethod = "/primecloud.storage.v1.MultipartUploadService/ListMultipartUploads"
	ListPartsMethod   = "/primecloud.storage.v1.MultipartUploadService/ListParts"
)

const (
	maxMetadata = 2048
	maxPart     = 10_000
)

// Multipart names an upload in parts.
type Multipart struct{ AccountID, Bucket, Key, UploadID string }

func (m Multipart) ref() UploadRef { return UploadRef{Bucket: m.Bucket, Key: m.Key, ID: m.UploadID} }

func (m Multipart) deed(verb string, at room, severity audit.Severity, what map[string]any) deed {
	what["key"] = m.Key
	return deed{verb: verb, account: m.AccountID, bucket: at.bucket, severity: severity, what: []map[string]any{what}}
}

// scopeOf returns what temporary credentials for one object are asked for with.
func (r room) scopeOf(key string) (Scope, error) {
	session, err := policy.Upload(r.bucket.Name, key)
	switch {
	case errors.Is(err, policy.ErrTooLong):
		err = errTooLong(err)
	case err != nil:
		err = errNotExact(err)
	}
	return Scope{Login: r.login(), Policy: session}, err
}

// Begin begins an upload in parts. A repetition begins another one.
func (s *Service) Begin(ctx context.Context, accountID string, in NewUpload) (PendingUpload, error) {
	if err := in.check(); err != nil {
		return PendingUpload{}, err
	}
	at, err := s.enter(ctx, accountID, in.Bucket, []string{in.Key}, grant.Upload)
	if err != nil {
		return PendingUpload{}, err
	}
	scope, err := at.scopeOf(in.Key)
	if err != nil {
		return PendingUpload{}, err
	}
	begun := PendingUpload{Key: in.Key, StartedAt: s.Clock.Now()}
	m := Multipart{AccountID: accountID, Bucket: in.Bucket, Key: in.Key}
	err = s.act(ctx, m.deed("begin_upload", at, audit.Info, map[string]any{}), func(ctx context.Context) (_ map[string]any, err error) {
		begun.ID, err = at.Uploads.Begin(ctx, scope, in)
		return nil, err
	})
	return begun, err
}

var metadataName = regexp.MustCompile(`^[A-Za-z0-9-]{1,128}$`)

func (in NewUpload) check() error {
	if err := CheckKey(in.Key); err != nil {
		return err
	}
	if in.ContentType != "" && !mediaType(in.ContentType) {
		return invalid("content_type", "MEDIA_TYPE", "must be a media type, such as text/plain")
	}
	size := 0
	for name, value := range in.Metadata {
		if !metadataName.MatchString(name) || !printable(value) {
			return invalid("metadata", "METADATA", "use names of letters, digits and hyphens, and values of printable ASCII")
		}
		size += len(name) + len(value)
	}
	if size > maxMetadata {
		return invalid("metadata", "METADATA_SIZE", "names and values may have 2048 bytes in all")
	}
	return nil
}

// SignParts returns URLs that put parts, and records who is given them, before. What they may
// bring is reserved in the account's quota, by the highest number.
func (s *Service) SignParts(ctx context.Context, m Multipart, numbers []int, lifetime time.Duration) ([]Signed, error) {
	url := NewURL{AccountID: m.AccountID, Bucket: m.Bucket, Key: m.Key, Lifetime: lifetime}
	if err := url.check(); err != nil {
		return nil, err
	}
	for _, n := range numbers {
		if n < 1 || n > maxPart {
			return nil, invalid("part_numbers", "RANGE", "must lie between 1 and 10000")
		}
	}
	at, err := s.enter(ctx, m.AccountID, m.Bucket, []string{m.Key}, grant.Upload)
	if err != nil {
		return nil, err
	}
	scope, err := at.scopeOf(m.Key)
	if err != nil {
		return nil, err
	}
	var signed []Signed
	size := int64(slices.Max(numbers)) * reservedPart
	coming := quota.Upload{AccountID: m.AccountID, BucketID: at.bucket.ID, Key: m.Key, Size: &size, Lifetime: url.lifetime()}
	err = s.reserving(ctx, coming, func() error {
		if signed, err = at.Forms.PresignParts(ctx, PartURLs{Scope: scope, UploadRef: m.ref(), Numbers: numbers, Lifetime: url.lifetime()}); err != nil {
			return err
		}
		d := m.deed("sign_parts", at, audit.Info, map[string]any{"lifetime": url.lifetime().String(), "parts": len(numbers)})
		return s.Trail.Record(ctx, d.entry(audit.Succeeded, d.what[0]))
	})
	if err != nil {
		return nil, err
	}
	return signed, nil
}

// Parts returns a page of the parts of an upload, and the token of the next one.
func (s *Service) Parts(ctx context.Context, m Multipart, size int32, token string) ([]Part, string, error) {
	if err := checkStored(Ref{Key: m.Key}); err != nil {
		return nil, "", err
	}
	limit, err := page.Size(size, page.DefaultSize, page.MaxSize)
	if err != nil {
		return nil, "", err
	}
	binding := page.Binding{Method: ListPartsMethod, Account: m.AccountID, Query: []string{m.Bucket, m.Key, m.UploadID}}
	position, err := s.Pages.Decode(token, binding)
	if err != nil {
		return nil, "", err
	}
	after := 0
	if len(position) == 1 {
		if after, err = strconv.Atoi(position[0]); err != nil {
			return nil, "", page.ErrInvalid
		}
	}
	at, err := s.enter(ctx, m.AccountID, m.Bucket, []string{m.Key}, grant.Upload)
	if err != nil {
		return nil, "", err
	}
	parts, more, err := at.Uploads.Parts(ctx, at.login(), m.ref(), after, limit)
	if err != nil || !more || len(parts) == 0 {
		return parts, "", err
	}
	return parts, s.Pages.Encode(page.Position{strconv.Itoa(parts[len(parts)-1].Number)}, binding), nil
}

// Complete makes the object of the parts. A repetition finds no upload, but the very object
// that the parts make, and succeeds.
func (s *Service) Complete(ctx context.Context, m Multipart, parts []Part) (Object, error) {
	if err := checkStored(Ref{Key: m.Key}); err != nil {
		return Object{}, err
	}
	parts = slices.Clone(parts)
	for i := range parts {
		// S3 clients hand on what they got, and that is quoted.
		parts[i].ETag = strings.Trim(parts[i].ETag, `"`)
	}
	if err := checkParts(parts); err != nil {
		return Object{}, err
	}
	at, err := s.enter(ctx, m.AccountID, m.Bucket, []string{m.Key}, grant.Upload)
	if err != nil {
		return Object{}, err
	}
	var done Object
	err = s.act(ctx, m.deed("complete_upload", at, audit.Info, map[string]any{"parts": len(parts)}), func(ctx context.Context) (map[string]any, error) {
		made, err := at.Uploads.Complete(ctx, at.login(), m.ref(), parts)
		if err != nil && !errors.Is(err, ErrUploadNotFound) {
			return nil, err
		}
		missing := err
		if done, err = at.Store.Stat(ctx, at.login(), m.Bucket, Ref{Key: m.Key, VersionID: made.VersionID}); err != nil {
			if missing != nil {
				err = missing
			}
			return nil, err
		}
		if missing != nil && done.ETag != etagOf(parts) {
			return nil, missing
		}
		return nil, nil //nolint:nilnil // there is no more to tell than at the beginning
	})
	return done, err
}

// checkParts reports what no backend would take.
func checkParts(parts []Part) error {
	last := 0
	for _, p := range parts {
		if p.Number <= last || p.Number > maxPart {
			return invalid("parts", "ORDER", "give the parts in ascending order, each once")
		}
		last = p.Number
		if raw, err := hex.DecodeString(p.ETag); err != nil || len(raw) != md5.Size {
			return invalid("parts", "ETAG", "give each part's etag as the backend answered it")
		}
	}
	if len(parts) == 0 {
		return invalid("parts", "COUNT", "an object has a part at least")
	}
	return nil
}

// etagOf returns the etag of the object that the parts make.
func etagOf(parts []Part) string {
	sum := md5.New() //nolint:gosec // see the import
	for _, p := range parts {
		raw, _ := hex.DecodeString(p.ETag) // was checked
		sum.Write(raw)
	}
	return fmt.Sprintf("%x-%d", sum.Sum(nil), len(parts))
}

// Abort throws an upload away. One that is not there is aborted.
func (s *Service) Abort(ctx context.Context, m Multipart) error {
	if err := checkStored(Ref{Key: m.Key}); err != nil {
		return err
	}
	at, err := s.enter(ctx, m.AccountID, m.Bucket, []string{m.Key}, grant.Upload)
	if err != nil {
		return err
	}
	return s.act(ctx, m.deed("abort_upload", at, audit.Notice, map[string]any{}), func(ctx context.Context) (map[string]any, error) {
		err := at.Uploads.Abort(ctx, at.login(), m.ref())
		if errors.Is(err, ErrUploadNotFound) {
			err = nil
		}
		return nil, err
	})
}

// Pending returns a page of a bucket's uploads that have not ended, and the token of the next one.
func (s *Service) Pending(ctx context.Context, q Query) ([]PendingUpload, string, error) {
	binding := page.Binding{Method: ListUploadsMethod, Account: q.AccountID, Query: []string{q.Bucket, q.Prefix}}
	in, err := s.listing(q, binding)
	if err != nil {
		return nil, "", err
	}
	at, err := s.enter(ctx, q.AccountID, q.Bucket, []string{q.Prefix}, grant.Download)
	if err != nil {
		return nil, "", err
	}
	uploads, more, err := at.Uploads.Pending(ctx, at.login(), in)
	if err != nil || !more || len(uploads) == 0 {
		return uploads, "", err
	}
	last := uploads[len(uploads)-1]
	return uploads, s.Pages.Encode(page.Position{last.Key, last.ID}, binding), nil
}
