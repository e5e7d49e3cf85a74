package grpcapi

import (
	"context"

	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/connection"
)

func (s *accessKeys) TestConnection(ctx context.Context, r *storagev1.TestConnectionRequest) (*storagev1.TestConnectionResponse, error) {
	report, err := s.connections.Try(ctx, connection.Test{
		AccountID: r.GetAccountId(), ID: r.GetAccessKeyId(), Secret: r.GetSecretAccessKey(), Bucket: r.GetBucket(), Backend: r.GetBackend(),
	})
	if err != nil {
		return nil, err
	}
	return &storagev1.TestConnectionResponse{
		Works: report.Works(), Summary: report.Summary(), Endpoint: report.Endpoint,
		Steps: all(report.Steps, func(s connection.Step) *storagev1.ConnectionStep {
			return &storagev1.ConnectionStep{Name: s.Name, Passed: s.Passed, Message: s.Message, Remedy: s.Remedy}
		}),
	}, nil
}
