package minio

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/minio/madmin-go/v3"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/sse"
	"github.com/minio/minio-go/v7/pkg/tags"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
)

// codeNoKMS is what a server without a key management answers; it says so of nothing else
// that we ask for.
const codeNoKMS = "NotImplemented"

// MakeLockedBucket makes an empty bucket with object lock. One that exists, whoever made it,
// is bucket.ErrExists.
func (b *Backend) MakeLockedBucket(ctx context.Context, name string) error {
	return b.call(ctx, "MakeLockedBucket", func(ctx context.Context) error {
		return b.s3.MakeBucket(ctx, name, minio.MakeBucketOptions{ObjectLocking: true})
	})
}

// SetBucketTags writes the owner's tags and our mark.
func (b *Backend) SetBucketTags(ctx context.Context, name string, mark bucket.Mark, owners map[string]string) error {
	return b.call(ctx, "SetBucketTags", func(ctx context.Context) error {
		all := map[string]string{tagID: mark.ID, tagAccount: mark.AccountID}
		for key, value := range owners {
			if _, ours := all[key]; ours {
				return errRejected.WithMessage("the tag %s is our mark", key)
			}
			all[key] = value
		}
		set, err := tags.NewTags(maps.Clone(all), false)
		if err != nil {
			return errRejected.WithMessage("the tags cannot be written: a key or value is not one of S3").Wrap(err)
		}
		return b.s3.SetBucketTagging(ctx, name, set)
	})
}

// SetRetention sets or removes the default retention of a bucket with object lock.
func (b *Backend) SetRetention(ctx context.Context, name string, lock bucket.Lock) error {
	return b.call(ctx, "SetRetention", func(ctx context.Context) error {
		if lock.Mode == "" {
			return b.s3.SetBucketObjectLockConfig(ctx, name, nil, nil, nil)
		}
		mode, unit, period := minio.RetentionMode(lock.Mode), minio.Days, lock.Days
		if lock.Years > 0 {
			unit, period = minio.Years, lock.Years
		}
		validity := uint(period) //nolint:gosec // the concept checks that it is positive
		return b.s3.SetBucketObjectLockConfig(ctx, name, &mode, &validity, &unit)
	})
}

// SetEncryption sets or removes the default encryption.
func (b *Backend) SetEncryption(ctx context.Context, name string, encryption bucket.Encryption) error {
	err := b.call(ctx, "SetEncryption", func(ctx context.Context) error {
		switch encryption {
		case bucket.EncryptionNone:
			return b.s3.RemoveBucketEncryption(ctx, name)
		case bucket.EncryptionSSES3:
			return b.s3.SetBucketEncryption(ctx, name, sse.NewConfigurationSSES3())
		default:
			return errRejected.WithMessage("encryption cannot be set to %s", encryption)
		}
	})
	if said, ok := errors.AsType[*trouble](err); ok && said.code == codeNoKMS {
		return bucket.ErrEncryptionUnsupported.Wrap(said)
	}
	return err
}

// SetPublic lets everybody read, or removes the bucket's policy.
func (b *Backend) SetPublic(ctx context.Context, name string, public bucket.Public) error {
	return b.call(ctx, "SetPublic", func(ctx context.Context) error {
		if !public.Read {
			return b.s3.SetBucketPolicy(ctx, name, "")
		}
		document, err := policy.Public(name, public.Prefix)
		if err != nil {
			return errRejected.WithMessage("the prefix cannot be named exactly in a policy").Wrap(err)
		}
		return b.s3.SetBucketPolicy(ctx, name, string(document))
	})
}

// Features asks the server what it can do. MinIO keeps no rules for other origins by bucket:
// it answers PutBucketCors with NotImplemented.
func (b *Backend) Features(ctx context.Context) (bucket.Features, error) {
	var can bucket.Features
	err := b.cfg.Around(ctx, "minio.Features", func(ctx context.Context) error {
		err := b.request(ctx, func(ctx context.Context) error { _, err := b.admin.KMSStatus(ctx); return err })
		said, refused := errors.AsType[*trouble](err)
		if err != nil && (!refused || said.code != codeNoKMS) {
			return err
		}
		can.Encryption = err == nil
		return b.request(ctx, func(ctx context.Context) error {
			found, err := b.admin.ListTiers(ctx)
			can.Tiers = names(found)
			return err
		})
	})
	if err != nil {
		return bucket.Features{}, err
	}
	return can, nil
}

func names(tiers []*madmin.TierConfig) []string {
	var list []string
	for _, tier := range tiers {
		list = append(list, tier.Name)
	}
	slices.Sort(list)
	return list
}
