package minio

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
)

var _ object.Signer = (*Backend)(nil)

// Temporary credentials outlive the URL by the margin, and live as long as the server
// insists at least.
const (
	sessionMargin  = time.Minute
	sessionMinimum = 15 * time.Minute
)

// PresignUpload gets temporary credentials with the policy and signs a PUT with them.
func (b *Backend) PresignUpload(ctx context.Context, upload object.Upload) (object.Signed, error) {
	return value(ctx, b, "PresignUpload", func(ctx context.Context) (object.Signed, error) {
		if len(upload.Policy) == 0 {
			// Without one, the credentials could do what the user can.
			return object.Signed{}, errRejected.WithMessage("an upload needs a session policy")
		}
		session, err := b.assume(ctx, upload)
		if err != nil {
			return object.Signed{}, err
		}
		header := http.Header{}
		headers := map[string]string{}
		if upload.ContentType != "" {
			header.Set("Content-Type", upload.ContentType)
			headers["Content-Type"] = upload.ContentType
		}
		if upload.Size != nil {
			// The server counts the body against the signed length.
			length := strconv.FormatInt(*upload.Size, 10)
			header.Set("Content-Length", length)
			headers["Content-Length"] = length
		}
		signed, err := b.sign(ctx, session, request{
			method: http.MethodPut, bucket: upload.Bucket, key: upload.Key, lifetime: upload.Lifetime, header: header,
		})
		signed.Headers = headers
		return signed, err
	})
}

// PresignDownload signs a GET with the reader key. It asks nobody.
func (b *Backend) PresignDownload(ctx context.Context, download object.Download) (object.Signed, error) {
	return value(ctx, b, "PresignDownload", func(ctx context.Context) (object.Signed, error) {
		query := url.Values{}
		if download.Disposition != "" {
			query.Set("response-content-disposition", download.Disposition)
		}
		reader := credentials.NewStaticV4(download.Reader, download.Secret, "")
		return b.sign(ctx, reader, request{
			method: http.MethodGet, bucket: download.Bucket, key: download.Key, lifetime: download.Lifetime, query: query,
		})
	})
}

// assume asks the internal endpoint for temporary credentials of the account's user.
func (b *Backend) assume(ctx context.Context, upload object.Upload) (*credentials.Credentials, error) {
	lifetime := max(upload.Lifetime+sessionMargin, sessionMinimum)
	provider := &credentials.STSAssumeRole{
		Client: b.http, STSEndpoint: b.cfg.Endpoint,
		Options: credentials.STSAssumeRoleOptions{
			AccessKey: upload.User, SecretKey: upload.Secret, Policy: string(upload.Policy),
			Location: b.cfg.Region, DurationSeconds: int(lifetime / time.Second),
		},
	}
	got, err := provider.RetrieveWithCredContext(&credentials.CredContext{Context: ctx})
	if err != nil {
		return nil, err
	}
	return credentials.NewStaticV4(got.AccessKeyID, got.SecretAccessKey, got.SessionToken), nil
}

// request is what to sign.
type request struct {
	method, bucket, key string
	lifetime            time.Duration
	query               url.Values
	header              http.Header
}

// sign signs for the public endpoint. It needs no network: the region is given.
func (b *Backend) sign(ctx context.Context, keys *credentials.Credentials, req request) (object.Signed, error) {
	client, err := minio.New(b.public.Host, &minio.Options{
		Creds: keys, Secure: b.public.Scheme == "https", Region: b.cfg.Region,
		Transport: b.http.Transport, BucketLookup: minio.BucketLookupPath, MaxRetries: 1,
	})
	if err != nil {
		return object.Signed{}, errRejected.WithMessage("the URL cannot be signed").Wrap(err)
	}
	u, err := client.PresignHeader(ctx, req.method, req.bucket, req.key, req.lifetime, req.query, req.header)
	if err != nil {
		return object.Signed{}, errRejected.WithMessage("the URL cannot be signed").Wrap(err)
	}
	expires, err := expiry(u.Query())
	if err != nil {
		return object.Signed{}, err
	}
	return object.Signed{Method: req.method, URL: u.String(), ExpireTime: expires}, nil
}

// expiry reads from a signed query until when it works.
func expiry(query url.Values) (time.Time, error) {
	at, err := time.Parse("20060102T150405Z", query.Get("X-Amz-Date"))
	if err != nil {
		return time.Time{}, fmt.Errorf("minio: a signed URL has no date: %w", err)
	}
	seconds, err := strconv.Atoi(query.Get("X-Amz-Expires"))
	if err != nil {
		return time.Time{}, fmt.Errorf("minio: a signed URL has no expiry: %w", err)
	}
	return at.Add(time.Duration(seconds) * time.Second), nil
}
