package grpcapi

import (
	"context"

	"github.com/primecloud/primecloud/pkg/errs"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
)

func (s *objects) ListObjects(ctx context.Context, r *storagev1.ListObjectsRequest) (*storagev1.ListObjectsResponse, error) {
	got, next, err := s.use.List(ctx, object.Query{
		AccountID: r.GetAccountId(), Bucket: r.GetBucket(), Prefix: r.GetPrefix(), Delimiter: r.GetDelimiter(),
		StartAfter: r.GetStartAfter(), PageSize: r.GetPageSize(), PageToken: r.GetPageToken(),
	})
	if err != nil {
		return nil, err
	}
	return &storagev1.ListObjectsResponse{Objects: all(got.Objects, objectOut), Prefixes: got.Prefixes, NextPageToken: next}, nil
}

func (s *objects) ListObjectVersions(ctx context.Context, r *storagev1.ListObjectVersionsRequest) (*storagev1.ListObjectVersionsResponse, error) {
	got, next, err := s.use.ListVersions(ctx, object.Query{
		AccountID: r.GetAccountId(), Bucket: r.GetBucket(), Prefix: r.GetPrefix(), Delimiter: r.GetDelimiter(),
		PageSize: r.GetPageSize(), PageToken: r.GetPageToken(),
	})
	if err != nil {
		return nil, err
	}
	return &storagev1.ListObjectVersionsResponse{Versions: all(got.Objects, objectOut), Prefixes: got.Prefixes, NextPageToken: next}, nil
}

func (s *objects) GetObject(ctx context.Context, r *storagev1.GetObjectRequest) (*storagev1.GetObjectResponse, error) {
	o, err := s.use.Get(ctx, r.GetAccountId(), r.GetBucket(), object.Ref{Key: r.GetKey(), VersionID: r.GetVersionId()})
	if err != nil {
		return nil, err
	}
	return &storagev1.GetObjectResponse{Object: objectOut(o)}, nil
}

func (s *objects) SearchObjects(ctx context.Context, r *storagev1.SearchObjectsRequest) (*storagev1.SearchObjectsResponse, error) {
	found, next, err := s.use.Search(ctx, object.Search{
		Query: object.Query{
			AccountID: r.GetAccountId(), Bucket: r.GetBucket(), Prefix: r.GetPrefix(), PageSize: r.GetPageSize(), PageToken: r.GetPageToken(),
		},
		Contains: r.GetContains(), Tags: r.GetTags(),
	})
	if err != nil {
		return nil, err
	}
	return &storagev1.SearchObjectsResponse{
		Objects: all(found.Objects, objectOut), NextPageToken: next, Complete: next == "", ScannedCount: found.Scanned,
	}, nil
}

func (s *objects) CopyObject(ctx context.Context, r *storagev1.CopyObjectRequest) (*storagev1.CopyObjectResponse, error) {
	o, err := s.use.Copy(ctx, object.NewCopy{
		AccountID: r.GetAccountId(), Bucket: r.GetBucket(), From: object.Ref{Key: r.GetKey(), VersionID: r.GetVersionId()},
		ToBucket: r.GetDestinationBucket(), ToKey: r.GetDestinationKey(),
	})
	if err != nil {
		return nil, err
	}
	return &storagev1.CopyObjectResponse{Object: objectOut(o)}, nil
}

func (s *objects) MoveObject(ctx context.Context, r *storagev1.MoveObjectRequest) (*storagev1.MoveObjectResponse, error) {
	o, err := s.use.Move(ctx, object.NewCopy{
		AccountID: r.GetAccountId(), Bucket: r.GetBucket(), From: object.Ref{Key: r.GetKey()},
		ToBucket: r.GetDestinationBucket(), ToKey: r.GetDestinationKey(),
	})
	if err != nil {
		return nil, err
	}
	return &storagev1.MoveObjectResponse{Object: objectOut(o)}, nil
}

func (s *objects) DeleteObject(ctx context.Context, r *storagev1.DeleteObjectRequest) (*storagev1.DeleteObjectResponse, error) {
	done, err := s.use.Delete(ctx, r.GetAccountId(), r.GetBucket(), object.Ref{Key: r.GetKey(), VersionID: r.GetVersionId()})
	if err != nil {
		return nil, err
	}
	return &storagev1.DeleteObjectResponse{VersionId: done.VersionID, IsDeleteMarker: done.DeleteMarker}, nil
}

