package minio

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"
	"github.com/minio/minio-go/v7/pkg/signer"

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
		signed, err := b.sign(session{Value: got}, request{
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
		return b.sign(session{Value: reader}, request{
			method: http.MethodGet, bucket: download.Bucket, key: download.Key, lifetime: download.Lifetime, query: query,
		})
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
	query               url.Values
	header              http.Header
}

// sign signs for the public endpoint. It needs no network, since the region is given, and no
// client: making one costs several times what the signature does.
func (b *Backend) sign(with session, req request) (object.Signed, error) {
	address := url.URL{
		Scheme: b.public.Scheme, Host: b.public.Host,
		Path: "/" + req.bucket + "/" + req.key, RawPath: "/" + req.bucket + "/" + s3utils.EncodePath(req.key),
		RawQuery: s3utils.QueryEncode(req.query),
	}
	plain := http.Request{Method: req.method, URL: &address, Host: address.Host, Header: req.header}
	if plain.Header == nil {
		plain.Header = http.Header{}
	}
	u := signer.PreSignV4(plain, with.AccessKeyID, with.SecretAccessKey, with.SessionToken, b.cfg.Region, int64(req.lifetime/time.Second)).URL
	expires, err := expiry(u.RawQuery)
	if err != nil {
		return object.Signed{}, err
	}
	return object.Signed{Method: req.method, URL: u.String(), ExpireTime: expires}, nil
}

// expiry reads from a signed query until when it works.
func expiry(query string) (time.Time, error) {
	at, err := time.Parse("20060102T150405Z", parameter(query, "X-Amz-Date"))
	if err != nil {
		return time.Time{}, fmt.Errorf("minio: a signed URL has no date: %w", err)
	}
	seconds, err := strconv.Atoi(parameter(query, "X-Amz-Expires"))
	if err != nil {
		return time.Time{}, fmt.Errorf("minio: a signed URL has no expiry: %w", err)
	}
	return at.Add(time.Duration(seconds) * time.Second), nil
}

// parameter reads one that needs no escapes.
func parameter(query, name string) string {
	for pair := range strings.SplitSeq(query, "&") {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			return value
		}
	}
	return ""
}
