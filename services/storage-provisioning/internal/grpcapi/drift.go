package grpcapi

import (
	"context"
	"errors"

	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/drift"
)

type drifts struct {
	storagev1.UnimplementedDriftServiceServer
	use *drift.Service
}

func (s *drifts) ListDrifts(ctx context.Context, r *storagev1.ListDriftsRequest) (*storagev1.ListDriftsResponse, error) {
	query := drift.Query{AccountID: r.GetAccountId(), Standing: driftStandings[r.GetStanding()]}
	list, next, err := s.use.List(ctx, query, r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &storagev1.ListDriftsResponse{Drifts: all(list, finding), NextPageToken: next}, nil
}

func (s *drifts) GetDrift(ctx context.Context, r *storagev1.GetDriftRequest) (*storagev1.GetDriftResponse, error) {
	f, err := s.use.Get(ctx, r.GetAccountId(), r.GetDriftId())
	if err != nil {
		return nil, err
	}
	return &storagev1.GetDriftResponse{Drift: finding(f)}, nil
}

func (s *drifts) RepairDrift(ctx context.Context, r *storagev1.RepairDriftRequest) (*storagev1.RepairDriftResponse, error) {
	f, err := s.use.Repair(ctx, r.GetAccountId(), r.GetDriftId())
	if err != nil {
		return nil, err
	}
	return &storagev1.RepairDriftResponse{Drift: finding(f)}, nil
}

func (s *drifts) IgnoreDrift(ctx context.Context, r *storagev1.IgnoreDriftRequest) (*storagev1.IgnoreDriftResponse, error) {
	f, err := s.use.Ignore(ctx, r.GetAccountId(), r.GetDriftId(), r.GetReason())
	if err != nil {
		return nil, err
	}
	return &storagev1.IgnoreDriftResponse{Drift: finding(f)}, nil
}

func (s *drifts) UnignoreDrift(ctx context.Context, r *storagev1.UnignoreDriftRequest) (*storagev1.UnignoreDriftResponse, error) {
	f, err := s.use.Unignore(ctx, r.GetAccountId(), r.GetDriftId())
	if err != nil {
		return nil, err
	}
	return &storagev1.UnignoreDriftResponse{Drift: finding(f)}, nil
}

type platformDrifts struct {
	storagev1.UnimplementedPlatformDriftServiceServer
	use     *drift.Service
	buckets *bucket.Service
	keys    *accesskey.Service
	fresh   func(context.Context) error
}

func (s *platformDrifts) ListPlatformDrifts(ctx context.Context, r *storagev1.ListPlatformDriftsRequest) (*storagev1.ListPlatformDriftsResponse, error) {
	query := drift.Query{
		Platform: true, AccountID: r.GetAccountId(), Unowned: r.GetUnowned(), ResourceKind: r.GetResourceKind(),
		Standing: driftStandings[r.GetStanding()],
	}
	list, next, err := s.use.List(ctx, query, r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &storagev1.ListPlatformDriftsResponse{Drifts: all(list, finding), NextPageToken: next}, nil
}

func (s *platformDrifts) IgnorePlatformDrift(ctx context.Context, r *storagev1.IgnorePlatformDriftRequest) (*storagev1.IgnorePlatformDriftResponse, error) {
	f, err := s.use.Ignore(ctx, "", r.GetDriftId(), r.GetReason())
	if err != nil {
		return nil, err
	}
	return &storagev1.IgnorePlatformDriftResponse{Drift: finding(f)}, nil
}

func (s *platformDrifts) UnignorePlatformDrift(ctx context.Context, r *storagev1.UnignorePlatformDriftRequest) (*storagev1.UnignorePlatformDriftResponse, error) {
	f, err := s.use.Unignore(ctx, "", r.GetDriftId())
	if err != nil {
		return nil, err
	}
	return &storagev1.UnignorePlatformDriftResponse{Drift: finding(f)}, nil
}

func (s *platformDrifts) AdoptBucket(ctx context.Context, r *storagev1.AdoptBucketRequest) (*storagev1.AdoptBucketResponse, error) {
	done, err := s.buckets.Adopt(ctx, bucket.Adoption{
		AccountID: r.GetAccountId(), Backend: r.GetBackend(), Name: r.GetBucket(),
		CustomerReference: r.GetCustomerReference(), Reason: r.GetReason(),
	})
	if err := errors.Join(begun(ctx, done.OperationID), err); err != nil {
		return nil, err
	}
	return &storagev1.AdoptBucketResponse{Bucket: Bucket(done.Bucket)}, nil
}

func (s *platformDrifts) AdoptAccessKey(ctx context.Context, r *storagev1.AdoptAccessKeyRequest) (*storagev1.AdoptAccessKeyResponse, error) {
	if err := s.fresh(ctx); err != nil {
		return nil, err
	}
	in := accesskey.Adoption{
		NewAccessKey: accesskey.NewAccessKey{
			AccountID: r.GetAccountId(), DisplayName: r.GetDisplayName(), CustomerReference: r.GetCustomerReference(),
			Grants: all(r.GetGrants(), grantOf), Networks: r.GetNetworks(), Backend: r.GetBackend(),
		},
		KeyID: r.GetAccessKeyId(), DriftID: r.GetDriftId(), Reason: r.GetReason(),
	}
	var err error
	if in.ExpireTime, err = expireTimeOf(r.GetExpireTime()); err != nil {
		return nil, err
	}
	done, err := s.keys.Adopt(ctx, in)
	if err := errors.Join(begun(ctx, done.OperationID), err); err != nil {
		return nil, err
	}
	return &storagev1.AdoptAccessKeyResponse{AccessKey: accessKey(done.AccessKey)}, nil
}

var driftStandings = map[storagev1.DriftStanding]drift.Standing{
	storagev1.DriftStanding_DRIFT_STANDING_OPEN:     drift.Open,
	storagev1.DriftStanding_DRIFT_STANDING_IGNORED:  drift.Ignored,
	storagev1.DriftStanding_DRIFT_STANDING_REPAIRED: drift.Repaired,
}

var driftKinds = map[drift.Kind]storagev1.Drift_Kind{
	drift.Missing:   storagev1.Drift_KIND_MISSING,
	drift.Extra:     storagev1.Drift_KIND_EXTRA,
	drift.Different: storagev1.Drift_KIND_DIFFERENT,
}

func finding(f drift.Finding) *storagev1.Drift {
	return &storagev1.Drift{
		Id: f.ID, AccountId: f.AccountID, ResourceKind: f.ResourceKind, ResourceId: f.ResourceID, ResourceName: f.ResourceName,
		Kind: driftKinds[f.Kind], Field: f.Field, Desired: f.Desired, Observed: f.Observed,
		DetectTime: stamp(f.DetectedAt), RepairTime: stamp(f.RepairedAt),
		IgnoreTime: stamp(f.IgnoredAt), IgnoreReason: f.IgnoreReason,
	}
}
