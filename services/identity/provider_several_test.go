package identity_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/primecloud/primecloud/pkg/testkit"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
)

// alsoTrust makes the provider a further one of the service, from its next start on.
func (w *world) alsoTrust(p *provider) {
	w.t.Helper()
	w.config.OIDCProviders = filepath.Join(w.t.TempDir(), "providers.json")
	text := `[{"id": "second", "display_name": "Second", "issuer": "` + p.URL + `", "client_id": "` + clientID + `"}]`
	if err := os.WriteFile(w.config.OIDCProviders, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// sideBySide is a world whose service trusts Dex and the test's provider.
func sideBySide(t *testing.T) (*world, *provider) {
	t.Helper()
	w := newWorld(t)
	p := w.newProvider()
	w.stop()
	w.alsoTrust(p)
	w.start()
	return w, p
}

func TestProviders_side_by_side_make_users_of_their_own_whatever_their_addresses(t *testing.T) {
	w, p := sideBySide(t)
	anna := w.login("anna")
	created, err := w.gateway().CreateSession(testkit.Context(t), &identityv1.CreateSessionRequest{Nonce: nonce, IdToken: p.signed(map[string]any{
		"sub": "anna", "nonce": nonce, "email": "anna@example.com", "email_verified": true,
	})})
	if err != nil {
		t.Fatal(err)
	}
	if created.GetUser().GetId() == anna.id || created.GetUser().GetIssuer() != p.URL {
		t.Errorf("the other provider's anna is %v", created.GetUser())
	}
	stranger := w.newProvider()
	_, err = w.gateway().CreateSession(testkit.Context(t), &identityv1.CreateSessionRequest{Nonce: nonce, IdToken: stranger.signed(map[string]any{
		"sub": "anna", "nonce": nonce,
	})})
	wants(t, err, "ID_TOKEN_INVALID")
	// A provider ends the sessions of its own people alone.
	if err := p.logout("t1", map[string]any{"sub": "anna"}); err != nil {
		t.Fatal(err)
	}
	if !anna.alive() {
		t.Error("another provider's logout ended a session")
	}
}
