package minio

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
)

// uploadID is what the server makes upload ids of: its own id, a dot, and a random one.
var uploadID = regexp.MustCompile(`^[0-9a-f-]{1,64}\.[0-9a-fx-]{1,96}$`)

// checkUpload refuses ids that the server has not made. It takes what is in an id for a path on
// its disks, without a look at it: one with dots and slashes reaches uploads, and more, of others.
func checkUpload(id string) error {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(id)
	// Even strict decoding skips line ends.
	if err != nil || strings.ContainsAny(id, "\r\n") || !uploadID.Match(raw) {
		return object.ErrUploadNotFound
	}
	return nil
}

// Begin begins an upload with temporary credentials of that scope, made afresh: so whoever signs
// its parts has some that are known to work.
func (b *Backend) Begin(ctx context.Context, scope object.Scope, upload object.NewUpload) (string, error) {
	id, err := value(ctx, b, "Begin", func(ctx context.Context) (string, error) {
		session, err := b.sessions.renew(ctx, b, scope)
		if err != nil {
			return "", err
		}
		c, err := b.as(session.keys())
		if err != nil {
			return "", err
		}
		return minio.Core{Client: c}.NewMultipartUpload(ctx, upload.Bucket, upload.Key, minio.PutObjectOptions{
			ContentType: upload.ContentType, UserMetadata: upload.Metadata,
		})
	})
	return id, aboutObject(err)
}

// Parts returns the parts that the server has.
func (b *Backend) Parts(ctx context.Context, login object.Login, upload object.UploadRef, after, limit int) (parts []object.Part, more bool, err error) {
	if err := checkUpload(upload.ID); err != nil {
		return nil, false, err
	}
	found, err := objects(ctx, b, "Parts", login, func(ctx context.Context, c *minio.Client) (minio.ListObjectPartsResult, error) {
		return minio.Core{Client: c}.ListObjectParts(ctx, upload.Bucket, upload.Key, upload.ID, after, limit)
	})
	for _, p := range found.ObjectParts {
		parts = append(parts, object.Part{Number: p.PartNumber, ETag: strings.Trim(p.ETag, `"`), Size: p.Size, PutAt: p.LastModified.UTC()})
	}
	return parts, found.IsTruncated, err
}

// Complete makes the object.
func (b *Backend) Complete(ctx context.Context, login object.Login, upload object.UploadRef, parts []object.Part) (object.Object, error) {
	if err := checkUpload(upload.ID); err != nil {
		return object.Object{}, err
	}
	return objects(ctx, b, "Complete", login, func(ctx context.Context, c *minio.Client) (object.Object, error) {
		list := make([]minio.CompletePart, len(parts))
		for i, p := range parts {
			list[i] = minio.CompletePart{PartNumber: p.Number, ETag: p.ETag}
		}
		done, err := minio.Core{Client: c}.CompleteMultipartUpload(ctx, upload.Bucket, upload.Key, upload.ID, list, minio.PutObjectOptions{})
		return object.Object{Ref: object.Ref{Key: upload.Key, VersionID: done.VersionID}, ETag: done.ETag}, err
	})
}

// Abort throws the parts away.
func (b *Backend) Abort(ctx context.Context, login object.Login, upload object.UploadRef) error {
	if err := checkUpload(upload.ID); err != nil {
		return err
	}
	_, err := objects(ctx, b, "Abort", login, func(ctx context.Context, c *minio.Client) (none struct{}, err error) {
		return none, minio.Core{Client: c}.AbortMultipartUpload(ctx, upload.Bucket, upload.Key, upload.ID)
	})
	return err
}

// Pending returns uploads that have not ended. The server knows those of a whole bucket only as
// long as it runs; those of a key that is given as the prefix always.
func (b *Backend) Pending(ctx context.Context, login object.Login, in object.Listing) (uploads []object.PendingUpload, more bool, err error) {
	found, err := objects(ctx, b, "Pending", login, func(ctx context.Context, c *minio.Client) (minio.ListMultipartUploadsResult, error) {
		return minio.Core{Client: c}.ListMultipartUploads(ctx, in.Bucket, in.Prefix, in.After, in.AfterVersion, "", in.Limit)
	})
	for _, u := range found.Uploads {
		uploads = append(uploads, object.PendingUpload{Key: u.Key, ID: u.UploadID, StartedAt: u.Initiated.UTC()})
	}
	return uploads, found.IsTruncated, err
}

// PresignParts signs a PUT for each part.
func (b *Backend) PresignParts(ctx context.Context, in object.PartURLs) ([]object.Signed, error) {
	if err := checkUpload(in.ID); err != nil {
		return nil, err
	}
	return value(ctx, b, "PresignParts", func(ctx context.Context) ([]object.Signed, error) {
		session, err := b.sessions.get(ctx, b, in.Scope, in.Lifetime)
		if err != nil {
			return nil, err
		}
		p := b.pen(session.Value, time.Now(), request{bucket: in.Bucket, key: in.Key, lifetime: in.Lifetime})
		signed := make([]object.Signed, len(in.Numbers))
		for i, n := range in.Numbers {
			signed[i] = object.Signed{
				Method: http.MethodPut, ExpireTime: p.at.Add(in.Lifetime),
				URL: p.sign(http.MethodPut, url.Values{"partNumber": {strconv.Itoa(n)}, "uploadId": {in.ID}}),
			}
		}
		return signed, nil
	})
}

// PresignForm signs a form.
func (b *Backend) PresignForm(ctx context.Context, in object.Form) (object.SignedForm, error) {
	return value(ctx, b, "PresignForm", func(ctx context.Context) (object.SignedForm, error) {
		session, err := b.sessions.get(ctx, b, in.Scope, in.Lifetime)
		if err != nil {
			return object.SignedForm{}, err
		}
		expires := time.Now().UTC().Add(in.Lifetime)
		rules, err := formRules(in, expires)
		if err != nil {
			return object.SignedForm{}, errRejected.WithMessage("the form cannot be signed").Wrap(err)
		}
		c, err := minio.New(b.public.Host, &minio.Options{
			Creds: session.keys(), Secure: b.public.Scheme == "https", Region: b.cfg.Region,
			Transport: b.http.Transport, BucketLookup: minio.BucketLookupPath, MaxRetries: 1,
		})
		if err != nil {
			return object.SignedForm{}, errRejected.WithMessage("the form cannot be signed").Wrap(err)
		}
		address, fields, err := c.PresignedPostPolicy(ctx, rules)
		if err != nil {
			return object.SignedForm{}, errRejected.WithMessage("the form cannot be signed").Wrap(err)
		}
		if in.Key == "" {
			fields["key"] = in.Prefix + "${filename}"
		}
		return object.SignedForm{URL: address.String(), Fields: fields, ExpireTime: expires.Truncate(time.Second)}, nil
	})
}

func formRules(in object.Form, expires time.Time) (*minio.PostPolicy, error) {
	rules := minio.NewPostPolicy()
	steps := []func() error{
		func() error { return rules.SetExpires(expires) },
		func() error { return rules.SetBucket(in.Bucket) },
		func() error {
			if in.Key == "" {
				return rules.SetKeyStartsWith(in.Prefix)
			}
			return rules.SetKey(in.Key)
		},
		func() error { return rules.SetContentLengthRange(in.Min, in.Max) },
		func() error {
			if in.ContentType == "" {
				return rules.SetContentTypeStartsWith("")
			}
			return rules.SetContentType(in.ContentType)
		},
	}
	if in.Redirect != "" {
		steps = append(steps, func() error { return rules.SetSuccessActionRedirect(in.Redirect) })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return rules, nil
}
