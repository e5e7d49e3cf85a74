package grpcapi

import (
	"context"

	"github.com/primecloud/primecloud/pkg/operation"
	operationv1 "github.com/primecloud/primecloud/proto/gen/primecloud/operation/v1"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/backend"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/operationview"
)

type operations struct {
	storagev1.UnimplementedOperationServiceServer
	use *operationview.Service
}

func (s *operations) GetOperation(ctx context.Context, r *storagev1.GetOperationRequest) (*storagev1.GetOperationResponse, error) {
	o, err := s.use.Get(ctx, r.GetAccountId(), r.GetOperationId())
	if err != nil {
		return nil, err
	}
	return &storagev1.GetOperationResponse{Operation: operationOut(o)}, nil
}

func (s *operations) ListOperations(ctx context.Context, r *storagev1.ListOperationsRequest) (*storagev1.ListOperationsResponse, error) {
	query := operationview.Query{AccountID: r.GetAccountId(), ResourceID: r.GetResourceId()}
	list, next, err := s.use.List(ctx, query, r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &storagev1.ListOperationsResponse{Operations: all(list, operationOut), NextPageToken: next}, nil
}

var operationStates = map[operation.State]operationv1.Operation_State{
	operation.Trying:    operationv1.Operation_STATE_TRYING,
	operation.Succeeded: operationv1.Operation_STATE_SUCCEEDED,
	operation.Abandoned: operationv1.Operation_STATE_ABANDONED,
}

func operationOut(o operation.Operation) *operationv1.Operation {
	out := &operationv1.Operation{
		Id: o.ID, AccountId: o.AccountID, ResourceKind: o.Resource.Kind, ResourceId: o.Resource.ID, Method: o.Method,
		State: operationStates[o.State], Generation: o.Generation, CreateTime: stamp(o.CreatedAt), EndTime: stamp(o.EndedAt),
	}
	if o.Progress != (operation.Progress{}) {
		out.Progress = &operationv1.Progress{Done: o.Progress.Done, Total: o.Progress.Total, Unit: o.Progress.Unit}
	}
	if o.State == operation.Abandoned {
		out.Failure = &operationv1.Failure{Reason: o.Failure.Reason, Message: o.Failure.Message}
	}
	return out
}

type backends struct {
	storagev1.UnimplementedBackendServiceServer
	use *backend.Registry
}

func (s *backends) ListBackends(context.Context, *storagev1.ListBackendsRequest) (*storagev1.ListBackendsResponse, error) {
	return &storagev1.ListBackendsResponse{Backends: all(s.use.List(), func(b backend.Backend) *storagev1.Backend {
		return &storagev1.Backend{Name: b.Name, Endpoint: b.Endpoint, Region: b.Region, Default: b.Default}
	})}, nil
}
