package oidc_test

import (
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/services/identity/internal/oidc"
)

// logoutClaims are those of a good logout token.
func (p *issuer) logoutClaims() map[string]any {
	return map[string]any{
		"iss": p.URL, "sub": "s1", "sid": "p1", "aud": "primecloud", "jti": "t1", "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
}

func TestVerifyLogout_accepts_only_what_the_standard_calls_a_logout_token(t *testing.T) {
	p, stranger := newIssuer(t), newIssuer(t)
	v := newVerifier(t, oidc.Provider{Issuer: p.URL, ClientID: "primecloud"})
	good := p.logoutClaims()
	rs := func(claims map[string]any) string { return sign(t, jose.RS256, p.key, "k1", claims) }
	for name, c := range map[string]struct {
		token    string
		accepted bool
	}{
		"as it should be":                       {rs(good), true},
		"of a subject alone":                    {rs(with(good, "sid", nil)), true},
		"of a session alone":                    {rs(with(good, "sub", nil)), true},
		"of nothing":                            {rs(with(with(good, "sub", nil), "sid", nil)), false},
		"without an event":                      {rs(with(good, "events", nil)), false},
		"of another event":                      {rs(with(good, "events", map[string]any{"http://other": map[string]any{}})), false},
		"with an event that is no object":       {rs(with(good, "events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": "x"})), false},
		"with an event that is null":            {rs(with(good, "events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": nil})), false},
		"with a nonce":                          {rs(with(good, "nonce", "n")), false},
		"without an id":                         {rs(with(good, "jti", nil)), false},
		"without a time":                        {rs(with(good, "iat", nil)), false},
		"of the future":                         {rs(with(good, "iat", now.Add(2*time.Minute).Unix())), false},
		"of the past":                           {rs(with(with(good, "iat", now.Add(-2*time.Hour).Unix()), "exp", now.Add(time.Hour).Unix())), false},
		"expired":                               {rs(with(good, "exp", now.Add(-time.Second).Unix())), false},
		"without an end":                        {rs(with(good, "exp", nil)), false},
		"for somebody else":                     {rs(with(good, "aud", "other")), false},
		"for others too":                        {rs(with(good, "aud", []string{"primecloud", "other"})), false},
		"of an issuer that is not trusted":      {sign(t, jose.RS256, stranger.key, "k1", stranger.logoutClaims()), false},
		"forged by somebody else's key":         {sign(t, jose.RS256, stranger.key, "k1", good), false},
		"signed with a secret":                  {sign(t, jose.HS256, []byte("0123456789abcdef0123456789abcdef"), "k1", good), false},
		"an ID token":                           {rs(p.claims()), false},
		"nonsense":                              {"nonsense", false},
		"of an issuer that is not ours by name": {rs(with(good, "iss", "http://127.0.0.1:1")), false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := v.VerifyLogout(t.Context(), c.token)
			if c.accepted {
				if err != nil || got.Issuer != p.URL || got.TokenID != "t1" || got.Subject+got.ID == "" || !got.ExpireTime.Equal(now.Add(2*time.Minute)) {
					t.Errorf("got %+v, %v", got, err)
				}
				return
			}
			if errs.ReasonOf(err) != "LOGOUT_TOKEN_INVALID" {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	t.Run("and is no login", func(t *testing.T) {
		_, err := v.Verify(t.Context(), rs(with(good, "nonce", "0123456789abcdef")), "0123456789abcdef")
		if errs.ReasonOf(err) != "ID_TOKEN_INVALID" {
			t.Errorf("a logout token logs in: %v", err)
		}
	})
	t.Run("while the provider is down it can be sent again", func(t *testing.T) {
		fresh := newVerifier(t, oidc.Provider{Issuer: p.URL, ClientID: "primecloud"})
		p.down.Store(true)
		defer p.down.Store(false)
		if _, err := fresh.VerifyLogout(t.Context(), rs(good)); errs.ReasonOf(err) != "PROVIDER_UNAVAILABLE" {
			t.Errorf("got %v", err)
		}
	})
}

func TestVerify_tells_the_session_at_the_provider(t *testing.T) {
	p := newIssuer(t)
	v := newVerifier(t, oidc.Provider{Issuer: p.URL, ClientID: "primecloud"})
	for _, want := range []any{"p1", nil} {
		got, err := v.Verify(t.Context(), sign(t, jose.RS256, p.key, "k1", with(p.claims(), "sid", want)), "0123456789abcdef")
		if text, _ := want.(string); err != nil || got.Session != text {
			t.Errorf("got %+v, %v", got, err)
		}
	}
}
