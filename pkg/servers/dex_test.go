package servers_test

import (
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/primecloud/primecloud/pkg/servers"
)

func TestDex_logs_a_user_in_and_keeps_its_keys_through_a_restart(t *testing.T) {
	const callback = "http://127.0.0.1:1/callback"
	d, err := servers.StartDex(t.Context(), servers.DexConfig{
		Dir: t.TempDir(), ClientID: "gateway", ClientSecret: "of the gateway", RedirectURLs: []string{callback},
		Users: []servers.DexUser{{Email: "ada@example.com", Password: "lovelace", UserID: "u-1", Username: "ada"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	stopping(t, d.Server)

	var found struct {
		Issuer    string   `json:"issuer"`
		Keys      string   `json:"jwks_uri"`
		Challenge []string `json:"code_challenge_methods_supported"`
	}
	discovery := send(t, http.MethodGet, d.Issuer+"/.well-known/openid-configuration", nil, "")
	if err := json.Unmarshal([]byte(discovery.body), &found); err != nil {
		t.Fatalf("%v in %s", err, discovery)
	}
	if found.Issuer != d.Issuer || !slices.Contains(found.Challenge, "S256") {
		t.Errorf("the discovery document says %+v", found)
	}
	keys := send(t, http.MethodGet, found.Keys, nil, "").body

	if to := login(t, d.Issuer, callback, "wrong"); to != nil {
		t.Errorf("a wrong password leads to %s", to)
	}
	to := login(t, d.Issuer, callback, "lovelace")
	if to == nil || to.Query().Get("code") == "" || to.Query().Get("state") != "s" {
		t.Fatalf("the login leads to %v", to)
	}

	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again := send(t, http.MethodGet, found.Keys, nil, "").body; again != keys || !strings.Contains(keys, `"kid"`) {
		t.Errorf("the keys were\n%s\nand are now\n%s", keys, again)
	}
}

// login walks through Dex's pages as a browser does and returns where it sends the browser
// at last, or nil when it stays on the form.
func login(t *testing.T, issuer, callback, password string) *url.URL {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	var last *url.URL
	browser := http.Client{Jar: jar, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(req.URL.String(), callback) {
			last = req.URL
			return http.ErrUseLastResponse
		}
		return nil
	}}
	start := issuer + "/auth?" + url.Values{
		"client_id": {"gateway"}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid email profile"}, "state": {"s"},
	}.Encode()
	page, err := browser.Get(start)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = page.Body.Close() }()
	form := body(t, page)
	action := regexp.MustCompile(`action="([^"]+)"`).FindStringSubmatch(form)
	if action == nil {
		t.Fatalf("no form at %s:\n%s", page.Request.URL, form)
	}
	target, err := page.Request.URL.Parse(strings.ReplaceAll(action[1], "&amp;", "&"))
	if err != nil {
		t.Fatal(err)
	}
	done, err := browser.PostForm(target.String(), url.Values{"login": {"ada@example.com"}, "password": {password}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = done.Body.Close() }()
	return last
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	var text strings.Builder
	if err := res.Write(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}
