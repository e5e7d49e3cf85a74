package grpcapi

import (
	"context"

	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/removal"
)

type accountRemovals struct {
	storagev1.UnimplementedAccountRemovalServiceServer
	use *removal.Service
}

func (s *accountRemovals) GetAccountRemoval(
	ctx context.Context, r *storagev1.GetAccountRemovalRequest,
) (*storagev1.GetAccountRemovalResponse, error) {
	found, err := s.use.Get(ctx, r.GetAccountId())
	if err != nil {
		return nil, err
	}
	return &storagev1.GetAccountRemovalResponse{AccountRemoval: AccountRemoval(found)}, nil
}

func (s *accountRemovals) GetPlatformAccountRemoval(
	ctx context.Context, r *storagev1.GetPlatformAccountRemovalRequest,
) (*storagev1.GetPlatformAccountRemovalResponse, error) {
	found, err := s.use.Get(ctx, r.GetAccountId())
	if err != nil {
		return nil, err
	}
	return &storagev1.GetPlatformAccountRemovalResponse{AccountRemoval: AccountRemoval(found)}, nil
}

func (s *accountRemovals) ListPlatformAccountRemovals(
	ctx context.Context, r *storagev1.ListPlatformAccountRemovalsRequest,
) (*storagev1.ListPlatformAccountRemovalsResponse, error) {
	list, next, err := s.use.List(ctx, r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &storagev1.ListPlatformAccountRemovalsResponse{
		AccountRemovals: all(list, func(m removal.Removal) *storagev1.AccountRemoval {
			m.Manifest = nil
			return AccountRemoval(m)
		}), NextPageToken: next,
	}, nil
}

var removalStates = map[removal.State]storagev1.AccountRemovalState{
	removal.Counting: storagev1.AccountRemovalState_ACCOUNT_REMOVAL_STATE_COUNTING,
	removal.Removing: storagev1.AccountRemovalState_ACCOUNT_REMOVAL_STATE_REMOVING,
	removal.Done:     storagev1.AccountRemovalState_ACCOUNT_REMOVAL_STATE_DONE,
}

// AccountRemoval returns a removal as it travels.
func AccountRemoval(m removal.Removal) *storagev1.AccountRemoval {
	out := &storagev1.AccountRemoval{
		Id: m.ID, AccountId: m.AccountID, State: removalStates[m.State], Reason: m.Reason, Message: m.Message,
		CreateTime: stamp(m.CreatedAt), UpdateTime: stamp(m.UpdatedAt), EndTime: stamp(m.EndedAt),
	}
	if w := m.Manifest; w != nil {
		out.ExitManifest = &storagev1.ExitManifest{
			Buckets: all(w.Buckets, exitBucket), AccessKeys: all(w.AccessKeys, exitKey), CreateTime: stamp(w.WrittenAt),
		}
	}
	if d := m.Record; d != nil {
		out.DeletionRecord = &storagev1.DeletionRecord{
			Buckets: all(d.Buckets, deletedBucket), Entries: d.Entries, Bytes: d.Bytes, AccessKeys: d.AccessKeys,
			Identities: d.Identities, CreateTime: stamp(d.WrittenAt),
		}
	}
	return out
}

func exitBucket(b removal.Bucket) *storagev1.ExitBucket {
	return &storagev1.ExitBucket{Bucket: Bucket(b.Bucket), Objects: b.Objects, Entries: b.Entries, Bytes: b.Bytes}
}

func exitKey(k removal.Key) *storagev1.ExitAccessKey {
	return &storagev1.ExitAccessKey{
		Id: k.ID, DisplayName: k.DisplayName, Backend: k.Backend, CustomerReference: k.CustomerReference,
		Grants: all(k.Grants, keyGrant), ExpireTime: stamp(k.ExpireTime), CreateTime: stamp(k.CreatedAt),
	}
}

func deletedBucket(b removal.DeletedBucket) *storagev1.DeletedBucket {
	return &storagev1.DeletedBucket{
		BucketId: b.BucketID, Bucket: b.Bucket, Backend: b.Backend, Entries: b.Entries, Bytes: b.Bytes, Uploads: b.Uploads,
		DeleteTime: stamp(b.DeletedAt),
	}
}
