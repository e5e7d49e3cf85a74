package session

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
)

// ErrLogoutTokenInvalid is for a logout token that is not accepted; why is in the cause, for
// the log.
var ErrLogoutTokenInvalid = errs.New(errs.InvalidArgument, "LOGOUT_TOKEN_INVALID", "the logout token was not accepted, or was obeyed already")

// ProviderSession is what a provider knows a login by.
type ProviderSession struct {
	// Issuer and Subject are whom it vouched for.
	Issuer, Subject string
	// ID is its session (sid), or "" when it did not say.
	ID string
}

// Logout is what a logout token says: Subject or ID is set, or both.
type Logout struct {
	ProviderSession
	// TokenID names the token at its issuer, ExpireTime is when it ends.
	TokenID    string
	ExpireTime time.Time
}

// Logouts are the rows that a logout of many needs within a transaction.
type Logouts interface {
	// LiveSessionsOf returns the person's sessions that have no end, locked.
	LiveSessionsOf(ctx context.Context, userID string) ([]Session, error)
	// LiveSessionsAt returns the sessions without an end that a logout at the provider ends,
	// locked: with an id those of it, and of the subject those whose id it never said; without one
	// all of the subject.
	LiveSessionsAt(ctx context.Context, p ProviderSession) ([]Session, error)
	// UseLogoutToken notes a token; false when it was noted before.
	UseLogoutToken(ctx context.Context, l Logout) (bool, error)
}

// RevokeAll ends all sessions of the calling person, or all but the one of the call, and
// returns how many.
func (s *Sessions) RevokeAll(ctx context.Context, keepCurrent bool) (int, error) {
	caller, count := principal.FromContext(ctx), 0
	err := s.Store.BeyondAccounts(ctx, func(ctx context.Context, tx Tx) error {
		count = 0
		logins, err := tx.LiveSessionsOf(ctx, caller.ID)
		if err != nil {
			return err
		}
		for _, login := range logins {
			if keepCurrent && login.ID == caller.SessionID {
				continue
			}
			if err := s.end(ctx, tx, login); err != nil {
				return err
			}
			count++
		}
		return nil
	})
	return count, err
}

// Obey ends the sessions that a provider's logout token ends. The provider is asked for its
// keys before the transaction, never within it.
func (s *Sessions) Obey(ctx context.Context, logoutToken string) error {
	logout, err := s.Provider.VerifyLogout(ctx, logoutToken)
	if err != nil {
		return err
	}
	return s.Store.BeyondAccounts(ctx, func(ctx context.Context, tx Tx) error {
		first, err := tx.UseLogoutToken(ctx, logout)
		if err != nil {
			return err
		}
		if !first {
			return ErrLogoutTokenInvalid
		}
		logins, err := tx.LiveSessionsAt(ctx, logout.ProviderSession)
		if err != nil {
			return err
		}
		for _, login := range logins {
			if err := Stop(ctx, tx, login, unit.Now(s.Clock)); err != nil {
				return err
			}
			// Not the person's act: the provider told us, through the gateway.
			err := tx.Audit(ctx, audit.Entry{
				Action: Kind + ".delete", Severity: audit.Notice, Outcome: audit.Succeeded, Target: audit.Target{Kind: Kind, ID: login.ID},
				After: map[string]any{"user_id": login.UserID, "logged_out_by": logout.Issuer},
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}
