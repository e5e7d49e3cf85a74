package grpcapi

import (
	"context"

	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

func (s *accessKeys) CheckAccessKeyRevocation(ctx context.Context, r *storagev1.CheckAccessKeyRevocationRequest) (*storagev1.CheckAccessKeyRevocationResponse, error) {
	check, err := s.uses.CheckRevocation(ctx, r.GetAccountId(), r.GetKeyId(), int(r.GetDays()))
	if err != nil {
		return nil, err
	}
	return &storagev1.CheckAccessKeyRevocationResponse{
		Safe: check.Safe, Summary: check.Summary, Uses: all(check.Uses, keyUse), KnownSince: stamp(check.KnownSince),
	}, nil
}
