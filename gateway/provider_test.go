package gateway_test

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/primecloud/primecloud/pkg/servers"
	"github.com/primecloud/primecloud/pkg/testkit"
)

// withTwo returns a world whose gateway logs people in with two Dexes, by the names of their
// issuers.
func withTwo(t *testing.T) (w *world, first, second string) {
	t.Helper()
	listener := listen(t)
	dex := func() *servers.Dex {
		return testkit.Dex(t, servers.DexConfig{
			ClientID: "primecloud", ClientSecret: "dex client secret", RedirectURLs: []string{"http://" + listener.Addr().String() + "/auth/callback"},
			Users: []servers.DexUser{{Email: "anna@example.com", Password: "anna's", UserID: "anna", Username: "anna"}},
		})
	}
	one, two := dex(), dex()
	dir := t.TempDir()
	file, secret := filepath.Join(dir, "providers.json"), filepath.Join(dir, "secret")
	must(t, os.WriteFile(secret, []byte("dex client secret\n"), 0o600))
	must(t, os.WriteFile(file, []byte(`[{"id": "second", "display_name": "<Second>", "issuer": "`+two.Issuer+`", "client_id": "primecloud",
		"client_secret_file": "`+secret+`"}]`), 0o600))
	w = newWorldOn(t, listener, set("OIDC_ISSUER", one.Issuer), set("OIDC_CLIENT_SECRET", "dex client secret"), set("OIDC_DISPLAY_NAME", "First"),
		set("OIDC_PROVIDERS", file))
	w.identity.verify = func(ctx context.Context, raw, nonce string) (string, error) {
		var last error
		for name, issuer := range map[string]string{"first": one.Issuer, "second": two.Issuer} {
			found, err := oidc.NewProvider(ctx, issuer)
			if err != nil {
				return "", err
			}
			token, err := found.Verifier(&oidc.Config{ClientID: "primecloud"}).Verify(ctx, raw)
			if err == nil && token.Nonce == nonce {
				return "usr_at_" + name, nil
			}
			last = err
		}
		return "", last
	}
	return w, one.Issuer, two.Issuer
}

func TestPeople_choose_among_several_login_providers(t *testing.T) {
	w, first, second := withTwo(t)
	chooser := w.client().get("/auth/login?return_to=/docs?a=b")
	if chooser.status != http.StatusOK || !strings.HasPrefix(chooser.header.Get("Content-Type"), "text/html") ||
		!strings.Contains(chooser.body, "&lt;Second&gt;") || !strings.Contains(chooser.body, `href="/auth/login?provider=second&amp;return_to=%2Fdocs%3Fa%3Db"`) ||
		!strings.Contains(chooser.body, "provider=default&amp;") || chooser.header.Get("Set-Cookie") != "" {
		t.Errorf("the choice is HTTP %d %v %s", chooser.status, chooser.header, chooser.body)
	}
	if got := w.client().get("/auth/providers").ok(t).body; strings.TrimSpace(got) !=
		`{"providers":[{"id":"default","displayName":"First"},{"id":"second","displayName":"\u003cSecond\u003e"}]}` {
		t.Errorf("the list is %s", got)
	}
	w.client().get("/auth/login?provider=third").wants(t, 400, "REQUEST_INVALID")
	for id, c := range map[string]struct{ issuer, user string }{"default": {first, "usr_at_first"}, "second": {second, "usr_at_second"}} {
		t.Run(id, func(t *testing.T) {
			browser := w.client()
			begun := browser.get("/auth/login?return_to=/docs&provider=" + id)
			if to := begun.header.Get("Location"); begun.status != http.StatusSeeOther || !strings.HasPrefix(to, c.issuer) {
				t.Fatalf("sent to %s", to)
			}
			done := browser.get(browser.authenticate(begun.header.Get("Location"), "anna").String())
			if done.status != http.StatusSeeOther || done.header.Get("Location") != "/docs" {
				t.Fatalf("got %d %s", done.status, done.body)
			}
			if got := browser.get("/v1/me").ok(t); !strings.Contains(got.body, c.user) {
				t.Errorf("logged in as %s", got.body)
			}
		})
	}
	t.Run("an answer that says it is another's does not count", func(t *testing.T) {
		browser := w.client()
		callback := browser.authenticate(browser.get("/auth/login?provider=second").header.Get("Location"), "anna")
		query := callback.Query()
		query.Set("iss", first)
		callback.RawQuery = query.Encode()
		browser.get(callback.String()).wants(t, 400, "LOGIN_STATE_INVALID")
	})
	t.Run("nor does a code of the one at the other", func(t *testing.T) {
		browser := w.client()
		stolen := browser.authenticate(browser.get("/auth/login?provider=second").header.Get("Location"), "anna").Query().Get("code")
		to, err := url.Parse(browser.get("/auth/login?provider=default").header.Get("Location"))
		must(t, err)
		browser.get("/auth/callback?code="+stolen+"&state="+to.Query().Get("state")).wants(t, 400, "LOGIN_STATE_INVALID")
	})
}
