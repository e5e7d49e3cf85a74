package minio

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/lifecycle"
)

var _ lifecycle.Contents = (*Backend)(nil)

// listedAtOnce is how many versions the server is asked for at a time.
const listedAtOnce = 1000

// ScanVersions returns objects below the prefix, with their old versions, delete markers and
// tags, at most limit. When its time runs short it says that there are more, and returns what
// it has.
func (b *Backend) ScanVersions(ctx context.Context, bucket, prefix string, limit int) (list []lifecycle.Version, more bool, err error) {
	err = b.call(ctx, "ScanVersions", func(ctx context.Context) error {
		list, more = nil, false
		enough := time.Now().Add(b.cfg.CallTimeout / 2)
		if deadline, ok := ctx.Deadline(); ok {
			enough = time.Now().Add(time.Until(deadline) / 2)
		}
		for found, err := range listed(ctx, b.s3, bucket, minio.ListObjectsOptions{
			Prefix: prefix, WithVersions: true, WithMetadata: true, Recursive: true, MaxKeys: min(limit+1, listedAtOnce),
		}) {
			if err != nil {
				return err
			}
			if len(list) == limit || time.Now().After(enough) {
				more = true
				return nil
			}
			list = append(list, versionOf(found))
		}
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	return list, more, nil
}

func versionOf(found minio.ObjectInfo) lifecycle.Version {
	v := lifecycle.Version{
		Key: found.Key, Size: found.Size, Modified: found.LastModified, Latest: found.IsLatest, Marker: found.IsDeleteMarker,
		Tags: found.UserTags, Retained: retained(found.UserMetadata, time.Now()),
	}
	if class := found.StorageClass; class != "STANDARD" && class != "REDUCED_REDUNDANCY" {
		v.Tier = class
	}
	return v
}

// retained reads from an object's metadata whether the object lock keeps it.
func retained(metadata map[string]string, now time.Time) bool {
	header := http.Header{}
	for key, value := range metadata {
		header.Set(key, value)
	}
	if header.Get("X-Amz-Object-Lock-Legal-Hold") == "ON" {
		return true
	}
	until, err := time.Parse(time.RFC3339, header.Get("X-Amz-Object-Lock-Retain-Until-Date"))
	return err == nil && until.After(now)
}

// ListUploads returns the incomplete uploads of a bucket. MinIO knows those alone that were
// begun since it started; earlier ones it removes by itself.
func (b *Backend) ListUploads(ctx context.Context, bucket string) ([]lifecycle.Upload, error) {
	return value(ctx, b, "ListUploads", func(ctx context.Context) ([]lifecycle.Upload, error) {
		found, err := minio.Core{Client: b.s3}.ListMultipartUploads(ctx, bucket, "", "", "", "", listedAtOnce)
		if err != nil {
			return nil, err
		}
		list := make([]lifecycle.Upload, 0, len(found.Uploads))
		for _, u := range found.Uploads {
			list = append(list, lifecycle.Upload{Key: u.Key, ID: u.UploadID, Begun: u.Initiated})
		}
		return list, nil
	})
}

// AbortUpload aborts an upload; one that is gone is no error.
func (b *Backend) AbortUpload(ctx context.Context, bucket string, u lifecycle.Upload) error {
	err := b.call(ctx, "AbortUpload", func(ctx context.Context) error {
		return minio.Core{Client: b.s3}.AbortMultipartUpload(ctx, bucket, u.Key, u.ID)
	})
	if said, ok := errors.AsType[*trouble](err); ok && said.code == "NoSuchUpload" {
		return nil
	}
	return err
}
