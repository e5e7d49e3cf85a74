package minio

import (
	"context"
	"errors"
	"net/http"
	"time"

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

// PresignForm gets temporary credentials with the policy and signs a form with them.
func (b *Backend) PresignForm(ctx context.Context, form share.Form) (share.SignedForm, error) {
	return value(ctx, b, "PresignForm", func(ctx context.Context) (share.SignedForm, error) {
		if len(form.Policy) == 0 {
			// Without one, the credentials could do what the user can.
			return share.SignedForm{}, errRejected.WithMessage("an upload needs a session policy")
		}
		session, err := b.assume(ctx, object.Upload{User: form.Login.User, Secret: form.Login.Secret, Policy: form.Policy, Lifetime: form.Lifetime})
		if err != nil {
			return share.SignedForm{}, err
		}
		return b.signForm(ctx, session, form)
	})
}

func (b *Backend) signForm(ctx context.Context, keys *credentials.Credentials, form share.Form) (share.SignedForm, error) {
	client, err := minio.New(b.public.Host, &minio.Options{
		Creds: keys, Secure: b.public.Scheme == "https", Region: b.cfg.Region,
		Transport: b.http.Transport, BucketLookup: minio.BucketLookupPath, MaxRetries: 1,
	})
	if err != nil {
		return share.SignedForm{}, errRejected.WithMessage("the form cannot be signed").Wrap(err)
	}
	// The server compares with its own clock, and the form says seconds.
	expires := time.Now().Add(form.Lifetime).UTC().Truncate(time.Second)
	wanted := minio.NewPostPolicy()
	steps := []error{
		wanted.SetBucket(form.Bucket), wanted.SetKey(form.Key), wanted.SetExpires(expires), wanted.SetContentLengthRange(0, form.MaxBytes),
	}
	if form.Redirect != "" {
		steps = append(steps, wanted.SetSuccessActionRedirect(form.Redirect))
	}
	if err := errors.Join(steps...); err != nil {
		return share.SignedForm{}, errRejected.WithMessage("the form cannot be signed").Wrap(err)
	}
	to, fields, err := client.PresignedPostPolicy(ctx, wanted)
	if err != nil {
		return share.SignedForm{}, errRejected.WithMessage("the form cannot be signed").Wrap(err)
	}
	return share.SignedForm{URL: to.String(), Fields: fields, ExpireTime: expires}, nil
}
