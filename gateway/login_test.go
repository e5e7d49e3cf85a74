package gateway_test

import (
	"context"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/primecloud/primecloud/pkg/servers"
	"github.com/primecloud/primecloud/pkg/testkit"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// withDex returns a world whose gateway logs people in with Dex.
func withDex(t *testing.T, changes ...settings) *world {
	t.Helper()
	listener := listen(t)
	dex := testkit.Dex(t, servers.DexConfig{
		ClientID: "primecloud", ClientSecret: "dex client secret", RedirectURLs: []string{"http://" + listener.Addr().String() + "/auth/callback"},
		Users: []servers.DexUser{
			{Email: "anna@example.com", Password: "anna's", UserID: "anna", Username: "anna"},
			{Email: "bert@example.com", Password: "bert's", UserID: "bert", Username: "bert"},
		},
	})
	changes = append([]settings{set("OIDC_ISSUER", dex.Issuer), set("OIDC_CLIENT_SECRET", "dex client secret")}, changes...)
	w := newWorldOn(t, listener, changes...)
	w.identity.verify = func(ctx context.Context, raw, nonce string) (string, error) {
		found, err := oidc.NewProvider(ctx, dex.Issuer)
		if err != nil {
			return "", err
		}
		token, err := found.Verifier(&oidc.Config{ClientID: "primecloud"}).Verify(ctx, raw)
		if err != nil {
			return "", err
		}
		if token.Nonce != nonce || nonce == "" {
			return "", context.Canceled
		}
		var claims struct {
			Name string `json:"name"`
		}
		return "usr_" + claims.Name, token.Claims(&claims)
	}
	return w
}

var form = regexp.MustCompile(`(?s)<form[^>]*action="([^"]+)"`)

// login goes through the provider's form and returns the address of the callback.
func (c *client) login(returnTo, user string) *url.URL {
	c.w.t.Helper()
	begun := c.get("/auth/login?return_to=" + url.QueryEscape(returnTo))
	if begun.status != http.StatusSeeOther {
		c.w.t.Fatalf("the login began with HTTP %d: %s", begun.status, begun.body)
	}
	return c.authenticate(begun.header.Get("Location"), user)
}

// authenticate fills in the provider's form at address.
func (c *client) authenticate(address, user string) *url.URL {
	c.w.t.Helper()
	at, page := c.follow(c.get(address), address)
	found := form.FindStringSubmatch(page.body)
	if found == nil {
		c.w.t.Fatalf("%s has no form: %s", at, page.body)
	}
	action, err := at.Parse(html.UnescapeString(found[1]))
	must(c.w.t, err)
	fields := url.Values{"login": {user + "@example.com"}, "password": {user + "'s"}}
	at, _ = c.follow(c.do("POST", action.String(), fields.Encode(), "Content-Type", "", "Content-Type", "application/x-www-form-urlencoded"), action.String())
	if at.Path != "/auth/callback" || at.Query().Get("code") == "" {
		c.w.t.Fatalf("the provider sent the browser to %s", at)
	}
	return at
}

// follow follows the provider's redirects, and stops before the gateway.
func (c *client) follow(a answer, at string) (*url.URL, answer) {
	c.w.t.Helper()
	here, err := url.Parse(at)
	must(c.w.t, err)
	for a.status >= 300 && a.status < 400 {
		here, err = here.Parse(a.header.Get("Location"))
		must(c.w.t, err)
		if strings.HasPrefix(here.String(), c.w.base+"/") {
			return here, a
		}
		a = c.get(here.String())
	}
	return here, a
}

// cookie returns a cookie that an answer sets.
func (a answer) cookie(name string) *http.Cookie {
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func TestPeople_log_in_with_the_provider(t *testing.T) {
	w := withDex(t)
	c := w.client("User-Agent", "Browser/1")
	begun := c.get("/auth/login?return_to=/v1/me")
	to, err := url.Parse(begun.header.Get("Location"))
	must(t, err)
	q := to.Query()
	if q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" || len(q.Get("state")) < 32 || len(q.Get("nonce")) < 32 ||
		q.Get("client_id") != "primecloud" || q.Get("redirect_uri") != w.base+"/auth/callback" {
		t.Fatalf("the provider is asked %s", to)
	}
	callback := c.authenticate(to.String(), "anna")
	done := c.get(callback.String())
	if done.status != http.StatusSeeOther || done.header.Get("Location") != "/v1/me" {
		t.Fatalf("got %d %v %s", done.status, done.header, done.body)
	}
	cookie := done.cookie("primecloud_session")
	if cookie == nil || !cookie.HttpOnly || cookie.Secure || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Domain != "" {
		t.Errorf("the cookie is %+v", cookie)
	}
	request := w.identity.last(t).request.(*identityv1.CreateSessionRequest)
	if request.GetNonce() != q.Get("nonce") || request.GetAddress() != "127.0.0.1" || request.GetUserAgent() != "Browser/1" {
		t.Errorf("identity was asked %v", request)
	}
	if got := c.get("/v1/me").ok(t); !strings.Contains(got.body, "usr_anna") {
		t.Errorf("logged in as %s", got.body)
	}
	if strings.Contains(done.body+begun.body, "eyJ") {
		t.Error("the browser was shown a token")
	}

	t.Run("a second login makes another session", func(t *testing.T) {
		again := c.get(c.login("/", "anna").String())
		other := again.cookie("primecloud_session")
		if other == nil || other.Value == cookie.Value || again.header.Get("Location") != "/" {
			t.Errorf("got %v", again.header)
		}
	})
	t.Run("a session that was planted before does not become the login's", func(t *testing.T) {
		victim := w.client()
		base, err := url.Parse(w.base)
		must(t, err)
		victim.http.Jar.SetCookies(base, []*http.Cookie{{Name: "primecloud_session", Value: "planted", Path: "/"}})
		got := victim.get(victim.login("/", "bert").String()).cookie("primecloud_session")
		if got == nil || got.Value == "planted" {
			t.Fatalf("the session is %v", got)
		}
		w.client("Cookie", "primecloud_session=planted").get("/v1/me").wants(t, 401, "SESSION_INVALID")
	})
}

func TestA_callback_counts_once_and_only_where_the_login_began(t *testing.T) {
	w := withDex(t)
	sessions := func() int { return w.identity.count("CreateSession") }

	c := w.client()
	begun := c.get("/auth/login")
	state := begun.cookie("primecloud_login")
	if state == nil || !state.HttpOnly || state.MaxAge <= 0 || state.MaxAge > 600 {
		t.Fatalf("the login's cookie is %+v", state)
	}
	callback := c.authenticate(begun.header.Get("Location"), "anna").String()
	t.Run("another browser is refused", func(t *testing.T) {
		w.client().get(callback).wants(t, 400, "LOGIN_STATE_INVALID")
		other := w.client()
		other.get("/auth/login")
		other.get(callback).wants(t, 400, "LOGIN_STATE_INVALID")
	})
	if a := c.get(callback); a.status != http.StatusSeeOther {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	before := sessions()
	t.Run("a replay is refused, with the login's cookie too", func(t *testing.T) {
		c.get(callback).wants(t, 400, "LOGIN_STATE_INVALID")
		w.client("Cookie", "primecloud_login="+state.Value).get(callback).wants(t, 400, "LOGIN_STATE_INVALID")
	})
	t.Run("a state that was changed is refused", func(t *testing.T) {
		forged := state.Value[:len(state.Value)-2] + "AA"
		w.client("Cookie", "primecloud_login="+forged).get(callback).wants(t, 400, "LOGIN_STATE_INVALID")
	})
	t.Run("a code that was never given out is refused", func(t *testing.T) {
		fresh := w.client()
		to, err := url.Parse(fresh.get("/auth/login").header.Get("Location"))
		must(t, err)
		fresh.get("/auth/callback?code=made-up&state="+to.Query().Get("state")).wants(t, 400, "LOGIN_STATE_INVALID")
	})
	t.Run("a code of another login is refused", func(t *testing.T) {
		// The classic injection: the thief's browser with the victim's code. PKCE binds the
		// code to the browser that began.
		victim, thief := w.client(), w.client()
		stolen := victim.login("/", "anna").Query().Get("code")
		to, err := url.Parse(thief.get("/auth/login").header.Get("Location"))
		must(t, err)
		thief.get("/auth/callback?code="+stolen+"&state="+to.Query().Get("state")).wants(t, 400, "LOGIN_STATE_INVALID")
	})
	t.Run("a login that took too long is refused", func(t *testing.T) {
		slow := w.client()
		late := slow.login("/", "anna")
		w.clock.Advance(10 * time.Minute)
		slow.get(late.String()).wants(t, 400, "LOGIN_STATE_INVALID")
	})
	t.Run("what the provider refused is no login", func(t *testing.T) {
		fresh := w.client()
		to, err := url.Parse(fresh.get("/auth/login").header.Get("Location"))
		must(t, err)
		a := fresh.get("/auth/callback?error=access_denied&state="+to.Query().Get("state"), "Accept", "text/html")
		if a.status != 401 || !strings.Contains(a.body, "Login failed") || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			t.Errorf("got %d %s", a.status, a.body)
		}
	})
	if sessions() != before {
		t.Errorf("%d sessions too many", sessions()-before)
	}
}

func TestA_login_returns_to_local_paths_alone(t *testing.T) {
	w := withDex(t)
	for _, bad := range []string{
		"https://evil.example", "//evil.example", "/\\evil.example", "\\/evil.example", "/\t/evil.example", "javascript:alert(1)",
		"evil", "/\r\nSet-Cookie: a=b", "///evil.example", " /x", "/" + strings.Repeat("a", 2000),
	} {
		t.Run(url.QueryEscape(bad)[:min(20, len(url.QueryEscape(bad)))]+" is refused", func(t *testing.T) {
			w.client().get("/auth/login?return_to="+url.QueryEscape(bad)).wants(t, 400, "REQUEST_INVALID")
		})
	}
	c := w.client()
	if a := c.get(c.login("/docs?x=1#y", "anna").String()); a.header.Get("Location") != "/docs?x=1#y" {
		t.Errorf("returned to %q", a.header.Get("Location"))
	}
}

func TestLogin_begins_at_the_public_name_of_this_machine(t *testing.T) {
	w := withDex(t)
	begin := strings.Replace(w.base, "127.0.0.1", "localhost", 1) + "/auth/login?return_to=/docs"
	begun := w.client().get(begin)
	if to := begun.header.Get("Location"); begun.status != http.StatusSeeOther || to != w.base+"/auth/login?return_to=/docs" {
		t.Errorf("by localhost: HTTP %d to %s", begun.status, to)
	}
}
