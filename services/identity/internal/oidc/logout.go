package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/port"
	"github.com/primecloud/primecloud/services/identity/internal/session"
)

// logoutEvent is what a logout token must tell of (OpenID Connect Back-Channel Logout 1.0,
// section 2.4).
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

const (
	// maxLogoutAge is how old a logout token may be, whatever end it claims. Providers give them
	// minutes.
	maxLogoutAge = time.Hour
	// skew is how far the provider's clock may be ahead of ours.
	skew = time.Minute
)

// VerifyLogout returns what a logout token ends. It is held against all that section 2.6 of
// the standard says but the replay, which the store notices.
func (v *Verifier) VerifyLogout(ctx context.Context, logoutToken string) (session.Logout, error) {
	token, err := port.Value(ctx, v.config.Around, "oidc.VerifyLogout", func(ctx context.Context) (*oidc.IDToken, error) {
		return v.genuine(ctx, logoutToken)
	})
	if errs.ReasonOf(err) == ErrIDTokenInvalid.Reason() {
		return session.Logout{}, session.ErrLogoutTokenInvalid.Wrap(err)
	}
	if err != nil {
		return session.Logout{}, err
	}
	logout, err := logoutOf(token, v.config.Clock.Now())
	if err != nil {
		return session.Logout{}, session.ErrLogoutTokenInvalid.Wrap(fmt.Errorf("oidc: %w", err))
	}
	return logout, nil
}

func logoutOf(token *oidc.IDToken, now time.Time) (session.Logout, error) {
	var claims struct {
		ID       string                     `json:"jti"`
		Session  string                     `json:"sid"`
		Nonce    *json.RawMessage           `json:"nonce"`
		IssuedAt *float64                   `json:"iat"`
		Events   map[string]json.RawMessage `json:"events"`
	}
	if err := token.Claims(&claims); err != nil {
		return session.Logout{}, err
	}
	var event map[string]any
	switch {
	case json.Unmarshal(claims.Events[logoutEvent], &event) != nil || event == nil:
		return session.Logout{}, errors.New("it does not tell of a logout")
	case claims.Nonce != nil:
		return session.Logout{}, errors.New("it has a nonce, as an ID token does")
	case claims.ID == "":
		return session.Logout{}, errors.New("it has no id")
	case token.Subject == "" && claims.Session == "":
		return session.Logout{}, errors.New("it names neither a subject nor a session")
	case claims.IssuedAt == nil || token.IssuedAt.After(now.Add(skew)) || token.IssuedAt.Before(now.Add(-maxLogoutAge)):
		return session.Logout{}, errors.New("it was not issued lately")
	}
	return session.Logout{
		ProviderSession: session.ProviderSession{Issuer: token.Issuer, Subject: token.Subject, ID: claims.Session},
		TokenID:         claims.ID, ExpireTime: token.Expiry,
	}, nil
}
