package gateway_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
)

// BackchannelLogout ends everybody's sessions.
func (s *identityServer) BackchannelLogout(ctx context.Context, r *identityv1.BackchannelLogoutRequest) (*identityv1.BackchannelLogoutResponse, error) {
	s.note(ctx, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return nil, s.down
	}
	if r.GetLogoutToken() != "good" {
		return nil, errs.New(errs.InvalidArgument, "LOGOUT_TOKEN_INVALID", "the logout token was not accepted, or was obeyed already")
	}
	clear(s.sessions)
	return &identityv1.BackchannelLogoutResponse{}, nil
}

func TestA_provider_logs_people_out(t *testing.T) {
	w := newWorld(t, set("RATE_LIMIT", "10"), set("LOGIN_RATE_LIMIT", "1"))
	send := func(form string, header ...string) answer {
		return w.client().do("POST", "/auth/backchannel-logout", form, append([]string{"Content-Type", "", "Content-Type", formType}, header...)...)
	}
	browser := w.inBrowser("usr_1")
	for range 2 {
		if got := send(url.Values{"logout_token": {"good"}}.Encode()); got.status != 200 || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("got HTTP %d %v %s", got.status, got.header, got.body)
		}
	}
	browser.get("/v1/me").wants(t, 401, "SESSION_INVALID")
	for name, form := range map[string]string{"a bad token": "logout_token=bad", "none": "", "two": "logout_token=good&logout_token=good"} {
		if got := send(form); got.status != 400 || got.json(t)["error"] != "invalid_request" {
			t.Errorf("%s gave HTTP %d %s", name, got.status, got.body)
		}
	}
	if got := send(`{"logout_token":"good"}`, "Content-Type", "application/json"); got.status != 200 && got.status != 400 {
		t.Errorf("JSON gave HTTP %d %s", got.status, got.body)
	}
	w.client().get("/auth/backchannel-logout").wants(t, 405, "ROUTE_NOT_FOUND")
	w.identity.fail(errs.New(errs.Unavailable, "PROVIDER_UNAVAILABLE", "away").WithRetryAfter(time.Second))
	if got := send("logout_token=good"); got.status != 503 || got.json(t)["error"] != "server_error" {
		t.Errorf("with the provider away: HTTP %d %s", got.status, got.body)
	}
	w.identity.fail(nil)
	limited := false
	for range 20 {
		limited = limited || send("logout_token=bad").status == 429
	}
	if !limited {
		t.Error("there is no limit")
	}
}
