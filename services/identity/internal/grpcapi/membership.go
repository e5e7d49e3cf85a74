package grpcapi

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/page"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
)

type memberships struct {
	identityv1.UnimplementedMembershipServiceServer
	use   *membership.Members
	pages *page.Codec
}

func (s *memberships) CreateMembership(
	ctx context.Context, r *identityv1.CreateMembershipRequest,
) (*identityv1.CreateMembershipResponse, error) {
	m, err := s.use.Create(ctx, r.GetAccountId(), r.GetUserId(), roleOf(r.GetRole()))
	if err != nil {
		return nil, err
	}
	return &identityv1.CreateMembershipResponse{Membership: Membership(m)}, nil
}

func (s *memberships) ListMemberships(
	ctx context.Context, r *identityv1.ListMembershipsRequest,
) (*identityv1.ListMembershipsResponse, error) {
	asked := pageOf(r, identityv1.MembershipService_ListMemberships_FullMethodName, r.GetAccountId())
	asked.Keys = 2
	rows, next, err := page.List(s.pages, asked, func(after page.Position, limit int) ([]membership.Membership, error) {
		joined, err := positionTime(after.At(0))
		if err != nil {
			return nil, err
		}
		return s.use.List(ctx, r.GetAccountId(), membership.Position{JoinTime: joined, UserID: after.At(1)}, limit)
	}, func(m membership.Membership) page.Position {
		return page.Position{m.CreateTime.Format(time.RFC3339Nano), m.UserID}
	})
	if err != nil {
		return nil, err
	}
	return &identityv1.ListMembershipsResponse{Memberships: each(rows, Membership), NextPageToken: next}, nil
}

func (s *memberships) UpdateMembership(
	ctx context.Context, r *identityv1.UpdateMembershipRequest,
) (*identityv1.UpdateMembershipResponse, error) {
	m, err := s.use.Update(ctx, r.GetAccountId(), r.GetUserId(), roleOf(r.GetRole()), r.GetEtag())
	if err != nil {
		return nil, err
	}
	return &identityv1.UpdateMembershipResponse{Membership: Membership(m)}, nil
}

func (s *memberships) DeleteMembership(
	ctx context.Context, r *identityv1.DeleteMembershipRequest,
) (*identityv1.DeleteMembershipResponse, error) {
	if err := s.use.Delete(ctx, r.GetAccountId(), r.GetUserId(), r.GetEtag()); err != nil {
		return nil, err
	}
	return &identityv1.DeleteMembershipResponse{}, nil
}

func (s *memberships) LeaveAccount(ctx context.Context, r *identityv1.LeaveAccountRequest) (*identityv1.LeaveAccountResponse, error) {
	if err := s.use.Leave(ctx, r.GetAccountId()); err != nil {
		return nil, err
	}
	return &identityv1.LeaveAccountResponse{}, nil
}

// Membership returns a membership as it travels.
func Membership(m membership.Membership) *identityv1.Membership {
	return &identityv1.Membership{
		AccountId: m.AccountID, UserId: m.UserID, Role: roleName(m.Role), DisplayName: m.DisplayName, Email: m.Email,
		Etag: m.ETag(), CreateTime: stamp(m.CreateTime), UpdateTime: stamp(m.UpdateTime),
	}
}

// positionTime reads the time in a position; "" is the start of the list.
func positionTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, page.ErrInvalid.Wrap(err)
	}
	return t, nil
}
