package identity_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
)

// logins is the service of people's further logins as the gateway reaches it.
func (w *world) logins() identityv1.LinkedLoginServiceClient {
	w.gateway()
	return identityv1.NewLinkedLoginServiceClient(w.conn)
}

// link links a login at the test's provider to the person.
func (p person) link(at *provider, subject string) (*identityv1.LinkedLogin, error) {
	p.w.t.Helper()
	answer, err := p.w.logins().LinkLogin(testkit.Context(p.w.t), &identityv1.LinkLoginRequest{
		SessionSecret: p.secret, Nonce: nonce, IdToken: at.signed(map[string]any{"sub": subject, "nonce": nonce, "email": subject + "@other.example"}),
	})
	return answer.GetLinkedLogin(), err
}

func TestA_linked_login_logs_its_person_in(t *testing.T) {
	w, p := sideBySide(t)
	anna := w.login("anna")
	linked, err := anna.link(p, "a1")
	if err != nil || linked.GetUserId() != anna.id || linked.GetIssuer() != p.URL || linked.GetEmail() != "a1@other.example" {
		t.Fatalf("linked %v, %v", linked, err)
	}
	if again, err := anna.link(p, "a1"); err != nil || again.GetId() != linked.GetId() {
		t.Errorf("linked again: %v, %v", again, err)
	}
	other := p.login("a1", "p1")
	if other.id != anna.id {
		t.Errorf("the linked login is %s, want %s", other.id, anna.id)
	}
	me, err := w.gateway().GetCurrentUser(other.in(""), &identityv1.GetCurrentUserRequest{})
	if err != nil || me.GetUser().GetEmail() != "anna@example.com" || me.GetUser().GetIssuer() != w.dex.Issuer {
		t.Errorf("by the linked login the profile is %v, %v", me, err)
	}
	list, err := w.logins().ListLinkedLogins(anna.in(""), &identityv1.ListLinkedLoginsRequest{})
	if err != nil || len(list.GetLinkedLogins()) != 1 {
		t.Errorf("listed %v, %v", list, err)
	}
	t.Run("and a logout at its provider ends its sessions alone", func(t *testing.T) {
		if err := p.logout("t1", map[string]any{"sub": "a1"}); err != nil {
			t.Fatal(err)
		}
		if other.alive() || !anna.alive() {
			t.Error("others ended than those of the login")
		}
	})
	t.Run("until it is taken away, with its sessions", func(t *testing.T) {
		other := p.login("a1", "p2")
		bert := w.login("bert")
		request := &identityv1.DeleteLinkedLoginRequest{LinkedLoginId: linked.GetId()}
		_, err := w.logins().DeleteLinkedLogin(bert.in(""), request)
		wants(t, err, "LINKED_LOGIN_NOT_FOUND")
		if _, err := w.logins().DeleteLinkedLogin(anna.in(""), request); err != nil {
			t.Fatal(err)
		}
		if other.alive() || !anna.alive() {
			t.Error("others ended than those of the login")
		}
		_, err = w.logins().DeleteLinkedLogin(anna.in(""), request)
		wants(t, err, "LINKED_LOGIN_NOT_FOUND")
		if p.login("a1", "").id == anna.id {
			t.Error("it still logs in")
		}
	})
	if n := w.rows(`select count(*) from identity.outbox where position('linked_login.'::bytea in payload) > 0`); n != 2 {
		t.Errorf("%d entries are in the trail", n)
	}
}

