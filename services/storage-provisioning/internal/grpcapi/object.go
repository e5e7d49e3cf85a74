package grpcapi

import (
	"context"

	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
)

type objects struct {
	storagev1.UnimplementedObjectServiceServer
	use   *object.Service
	fresh func(context.Context) error
}

func (s *objects) PresignUpload(ctx context.Context, r *storagev1.PresignUploadRequest) (*storagev1.PresignUploadResponse, error) {
	if err := s.fresh(ctx); err != nil {
		return nil, err
	}
	url, err := s.use.PresignUpload(ctx, object.NewURL{
		AccountID: r.GetAccountId(), Bucket: r.GetBucket(), Key: r.GetKey(),
		Lifetime: r.GetLifetime().AsDuration(), ContentType: r.GetContentType(), Size: r.SizeBytes,
	})
	if err != nil {
		return nil, err
	}
	return &storagev1.PresignUploadResponse{
		Method: url.Method, Url: url.URL, Headers: url.Headers, ExpireTime: stamp(url.ExpireTime),
	}, nil
}

func (s *objects) PresignDownload(ctx context.Context, r *storagev1.PresignDownloadRequest) (*storagev1.PresignDownloadResponse, error) {
	if err := s.fresh(ctx); err != nil {
		return nil, err
	}
	url, err := s.use.PresignDownload(ctx, object.NewURL{
		AccountID: r.GetAccountId(), Bucket: r.GetBucket(), Key: r.GetKey(),
		Lifetime: r.GetLifetime().AsDuration(), DownloadName: r.GetDownloadName(),
		VersionID: r.GetVersionId(), ContentType: r.GetContentType(), CacheControl: r.GetCacheControl(),
	})
	if err != nil {
		return nil, err
	}
	return &storagev1.PresignDownloadResponse{Method: url.Method, Url: url.URL, ExpireTime: stamp(url.ExpireTime)}, nil
}
