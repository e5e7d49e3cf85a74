package grpcapi

import (
	"context"

	"github.com/primecloud/primecloud/pkg/page"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	"github.com/primecloud/primecloud/services/identity/internal/operator"
)

type operatorAccesses struct {
	identityv1.UnimplementedOperatorAccessServiceServer
	use   *operator.Accesses
	pages *page.Codec
}

func (s *operatorAccesses) CreateOperatorAccess(
	ctx context.Context, r *identityv1.CreateOperatorAccessRequest,
) (*identityv1.CreateOperatorAccessResponse, error) {
	a, err := s.use.Create(ctx, r.GetAccountId(), r.GetReason(), r.GetDuration().AsDuration())
	if err != nil {
		return nil, err
	}
	return &identityv1.CreateOperatorAccessResponse{OperatorAccess: OperatorAccess(a)}, nil
}

func (s *operatorAccesses) EndOperatorAccess(
	ctx context.Context, r *identityv1.EndOperatorAccessRequest,
) (*identityv1.EndOperatorAccessResponse, error) {
	a, err := s.use.End(ctx, r.GetAccountId(), r.GetOperatorAccessId())
	if err != nil {
		return nil, err
	}
	return &identityv1.EndOperatorAccessResponse{OperatorAccess: OperatorAccess(a)}, nil
}

func (s *operatorAccesses) ListOperatorAccesses(
	ctx context.Context, r *identityv1.ListOperatorAccessesRequest,
) (*identityv1.ListOperatorAccessesResponse, error) {
	asked := pageOf(r, identityv1.OperatorAccessService_ListOperatorAccesses_FullMethodName, r.GetAccountId())
	rows, next, err := page.List(s.pages, asked, func(after page.Position, limit int) ([]operator.Access, error) {
		return s.use.List(ctx, r.GetAccountId(), after.At(0), limit)
	}, func(a operator.Access) page.Position { return page.Position{a.ID} })
	if err != nil {
		return nil, err
	}
	return &identityv1.ListOperatorAccessesResponse{OperatorAccesses: each(rows, OperatorAccess), NextPageToken: next}, nil
}

// OperatorAccess returns an access as it travels.
func OperatorAccess(a operator.Access) *identityv1.OperatorAccess {
	return &identityv1.OperatorAccess{
		Id: a.ID, AccountId: a.AccountID, UserId: a.UserID, Role: roleName(a.Role), Reason: a.Reason,
		CreateTime: stamp(a.CreateTime), ExpireTime: stamp(a.ExpireTime), EndTime: stamp(a.EndTime),
	}
}