func TestA_login_is_linked_only_when_both_are_proven_and_it_is_nobodys(t *testing.T) {
	w, p := sideBySide(t)
	anna, bert := w.login("anna"), w.login("bert")
	p.login("taken", "")
	_, err := anna.link(p, "taken")
	wants(t, err, "LOGIN_TAKEN")
	if _, err := bert.link(p, "b1"); err != nil {
		t.Fatal(err)
	}
	_, err = anna.link(p, "b1")
	wants(t, err, "LOGIN_TAKEN")
	link := func(secret, token string) error {
		_, err := w.logins().LinkLogin(testkit.Context(t), &identityv1.LinkLoginRequest{SessionSecret: secret, IdToken: token, Nonce: nonce})
		return err
	}
	good := p.signed(map[string]any{"sub": "a1", "nonce": nonce})
	// One's own first login is taken too, by oneself.
	wants(t, link(anna.secret, w.idToken("anna", nonce)), "LOGIN_TAKEN")
	wants(t, link("no session", good), "SESSION_INVALID")
	wants(t, link(anna.secret, p.signed(map[string]any{"sub": "a1", "nonce": "fedcba9876543210"})), "ID_TOKEN_INVALID")
	wants(t, link(anna.secret, w.newProvider().signed(map[string]any{"sub": "a1", "nonce": nonce})), "ID_TOKEN_INVALID")
	_, err = identityv1.NewLinkedLoginServiceClient(w.dial("")).LinkLogin(anna.in(""), &identityv1.LinkLoginRequest{
		SessionSecret: anna.secret, IdToken: good, Nonce: nonce,
	})
	wants(t, err, "CALLER_NOT_ALLOWED")
	for i := range 10 {
		if _, err := anna.link(p, fmt.Sprintf("a%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	_, err = anna.link(p, "one too many")
	wants(t, err, "LINKED_LOGIN_LIMIT")
	w.clock.advance(15*time.Minute + time.Second)
	_, err = bert.link(p, "b2")
	wants(t, err, "LOGIN_NOT_FRESH")
}

func TestA_login_becomes_one_persons_when_it_is_linked_and_used_at_once(t *testing.T) {
	w, p := sideBySide(t)
	anna, bert := w.login("anna"), w.login("bert")
	for round := range 5 {
		subject := fmt.Sprintf("s%d", round)
		var group sync.WaitGroup
		var mu sync.Mutex
		owners := map[string]bool{}
		note := func(id string) {
			mu.Lock()
			defer mu.Unlock()
			owners[id] = true
		}
		for _, who := range []person{anna, bert} {
			group.Go(func() {
				linked, err := who.link(p, subject)
				if err == nil {
					note(linked.GetUserId())
				} else if errs.ReasonOf(err) != "LOGIN_TAKEN" {
					t.Error(err)
				}
			})
		}
		group.Go(func() { note(p.login(subject, "").id) })
		group.Wait()
		if len(owners) != 1 {
			t.Errorf("the login is of %v", owners)
		}
	}
}

func TestA_linked_login_makes_nobody_an_operator(t *testing.T) {
	w := operated(t)
	p := w.newProvider()
	w.stop()
	w.alsoTrust(p)
	w.start()
	platform := func(who person) error {
		_, err := w.gateway().ExchangeSession(testkit.Context(t), &identityv1.ExchangeSessionRequest{SessionSecret: who.secret, Platform: true})
		return err
	}
	olga := w.login("olga")
	if err := platform(olga); err != nil {
		t.Fatal(err)
	}
	if _, err := olga.link(p, "o1"); err != nil {
		t.Fatal(err)
	}
	byLinked := p.login("o1", "")
	if byLinked.id != olga.id {
		t.Fatal("the login is not linked")
	}
	wants(t, platform(byLinked), "NOT_AN_OPERATOR")
	if err := platform(olga); err != nil {
		t.Errorf("by the first login: %v", err)
	}
	t.Run("nor does an address that another provider vouches for, with a login at the first one", func(t *testing.T) {
		created, err := w.gateway().CreateSession(testkit.Context(t), &identityv1.CreateSessionRequest{Nonce: nonce, IdToken: p.signed(map[string]any{
			"sub": "evil", "nonce": nonce, "email": "olga@example.com", "email_verified": true,
		})})
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.logins().LinkLogin(testkit.Context(t), &identityv1.LinkLoginRequest{
			SessionSecret: created.GetSessionSecret(), Nonce: nonce, IdToken: w.idToken("bert", nonce),
		})
		if err != nil {
			t.Fatal(err)
		}
		evil := w.login("bert")
		if evil.id != created.GetUser().GetId() {
			t.Fatal("the login is not linked")
		}
		wants(t, platform(evil), "NOT_AN_OPERATOR")
	})
}
