package identity_test

import (
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/testkit"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
)

func TestA_person_logs_in_and_is_the_same_at_the_next_login(t *testing.T) {
	w := newWorld(t)
	first, again := w.login("anna"), w.login("anna")
	if first.id != again.id || first.secret == again.secret {
		t.Errorf("two logins: users %s and %s, same secret %v", first.id, again.id, first.secret == again.secret)
	}
	other := w.login("bert")
	if other.id == first.id {
		t.Error("two people are one")
	}
	me, err := w.gateway().GetCurrentUser(first.in(""), &identityv1.GetCurrentUserRequest{})
	if err != nil || me.GetUser().GetId() != first.id || me.GetUser().GetEmail() != "anna@example.com" ||
		me.GetUser().GetIssuer() != w.dex.Issuer || me.GetUser().GetDisplayName() != "anna" {
		t.Errorf("I am %v, %v", me, err)
	}
}

func TestAn_ID_token_that_is_not_of_this_login_is_refused(t *testing.T) {
	w := newWorld(t)
	good := w.idToken("anna", nonce)
	create := func(token, nonce string) error {
		_, err := w.gateway().CreateSession(testkit.Context(t), &identityv1.CreateSessionRequest{IdToken: token, Nonce: nonce})
		return err
	}
	header, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	other := strings.Split(w.idToken("bert", nonce), ".")
	for name, c := range map[string]struct{ token, nonce string }{
		"of another login":             {good, "fedcba9876543210"},
		"with another one's signature": {header + "." + payload + "." + other[2], nonce},
		"with another one's claims":    {header + "." + other[1] + "." + signature, nonce},
		"no token":                     {"nonsense", nonce},
	} {
		t.Run(name, func(t *testing.T) { wants(t, create(c.token, c.nonce), "ID_TOKEN_INVALID") })
	}
	t.Run("for another client", func(t *testing.T) {
		strict := *w
		strict.config.OIDCClientID = "somebody-else"
		strict.start()
		_, err := strict.gateway().CreateSession(testkit.Context(t), &identityv1.CreateSessionRequest{IdToken: good, Nonce: nonce})
		wants(t, err, "ID_TOKEN_INVALID")
	})
	t.Run("expired", func(t *testing.T) {
		w.clock.advance(25 * time.Hour)
		defer w.clock.advance(-25 * time.Hour)
		wants(t, create(good, nonce), "ID_TOKEN_INVALID")
	})
	if n := w.rows(`select count(*) from identity.users`); n != 0 {
		t.Errorf("%d users were made all the same", n)
	}
}

func TestLogins_stop_while_the_provider_is_down_and_nothing_else_does(t *testing.T) {
	w := newWorldWith(t, testkit.Dex(t, dexConfig()))
	anna := w.login("anna")
	token := w.idToken("anna", nonce)
	w.stop()
	if err := w.dex.Kill(); err != nil {
		t.Fatal(err)
	}
	w.start()
	_, err := w.gateway().CreateSession(testkit.Context(t), &identityv1.CreateSessionRequest{IdToken: token, Nonce: nonce})
	wants(t, err, "PROVIDER_UNAVAILABLE")
	if _, err := w.gateway().GetCurrentUser(anna.in(""), &identityv1.GetCurrentUserRequest{}); err != nil {
		t.Errorf("somebody who was logged in: %v", err)
	}
}

func TestOnly_the_gateway_handles_sessions(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	request := &identityv1.ExchangeSessionRequest{SessionSecret: anna.secret}
	for _, peer := range []string{"", "storage-provisioning"} {
		_, err := clientsOf(w.dial(peer)).ExchangeSession(testkit.Context(t), request)
		wants(t, err, "CALLER_NOT_ALLOWED")
		_, err = clientsOf(w.dial(peer)).ExchangeSession(anna.in(""), request)
		wants(t, err, "CALLER_NOT_ALLOWED")
	}
	if _, err := clientsOf(w.dial("storage-provisioning")).GetRevocationSnapshot(testkit.Context(t), &identityv1.GetRevocationSnapshotRequest{}); err != nil {
		t.Errorf("a service asks for the snapshot: %v", err)
	}
	_, err := clientsOf(w.dial("")).GetRevocationSnapshot(testkit.Context(t), &identityv1.GetRevocationSnapshotRequest{})
	wants(t, err, "CALLER_NOT_ALLOWED")
	if _, err := clientsOf(w.service.Channel("gateway")).ExchangeSession(testkit.Context(t), request); err != nil {
		t.Errorf("the gateway in the same process: %v", err)
	}
}

