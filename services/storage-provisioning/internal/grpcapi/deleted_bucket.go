package grpcapi

import (
	"context"

	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

type deletedBuckets struct {
	storagev1.UnimplementedDeletedBucketServiceServer
	use *bucket.Service
}

func (s *deletedBuckets) ListDeletedBuckets(
	ctx context.Context, r *storagev1.ListDeletedBucketsRequest,
) (*storagev1.ListDeletedBucketsResponse, error) {
	list, next, err := s.use.ListDeleted(ctx, r.GetAccountId(), r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &storagev1.ListDeletedBucketsResponse{DeletedBuckets: all(list, deletedSettings), NextPageToken: next}, nil
}

func (s *deletedBuckets) RestoreBucket(ctx context.Context, r *storagev1.RestoreBucketRequest) (*storagev1.RestoreBucketResponse, error) {
	done, err := s.use.Restore(ctx, r.GetAccountId(), r.GetBucket())
	if err != nil {
		return nil, err
	}
	return &storagev1.RestoreBucketResponse{Bucket: Bucket(done.Bucket)}, begun(ctx, done.OperationID)
}

func deletedSettings(d bucket.Deleted) *storagev1.DeletedBucketSettings {
	return &storagev1.DeletedBucketSettings{
		Bucket: Bucket(d.Bucket), Grants: int32(len(d.Grants)), DeleteTime: stamp(d.DeletedAt), RestorableUntil: stamp(d.RestorableUntil),
	}
}
