package identity_test

import (
	"net/url"
	"testing"

	"github.com/primecloud/primecloud/pkg/testkit"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
)

// trust makes the provider the service's, from its next start on.
func (w *world) trust(p *provider) {
	w.t.Helper()
	issuer, err := url.Parse(p.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	w.config.OIDCIssuer = *issuer
}

func TestA_person_signs_out_everywhere_or_everywhere_else(t *testing.T) {
	w := newWorld(t)
	here, phone, tablet, bert := w.login("anna"), w.login("anna"), w.login("anna"), w.login("bert")
	ctx, onPhone := here.in(""), phone.in("")
	revoke := func(keep bool) int32 {
		t.Helper()
		answer, err := w.gateway().RevokeAllSessions(ctx, &identityv1.RevokeAllSessionsRequest{KeepCurrent: keep})
		if err != nil {
			t.Fatal(err)
		}
		return answer.GetRevokedCount()
	}
	if n := revoke(true); n != 2 {
		t.Errorf("%d sessions were ended", n)
	}
	if !here.alive() || phone.alive() || tablet.alive() || !bert.alive() {
		t.Error("others ended than those elsewhere")
	}
	_, err := w.gateway().GetCurrentUser(onPhone, &identityv1.GetCurrentUserRequest{})
	wants(t, err, "TOKEN_REVOKED")
	if n := revoke(true); n != 0 {
		t.Errorf("once more: %d sessions were ended", n)
	}
	if n := revoke(false); n != 1 || here.alive() {
		t.Errorf("%d sessions were ended, and this one lives: %v", n, here.alive())
	}
	_, err = w.gateway().RevokeAllSessions(ctx, &identityv1.RevokeAllSessionsRequest{})
	wants(t, err, "TOKEN_REVOKED")
}

func TestSessions_show_their_device(t *testing.T) {
	w, p := trusting(t)
	anna := p.login("anna", "")
	list, err := w.gateway().ListSessions(anna.in(""), &identityv1.ListSessionsRequest{})
	if err != nil || len(list.GetSessions()) != 1 || list.GetSessions()[0].GetDevice() != "Firefox on Linux" {
		t.Errorf("listed %v, %v", list, err)
	}
}

func TestA_logout_at_the_provider_ends_the_sessions_that_it_names(t *testing.T) {
	w, p := trusting(t)
	t.Run("those of its session", func(t *testing.T) {
		one, same, other := p.login("anna", "p1"), p.login("anna", "p1"), p.login("anna", "p2")
		ctx := one.in("")
		if err := p.logout("t1", map[string]any{"sid": "p1"}); err != nil {
			t.Fatal(err)
		}
		if one.alive() || same.alive() || !other.alive() {
			t.Error("others ended than those of the provider's session")
		}
		_, err := w.gateway().GetCurrentUser(ctx, &identityv1.GetCurrentUserRequest{})
		wants(t, err, "TOKEN_REVOKED")
	})
	t.Run("all of its subject", func(t *testing.T) {
		one, other, bert := p.login("anna", "p3"), p.login("anna", ""), p.login("bert", "p4")
		if err := p.logout("t2", map[string]any{"sub": "anna"}); err != nil {
			t.Fatal(err)
		}
		if one.alive() || other.alive() || !bert.alive() {
			t.Error("others ended than those of the subject")
		}
	})
	t.Run("with both, also those whose session it never told", func(t *testing.T) {
		one, untold, other := p.login("anna", "p5"), p.login("anna", ""), p.login("anna", "p6")
		if err := p.logout("t3", map[string]any{"sub": "anna", "sid": "p5"}); err != nil {
			t.Fatal(err)
		}
		if one.alive() || untold.alive() || !other.alive() {
			t.Error("others ended than those of the session, and those that may be of it")
		}
	})
	t.Run("those from before sessions of providers were kept, by their person", func(t *testing.T) {
		old := p.login("carl", "p7")
		w.behind(`update identity.session set issuer = '', subject = '', provider_session = '' where user_id = $1`, old.id)
		if err := p.logout("t4", map[string]any{"sub": "carl"}); err != nil {
			t.Fatal(err)
		}
		if old.alive() {
			t.Error("it lives")
		}
	})
	t.Run("and the trail says that it was the provider's doing", func(t *testing.T) {
		// Two, three with the one that the first logout left, two, and one.
		if n := w.rows(`select count(*) from identity.outbox where position('logged_out_by'::bytea in payload) > 0 and position('service'::bytea in payload) > 0`); n != 8 {
			t.Errorf("%d logouts are recorded", n)
		}
	})
}

func TestA_logout_token_counts_once_and_only_from_a_provider(t *testing.T) {
	w, p := trusting(t)
	anna := p.login("anna", "p1")
	for name, token := range map[string]string{
		"nonsense": "nonsense", "an ID token": p.signed(map[string]any{"sub": "anna", "nonce": nonce}), "another provider's": w.newProvider().signed(map[string]any{
			"sub": "anna", "jti": "t1", "events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
		}),
	} {
		wants(t, p.obey(token), "LOGOUT_TOKEN_INVALID")
		if !anna.alive() {
			t.Fatalf("%s logged somebody out", name)
		}
	}
	token := p.signed(map[string]any{
		"sub": "anna", "jti": "t1", "events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	})
	if err := p.obey(token); err != nil || anna.alive() {
		t.Fatalf("obeyed with %v, the session lives: %v", err, anna.alive())
	}
	again := p.login("anna", "p2")
	wants(t, p.obey(token), "LOGOUT_TOKEN_INVALID")
	if !again.alive() {
		t.Error("a token that was obeyed before logged somebody out")
	}
	_, err := clientsOf(w.dial("")).BackchannelLogout(testkit.Context(t), &identityv1.BackchannelLogoutRequest{LogoutToken: token})
	wants(t, err, "CALLER_NOT_ALLOWED")
	_, err = w.gateway().RevokeAllSessions(testkit.Context(t), &identityv1.RevokeAllSessionsRequest{})
	wants(t, err, "LOGIN_REQUIRED")
}
