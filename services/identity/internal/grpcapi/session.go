package grpcapi

import (
	"context"

	"github.com/primecloud/primecloud/pkg/page"
	"github.com/primecloud/primecloud/pkg/principal"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	"github.com/primecloud/primecloud/services/identity/internal/session"
)

type sessions struct {
	identityv1.UnimplementedSessionServiceServer
	use    *session.Sessions
	limits session.Limits
	pages  *page.Codec
}

func (s *sessions) CreateSession(ctx context.Context, r *identityv1.CreateSessionRequest) (*identityv1.CreateSessionResponse, error) {
	created, err := s.use.Create(ctx, r.GetIdToken(), r.GetNonce(), session.Origin{Address: r.GetAddress(), UserAgent: r.GetUserAgent()})
	if err != nil {
		return nil, err
	}
	shown := s.session(created.Session, true)
	return &identityv1.CreateSessionResponse{Session: shown, SessionSecret: created.Secret, User: User(created.User)}, nil
}

func (s *sessions) ExchangeSession(ctx context.Context, r *identityv1.ExchangeSessionRequest) (*identityv1.ExchangeSessionResponse, error) {
	exchanged, err := s.use.Exchange(ctx, r.GetSessionSecret(), session.Target{AccountID: r.GetAccountId(), Platform: r.GetPlatform()})
	if err != nil {
		return nil, err
	}
	return &identityv1.ExchangeSessionResponse{
		AccessToken: exchanged.Raw, ExpireTime: stamp(exchanged.ExpireTime),
		SessionId: exchanged.SessionID, UserId: exchanged.UserID,
	}, nil
}

func (s *sessions) DeleteSession(ctx context.Context, r *identityv1.DeleteSessionRequest) (*identityv1.DeleteSessionResponse, error) {
	if err := s.use.Delete(ctx, r.GetSessionSecret()); err != nil {
		return nil, err
	}
	return &identityv1.DeleteSessionResponse{}, nil
}

func (s *sessions) BackchannelLogout(ctx context.Context, r *identityv1.BackchannelLogoutRequest) (*identityv1.BackchannelLogoutResponse, error) {
	if err := s.use.Obey(ctx, r.GetLogoutToken()); err != nil {
		return nil, err
	}
	return &identityv1.BackchannelLogoutResponse{}, nil
}

func (s *sessions) RevokeAllSessions(ctx context.Context, r *identityv1.RevokeAllSessionsRequest) (*identityv1.RevokeAllSessionsResponse, error) {
	count, err := s.use.RevokeAll(ctx, r.GetKeepCurrent())
	if err != nil {
		return nil, err
	}
	return &identityv1.RevokeAllSessionsResponse{RevokedCount: int32(count)}, nil
}

func (s *sessions) ListSessions(ctx context.Context, r *identityv1.ListSessionsRequest) (*identityv1.ListSessionsResponse, error) {
	caller := principal.FromContext(ctx)
	asked := pageOf(r, identityv1.SessionService_ListSessions_FullMethodName, caller.ID)
	rows, next, err := page.List(s.pages, asked, func(after page.Position, limit int) ([]session.Session, error) {
		return s.use.List(ctx, after.At(0), limit)
	}, func(one session.Session) page.Position { return page.Position{one.ID} })
	if err != nil {
		return nil, err
	}
	shown := each(rows, func(one session.Session) *identityv1.Session { return s.session(one, one.ID == caller.SessionID) })
	return &identityv1.ListSessionsResponse{Sessions: shown, NextPageToken: next}, nil
}

func (s *sessions) RevokeSession(ctx context.Context, r *identityv1.RevokeSessionRequest) (*identityv1.RevokeSessionResponse, error) {
	if err := s.use.Revoke(ctx, r.GetSessionId()); err != nil {
		return nil, err
	}
	return &identityv1.RevokeSessionResponse{}, nil
}

func (s *sessions) session(one session.Session, current bool) *identityv1.Session {
	return &identityv1.Session{
		Id: one.ID, UserId: one.UserID, Address: one.Address, UserAgent: one.UserAgent,
		CreateTime: stamp(one.CreateTime), LastUseTime: stamp(one.LastUseTime),
		IdleExpireTime: stamp(s.limits.IdleExpireTime(one)), ExpireTime: stamp(one.ExpireTime), Current: current,
		Device: one.Device(),
	}
}
