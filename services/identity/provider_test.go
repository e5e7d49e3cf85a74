package identity_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/primecloud/primecloud/pkg/testkit"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
)

// provider is an OpenID Connect provider that signs what a test wants: Dex tells of no
// sessions and sends no logouts.
type provider struct {
	*httptest.Server
	w   *world
	key ed25519.PrivateKey
}

// newProvider starts one.
func (w *world) newProvider() *provider {
	w.t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	p := &provider{w: w, key: key}
	p.Server = httptest.NewServer(http.HandlerFunc(p.serve))
	w.t.Cleanup(p.Close)
	return p
}

func (p *provider) serve(rw http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		_ = json.NewEncoder(rw).Encode(map[string]any{
			"issuer": p.URL, "jwks_uri": p.URL + "/keys", "authorization_endpoint": p.URL, "token_endpoint": p.URL,
			"id_token_signing_alg_values_supported": []string{"EdDSA"},
		})
	case "/keys":
		_ = json.NewEncoder(rw).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: "k1", Algorithm: "EdDSA", Use: "sig"}}})
	default:
		http.NotFound(rw, r)
	}
}

// signed returns a token with the claims.
func (p *provider) signed(claims map[string]any) string {
	p.w.t.Helper()
	now := p.w.clock.Now()
	all := map[string]any{"iss": p.URL, "aud": clientID, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix()}
	for name, value := range claims {
		all[name] = value
	}
	payload, err := json.Marshal(all)
	if err != nil {
		p.w.t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: p.key, KeyID: "k1"}}, nil)
	if err != nil {
		p.w.t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		p.w.t.Fatal(err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		p.w.t.Fatal(err)
	}
	return raw
}

// login logs somebody in, in a session at the provider, which it may not tell of.
func (p *provider) login(subject, providerSession string) person {
	p.w.t.Helper()
	claims := map[string]any{"sub": subject, "nonce": nonce, "name": subject}
	if providerSession != "" {
		claims["sid"] = providerSession
	}
	created, err := p.w.gateway().CreateSession(testkit.Context(p.w.t), &identityv1.CreateSessionRequest{
		IdToken: p.signed(claims), Nonce: nonce, Address: "192.0.2.1",
		UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
	})
	if err != nil {
		p.w.t.Fatal(err)
	}
	return person{w: p.w, id: created.GetUser().GetId(), secret: created.GetSessionSecret()}
}

// logout sends a logout token with the claims.
func (p *provider) logout(id string, claims map[string]any) error {
	p.w.t.Helper()
	claims["jti"] = id
	claims["events"] = map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}
	return p.obey(p.signed(claims))
}

func (p *provider) obey(token string) error {
	_, err := p.w.gateway().BackchannelLogout(testkit.Context(p.w.t), &identityv1.BackchannelLogoutRequest{LogoutToken: token})
	return err
}

// alive reports whether the person's session works.
func (p person) alive() bool {
	p.w.t.Helper()
	_, err := p.w.gateway().ExchangeSession(testkit.Context(p.w.t), &identityv1.ExchangeSessionRequest{SessionSecret: p.secret})
	if err != nil {
		wants(p.w.t, err, "SESSION_INVALID")
	}
	return err == nil
}

// trusting is a world whose service trusts the test's provider.
func trusting(t *testing.T) (*world, *provider) {
	t.Helper()
	w := newWorld(t)
	p := w.newProvider()
	w.stop()
	w.trust(p)
	w.start()
	return w, p
}
