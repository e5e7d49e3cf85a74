package grpcapi

import (
	"context"

	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/purge"
)

type bucketPurges struct {
	storagev1.UnimplementedBucketPurgeServiceServer
	use *purge.Service
}

func (s *bucketPurges) PurgeBucket(ctx context.Context, r *storagev1.PurgeBucketRequest) (*storagev1.PurgeBucketResponse, error) {
	p, err := s.use.Start(ctx, purge.New{
		AccountID: r.GetAccountId(), Bucket: r.GetBucket(), Confirm: r.GetConfirmBucket(), ETag: r.GetEtag(),
	})
	if err != nil {
		return nil, err
	}
	return &storagev1.PurgeBucketResponse{BucketPurge: BucketPurge(p)}, nil
}

func (s *bucketPurges) GetBucketPurge(ctx context.Context, r *storagev1.GetBucketPurgeRequest) (*storagev1.GetBucketPurgeResponse, error) {
	p, err := s.use.Get(ctx, r.GetAccountId(), r.GetPurgeId())
	if err != nil {
		return nil, err
	}
	return &storagev1.GetBucketPurgeResponse{BucketPurge: BucketPurge(p)}, nil
}

func (s *bucketPurges) ListBucketPurges(
	ctx context.Context, r *storagev1.ListBucketPurgesRequest,
) (*storagev1.ListBucketPurgesResponse, error) {
	query := purge.Query{AccountID: r.GetAccountId(), Bucket: r.GetBucket()}
	list, next, err := s.use.List(ctx, query, r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &storagev1.ListBucketPurgesResponse{BucketPurges: all(list, BucketPurge), NextPageToken: next}, nil
}

func (s *bucketPurges) CancelBucketPurge(
	ctx context.Context, r *storagev1.CancelBucketPurgeRequest,
) (*storagev1.CancelBucketPurgeResponse, error) {
	p, err := s.use.Cancel(ctx, r.GetAccountId(), r.GetPurgeId())
	if err != nil {
		return nil, err
	}
	return &storagev1.CancelBucketPurgeResponse{BucketPurge: BucketPurge(p)}, nil
}

var purgeStates = map[purge.State]storagev1.BucketPurgeState{
	purge.Waiting:    storagev1.BucketPurgeState_BUCKET_PURGE_STATE_WAITING,
	purge.Running:    storagev1.BucketPurgeState_BUCKET_PURGE_STATE_RUNNING,
	purge.Blocked:    storagev1.BucketPurgeState_BUCKET_PURGE_STATE_BLOCKED,
	purge.Cancelling: storagev1.BucketPurgeState_BUCKET_PURGE_STATE_CANCELLING,
	purge.Cancelled:  storagev1.BucketPurgeState_BUCKET_PURGE_STATE_CANCELLED,
	purge.Done:       storagev1.BucketPurgeState_BUCKET_PURGE_STATE_DONE,
}

// BucketPurge returns a purge as it travels.
func BucketPurge(p purge.Purge) *storagev1.BucketPurge {
	left := p.Remaining()
	return &storagev1.BucketPurge{
		Id: p.ID, AccountId: p.AccountID, Bucket: p.Bucket, BucketId: p.BucketID, State: purgeStates[p.State],
		RequestedBy: p.RequestedBy, AccountClosed: p.AccountClosed, BeginTime: stamp(p.BeginsAt), Counted: p.Counted,
		FoundEntries: p.Found.Entries, FoundObjects: p.Found.Objects, FoundBytes: p.Found.Bytes,
		RemovedEntries: p.Removed.Entries, RemovedBytes: p.Removed.Bytes, RemovedUploads: p.Removed.Uploads,
		RemainingEntries: left.Entries, RemainingBytes: left.Bytes, Reason: p.Reason, Message: p.Message,
		CreateTime: stamp(p.CreatedAt), UpdateTime: stamp(p.UpdatedAt), EndTime: stamp(p.EndedAt),
	}
}
