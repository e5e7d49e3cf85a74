package postgres

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/services/identity/internal/postgres/db"
	"github.com/primecloud/primecloud/services/identity/internal/session"
)

// LiveSessionsOf returns the person's sessions that have no end, locked.
func (t *transaction) LiveSessionsOf(ctx context.Context, userID string) ([]session.Session, error) {
	rows, err := t.q.LiveSessionsOf(ctx, userID)
	var list []session.Session
	for _, r := range rows {
		list = append(list, sessionOf(db.SessionByHashRow(r)))
	}
	return list, err
}

// LiveSessionsAt returns the sessions that a logout at the provider ends, locked.
func (t *transaction) LiveSessionsAt(ctx context.Context, p session.ProviderSession) ([]session.Session, error) {
	var list []session.Session
	seen := map[string]bool{}
	if p.ID != "" {
		rows, err := t.q.LiveSessionsOfProviderSession(ctx, db.LiveSessionsOfProviderSessionParams{Issuer: p.Issuer, ProviderSession: p.ID})
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			seen[r.ID] = true
			list = append(list, sessionOf(db.SessionByHashRow(r)))
		}
	}
	if p.Subject == "" {
		return list, nil
	}
	rows, err := t.q.LiveSessionsOfSubject(ctx, db.LiveSessionsOfSubjectParams{Issuer: p.Issuer, Subject: p.Subject, ProviderSession: p.ID})
	for _, r := range rows {
		if !seen[r.ID] {
			list = append(list, sessionOf(db.SessionByHashRow(r)))
		}
	}
	return list, err
}

// UseLogoutToken notes a token, once.
func (t *transaction) UseLogoutToken(ctx context.Context, l session.Logout) (bool, error) {
	count, err := t.q.UseLogoutToken(ctx, db.UseLogoutTokenParams{Issuer: l.Issuer, Jti: l.TokenID, ExpireTime: l.ExpireTime.UTC()})
	return count == 1, err
}

// SweepLogoutTokens forgets tokens that have ended, and returns how many.
func (s *Sessions) SweepLogoutTokens(ctx context.Context, now time.Time) (int64, error) {
	var count int64
	err := s.in(ctx, pg.System("sweep logout tokens"), func(ctx context.Context, t *transaction) error {
		var err error
		count, err = t.q.SweepLogoutTokens(ctx, now)
		return err
	})
	return count, err
}
