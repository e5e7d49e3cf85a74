package grpcapi

import (
	"context"

	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/quota"
)

type quotas struct {
	storagev1.UnimplementedQuotaServiceServer
	use *quota.Service
}

func (s *quotas) GetAccountQuota(
	ctx context.Context, r *storagev1.GetAccountQuotaRequest,
) (*storagev1.GetAccountQuotaResponse, error) {
	v, err := s.use.Get(ctx, r.GetAccountId())
	if err != nil {
		return nil, err
	}
	return &storagev1.GetAccountQuotaResponse{Quota: AccountQuota(v)}, nil
}

func (s *quotas) CreateQuotaRequest(
	ctx context.Context, r *storagev1.CreateQuotaRequestRequest,
) (*storagev1.CreateQuotaRequestResponse, error) {
	made, err := s.use.Ask(ctx, quota.Request{
		AccountID: r.GetAccountId(), Storage: r.GetStorageHardBytes(), Buckets: r.GetBucketsHard(), AccessKeys: r.GetAccessKeysHard(),
		Note: r.GetNote(),
	})
	if err != nil {
		return nil, err
	}
	return &storagev1.CreateQuotaRequestResponse{QuotaRequest: QuotaRequest(made)}, nil
}

func (s *quotas) ListQuotaRequests(
	ctx context.Context, r *storagev1.ListQuotaRequestsRequest,
) (*storagev1.ListQuotaRequestsResponse, error) {
	list, next, err := s.use.ListRequests(ctx, quota.RequestQuery{AccountID: r.GetAccountId()}, r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &storagev1.ListQuotaRequestsResponse{QuotaRequests: all(list, QuotaRequest), NextPageToken: next}, nil
}

func (s *quotas) GetQuotaRequest(
	ctx context.Context, r *storagev1.GetQuotaRequestRequest,
) (*storagev1.GetQuotaRequestResponse, error) {
	found, err := s.use.GetRequest(ctx, r.GetAccountId(), r.GetQuotaRequestId())
	if err != nil {
		return nil, err
	}
	return &storagev1.GetQuotaRequestResponse{QuotaRequest: QuotaRequest(found)}, nil
}

func (s *quotas) WithdrawQuotaRequest(
	ctx context.Context, r *storagev1.WithdrawQuotaRequestRequest,
) (*storagev1.WithdrawQuotaRequestResponse, error) {
	ended, err := s.use.Decide(ctx, quota.Decision{AccountID: r.GetAccountId(), RequestID: r.GetQuotaRequestId(), State: quota.Withdrawn})
	if err != nil {
		return nil, err
	}
	return &storagev1.WithdrawQuotaRequestResponse{QuotaRequest: QuotaRequest(ended)}, nil
}

type platformQuotas struct {
	storagev1.UnimplementedPlatformQuotaServiceServer
	use *quota.Service
}

func (s *platformQuotas) GetPlatformQuota(
	ctx context.Context, r *storagev1.GetPlatformQuotaRequest,
) (*storagev1.GetPlatformQuotaResponse, error) {
	v, err := s.use.Get(ctx, r.GetAccountId())
	if err != nil {
		return nil, err
	}
	return &storagev1.GetPlatformQuotaResponse{Quota: AccountQuota(v)}, nil
}

func (s *platformQuotas) ListPlatformQuotas(
	ctx context.Context, r *storagev1.ListPlatformQuotasRequest,
) (*storagev1.ListPlatformQuotasResponse, error) {
	list, next, err := s.use.List(ctx, r.GetWritesStopped(), r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &storagev1.ListPlatformQuotasResponse{Quotas: all(list, AccountQuota), NextPageToken: next}, nil
}

func (s *platformQuotas) SetPlatformQuota(
	ctx context.Context, r *storagev1.SetPlatformQuotaRequest,
) (*storagev1.SetPlatformQuotaResponse, error) {
	l := r.GetLimits()
	v, err := s.use.Set(ctx, quota.NewLimits{
		AccountID: r.GetAccountId(), Reason: r.GetReason(), ETag: r.GetEtag(),
		Limits: quota.Limits{
			Storage:    quota.Limit{Soft: l.GetStorageSoftBytes(), Hard: l.GetStorageHardBytes()},
			Buckets:    quota.Limit{Soft: l.GetBucketsSoft(), Hard: l.GetBucketsHard()},
			AccessKeys: quota.Limit{Soft: l.GetAccessKeysSoft(), Hard: l.GetAccessKeysHard()},
		},
	})
	if err != nil {
		return nil, err
	}
	return &storagev1.SetPlatformQuotaResponse{Quota: AccountQuota(v)}, nil
}

func (s *platformQuotas) ListPlatformQuotaRequests(
	ctx context.Context, r *storagev1.ListPlatformQuotaRequestsRequest,
) (*storagev1.ListPlatformQuotaRequestsResponse, error) {
	query := quota.RequestQuery{}
	for state, travels := range quotaRequestStates {
		if travels == r.GetState() {
			query.State = state
		}
	}
	list, next, err := s.use.ListRequests(ctx, query, r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &storagev1.ListPlatformQuotaRequestsResponse{QuotaRequests: all(list, QuotaRequest), NextPageToken: next}, nil
}

func (s *platformQuotas) ApproveQuotaRequest(
	ctx context.Context, r *storagev1.ApproveQuotaRequestRequest,
) (*storagev1.ApproveQuotaRequestResponse, error) {
	ended, err := s.use.Decide(ctx, quota.Decision{
		AccountID: r.GetAccountId(), RequestID: r.GetQuotaRequestId(), State: quota.Approved, Note: r.GetNote(),
	})
	if err != nil {
		return nil, err
	}
	return &storagev1.ApproveQuotaRequestResponse{QuotaRequest: QuotaRequest(ended)}, nil
}

func (s *platformQuotas) RefuseQuotaRequest(
	ctx context.Context, r *storagev1.RefuseQuotaRequestRequest,
) (*storagev1.RefuseQuotaRequestResponse, error) {
	ended, err := s.use.Decide(ctx, quota.Decision{
		AccountID: r.GetAccountId(), RequestID: r.GetQuotaRequestId(), State: quota.Refused, Note: r.GetNote(),
	})
	if err != nil {
		return nil, err
	}
	return &storagev1.RefuseQuotaRequestResponse{QuotaRequest: QuotaRequest(ended)}, nil
}

// AccountQuota returns a quota as it travels.
func AccountQuota(v quota.View) *storagev1.AccountQuota {
	return &storagev1.AccountQuota{
		AccountId: v.AccountID, DefaultLimits: !v.Own, Etag: v.ETag(), UpdateTime: stamp(v.UpdatedAt),
		Limits: &storagev1.QuotaLimits{
			StorageSoftBytes: v.Limits.Storage.Soft, StorageHardBytes: v.Limits.Storage.Hard,
			BucketsSoft: v.Limits.Buckets.Soft, BucketsHard: v.Limits.Buckets.Hard,
			AccessKeysSoft: v.Limits.AccessKeys.Soft, AccessKeysHard: v.Limits.AccessKeys.Hard,
		},
		Usage: &storagev1.QuotaUsage{
			StorageBytes: v.Usage.Bytes, StorageVersions: v.Usage.Versions, ReservedBytes: v.Usage.Reserved,
			Confirmed: v.Usage.Confirmed, MeasureTime: stamp(v.Usage.MeasuredAt),
			Buckets: v.Usage.Buckets, AccessKeys: v.Usage.AccessKeys,
		},
		WritesStopped: v.Stopped(), StopTime: stamp(v.StoppedAt), StopExplanation: v.Explanation(), ResumeBelowBytes: v.ResumeBelow,
	}
}

var quotaKinds = map[quota.Kind]storagev1.QuotaChanged_Kind{
	quota.Storage:    storagev1.QuotaChanged_KIND_STORAGE,
	quota.Buckets:    storagev1.QuotaChanged_KIND_BUCKETS,
	quota.AccessKeys: storagev1.QuotaChanged_KIND_ACCESS_KEYS,
}

// QuotaChanged returns the payload of an event of a quota.
func QuotaChanged(t quota.Told) *storagev1.QuotaChanged {
	return &storagev1.QuotaChanged{Quota: AccountQuota(t.View), Kind: quotaKinds[t.Kind]}
}

var quotaRequestStates = map[quota.State]storagev1.QuotaRequest_State{
	quota.Open:      storagev1.QuotaRequest_STATE_OPEN,
	quota.Approved:  storagev1.QuotaRequest_STATE_APPROVED,
	quota.Refused:   storagev1.QuotaRequest_STATE_REFUSED,
	quota.Withdrawn: storagev1.QuotaRequest_STATE_WITHDRAWN,
}

// QuotaRequest returns a request as it travels.
func QuotaRequest(r quota.Request) *storagev1.QuotaRequest {
	return &storagev1.QuotaRequest{
		Id: r.ID, AccountId: r.AccountID, StorageHardBytes: r.Storage, BucketsHard: r.Buckets, AccessKeysHard: r.AccessKeys,
		Note: r.Note, State: quotaRequestStates[r.State], CreateUserId: r.CreatedBy, DecideUserId: r.DecidedBy,
		DecisionNote: r.DecisionNote, CreateTime: stamp(r.CreatedAt), DecideTime: stamp(r.DecidedAt), Etag: r.ETag(),
	}
}
