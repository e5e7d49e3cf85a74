package oidc_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/identity/internal/oidc"
)

// A provider that can be made to fail and to sign whatever a test wants; the tests of the
// whole service log in at a real one.
type issuer struct {
	*httptest.Server
	key  *rsa.PrivateKey
	down atomic.Bool
	asks atomic.Int64
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &issuer{key: key}
	p.Server = httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(p.Close)
	return p
}

func (p *issuer) serve(w http.ResponseWriter, r *http.Request) {
	p.asks.Add(1)
	if p.down.Load() {
		http.Error(w, "down", http.StatusBadGateway)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer": p.URL, "jwks_uri": p.URL + "/keys", "authorization_endpoint": p.URL, "token_endpoint": p.URL,
			"id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"},
		})
	case "/keys":
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &p.key.PublicKey, KeyID: "k1", Algorithm: "RS256", Use: "sig"}}})
	default:
		http.NotFound(w, r)
	}
}

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func (p *issuer) claims() map[string]any {
	return map[string]any{
		"iss": p.URL, "sub": "s1", "aud": "primecloud", "nonce": "0123456789abcdef", "iat": now.Unix(),
		"exp": now.Add(time.Hour).Unix(), "email": "anna@example.com", "email_verified": true, "name": "Anna",
	}
}

func with(claims map[string]any, key string, value any) map[string]any {
	claims = maps.Clone(claims)
	if claims[key] = value; value == nil {
		delete(claims, key)
	}
	return claims
}

func sign(t *testing.T, algorithm jose.SignatureAlgorithm, key any, kid string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func newVerifier(t *testing.T, providers ...oidc.Provider) *oidc.Verifier {
	t.Helper()
	v, err := oidc.New(oidc.Config{Providers: providers, Clock: clock.NewManual(now)})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVerify_accepts_only_an_ID_token_of_this_login(t *testing.T) {
	p, stranger := newIssuer(t), newIssuer(t)
	v := newVerifier(t, oidc.Provider{Issuer: p.URL, ClientID: "primecloud"})
	good := p.claims()
	rs := func(claims map[string]any) string { return sign(t, jose.RS256, p.key, "k1", claims) }
	unsigned := func(claims map[string]any) string {
		payload, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		encode := base64.RawURLEncoding.EncodeToString
		return encode([]byte(`{"alg":"none"}`)) + "." + encode(payload) + "."
	}
	cases := []struct {
		name, token string
		accepted    bool
	}{
		{"as it should be", rs(good), true},
		{"for us by azp, among others", rs(with(with(good, "aud", []string{"primecloud", "other"}), "azp", "primecloud")), true},
		{"for others too", rs(with(good, "aud", []string{"primecloud", "other"})), false},
		{"for somebody else", rs(with(good, "aud", "other")), false},
		{"expired", rs(with(good, "exp", now.Add(-time.Second).Unix())), false},
		{"of another login", rs(with(good, "nonce", "fedcba9876543210")), false},
		{"without a nonce", rs(with(good, "nonce", nil)), false},
		{"without a subject", rs(with(good, "sub", "")), false},
		{"of an issuer that is not trusted", sign(t, jose.RS256, stranger.key, "k1", stranger.claims()), false},
		{"forged by somebody else's key", sign(t, jose.RS256, stranger.key, "k1", good), false},
		{"forged with a key that is unknown", sign(t, jose.RS256, stranger.key, "k2", good), false},
		{"signed with the public key as a secret", sign(t, jose.HS256, []byte("0123456789abcdef0123456789abcdef"), "k1", good), false},
		{"without a signature", unsigned(good), false},
		{"no token", "nonsense", false},
		{"three parts of nothing", "..", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			login, err := v.Verify(t.Context(), c.token, "0123456789abcdef")
			if c.accepted {
				if err != nil || login.Issuer != p.URL || login.Subject != "s1" || login.Email != "anna@example.com" || !login.EmailVerified || login.DisplayName != "Anna" {
					t.Errorf("got %+v, %v", login, err)
				}
				return
			}
			if !errors.Is(err, oidc.ErrIDTokenInvalid) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestA_provider_that_is_down_is_told_apart_from_a_bad_token(t *testing.T) {
	p := newIssuer(t)
	moving := clock.NewManual(now)
	v, err := oidc.New(oidc.Config{Providers: []oidc.Provider{{Issuer: p.URL, ClientID: "primecloud"}}, Clock: moving})
	if err != nil {
		t.Fatal(err)
	}
	if p.asks.Load() != 0 {
		t.Error("the provider was asked before anybody logged in")
	}
	raw := sign(t, jose.RS256, p.key, "k1", p.claims())
	verify := func() error {
		_, err := v.Verify(context.Background(), raw, "0123456789abcdef")
		return err
	}
	p.down.Store(true)
	if err := verify(); !errors.Is(err, oidc.ErrProviderUnavailable) {
		t.Fatalf("down at discovery: %v", err)
	}
	asked := p.asks.Load()
	if err := verify(); !errors.Is(err, oidc.ErrProviderUnavailable) || p.asks.Load() != asked {
		t.Fatalf("asked again at once: %v", err)
	}
	p.down.Store(false)
	moving.Advance(2 * time.Second)
	if err := verify(); err != nil {
		t.Fatalf("back again: %v", err)
	}
	p.down.Store(true)
	if err := verify(); err != nil {
		t.Fatalf("the keys are known, but: %v", err)
	}
	raw = sign(t, jose.RS256, p.key, "k2", p.claims())
	// For a moment more the library answers from the fetch before, which it has not put away yet.
	testkit.Eventually(t, 5*time.Second, func() error {
		if err := verify(); !errors.Is(err, oidc.ErrProviderUnavailable) {
			return fmt.Errorf("down when a new key is needed: %w", err)
		}
		return nil
	})
}

func TestAn_internal_address_is_called_in_place_of_the_public_one(t *testing.T) {
	p := newIssuer(t)
	inside := p.URL
	public := &url.URL{Scheme: "https", Host: "login.example.com"}
	p.URL = public.String()
	v := newVerifier(t, oidc.Provider{Issuer: p.URL, ClientID: "primecloud", InternalURL: inside})
	login, err := v.Verify(t.Context(), sign(t, jose.RS256, p.key, "k1", p.claims()), "0123456789abcdef")
	if err != nil || login.Issuer != "https://login.example.com" {
		t.Errorf("got %+v, %v", login, err)
	}
}

func TestVerify_tells_the_groups_of_the_claim_that_is_asked_for(t *testing.T) {
	p := newIssuer(t)
	for name, c := range map[string]struct {
		claim string
		value any
		want  string
	}{
		"a list":                {"groups", []any{"staff", 7, "finance"}, "staff finance"},
		"one string":            {"groups", "staff", "staff"},
		"none":                  {"groups", nil, ""},
		"something else":        {"groups", map[string]any{"staff": true}, ""},
		"no claim is asked for": {"", []any{"staff"}, ""},
	} {
		v, err := oidc.New(oidc.Config{
			Providers: []oidc.Provider{{Issuer: p.URL, ClientID: "primecloud"}}, Clock: clock.NewManual(now), GroupsClaim: c.claim,
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := v.Verify(t.Context(), sign(t, jose.RS256, p.key, "k1", with(p.claims(), "groups", c.value)), "0123456789abcdef")
		if err != nil || strings.Join(got.Groups, " ") != c.want {
			t.Errorf("%s gave %v, %v", name, got.Groups, err)
		}
	}
}
