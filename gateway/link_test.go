package gateway_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/primecloud/primecloud/pkg/errs"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
)

// LinkLogin verifies the login and notes it.
func (s *identityServer) LinkLogin(ctx context.Context, r *identityv1.LinkLoginRequest) (*identityv1.LinkLoginResponse, error) {
	s.note(ctx, r)
	if _, err := s.verify(ctx, r.GetIdToken(), r.GetNonce()); err != nil {
		return nil, errs.New(errs.Unauthenticated, "ID_TOKEN_INVALID", "the ID token was not accepted; log in again").Wrap(err)
	}
	return &identityv1.LinkLoginResponse{LinkedLogin: &identityv1.LinkedLogin{Id: "lgn_1"}}, nil
}

func TestSomebody_who_is_logged_in_links_a_second_login(t *testing.T) {
	w, _, second := withTwo(t)
	browser := w.client()
	done := browser.get(browser.authenticate(browser.get("/auth/login?provider=default").header.Get("Location"), "anna").String())
	cookie := done.cookie("primecloud_session")
	if cookie == nil {
		t.Fatalf("got %d %s", done.status, done.body)
	}
	csrf := browser.get("/v1/me/csrf").ok(t).json(t)["csrfToken"].(string)
	begin := func(c *client) *url.URL {
		t.Helper()
		begun := c.do("POST", "/auth/link?provider=second&return_to=/docs", nil, "X-CSRF-Token", csrf).ok(t)
		to, err := url.Parse(begun.json(t)["location"].(string))
		must(t, err)
		return to
	}
	t.Run("not without the CSRF token, a login or a provider", func(t *testing.T) {
		browser.do("POST", "/auth/link?provider=second", nil).wants(t, 403, "CSRF_TOKEN_INVALID")
		w.client().do("POST", "/auth/link?provider=second", nil).wants(t, 401, "LOGIN_REQUIRED")
		browser.do("POST", "/auth/link?provider=third", nil, "X-CSRF-Token", csrf).wants(t, 400, "REQUEST_INVALID")
		browser.do("POST", "/auth/link", nil, "X-CSRF-Token", csrf).wants(t, 400, "REQUEST_INVALID")
		browser.do("POST", "/auth/link?provider=second&return_to=//evil.example", nil, "X-CSRF-Token", csrf).wants(t, 400, "REQUEST_INVALID")
		browser.get("/auth/link?provider=second").wants(t, 405, "ROUTE_NOT_FOUND")
	})
	to := begin(browser)
	if !strings.HasPrefix(to.String(), second) || to.Query().Get("prompt") != "login" || to.Query().Get("nonce") == "" {
		t.Fatalf("sent to %s", to)
	}
	before := w.identity.count("CreateSession")
	linked := browser.get(browser.authenticate(to.String(), "anna").String())
	if linked.status != http.StatusSeeOther || linked.header.Get("Location") != "/docs" || linked.cookie("primecloud_session") != nil {
		t.Errorf("got %d %v %s", linked.status, linked.header, linked.body)
	}
	if r, ok := w.identity.last(t).request.(*identityv1.LinkLoginRequest); !ok || r.GetSessionSecret() != cookie.Value || r.GetNonce() != to.Query().Get("nonce") {
		t.Errorf("identity was asked %v", w.identity.last(t).request)
	}
	if w.identity.count("CreateSession") != before {
		t.Error("a session was made")
	}
	t.Run("and not to whoever is logged in by the time it ends", func(t *testing.T) {
		callback := browser.authenticate(begin(browser).String(), "anna").String()
		base, err := url.Parse(w.base)
		must(t, err)
		browser.http.Jar.SetCookies(base, []*http.Cookie{{Name: "primecloud_session", Value: w.identity.session("usr_other"), Path: "/"}})
		browser.get(callback).wants(t, 400, "LOGIN_STATE_INVALID")
	})
	if n := w.identity.count("LinkLogin"); n != 1 {
		t.Errorf("%d logins were linked", n)
	}
}
