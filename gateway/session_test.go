package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// csrfToken returns the token of a browser's session.
func (c *client) csrfToken() string {
	c.w.t.Helper()
	token, _ := c.get("/v1/me/csrf").ok(c.w.t).json(c.w.t)["csrfToken"].(string)
	return token
}

func TestA_session_is_exchanged_for_a_token_of_the_account_in_the_path(t *testing.T) {
	w := newWorld(t)
	w.storage.put(&storagev1.Bucket{Name: "b1"})
	c := w.inBrowser("usr_1")
	for range 3 {
		c.get(buckets + "/b1").ok(t)
		c.get("/v1/me").ok(t)
	}
	if p := w.storage.last(t).principal; p.ID != "usr_1" || p.AccountID != "acc_1" {
		t.Errorf("storage took the caller for %+v", p)
	}
	if p := w.identity.last(t).principal; p.ID != "usr_1" || p.AccountID != "" {
		t.Errorf("identity took the caller for %+v", p)
	}
	if n := w.identity.count("ExchangeSession"); n != 2 {
		t.Errorf("%d exchanges for two accounts", n)
	}
	for name := range w.storage.last(t).metadata {
		if strings.Contains(name, "cookie") {
			t.Errorf("the service was shown the cookie: %s", name)
		}
	}
	t.Run("an account of others is absent", func(t *testing.T) {
		c.get("/v1/accounts/acc_other/buckets").wants(t, 404, "ACCOUNT_NOT_FOUND")
	})
	t.Run("a token is replaced before it ends", func(t *testing.T) {
		w.clock.Advance(4*time.Minute + 31*time.Second)
		c.get("/v1/me").ok(t)
		if n := w.identity.count("ExchangeSession"); n != 4 {
			t.Errorf("%d exchanges", n)
		}
	})
}

func TestA_token_that_was_revoked_is_replaced_once(t *testing.T) {
	w := newWorld(t)
	c := w.inBrowser("usr_1")
	c.get("/v1/me").ok(t)
	w.identity.revoke(w.identity.last(t).principal.TokenID)
	c.get("/v1/me").ok(t)
	if n := w.identity.count("ExchangeSession"); n != 2 {
		t.Errorf("%d exchanges", n)
	}
	t.Run("a client's own token is not", func(t *testing.T) {
		own := w.as("usr_1", "")
		own.get("/v1/me").ok(t)
		w.identity.revoke(w.identity.last(t).principal.TokenID)
		own.get("/v1/me").wants(t, 401, "TOKEN_REVOKED")
	})
}

func TestA_session_that_is_over_is_refused_and_its_cookie_taken(t *testing.T) {
	w := newWorld(t)
	a := w.client("Cookie", "primecloud_session=over").get("/v1/me")
	a.wants(t, 401, "SESSION_INVALID")
	if cookie := a.header.Get("Set-Cookie"); !strings.HasPrefix(cookie, "primecloud_session=;") || !strings.Contains(cookie, "Max-Age=0") {
		t.Errorf("the cookie stays: %q", cookie)
	}
	w.client("Cookie", "primecloud_session=over").get("/v1/me/csrf").wants(t, 401, "SESSION_INVALID")
	w.client().get("/v1/me/csrf").wants(t, 401, "LOGIN_REQUIRED")
	w.as("usr_1", "").get("/v1/me/csrf").wants(t, 401, "LOGIN_REQUIRED")
	t.Run("a cookie of the https name counts for nothing over http", func(t *testing.T) {
		secret := w.identity.session("usr_1")
		w.client("Cookie", "__Host-primecloud_session="+secret).get("/v1/me").wants(t, 401, "LOGIN_REQUIRED")
	})
}

func TestIdentity_being_away_is_no_logout(t *testing.T) {
	w := newWorld(t)
	c := w.inBrowser("usr_1")
	token := c.csrfToken()
	w.identity.fail(errs.New(errs.Unavailable, "DATABASE_UNAVAILABLE", "the database is away"))
	w.clock.Advance(10 * time.Minute)
	a := c.get(buckets)
	a.wants(t, 503, "DATABASE_UNAVAILABLE")
	if a.header.Get("Set-Cookie") != "" {
		t.Error("the cookie was taken")
	}
	a = c.do("POST", "/auth/logout", nil, "X-CSRF-Token", token)
	a.wants(t, 503, "DATABASE_UNAVAILABLE")
	if a.header.Get("Set-Cookie") != "" {
		t.Error("a logout that failed took the cookie")
	}
	w.as("usr_1", "acc_1").get(buckets).ok(t) // a token of one's own goes on
}