func TestLogout_ends_the_session_and_its_tokens_at_once(t *testing.T) {
	w := newWorld(t)
	anna, elsewhere := w.login("anna"), w.login("anna")
	ctx, other := anna.in(""), elsewhere.in("")
	if _, err := w.gateway().DeleteSession(testkit.Context(t), &identityv1.DeleteSessionRequest{SessionSecret: anna.secret}); err != nil {
		t.Fatal(err)
	}
	_, err := w.gateway().GetCurrentUser(ctx, &identityv1.GetCurrentUserRequest{})
	wants(t, err, "TOKEN_REVOKED")
	_, err = w.gateway().ExchangeSession(testkit.Context(t), &identityv1.ExchangeSessionRequest{SessionSecret: anna.secret})
	wants(t, err, "SESSION_INVALID")
	if _, err := w.gateway().GetCurrentUser(other, &identityv1.GetCurrentUserRequest{}); err != nil {
		t.Errorf("the other session: %v", err)
	}
	for _, secret := range []string{anna.secret, "never was one"} {
		if _, err := w.gateway().DeleteSession(testkit.Context(t), &identityv1.DeleteSessionRequest{SessionSecret: secret}); err != nil {
			t.Errorf("logging out again: %v", err)
		}
	}
	snapshot, err := w.gateway().GetRevocationSnapshot(testkit.Context(t), &identityv1.GetRevocationSnapshotRequest{})
	if err != nil || snapshot.GetEpoch() != 1 || len(snapshot.GetRevocations()) != 1 ||
		snapshot.GetRevocations()[0].GetKind() != identityv1.RevocationKind_REVOCATION_KIND_SESSION {
		t.Errorf("the snapshot says %v, %v", snapshot, err)
	}
}

func TestSessions_are_listed_and_revoked_by_their_person_alone(t *testing.T) {
	w := newWorld(t)
	anna, phone, bert := w.login("anna"), w.login("anna"), w.login("bert")
	list, err := w.gateway().ListSessions(anna.in(""), &identityv1.ListSessionsRequest{})
	if err != nil || len(list.GetSessions()) != 2 || !list.GetSessions()[0].GetCurrent() || list.GetSessions()[1].GetCurrent() {
		t.Fatalf("listed %v, %v", list, err)
	}
	if s := list.GetSessions()[0]; s.GetAddress() != "192.0.2.1" || s.GetUserAgent() != "test" ||
		s.GetIdleExpireTime().AsTime().Sub(s.GetLastUseTime().AsTime()) != 12*time.Hour {
		t.Errorf("the session shows %v", s)
	}
	other := &identityv1.RevokeSessionRequest{SessionId: list.GetSessions()[1].GetId()}
	_, err = w.gateway().RevokeSession(bert.in(""), other)
	wants(t, err, "SESSION_NOT_FOUND")
	onPhone := phone.in("")
	for range 2 {
		if _, err := w.gateway().RevokeSession(anna.in(""), other); err != nil {
			t.Fatal(err)
		}
	}
	_, err = w.gateway().GetCurrentUser(onPhone, &identityv1.GetCurrentUserRequest{})
	wants(t, err, "TOKEN_REVOKED")
}

func TestSessions_end_when_idle_and_in_any_case(t *testing.T) {
	w := newWorld(t)
	busy, idle := w.login("anna"), w.login("anna")
	exchange := func(p person) error {
		_, err := w.gateway().ExchangeSession(testkit.Context(t), &identityv1.ExchangeSessionRequest{SessionSecret: p.secret})
		return err
	}
	w.clock.advance(11*time.Hour + 50*time.Minute)
	if err := exchange(busy); err != nil {
		t.Fatalf("used in time: %v", err)
	}
	w.clock.advance(11 * time.Minute)
	wants(t, exchange(idle), "SESSION_INVALID")
	for range 13 {
		w.clock.advance(11*time.Hour + 30*time.Minute)
		if err := exchange(busy); err != nil {
			t.Fatalf("used in time: %v", err)
		}
	}
	w.clock.advance(7 * time.Hour)
	wants(t, exchange(busy), "SESSION_INVALID")
}

func TestTokens_end_after_minutes_and_cannot_be_made_by_others(t *testing.T) {
	w, stranger := newWorld(t), newWorld(t)
	ctx := w.login("anna").in("")
	me := func() error {
		_, err := w.gateway().GetCurrentUser(ctx, &identityv1.GetCurrentUserRequest{})
		return err
	}
	if err := me(); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(5*time.Minute + 2*time.Second)
	wants(t, me(), "TOKEN_EXPIRED")
	_, err := w.gateway().GetCurrentUser(stranger.login("anna").in(""), &identityv1.GetCurrentUserRequest{})
	wants(t, err, "TOKEN_INVALID")
	_, err = w.gateway().GetCurrentUser(rpc.WithBearer(testkit.Context(t), "nonsense"), &identityv1.GetCurrentUserRequest{})
	wants(t, err, "TOKEN_INVALID")
	_, err = w.gateway().GetCurrentUser(testkit.Context(t), &identityv1.GetCurrentUserRequest{})
	wants(t, err, "LOGIN_REQUIRED")
}
