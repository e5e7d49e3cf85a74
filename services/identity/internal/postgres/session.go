package postgres

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/services/identity/internal/operator"
	"github.com/primecloud/primecloud/services/identity/internal/postgres/db"
	"github.com/primecloud/primecloud/services/identity/internal/session"
)

// Sessions implements session.Store.
type Sessions struct{ *base }

var _ session.Store = (*Sessions)(nil)

// sweepBatch is how many sessions one statement removes.
const sweepBatch = 1000

// BeyondAccounts runs fn in the system scope: a session belongs to a person.
func (s *Sessions) BeyondAccounts(ctx context.Context, fn func(context.Context, session.Tx) error) error {
	return s.in(ctx, pg.System("a person's session"), func(ctx context.Context, t *transaction) error { return fn(ctx, t) })
}

// Standing returns what is true of the secret's session and the account at the moment.
func (s *Sessions) Standing(ctx context.Context, hash session.Hash, accountID string, now time.Time) (session.Standing, error) {
	r, err := s.read("a session is exchanged").SessionStanding(ctx, db.SessionStandingParams{SecretHash: hash[:], AccountID: accountID, Now: now})
	if err != nil {
		return session.Standing{}, notFound(err, session.ErrNotFound)
	}
	return session.Standing{
		Session: sessionOf(db.SessionByHashRow{
			ID: r.ID, UserID: r.UserID, Address: r.Address, UserAgent: r.UserAgent, CreateTime: r.CreateTime,
			LastUseTime: r.LastUseTime, ExpireTime: r.ExpireTime, EndTime: r.EndTime,
		}),
		Member: r.Role != nil, Role: orEmpty(r.Role), State: orEmpty(r.State), Epoch: r.Epoch,
		Operator:    operator.Login{Issuer: r.Issuer, Email: r.Email, EmailVerified: r.EmailVerified, Groups: r.OperatorGroups},
		AccessUntil: r.AccessExpireTime.UTC(),
	}, nil
}

// TouchSession records a use.
func (s *Sessions) TouchSession(ctx context.Context, sessionID string, at time.Time) error {
	return s.in(ctx, pg.System("a session is exchanged"), func(ctx context.Context, t *transaction) error {
		return t.q.TouchSession(ctx, db.TouchSessionParams{ID: sessionID, LastUseTime: at})
	})
}

// SessionsOf returns a page of the person's sessions that are alive.
func (s *Sessions) SessionsOf(ctx context.Context, q session.Query) ([]session.Session, error) {
	rows, err := s.read("a person lists their sessions").SessionsOf(ctx, db.SessionsOfParams{
		UserID: q.UserID, After: q.After, AliveAt: q.AliveAt, UsedAfter: q.UsedAfter, Count: int32(q.Limit),
	})
	if err != nil {
		return nil, err
	}
	list := make([]session.Session, len(rows))
	for i, r := range rows {
		list[i] = sessionOf(db.SessionByHashRow(r))
	}
	return list, nil
}

// Sweep removes sessions that ended before the moment, and returns how many.
func (s *Sessions) Sweep(ctx context.Context, before time.Time) (int64, error) {
	var all int64
	for {
		var count int64
		err := s.in(ctx, pg.System("sweep ended sessions"), func(ctx context.Context, t *transaction) error {
			var err error
			count, err = t.q.SweepSessions(ctx, db.SweepSessionsParams{Before: before, Count: sweepBatch})
			return err
		})
		all += count
		if err != nil || count < sweepBatch {
			return all, err
		}
	}
}

// InsertSession makes a session.
func (t *transaction) InsertSession(ctx context.Context, s session.Session, hash session.Hash) error {
	return t.q.InsertSession(ctx, db.InsertSessionParams{
		ID: s.ID, UserID: s.UserID, SecretHash: hash[:], Address: s.Address, UserAgent: s.UserAgent,
		CreateTime: s.CreateTime, LastUseTime: s.LastUseTime, ExpireTime: s.ExpireTime, OperatorGroups: append([]string{}, s.OperatorGroups...),
		Issuer: s.Provider.Issuer, Subject: s.Provider.Subject, ProviderSession: s.Provider.ID,
	})
}

// SessionByHash returns the session of a secret, locked.
func (t *transaction) SessionByHash(ctx context.Context, hash session.Hash) (session.Session, error) {
	row, err := t.q.SessionByHash(ctx, hash[:])
	return sessionOf(row), notFound(err, session.ErrNotFound)
}

// SessionByID returns one, locked.
func (t *transaction) SessionByID(ctx context.Context, sessionID string) (session.Session, error) {
	row, err := t.q.SessionByID(ctx, sessionID)
	return sessionOf(db.SessionByHashRow(row)), notFound(err, session.ErrNotFound)
}

// EndSession sets its end.
func (t *transaction) EndSession(ctx context.Context, sessionID string, at time.Time) error {
	return t.q.EndSession(ctx, db.EndSessionParams{ID: sessionID, EndTime: &at})
}

func sessionOf(r db.SessionByHashRow) session.Session {
	return session.Session{
		ID: r.ID, UserID: r.UserID, Address: r.Address, UserAgent: r.UserAgent, CreateTime: r.CreateTime.UTC(),
		LastUseTime: r.LastUseTime.UTC(), ExpireTime: r.ExpireTime.UTC(), EndTime: orZero(r.EndTime),
	}
}
