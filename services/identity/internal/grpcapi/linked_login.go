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
	pages *page.Codec
}

func (s *linkedLogins) LinkLogin(ctx context.Context, r *identityv1.LinkLoginRequest) (*identityv1.LinkLoginResponse, error) {
	linked, err := s.use.Link(ctx, r.GetSessionSecret(), r.GetIdToken(), r.GetNonce())
	if err != nil {
		return nil, err
	}
	return &identityv1.LinkLoginResponse{LinkedLogin: linkedLogin(linked)}, nil
}

func (s *linkedLogins) ListLinkedLogins(ctx context.Context, r *identityv1.ListLinkedLoginsRequest) (*identityv1.ListLinkedLoginsResponse, error) {
	asked := pageOf(r, identityv1.LinkedLoginService_ListLinkedLogins_FullMethodName, principal.FromContext(ctx).ID)
	rows, next, err := page.List(s.pages, asked, func(after page.Position, limit int) ([]linkedlogin.LinkedLogin, error) {
		return s.use.List(ctx, after.At(0), limit)
	}, func(l linkedlogin.LinkedLogin) page.Position { return page.Position{l.ID} })
	if err != nil {
		return nil, err
	}
	return &identityv1.ListLinkedLoginsResponse{LinkedLogins: each(rows, linkedLogin), NextPageToken: next}, nil
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
