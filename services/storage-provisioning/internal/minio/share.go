package minio

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/share"
)

var _ share.Backend = (*Backend)(nil)

// as returns a client of the internal endpoint with an account's own login, so that what it
// may not is refused by the server too.
func (b *Backend) as(login share.Login) (*minio.Client, error) {
	client, err := minio.New(b.s3.EndpointURL().Host, &minio.Options{
		Creds: credentials.NewStaticV4(login.User, login.Secret, ""), Secure: b.s3.EndpointURL().Scheme == "https", Region: b.cfg.Region,
		Transport: b.http.Transport, BucketLookup: minio.BucketLookupPath, MaxRetries: 1,
	})
	if err != nil {
		return nil, errRejected.WithMessage("the account's login cannot be used").Wrap(err)
	}
	return client, nil
}

// ListShared returns objects below a prefix, by key.
func (b *Backend) ListShared(ctx context.Context, listing share.Listing) ([]share.Found, error) {
	return value(ctx, b, "ListShared", func(ctx context.Context) ([]share.Found, error) {
		client, err := b.as(listing.Login)
		if err != nil {
			return nil, err
		}
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		var found []share.Found
		owner := false
		for one := range client.ListObjectsIter(ctx, listing.Bucket, minio.ListObjectsOptions{
			Prefix: listing.Prefix, Recursive: true, StartAfter: listing.After, MaxKeys: min(listing.Limit, 1000), FetchOwner: &owner,
		}) {
			if one.Err != nil {
				return nil, one.Err
			}
			if len(found) == listing.Limit {
				break
			}
			found = append(found, share.Found{Key: one.Key, Size: one.Size, At: one.LastModified})
		}
		return found, nil
	})
}

// StatShared reports whether there is an object of that key.
func (b *Backend) StatShared(ctx context.Context, login share.Login, bucket, key string) (bool, error) {
	_, err := value(ctx, b, "StatShared", func(ctx context.Context) (minio.ObjectInfo, error) {
		client, err := b.as(login)
		if err != nil {
			return minio.ObjectInfo{}, err
		}
		return client.StatObject(ctx, bucket, key, minio.StatObjectOptions{})
	})
	if t, ok := errors.AsType[*trouble](err); ok && t.status == http.StatusNotFound && t.code != "NoSuchBucket" {
		return false, nil
	}
	return err == nil, err
}

// PresignPut gets temporary credentials with the policy and signs a PUT with them. The length
// of the content is signed, and that nothing is overwritten. A form, which could say a range
// of lengths, does not get through the door.
func (b *Backend) PresignPut(ctx context.Context, put share.Put) (object.Signed, error) {
	return value(ctx, b, "PresignPut", func(ctx context.Context) (object.Signed, error) {
		if len(put.Policy) == 0 {
			// Without one, the credentials could do what the user can.
			return object.Signed{}, errRejected.WithMessage("an upload needs a session policy")
		}
		session, err := b.assume(ctx, object.Upload{User: put.Login.User, Secret: put.Login.Secret, Policy: put.Policy, Lifetime: put.Lifetime})
		if err != nil {
			return object.Signed{}, err
		}
		header := http.Header{}
		header.Set("Content-Length", strconv.FormatInt(put.Size, 10))
		header.Set("If-None-Match", "*")
		signed, err := b.sign(ctx, session, request{
			method: http.MethodPut, bucket: put.Bucket, key: put.Key, lifetime: put.Lifetime, header: header,
		})
		signed.Headers = map[string]string{"If-None-Match": "*"}
		return signed, err
	})
}
