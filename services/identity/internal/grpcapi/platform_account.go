package grpcapi

import (
	"context"
	"strings"
	"time"

	"github.com/primecloud/primecloud/pkg/page"
	"github.com/primecloud/primecloud/pkg/principal"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	"github.com/primecloud/primecloud/services/identity/internal/account"
)

// platformAccounts is the accounts as operators see them.
type platformAccounts struct {
	identityv1.UnimplementedPlatformAccountServiceServer
	use   *account.Accounts
	pages *page.Codec
}

func (s *platformAccounts) ListPlatformAccounts(
	ctx context.Context, r *identityv1.ListPlatformAccountsRequest,
) (*identityv1.ListPlatformAccountsResponse, error) {
	filter := account.Filter{Query: strings.TrimSpace(r.GetQuery())}
	if r.GetState() != identityv1.AccountState_ACCOUNT_STATE_UNSPECIFIED {
		filter.State = account.State(strings.ToLower(strings.TrimPrefix(r.GetState().String(), statePrefix)))
	}
	asked := pageOf(r, identityv1.PlatformAccountService_ListPlatformAccounts_FullMethodName,
		principal.FromContext(ctx).ID, string(filter.State), filter.Query)
	asked.Keys = 2
	rows, next, err := page.List(s.pages, asked, func(after page.Position, limit int) ([]account.Account, error) {
		created, err := positionTime(after.At(0))
		if err != nil {
			return nil, err
		}
		return s.use.Find(ctx, filter, account.Position{CreateTime: created, ID: after.At(1)}, limit)
	}, func(a account.Account) page.Position {
		return page.Position{a.CreateTime.Format(time.RFC3339Nano), a.ID}
	})
	if err != nil {
		return nil, err
	}
	return &identityv1.ListPlatformAccountsResponse{Accounts: each(rows, Account), NextPageToken: next}, nil
}

func (s *platformAccounts) GetPlatformAccount(
	ctx context.Context, r *identityv1.GetPlatformAccountRequest,
) (*identityv1.GetPlatformAccountResponse, error) {
	a, err := s.use.Get(ctx, r.GetAccountId())
	if err != nil {
		return nil, err
	}
	return &identityv1.GetPlatformAccountResponse{Account: Account(a)}, nil
}

func (s *platformAccounts) ApprovePlatformAccount(
	ctx context.Context, r *identityv1.ApprovePlatformAccountRequest,
) (*identityv1.ApprovePlatformAccountResponse, error) {
	a, err := s.use.Move(ctx, r.GetAccountId(), account.Approve, r.GetReason(), r.GetEtag())
	if err != nil {
		return nil, err
	}
	return &identityv1.ApprovePlatformAccountResponse{Account: Account(a)}, nil
}

func (s *platformAccounts) RejectPlatformAccount(
	ctx context.Context, r *identityv1.RejectPlatformAccountRequest,
) (*identityv1.RejectPlatformAccountResponse, error) {
	a, err := s.use.Move(ctx, r.GetAccountId(), account.Reject, r.GetReason(), r.GetEtag())
	if err != nil {
		return nil, err
	}
	return &identityv1.RejectPlatformAccountResponse{Account: Account(a)}, nil
}

func (s *platformAccounts) SuspendPlatformAccount(
	ctx context.Context, r *identityv1.SuspendPlatformAccountRequest,
) (*identityv1.SuspendPlatformAccountResponse, error) {
	a, err := s.use.Move(ctx, r.GetAccountId(), account.Suspend, r.GetReason(), r.GetEtag())
	if err != nil {
		return nil, err
	}
	return &identityv1.SuspendPlatformAccountResponse{Account: Account(a)}, nil
}

func (s *platformAccounts) RestorePlatformAccount(
	ctx context.Context, r *identityv1.RestorePlatformAccountRequest,
) (*identityv1.RestorePlatformAccountResponse, error) {
	a, err := s.use.Move(ctx, r.GetAccountId(), account.Restore, r.GetReason(), r.GetEtag())
	if err != nil {
		return nil, err
	}
	return &identityv1.RestorePlatformAccountResponse{Account: Account(a)}, nil
}

func (s *platformAccounts) ClosePlatformAccount(
	ctx context.Context, r *identityv1.ClosePlatformAccountRequest,
) (*identityv1.ClosePlatformAccountResponse, error) {
	a, err := s.use.Move(ctx, r.GetAccountId(), account.Close, r.GetReason(), r.GetEtag())
	if err != nil {
		return nil, err
	}
	return &identityv1.ClosePlatformAccountResponse{Account: Account(a)}, nil
}

func (s *platformAccounts) ReopenPlatformAccount(
	ctx context.Context, r *identityv1.ReopenPlatformAccountRequest,
) (*identityv1.ReopenPlatformAccountResponse, error) {
	a, err := s.use.Move(ctx, r.GetAccountId(), account.Reopen, r.GetReason(), r.GetEtag())
	if err != nil {
		return nil, err
	}
	return &identityv1.ReopenPlatformAccountResponse{Account: Account(a)}, nil
}

func (s *platformAccounts) SetPlatformAccountTrial(
	ctx context.Context, r *identityv1.SetPlatformAccountTrialRequest,
) (*identityv1.SetPlatformAccountTrialResponse, error) {
	end, err := timeOf("trial_end_time", r.GetTrialEndTime())
	if err != nil {
		return nil, err
	}
	a, err := s.use.SetTrial(ctx, r.GetAccountId(), end, r.GetEtag())
	if err != nil {
		return nil, err
	}
	return &identityv1.SetPlatformAccountTrialResponse{Account: Account(a)}, nil
}
