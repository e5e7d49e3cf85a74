package grpcapi

import (
	"context"

	"github.com/primecloud/primecloud/pkg/access"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
)

type bucketGrants struct {
	storagev1.UnimplementedBucketGrantServiceServer
	use *grant.Service
}

func (s *bucketGrants) SetBucketGrant(ctx context.Context, r *storagev1.SetBucketGrantRequest) (*storagev1.SetBucketGrantResponse, error) {
	at := grant.Place{AccountID: r.GetAccountId(), Bucket: r.GetBucket(), UserID: r.GetUserId()}
	g, err := s.use.Set(ctx, at, grant.Reach{Permission: permissionOf(r.GetPermission()), Prefixes: r.GetPrefixes()}, r.GetEtag())
	if err != nil {
		return nil, err
	}
	return &storagev1.SetBucketGrantResponse{BucketGrant: BucketGrant(g)}, nil
}

func (s *bucketGrants) ListBucketGrants(
	ctx context.Context, r *storagev1.ListBucketGrantsRequest,
) (*storagev1.ListBucketGrantsResponse, error) {
	query := grant.Query{AccountID: r.GetAccountId(), Bucket: r.GetBucket(), UserID: r.GetUserId()}
	list, next, err := s.use.List(ctx, query, r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &storagev1.ListBucketGrantsResponse{BucketGrants: all(list, BucketGrant), NextPageToken: next}, nil
}

func (s *bucketGrants) DeleteBucketGrant(
	ctx context.Context, r *storagev1.DeleteBucketGrantRequest,
) (*storagev1.DeleteBucketGrantResponse, error) {
	at := grant.Place{AccountID: r.GetAccountId(), Bucket: r.GetBucket(), UserID: r.GetUserId()}
	if err := s.use.Delete(ctx, at, r.GetEtag()); err != nil {
		return nil, err
	}
	return &storagev1.DeleteBucketGrantResponse{}, nil
}

func (s *bucketGrants) ExplainBucketAccess(
	ctx context.Context, r *storagev1.ExplainBucketAccessRequest,
) (*storagev1.ExplainBucketAccessResponse, error) {
	a, err := s.use.Explain(ctx, grant.Place{AccountID: r.GetAccountId(), Bucket: r.GetBucket(), UserID: r.GetUserId()})
	if err != nil {
		return nil, err
	}
	shown := &storagev1.BucketAccess{
		AccountId: a.AccountID, Bucket: a.Bucket, UserId: a.UserID, Role: access.RoleOf(a.Role), Abilities: all(a.Abilities, ability),
	}
	if a.Grant != nil {
		shown.Grant = BucketGrant(*a.Grant)
	}
	return &storagev1.ExplainBucketAccessResponse{BucketAccess: shown}, nil
}

// BucketGrant returns a grant as it travels.
func BucketGrant(g grant.Grant) *storagev1.BucketGrant {
	return &storagev1.BucketGrant{
		Id: g.ID, AccountId: g.AccountID, Bucket: g.Bucket, BucketId: g.BucketID, UserId: g.UserID,
		Permission: permissions[g.Permission], Prefixes: g.Prefixes, Etag: g.ETag(), CreateTime: stamp(g.CreatedAt), UpdateTime: stamp(g.UpdatedAt),
	}
}

var acts = map[grant.Act]storagev1.BucketAbility_Act{
	grant.See:      storagev1.BucketAbility_ACT_SEE,
	grant.Download: storagev1.BucketAbility_ACT_DOWNLOAD,
	grant.Upload:   storagev1.BucketAbility_ACT_UPLOAD,
}

func ability(a grant.Ability) *storagev1.BucketAbility {
	return &storagev1.BucketAbility{Act: acts[a.Act], Allowed: a.Allowed, Reason: a.Reason, Explanation: a.Explanation}
}
