package minio

import (
	"context"
	"errors"
	"sync"

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

// ObserveBucket returns the bucket as it is; an absent one is no error. Of the four questions
// that it takes, the mark is asked for first, since none of the others says anything about an
// absent bucket; the others then at the same time.
func (b *Backend) ObserveBucket(ctx context.Context, name string) (bucket.Observed, error) {
	var observed bucket.Observed
	err := b.cfg.Around(ctx, "minio.ObserveBucket", func(ctx context.Context) error {
		var err error
		observed, err = b.observe(ctx, name)
		return err
	})
	if errors.Is(err, errNoBucket) {
		return bucket.Observed{}, nil
	}
	return observed, err
}

func (b *Backend) observe(ctx context.Context, name string) (bucket.Observed, error) {
	observed := bucket.Observed{Exists: true, Spec: bucket.NewSpec()}
	err := b.request(ctx, func(ctx context.Context) (err error) { observed.Mark, err = b.mark(ctx, name); return err })
	if err != nil && !errors.Is(err, errAbsent) {
		return bucket.Observed{}, err
	}
	questions := []func(context.Context) error{
		func(ctx context.Context) (err error) {
			observed.Spec.Versioning, err = b.versioning(ctx, name)
			return err
		},
		func(ctx context.Context) (err error) { observed.Spec.QuotaBytes, err = b.quota(ctx, name); return err },
		func(ctx context.Context) (err error) {
			observed.Spec.Lifecycle, err = b.lifecycle(ctx, name)
			return err
		},
	}
	answers := make([]error, len(questions))
	var wait sync.WaitGroup
	for i, ask := range questions {
		wait.Go(func() { answers[i] = b.request(ctx, ask) })
	}
	wait.Wait()
	for _, err := range answers {
		// That there is no bucket outweighs whatever else went wrong.
		if errors.Is(err, errNoBucket) {
			return bucket.Observed{}, err
		}
	}
	for _, err := range answers {
		if err != nil && !errors.Is(err, errAbsent) {
			return bucket.Observed{}, err
		}
	}
	return observed, nil
}

func (b *Backend) mark(ctx context.Context, name string) (bucket.Mark, error) {
	found, err := b.s3.GetBucketTagging(ctx, name)
	if err != nil {
		return bucket.Mark{}, err
	}
	all := found.ToMap()
	return bucket.Mark{ID: all[tagID], AccountID: all[tagAccount]}, nil
}

func (b *Backend) versioning(ctx context.Context, name string) (bucket.Versioning, error) {
	found, err := b.s3.GetBucketVersioning(ctx, name)
	switch {
	case err != nil:
		return bucket.VersioningOff, err
	case found.Enabled():
		return bucket.VersioningEnabled, nil
	case found.Suspended():
		return bucket.VersioningSuspended, nil
	default:
		return bucket.VersioningOff, nil
	}
}

func (b *Backend) quota(ctx context.Context, name string) (int64, error) {
	found, err := b.admin.GetBucketQuota(ctx, name)
	if err != nil {
		return 0, err
	}
	// Size is the newer field, Quota the older one.
	return int64(max(found.Size, found.Quota)), nil //nolint:gosec // a quota above 8 EiB is not one of ours
}

// CountContent counts objects, versions, delete markers and incomplete uploads, and stops
// at limit. MinIO knows the incomplete uploads of a whole bucket only as long as it runs:
// those from before its start are not counted (and do not keep it from removing a bucket).
func (b *Backend) CountContent(ctx context.Context, name string, limit int) (n int, more bool, err error) {
	err = b.call(ctx, "CountContent", func(ctx context.Context) error {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		for object := range b.s3.ListObjectsIter(ctx, name, minio.ListObjectsOptions{
			WithVersions: true, Recursive: true, MaxKeys: min(limit+1, bucket.CountLimit),
		}) {
			if object.Err != nil {
				return object.Err
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

// ListBuckets returns the names of all buckets, whoever owns them.
func (b *Backend) ListBuckets(ctx context.Context) ([]string, error) {
	return value(ctx, b, "ListBuckets", func(ctx context.Context) ([]string, error) {
		found, err := b.s3.ListBuckets(ctx)
		names := make([]string, 0, len(found))
		for _, one := range found {
			names = append(names, one.Name)
		}
		return names, err
	})
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