func TestChanges_by_cookie_need_the_sessions_CSRF_token(t *testing.T) {
	w := newWorld(t, set("CORS_ORIGINS", "https://panel.example.com"))
	c := w.inBrowser("usr_1")
	token := c.csrfToken()
	if token == "" || token != c.csrfToken() || token == w.inBrowser("usr_1").csrfToken() {
		t.Fatalf("the token %q is not that of the session alone", token)
	}
	create := func(header ...string) answer { return c.do("POST", buckets, `{"name": "b1"}`, header...) }
	refused := map[string][]string{
		"without a token":                nil,
		"with another session's token":   {"X-CSRF-Token", w.inBrowser("usr_1").csrfToken()},
		"with two tokens":                {"X-CSRF-Token", token, "X-CSRF-Token", token},
		"from another site":              {"X-CSRF-Token", token, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example.com"},
		"from another origin":            {"X-CSRF-Token", token, "Origin", "https://evil.example.com"},
		"from a sibling site":            {"X-CSRF-Token", token, "Sec-Fetch-Site", "same-site", "Origin", "https://sibling.example.com"},
		"with a method in another place": {"X-HTTP-Method-Override", "GET"},
	}
	for name, header := range refused {
		t.Run(name+" it is refused", func(t *testing.T) { create(header...).wants(t, 403, "CSRF_TOKEN_INVALID") })
	}
	t.Run("a deletion and a logout without a token are refused", func(t *testing.T) {
		c.do("DELETE", "/v1/me/sessions/ses_2", nil).wants(t, 403, "CSRF_TOKEN_INVALID")
		c.do("POST", "/auth/logout", nil).wants(t, 403, "CSRF_TOKEN_INVALID")
	})
	if n := w.storage.count("CreateBucket") + w.identity.count("RevokeSession") + w.identity.count("DeleteSession"); n != 0 {
		t.Errorf("%d refused calls reached a service", n)
	}
	accepted := map[string][]string{
		"from our own page":       {"X-CSRF-Token", token, "Sec-Fetch-Site", "same-origin", "Origin", w.base},
		"from a listed origin":    {"X-CSRF-Token", token, "Sec-Fetch-Site", "cross-site", "Origin", "https://panel.example.com"},
		"from a program":          {"X-CSRF-Token", token},
		"with a token of its own": {"Authorization", "Bearer " + w.bearer("usr_1", "acc_1"), "Origin", "https://evil.example.com"},
	}
	for name, header := range accepted {
		t.Run(name+" it is accepted", func(t *testing.T) { create(header...).ok(t) })
	}
	t.Run("a program that shows a token of its own never uses the cookie", func(t *testing.T) {
		create("Authorization", "Bearer nonsense").wants(t, 401, "TOKEN_INVALID")
		create("Authorization", "Bearer "+w.bearer("usr_2", "acc_1")).ok(t)
		if p := w.storage.last(t).principal; p.ID != "usr_2" {
			t.Errorf("the caller is %+v", p)
		}
	})
	t.Run("a read needs none", func(t *testing.T) { c.get(buckets).ok(t) })
}

func TestLogout_ends_the_session(t *testing.T) {
	w := newWorld(t)
	c := w.inBrowser("usr_1")
	a := c.do("POST", "/auth/logout", nil, "X-CSRF-Token", c.csrfToken())
	if a.status != http.StatusNoContent || !strings.Contains(a.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Fatalf("got %d %v", a.status, a.header)
	}
	if got := w.identity.last(t).request.(*identityv1.DeleteSessionRequest).GetSessionSecret(); got == "" {
		t.Error("no session was ended")
	}
	c.get("/v1/me").wants(t, 401, "SESSION_INVALID") // the copy that a thief kept
	if a := w.client().do("POST", "/auth/logout", nil); a.status != http.StatusNoContent {
		t.Errorf("a logout without a login got %d", a.status)
	}
}

func TestOver_https_the_cookie_has_its_prefix_and_browsers_are_told_to_stay(t *testing.T) {
	w := newWorld(t, set("PUBLIC_URL", "https://panel.example.com"))
	secret := w.identity.session("usr_1")
	c := w.client("Cookie", "__Host-primecloud_session="+secret)
	a := c.get("/v1/me").ok(t)
	if got := a.header.Get("Strict-Transport-Security"); !strings.Contains(got, "max-age=") {
		t.Errorf("browsers are told %q", got)
	}
	w.client("Cookie", "primecloud_session="+secret).get("/v1/me").wants(t, 401, "LOGIN_REQUIRED")
	// The proxy in front speaks to us under another name than browsers do.
	a = c.do("POST", buckets, `{"name": "b1"}`, "X-CSRF-Token", c.csrfToken(), "Origin", "https://panel.example.com", "Sec-Fetch-Site", "same-origin").ok(t)
	if a.status != http.StatusOK {
		t.Errorf("got %d", a.status)
	}
	a = c.do("POST", "/auth/logout", nil, "X-CSRF-Token", c.csrfToken())
	if got := a.header.Get("Set-Cookie"); !strings.HasPrefix(got, "__Host-primecloud_session=;") || !strings.Contains(got, "Secure") {
		t.Errorf("the cookie is taken by %q", got)
	}
}
