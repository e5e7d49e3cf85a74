package minio

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

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
		got, err := b.assume(ctx, object.Scope{Login: object.Login{User: upload.User, Secret: upload.Secret}, Policy: upload.Policy},
			max(upload.Lifetime+sessionMargin, sessionMinimum))
		if err != nil {
			return object.Signed{}, err
		}
		headers := map[string]string{}
		if upload.ContentType != "" {
			headers["Content-Type"] = upload.ContentType
		}
		if upload.Size != nil {
			// The server counts the body against the signed length.
			headers["Content-Length"] = strconv.FormatInt(*upload.Size, 10)
		}
		if upload.New {
			headers["If-None-Match"] = "*"
		}
		signed := b.sign(got, request{
			method: http.MethodPut, bucket: upload.Bucket, key: upload.Key, lifetime: upload.Lifetime, headers: headers,
		})
		signed.Headers = headers
		return signed, nil
	})
}

// PresignDownload signs a GET with the reader key. It asks nobody.
func (b *Backend) PresignDownload(ctx context.Context, download object.Download) (object.Signed, error) {
	return value(ctx, b, "PresignDownload", func(ctx context.Context) (object.Signed, error) {
		query := url.Values{}
		for name, value := range map[string]string{
			"versionId": download.VersionID, "response-content-type": download.ContentType, "response-cache-control": download.CacheControl,
		} {
			if value != "" {
				query.Set(name, value)
			}
		}
		if download.Disposition != "" {
			query.Set("response-content-disposition", download.Disposition)
		}
		reader := credentials.Value{AccessKeyID: download.Reader, SecretAccessKey: download.Secret}
		return b.sign(reader, request{
			method: http.MethodGet, bucket: download.Bucket, key: download.Key, lifetime: download.Lifetime, query: query,
		}), nil
	})
}

// assume asks the internal endpoint for temporary credentials of the account's user.
func (b *Backend) assume(ctx context.Context, scope object.Scope, life time.Duration) (credentials.Value, error) {
	provider := &credentials.STSAssumeRole{
		Client: b.http, STSEndpoint: b.cfg.Endpoint,
		Options: credentials.STSAssumeRoleOptions{
			AccessKey: scope.User, SecretKey: scope.Secret, Policy: string(scope.Policy),
			Location: b.cfg.Region, DurationSeconds: int(life / time.Second),
		},
	}
	return provider.RetrieveWithCredContext(&credentials.CredContext{Context: ctx})
}

// request is what to sign.
type request struct {
	method, bucket, key string
	lifetime            time.Duration
	// headers must be sent as they are.
	headers map[string]string
	query   url.Values
}

// sign signs for the public endpoint. It needs no network: the region is given.
func (b *Backend) sign(with credentials.Value, req request) object.Signed {
	p := b.pen(with, time.Now(), req)
	return object.Signed{Method: req.method, URL: p.sign(req.method, req.query), ExpireTime: p.at.Add(req.lifetime)}
}
