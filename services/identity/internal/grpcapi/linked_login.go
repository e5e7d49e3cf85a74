package grpcapi

import (
	"context"

	"github.com/primecloud/primecloud/pkg/page"
	"github.com/primecloud/primecloud/pkg/principal"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	"github.com/primecloud/primecloud/services/identity/internal/linkedlogin"
)

type linkedLogins struct {
	identityv1.UnimplementedLinkedLoginServiceServer
	use   *linkedlogin.Links
	pages pager
}

func (s *linkedLogins) LinkLogin(ctx context.Context, r *identityv1.LinkLoginRequest) (*identityv1.LinkLoginResponse, error) {
	linked, err := s.use.Link(ctx, r.GetSessionSecret(), r.GetIdToken(), r.GetNonce())
	if err != nil {
		return nil, err
	}
	return &identityv1.LinkLoginResponse{LinkedLogin: linkedLogin(linked)}, nil
}

func (s *linkedLogins) ListLinkedLogins(ctx context.Context, r *identityv1.ListLinkedLoginsRequest) (*identityv1.ListLinkedLoginsResponse, error) {
	v, err := s.pages.open(identityv1.LinkedLoginService_ListLinkedLogins_FullMethodName, r, principal.FromContext(ctx).ID)
	if err != nil {
		return nil, err
	}
	rows, err := s.use.List(ctx, v.at(0), v.limit())
	if err != nil {
		return nil, err
	}
	shown, next := cut(v, rows, linkedLogin, func(l linkedlogin.LinkedLogin) page.Position { return page.Position{l.ID} })
	return &identityv1.ListLinkedLoginsResponse{LinkedLogins: shown, NextPageToken: next}, nil
}

func (s *linkedLogins) DeleteLinkedLogin(ctx context.Context, r *identityv1.DeleteLinkedLoginRequest) (*identityv1.DeleteLinkedLoginResponse, error) {
	if err := s.use.Delete(ctx, r.GetLinkedLoginId()); err != nil {
		return nil, err
	}
	return &identityv1.DeleteLinkedLoginResponse{}, nil
}

func linkedLogin(l linkedlogin.LinkedLogin) *identityv1.LinkedLogin {
	return &identityv1.LinkedLogin{
		Id: l.ID, UserId: l.UserID, Issuer: l.Issuer, Subject: l.Subject, Email: l.Email, EmailVerified: l.EmailVerified,
		DisplayName: l.DisplayName, CreateTime: stamp(l.CreateTime),
	}
}
