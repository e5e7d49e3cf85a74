package grpcapi

import (
	"context"

	"github.com/primecloud/primecloud/pkg/page"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	"github.com/primecloud/primecloud/services/identity/internal/ownership"
)

type transfers struct {
	identityv1.UnimplementedOwnershipTransferServiceServer
	use   *ownership.Transfers
	pages *page.Codec
}

func (s *transfers) CreateOwnershipTransfer(
	ctx context.Context, r *identityv1.CreateOwnershipTransferRequest,
) (*identityv1.CreateOwnershipTransferResponse, error) {
	t, err := s.use.Create(ctx, r.GetAccountId(), r.GetToUserId(), r.GetKeepOwnership())
	if err != nil {
		return nil, err
	}
	return &identityv1.CreateOwnershipTransferResponse{OwnershipTransfer: OwnershipTransfer(t)}, nil
}

func (s *transfers) GetOwnershipTransfer(
	ctx context.Context, r *identityv1.GetOwnershipTransferRequest,
) (*identityv1.GetOwnershipTransferResponse, error) {
	t, err := s.use.Get(ctx, r.GetAccountId(), r.GetOwnershipTransferId())
	if err != nil {
		return nil, err
	}
	return &identityv1.GetOwnershipTransferResponse{OwnershipTransfer: OwnershipTransfer(t)}, nil
}

func (s *transfers) ListOwnershipTransfers(
	ctx context.Context, r *identityv1.ListOwnershipTransfersRequest,
) (*identityv1.ListOwnershipTransfersResponse, error) {
	asked := pageOf(r, identityv1.OwnershipTransferService_ListOwnershipTransfers_FullMethodName, r.GetAccountId())
	rows, next, err := page.List(s.pages, asked, func(after page.Position, limit int) ([]ownership.Transfer, error) {
		return s.use.List(ctx, r.GetAccountId(), after.At(0), limit)
	}, func(t ownership.Transfer) page.Position { return page.Position{t.ID} })
	if err != nil {
		return nil, err
	}
	return &identityv1.ListOwnershipTransfersResponse{OwnershipTransfers: each(rows, OwnershipTransfer), NextPageToken: next}, nil
}

func (s *transfers) ConfirmOwnershipTransfer(
	ctx context.Context, r *identityv1.ConfirmOwnershipTransferRequest,
) (*identityv1.ConfirmOwnershipTransferResponse, error) {
	t, err := s.use.Confirm(ctx, r.GetAccountId(), r.GetOwnershipTransferId())
	if err != nil {
		return nil, err
	}
	return &identityv1.ConfirmOwnershipTransferResponse{OwnershipTransfer: OwnershipTransfer(t)}, nil
}

func (s *transfers) DeclineOwnershipTransfer(
	ctx context.Context, r *identityv1.DeclineOwnershipTransferRequest,
) (*identityv1.DeclineOwnershipTransferResponse, error) {
	t, err := s.use.Decline(ctx, r.GetAccountId(), r.GetOwnershipTransferId())
	if err != nil {
		return nil, err
	}
	return &identityv1.DeclineOwnershipTransferResponse{OwnershipTransfer: OwnershipTransfer(t)}, nil
}

func (s *transfers) CancelOwnershipTransfer(
	ctx context.Context, r *identityv1.CancelOwnershipTransferRequest,
) (*identityv1.CancelOwnershipTransferResponse, error) {
	t, err := s.use.Cancel(ctx, r.GetAccountId(), r.GetOwnershipTransferId())
	if err != nil {
		return nil, err
	}
	return &identityv1.CancelOwnershipTransferResponse{OwnershipTransfer: OwnershipTransfer(t)}, nil
}

var transferStates = map[ownership.State]identityv1.OwnershipTransferState{
	ownership.Pending:   identityv1.OwnershipTransferState_OWNERSHIP_TRANSFER_STATE_PENDING,
	ownership.Confirmed: identityv1.OwnershipTransferState_OWNERSHIP_TRANSFER_STATE_CONFIRMED,
	ownership.Declined:  identityv1.OwnershipTransferState_OWNERSHIP_TRANSFER_STATE_DECLINED,
	ownership.Canceled:  identityv1.OwnershipTransferState_OWNERSHIP_TRANSFER_STATE_CANCELED,
	ownership.Expired:   identityv1.OwnershipTransferState_OWNERSHIP_TRANSFER_STATE_EXPIRED,
}

// OwnershipTransfer returns a transfer as it travels.
func OwnershipTransfer(t ownership.Transfer) *identityv1.OwnershipTransfer {
	return &identityv1.OwnershipTransfer{
		Id: t.ID, AccountId: t.AccountID, FromUserId: t.FromUserID, ToUserId: t.ToUserID, KeepOwnership: t.KeepOwnership,
		State: transferStates[t.State], CreateTime: stamp(t.CreateTime), ExpireTime: stamp(t.ExpireTime), EndTime: stamp(t.EndTime),
	}
}
