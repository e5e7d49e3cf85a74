package minio

import (
	"context"
	"errors"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/quota"
)

var _ quota.Meter = (*Backend)(nil)

// ReportUsage returns what the server's scanner says of all buckets.
func (b *Backend) ReportUsage(ctx context.Context) (map[string]quota.Size, error) {
	return value(ctx, b, "ReportUsage", func(ctx context.Context) (map[string]quota.Size, error) {
		info, err := b.admin.DataUsageInfo(ctx)
		if err != nil {
			return nil, err
		}
		report := make(map[string]quota.Size, len(info.BucketsUsage))
		for name, usage := range info.BucketsUsage {
			// Versions include the latest ones, and without versioning there are none but those.
			report[name] = quota.Size{Bytes: int64(min(usage.Size, maxReport)), Versions: int64(max(usage.ObjectsCount, usage.VersionsCount))}
		}
		return report, nil
	})
}

// maxReport keeps a figure of the server's within what we count in.
const maxReport = 1<<63 - 1

// TallyBucket counts a stretch of the bucket with all versions. It ends between two keys, so
// that the next one goes on after whole keys.
func (b *Backend) TallyBucket(ctx context.Context, bucket, after string, expected map[string]time.Time) (quota.Stretch, error) {
	counted, err := value(ctx, b, "TallyBucket", func(ctx context.Context) (quota.Stretch, error) {
		var s quota.Stretch
		last, seen := "", 0
		for v, err := range listed(ctx, b.s3, bucket, minio.ListObjectsOptions{Recursive: true, WithVersions: true, StartAfter: after}) {
			switch {
			case err != nil:
				return quota.Stretch{}, err
			case seen >= b.cfg.Stretch && v.Key != last:
				s.Next = last
				return s, nil
			}
			seen, last = seen+1, v.Key
			if v.IsDeleteMarker {
				continue
			}
			s.Size.Bytes, s.Size.Versions = s.Size.Bytes+v.Size, s.Size.Versions+1
			if since, ok := expected[v.Key]; ok && !v.LastModified.Before(since) {
				s.Seen = append(s.Seen, v.Key)
			}
		}
		return s, nil
	})
	if errors.Is(err, errNoBucket) {
		return quota.Stretch{}, quota.ErrNoBucket
	}
	return counted, err
}
