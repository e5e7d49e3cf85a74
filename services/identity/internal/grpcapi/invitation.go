package grpcapi

import (
	"context"

	"github.com/primecloud/primecloud/pkg/page"
	"github.com/primecloud/primecloud/pkg/principal"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	"github.com/primecloud/primecloud/services/identity/internal/invitation"
)

type invitations struct {
	identityv1.UnimplementedInvitationServiceServer
	use   *invitation.Invitations
	pages *page.Codec
}

func (s *invitations) CreateInvitation(
	ctx context.Context, r *identityv1.CreateInvitationRequest,
) (*identityv1.CreateInvitationResponse, error) {
	wanted := invitation.Wanted{AccountID: r.GetAccountId(), Email: r.GetEmail(), Role: roleOf(r.GetRole())}
	for _, g := range r.GetGrants() {
		wanted.Grants = append(wanted.Grants, invitation.Grant{
			BucketID: g.GetBucketId(), AccessLevel: g.GetAccessLevel(), Prefixes: g.GetPrefixes(),
		})
	}
	i, err := s.use.Create(ctx, wanted)
	if err != nil {
		return nil, err
	}
	return &identityv1.CreateInvitationResponse{Invitation: Invitation(i)}, nil
}

func (s *invitations) GetInvitation(ctx context.Context, r *identityv1.GetInvitationRequest) (*identityv1.GetInvitationResponse, error) {
	i, err := s.use.Get(ctx, r.GetAccountId(), r.GetInvitationId())
	if err != nil {
		return nil, err
	}
	return &identityv1.GetInvitationResponse{Invitation: Invitation(i)}, nil
}

func (s *invitations) ListInvitations(
	ctx context.Context, r *identityv1.ListInvitationsRequest,
) (*identityv1.ListInvitationsResponse, error) {
	asked := pageOf(r, identityv1.InvitationService_ListInvitations_FullMethodName, r.GetAccountId())
	rows, next, err := page.List(s.pages, asked, func(after page.Position, limit int) ([]invitation.Invitation, error) {
		return s.use.List(ctx, r.GetAccountId(), after.At(0), limit)
	}, func(i invitation.Invitation) page.Position { return page.Position{i.ID} })
	if err != nil {
		return nil, err
	}
	return &identityv1.ListInvitationsResponse{Invitations: each(rows, Invitation), NextPageToken: next}, nil
}

func (s *invitations) ResendInvitation(
	ctx context.Context, r *identityv1.ResendInvitationRequest,
) (*identityv1.ResendInvitationResponse, error) {
	i, err := s.use.Resend(ctx, r.GetAccountId(), r.GetInvitationId())
	if err != nil {
		return nil, err
	}
	return &identityv1.ResendInvitationResponse{Invitation: Invitation(i)}, nil
}

func (s *invitations) RevokeInvitation(
	ctx context.Context, r *identityv1.RevokeInvitationRequest,
) (*identityv1.RevokeInvitationResponse, error) {
	i, err := s.use.Revoke(ctx, r.GetAccountId(), r.GetInvitationId())
	if err != nil {
		return nil, err
	}
	return &identityv1.RevokeInvitationResponse{Invitation: Invitation(i)}, nil
}

func (s *invitations) ListReceivedInvitations(
	ctx context.Context, r *identityv1.ListReceivedInvitationsRequest,
) (*identityv1.ListReceivedInvitationsResponse, error) {
	asked := pageOf(r, identityv1.InvitationService_ListReceivedInvitations_FullMethodName, principal.FromContext(ctx).ID)
	rows, next, err := page.List(s.pages, asked, func(after page.Position, limit int) ([]invitation.Received, error) {
		return s.use.ListReceived(ctx, after.At(0), limit)
	}, func(i invitation.Received) page.Position { return page.Position{i.Invitation.ID} })
	if err != nil {
		return nil, err
	}
	return &identityv1.ListReceivedInvitationsResponse{Invitations: each(rows, receivedInvitation), NextPageToken: next}, nil
}

func (s *invitations) PreviewInvitation(
	ctx context.Context, r *identityv1.PreviewInvitationRequest,
) (*identityv1.PreviewInvitationResponse, error) {
	i, err := s.use.Preview(ctx, r.GetToken())
	if err != nil {
		return nil, err
	}
	return &identityv1.PreviewInvitationResponse{Invitation: receivedInvitation(i)}, nil
}

func (s *invitations) AcceptInvitation(
	ctx context.Context, r *identityv1.AcceptInvitationRequest,
) (*identityv1.AcceptInvitationResponse, error) {
	m, err := s.use.Accept(ctx, r.GetToken())
	if err != nil {
		return nil, err
	}
	return &identityv1.AcceptInvitationResponse{Membership: Membership(m)}, nil
}

func (s *invitations) DeclineInvitation(
	ctx context.Context, r *identityv1.DeclineInvitationRequest,
) (*identityv1.DeclineInvitationResponse, error) {
	if err := s.use.Decline(ctx, r.GetToken()); err != nil {
		return nil, err
	}
	return &identityv1.DeclineInvitationResponse{}, nil
}

func (s *invitations) MintInvitationToken(
	ctx context.Context, r *identityv1.MintInvitationTokenRequest,
) (*identityv1.MintInvitationTokenResponse, error) {
	minted, err := s.use.Mint(ctx, r.GetAccountId(), r.GetInvitationId(), r.GetDelivery())
	if err != nil {
		return nil, err
	}
	return &identityv1.MintInvitationTokenResponse{
		Token: minted.Token, Email: minted.Invitation.Email, Invitation: receivedInvitation(minted.Received),
		ExpireTime: stamp(minted.Invitation.ExpireTime),
	}, nil
}

var invitationStates = map[invitation.State]identityv1.InvitationState{
	invitation.Pending:  identityv1.InvitationState_INVITATION_STATE_PENDING,
	invitation.Accepted: identityv1.InvitationState_INVITATION_STATE_ACCEPTED,
	invitation.Declined: identityv1.InvitationState_INVITATION_STATE_DECLINED,
	invitation.Revoked:  identityv1.InvitationState_INVITATION_STATE_REVOKED,
	invitation.Expired:  identityv1.InvitationState_INVITATION_STATE_EXPIRED,
}

// Invitation returns an invitation as it travels, never its token.
func Invitation(i invitation.Invitation) *identityv1.Invitation {
	shown := &identityv1.Invitation{
		Id: i.ID, AccountId: i.AccountID, Email: i.Email, Role: roleName(i.Role), State: invitationStates[i.State],
		InviterId: i.InviterID, Delivery: i.Delivery, AcceptUserId: i.AcceptUserID,
		CreateTime: stamp(i.CreateTime), SendTime: stamp(i.SendTime), ExpireTime: stamp(i.ExpireTime), EndTime: stamp(i.EndTime),
	}
	for _, g := range i.Grants {
		shown.Grants = append(shown.Grants, &identityv1.BucketGrant{BucketId: g.BucketID, AccessLevel: g.AccessLevel, Prefixes: g.Prefixes})
	}
	return shown
}

func receivedInvitation(r invitation.Received) *identityv1.ReceivedInvitation {
	return &identityv1.ReceivedInvitation{
		Id: r.Invitation.ID, AccountId: r.Invitation.AccountID, AccountDisplayName: r.AccountName, InviterDisplayName: r.InviterName,
		Role: roleName(r.Invitation.Role), SendTime: stamp(r.Invitation.SendTime), ExpireTime: stamp(r.Invitation.ExpireTime),
	}
}
