package grpcapi

import (
	"context"

	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
)

type multipartUploads struct {
	storagev1.UnimplementedMultipartUploadServiceServer
	use   *object.Service
	fresh func(context.Context) error
}

// multipart is what every request on an upload names.
type multipart interface {
	GetAccountId() string
	GetBucket() string
	GetKey() string
	GetUploadId() string
}

func multipartOf(r multipart) object.Multipart {
	return object.Multipart{AccountID: r.GetAccountId(), Bucket: r.GetBucket(), Key: r.GetKey(), UploadID: r.GetUploadId()}
}

func (s *multipartUploads) CreateMultipartUpload(ctx context.Context, r *storagev1.CreateMultipartUploadRequest) (*storagev1.CreateMultipartUploadResponse, error) {
	begun, err := s.use.Begin(ctx, r.GetAccountId(), object.NewUpload{
		Bucket: r.GetBucket(), Key: r.GetKey(), ContentType: r.GetContentType(), Metadata: r.GetMetadata(),
	})
	if err != nil {
		return nil, err
	}
	return &storagev1.CreateMultipartUploadResponse{Upload: uploadOut(r.GetBucket())(begun)}, nil
}

func (s *multipartUploads) ListMultipartUploads(ctx context.Context, r *storagev1.ListMultipartUploadsRequest) (*storagev1.ListMultipartUploadsResponse, error) {
	list, next, err := s.use.Pending(ctx, object.Query{
		AccountID: r.GetAccountId(), Bucket: r.GetBucket(), Prefix: r.GetPrefix(), PageSize: r.GetPageSize(), PageToken: r.GetPageToken(),
	})
	if err != nil {
		return nil, err
	}
	return &storagev1.ListMultipartUploadsResponse{Uploads: all(list, uploadOut(r.GetBucket())), NextPageToken: next}, nil
}

func (s *multipartUploads) SignParts(ctx context.Context, r *storagev1.SignPartsRequest) (*storagev1.SignPartsResponse, error) {
	if err := s.fresh(ctx); err != nil {
		return nil, err
	}
	numbers := all(r.GetPartNumbers(), func(n int32) int { return int(n) })
	signed, err := s.use.SignParts(ctx, multipartOf(r), numbers, r.GetLifetime().AsDuration())
	if err != nil {
		return nil, err
	}
	response := &storagev1.SignPartsResponse{}
	for i, url := range signed {
		response.Parts = append(response.Parts, &storagev1.SignedPart{PartNumber: r.GetPartNumbers()[i], Method: url.Method, Url: url.URL})
		if i == 0 {
			// They are signed one after the other: the first ends first.
			response.ExpireTime = stamp(url.ExpireTime)
		}
	}
	return response, nil
}

func (s *multipartUploads) ListParts(ctx context.Context, r *storagev1.ListPartsRequest) (*storagev1.ListPartsResponse, error) {
	list, next, err := s.use.Parts(ctx, multipartOf(r), r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &storagev1.ListPartsResponse{Parts: all(list, partOut), NextPageToken: next}, nil
}

func (s *multipartUploads) CompleteMultipartUpload(ctx context.Context, r *storagev1.CompleteMultipartUploadRequest) (*storagev1.CompleteMultipartUploadResponse, error) {
	parts := all(r.GetParts(), func(p *storagev1.Part) object.Part {
		return object.Part{Number: int(p.GetPartNumber()), ETag: p.GetEtag()}
	})
	o, err := s.use.Complete(ctx, multipartOf(r), parts)
	if err != nil {
		return nil, err
	}
	return &storagev1.CompleteMultipartUploadResponse{Object: objectOut(o)}, nil
}

func (s *multipartUploads) AbortMultipartUpload(ctx context.Context, r *storagev1.AbortMultipartUploadRequest) (*storagev1.AbortMultipartUploadResponse, error) {
	if err := s.use.Abort(ctx, multipartOf(r)); err != nil {
		return nil, err
	}
	return &storagev1.AbortMultipartUploadResponse{}, nil
}

func uploadOut(bucket string) func(object.PendingUpload) *storagev1.MultipartUpload {
	return func(u object.PendingUpload) *storagev1.MultipartUpload {
		return &storagev1.MultipartUpload{Bucket: bucket, Key: u.Key, UploadId: u.ID, CreateTime: stamp(u.StartedAt)}
	}
}

func partOut(p object.Part) *storagev1.Part {
	return &storagev1.Part{PartNumber: int32(p.Number), Etag: p.ETag, SizeBytes: p.Size, UpdateTime: stamp(p.PutAt)} //nolint:gosec // 10000 at most
}