func (s *objects) DeleteObjects(ctx context.Context, r *storagev1.DeleteObjectsRequest) (*storagev1.DeleteObjectsResponse, error) {
	refs := all(r.GetObjects(), func(o *storagev1.ObjectReference) object.Ref {
		return object.Ref{Key: o.GetKey(), VersionID: o.GetVersionId()}
	})
	done, err := s.use.DeleteMany(ctx, r.GetAccountId(), r.GetBucket(), refs)
	if err != nil {
		return nil, err
	}
	response := &storagev1.DeleteObjectsResponse{Results: all(done, deletedOut)}
	for _, one := range done {
		if one.Err != nil {
			response.FailedCount++
		}
	}
	return response, nil
}

func (s *objects) RestoreObjectVersion(ctx context.Context, r *storagev1.RestoreObjectVersionRequest) (*storagev1.RestoreObjectVersionResponse, error) {
	o, err := s.use.Restore(ctx, r.GetAccountId(), r.GetBucket(), object.Ref{Key: r.GetKey(), VersionID: r.GetVersionId()})
	if err != nil {
		return nil, err
	}
	return &storagev1.RestoreObjectVersionResponse{Object: objectOut(o)}, nil
}

func (s *objects) UndeleteObject(ctx context.Context, r *storagev1.UndeleteObjectRequest) (*storagev1.UndeleteObjectResponse, error) {
	o, err := s.use.Undelete(ctx, r.GetAccountId(), r.GetBucket(), r.GetKey())
	if err != nil {
		return nil, err
	}
	return &storagev1.UndeleteObjectResponse{Object: objectOut(o)}, nil
}

func (s *objects) GetObjectTags(ctx context.Context, r *storagev1.GetObjectTagsRequest) (*storagev1.GetObjectTagsResponse, error) {
	o, err := s.use.Get(ctx, r.GetAccountId(), r.GetBucket(), object.Ref{Key: r.GetKey(), VersionID: r.GetVersionId()})
	if err != nil {
		return nil, err
	}
	return &storagev1.GetObjectTagsResponse{Tags: o.Tags}, nil
}

func (s *objects) SetObjectTags(ctx context.Context, r *storagev1.SetObjectTagsRequest) (*storagev1.SetObjectTagsResponse, error) {
	ref := object.Ref{Key: r.GetKey(), VersionID: r.GetVersionId()}
	if err := s.use.SetTags(ctx, r.GetAccountId(), r.GetBucket(), ref, r.GetTags()); err != nil {
		return nil, err
	}
	return &storagev1.SetObjectTagsResponse{Tags: r.GetTags()}, nil
}

func (s *objects) PresignPost(ctx context.Context, r *storagev1.PresignPostRequest) (*storagev1.PresignPostResponse, error) {
	if err := s.fresh(ctx); err != nil {
		return nil, err
	}
	form, err := s.use.PresignForm(ctx, object.NewForm{
		AccountID: r.GetAccountId(), Bucket: r.GetBucket(), Key: r.GetKey(), Prefix: r.GetKeyPrefix(), ContentType: r.GetContentType(),
		Min: r.GetMinSizeBytes(), Max: r.GetMaxSizeBytes(), Lifetime: r.GetLifetime().AsDuration(),
	})
	if err != nil {
		return nil, err
	}
	return &storagev1.PresignPostResponse{Url: form.URL, Fields: form.Fields, ExpireTime: stamp(form.ExpireTime)}, nil
}

func objectOut(o object.Object) *storagev1.Object {
	out := &storagev1.Object{
		Key: o.Key, VersionId: o.VersionID, IsLatest: o.Latest, IsDeleteMarker: o.DeleteMarker, SizeBytes: o.Size, Etag: o.ETag,
		StorageClass: o.StorageClass, UpdateTime: stamp(o.ModifiedAt), ContentType: o.Headers.ContentType,
		CacheControl: o.Headers.CacheControl, ContentDisposition: o.Headers.ContentDisposition,
		ContentEncoding: o.Headers.ContentEncoding, ContentLanguage: o.Headers.ContentLanguage,
		Metadata: o.Metadata, Tags: o.Tags, LegalHold: o.Held,
	}
	if o.Mode != "" {
		out.Retention = &storagev1.Object_Retention{Mode: o.Mode, RetainUntilTime: stamp(o.RetainUntil)}
	}
	return out
}

func deletedOut(r object.Removed) *storagev1.DeletedObject {
	out := &storagev1.DeletedObject{Key: r.Ref.Key, VersionId: r.Ref.VersionID, Deleted: r.Err == nil}
	if r.Err == nil && r.DeleteMarker && r.Ref.VersionID == "" {
		out.DeleteMarkerVersionId = r.VersionID
	}
	if e, ok := errs.As(r.Err); ok {
		out.Reason, out.Message = e.Reason(), e.Message()
	}
	return out
}
