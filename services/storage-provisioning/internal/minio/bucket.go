package minio

import (
	"context"
	"errors"

	"github.com/minio/madmin-go/v3"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/tags"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

// The tags that carry our mark.
const (
	tagID      = "primecloud-id"
	tagAccount = "primecloud-account"
)

// ObserveBucket returns the bucket as it is; an absent one is no error. One question is
// answered with all of its settings.
func (b *Backend) ObserveBucket(ctx context.Context, name string) (bucket.Observed, error) {
	observed, err := value(ctx, b, "ObserveBucket", func(ctx context.Context) (bucket.Observed, error) {
		found, err := b.export(ctx, name)
		if err != nil {
			return bucket.Observed{}, err
		}
		return found.observed(name)
	})
	if errors.Is(err, errNoBucket) {
		return bucket.Observed{}, nil
	}
	return observed, err
}

// CountContent counts objects, versions, delete markers and incomplete uploads, and stops
// at limit. MinIO knows the incomplete uploads of a whole bucket only as long as it runs:
// those from before its start are not counted (and do not keep it from removing a bucket).
func (b *Backend) CountContent(ctx context.Context, name string, limit int) (n int, more bool, err error) {
	err = b.call(ctx, "CountContent", func(ctx context.Context) error {
		for _, err := range listed(ctx, b.s3, name, minio.ListObjectsOptions{
			WithVersions: true, Recursive: true, MaxKeys: min(limit+1, bucket.CountLimit),
		}) {
			if err != nil {
				return err
			}
			if n == limit {
				more = true
				return nil
			}
			n++
		}
		uploads, err := minio.Core{Client: b.s3}.ListMultipartUploads(ctx, name, "", "", "", "", limit+1)
		if err != nil {
			return err
		}
		n += len(uploads.Uploads)
		if n > limit {
			n, more = limit, true
		}
		return nil
	})
	if err != nil {
		return 0, false, err
	}
	return n, more, nil
}

// MakeBucket makes an empty bucket. One that exists, whoever made it, is bucket.ErrExists.
func (b *Backend) MakeBucket(ctx context.Context, name string) error {
	return b.call(ctx, "MakeBucket", func(ctx context.Context) error {
		return b.s3.MakeBucket(ctx, name, minio.MakeBucketOptions{})
	})
}

// MarkBucket writes the mark; tags that were there before are gone.
func (b *Backend) MarkBucket(ctx context.Context, name string, mark bucket.Mark) error {
	return b.call(ctx, "MarkBucket", func(ctx context.Context) error {
		set, err := tags.NewTags(map[string]string{tagID: mark.ID, tagAccount: mark.AccountID}, false)
		if err != nil {
			return errRejected.WithMessage("the mark cannot be written as tags").Wrap(err)
		}
		return b.s3.SetBucketTagging(ctx, name, set)
	})
}

// UnmarkBucket takes our mark off and leaves the owner's tags.
func (b *Backend) UnmarkBucket(ctx context.Context, name string, owners map[string]string) error {
	return b.call(ctx, "UnmarkBucket", func(ctx context.Context) error {
		if len(owners) == 0 {
			return b.s3.RemoveBucketTagging(ctx, name)
		}
		set, err := tags.NewTags(owners, false)
		if err != nil {
			return errRejected.WithMessage("the tags cannot be written").Wrap(err)
		}
		return b.s3.SetBucketTagging(ctx, name, set)
	})
}

// SetVersioning sets versioning.
func (b *Backend) SetVersioning(ctx context.Context, name string, versioning bucket.Versioning) error {
	return b.call(ctx, "SetVersioning", func(ctx context.Context) error {
		switch versioning {
		case bucket.VersioningEnabled:
			return b.s3.EnableVersioning(ctx, name)
		case bucket.VersioningSuspended:
			return b.s3.SuspendVersioning(ctx, name)
		default:
			return errRejected.WithMessage("versioning cannot be set to %s", versioning)
		}
	})
}

// SetQuota sets the hard quota; zero removes it.
func (b *Backend) SetQuota(ctx context.Context, name string, bytes int64) error {
	return b.call(ctx, "SetQuota", func(ctx context.Context) error {
		var quota madmin.BucketQuota
		if bytes > 0 {
			size := uint64(bytes)
			// Older servers read Quota.
			quota = madmin.BucketQuota{Quota: size, Size: size, Type: madmin.HardQuota}
		}
		return b.admin.SetBucketQuota(ctx, name, &quota)
	})
}

// RemoveBucket removes an empty bucket, never a full one; an absent one is no error.
func (b *Backend) RemoveBucket(ctx context.Context, name string) error {
	err := b.call(ctx, "RemoveBucket", func(ctx context.Context) error {
		return b.s3.RemoveBucket(ctx, name)
	})
	if errors.Is(err, errNoBucket) {
		return nil
	}
	return err
}
