package identity_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/revoke"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/pkg/token"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	optionsv1 "github.com/primecloud/primecloud/proto/gen/primecloud/options/v1"
)

// personal is the service of people's own keys as the gateway reaches it.
func (w *world) personal() identityv1.PersonalApiKeyServiceClient {
	w.gateway()
	return identityv1.NewPersonalApiKeyServiceClient(w.conn)
}

// personalKey makes a key of the person's own.
func (p person) personalKey(accountID string, scopes ...string) *identityv1.CreatePersonalApiKeyResponse {
	p.w.t.Helper()
	created, err := p.w.personal().CreatePersonalApiKey(p.in(accountID), &identityv1.CreatePersonalApiKeyRequest{
		AccountId: accountID, DisplayName: "laptop", Scopes: scopes,
	})
	if err != nil {
		p.w.t.Fatal(err)
	}
	return created
}

// admit makes somebody a member, or gives them another role.
func (p person) admit(accountID string, who person, role optionsv1.Role) {
	p.w.t.Helper()
	_, err := p.w.gateway().UpdateMembership(p.in(accountID), &identityv1.UpdateMembershipRequest{AccountId: accountID, UserId: who.id, Role: role})
	if err != nil {
		_, err = p.w.gateway().CreateMembership(p.in(accountID), &identityv1.CreateMembershipRequest{AccountId: accountID, UserId: who.id, Role: role})
	}
	if err != nil {
		p.w.t.Fatal(err)
	}
}

// rename changes the account as whoever the context is.
func (w *world) rename(ctx context.Context, accountID, name string) error {
	_, err := w.gateway().UpdateAccount(ctx, &identityv1.UpdateAccountRequest{AccountId: accountID, Account: &identityv1.Account{DisplayName: name}})
	return err
}

func TestA_personal_key_acts_in_the_present_role_of_its_person_narrowed_by_its_scopes(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	acme := anna.account("Acme").GetId()
	anna.admit(acme, bert, optionsv1.Role_ROLE_ADMIN)
	created := bert.personalKey(acme, "account.read", "account.write")
	if k := created.GetApiKey(); k.GetUserId() != bert.id || k.GetRole() != optionsv1.Role_ROLE_ADMIN {
		t.Errorf("the key is %v", k)
	}
	narrow := bert.personalKey(acme, "account.read")
	asNarrow, err := w.machine(narrow.GetSecret())
	if err != nil {
		t.Fatal(err)
	}
	wants(t, w.rename(asNarrow, acme, "x"), "SCOPE_MISSING")
	asAdmin, err := w.machine(created.GetSecret())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.rename(asAdmin, acme, "Acme 2"); err != nil {
		t.Errorf("as an admin: %v", err)
	}
	_, err = w.gateway().CreateApiKey(asAdmin, keyFor(acme, "account.read"))
	wants(t, err, "CALLER_NOT_ALLOWED")
	_, err = w.gateway().GetCurrentUser(asAdmin, &identityv1.GetCurrentUserRequest{})
	wants(t, err, "CALLER_NOT_ALLOWED")

	anna.admit(acme, bert, optionsv1.Role_ROLE_VIEWER)
	wants(t, w.rename(asAdmin, acme, "x"), "TOKEN_REVOKED")
	asViewer, err := w.machine(created.GetSecret())
	if err != nil {
		t.Fatal(err)
	}
	wants(t, w.rename(asViewer, acme, "x"), "ROLE_NOT_ALLOWED")
	if err := w.sees(asViewer, acme); err != nil {
		t.Errorf("as a viewer: %v", err)
	}
	anna.admit(acme, bert, optionsv1.Role_ROLE_EXTERNAL)
	_, err = w.machine(created.GetSecret())
	wants(t, err, "API_KEY_INVALID")
	anna.admit(acme, bert, optionsv1.Role_ROLE_DEVELOPER)
	if _, err := w.machine(created.GetSecret()); err != nil {
		t.Errorf("a member again: %v", err)
	}
	entries := anna.eventually(acme, "account.create SUCCEEDED", "membership.create SUCCEEDED", "api_key.create SUCCEEDED", "api_key.create SUCCEEDED",
		"account.update DENIED", "account.update SUCCEEDED", "api_key.create DENIED", "current_user.get DENIED", "membership.update SUCCEEDED",
		"account.update DENIED", "account.update DENIED", "membership.update SUCCEEDED", "api_key.exchange DENIED", "membership.update SUCCEEDED")
	if e := entries[5]; e.GetActor().GetKind() != "person" || e.GetActor().GetId() != bert.id || e.GetActor().GetSessionId() != created.GetApiKey().GetId() ||
		e.GetActor().GetRole() != "admin" {
		t.Errorf("what the key did is recorded as %v's", e.GetActor())
	}
	if e := entries[12]; e.GetReason() != "API_KEY_PERSON_NOT_ALLOWED" || e.GetActor().GetId() != bert.id {
		t.Errorf("the refusal is recorded as %v", e)
	}
}

func TestA_personal_key_ends_for_good_when_its_person_leaves(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	acme := anna.account("Acme").GetId()
	anna.admit(acme, bert, optionsv1.Role_ROLE_DEVELOPER)
	created, shared := bert.personalKey(acme, "account.read"), anna.key(acme)
	token, err := w.machine(created.GetSecret())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.gateway().DeleteMembership(anna.in(acme), &identityv1.DeleteMembershipRequest{AccountId: acme, UserId: bert.id}); err != nil {
		t.Fatal(err)
	}
	wants(t, w.sees(token, acme), "TOKEN_REVOKED")
	if n := w.rows(`select count(*) from identity.outbox where type = 'primecloud.identity.api_key.revoked.v1' and aggregate_id = $1`, created.GetApiKey().GetId()); n != 1 {
		t.Errorf("%d events tell that the key has ended", n)
	}
	_, err = w.machine(created.GetSecret())
	wants(t, err, "API_KEY_INVALID")
	anna.admit(acme, bert, optionsv1.Role_ROLE_DEVELOPER)
	_, err = w.machine(created.GetSecret())
	wants(t, err, "API_KEY_INVALID")
	wants(t, w.sees(token, acme), "TOKEN_REVOKED")
	if _, err := w.machine(shared.GetSecret()); err != nil {
		t.Errorf("a key of the account: %v", err)
	}
	got, err := w.personal().GetPersonalApiKey(bert.in(acme), &identityv1.GetPersonalApiKeyRequest{AccountId: acme, ApiKeyId: created.GetApiKey().GetId()})
	if err != nil || got.GetApiKey().GetRevokeTime() == nil {
		t.Errorf("the key is %v, %v", got, err)
	}
}

func TestPersonal_keys_are_their_persons_and_seen_and_revoked_by_those_who_manage_the_account(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	acme := anna.account("Acme").GetId()
	anna.admit(acme, bert, optionsv1.Role_ROLE_DEVELOPER)
	annas, berts, shared := anna.personalKey(acme, "account.read").GetApiKey(), bert.personalKey(acme, "account.read").GetApiKey(), anna.key(acme).GetApiKey()
	listed := func(p person) (mine, all string) {
		t.Helper()
		own, err := w.personal().ListPersonalApiKeys(p.in(acme), &identityv1.ListPersonalApiKeysRequest{AccountId: acme})
		if err != nil {
			t.Fatal(err)
		}
		every, err := w.gateway().ListApiKeys(p.in(acme), &identityv1.ListApiKeysRequest{AccountId: acme})
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]string{annas.GetId(): "anna's ", berts.GetId(): "bert's ", shared.GetId(): "shared "}
		for _, k := range own.GetApiKeys() {
			mine += names[k.GetId()]
		}
		for _, k := range every.GetApiKeys() {
			all += names[k.GetId()]
		}
		return strings.TrimSpace(mine), strings.TrimSpace(all)
	}
	if mine, all := listed(anna); mine != "anna's" || all != "anna's bert's shared" {
		t.Errorf("an owner sees %q and %q", mine, all)
	}
	if mine, all := listed(bert); mine != "bert's" || all != "bert's shared" {
		t.Errorf("a developer sees %q and %q", mine, all)
	}
	_, err := w.gateway().GetApiKey(bert.in(acme), &identityv1.GetApiKeyRequest{AccountId: acme, ApiKeyId: annas.GetId()})
	wants(t, err, "API_KEY_NOT_FOUND")
	for name, k := range map[string]*identityv1.ApiKey{"somebody else's": annas, "the account's": shared} {
		_, err := w.personal().GetPersonalApiKey(bert.in(acme), &identityv1.GetPersonalApiKeyRequest{AccountId: acme, ApiKeyId: k.GetId()})
		wants(t, err, "API_KEY_NOT_FOUND")
		_, err = w.personal().RotatePersonalApiKey(bert.in(acme), &identityv1.RotatePersonalApiKeyRequest{AccountId: acme, ApiKeyId: k.GetId()})
		wants(t, err, "API_KEY_NOT_FOUND")
		_, err = w.personal().UpdatePersonalApiKey(bert.in(acme), &identityv1.UpdatePersonalApiKeyRequest{
			AccountId: acme, ApiKeyId: k.GetId(), ApiKey: &identityv1.ApiKey{DisplayName: name},
		})
		wants(t, err, "API_KEY_NOT_FOUND")
		_, err = w.personal().RevokePersonalApiKey(bert.in(acme), &identityv1.RevokePersonalApiKeyRequest{AccountId: acme, ApiKeyId: k.GetId()})
		wants(t, err, "API_KEY_NOT_FOUND")
	}
	// An owner must not be shown a secret that acts as somebody else.
	_, err = w.gateway().RotateApiKey(anna.in(acme), &identityv1.RotateApiKeyRequest{AccountId: acme, ApiKeyId: berts.GetId()})
	wants(t, err, "API_KEY_PERSONAL")
	_, err = w.gateway().UpdateApiKey(anna.in(acme), &identityv1.UpdateApiKeyRequest{AccountId: acme, ApiKeyId: berts.GetId(), ApiKey: &identityv1.ApiKey{DisplayName: "x"}})
	wants(t, err, "API_KEY_PERSONAL")

	rotated, err := w.personal().RotatePersonalApiKey(bert.in(acme), &identityv1.RotatePersonalApiKeyRequest{AccountId: acme, ApiKeyId: berts.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	changed, err := w.personal().UpdatePersonalApiKey(bert.in(acme), &identityv1.UpdatePersonalApiKeyRequest{
		AccountId: acme, ApiKeyId: berts.GetId(), ApiKey: &identityv1.ApiKey{DisplayName: "desk", Etag: rotated.GetApiKey().GetEtag()},
	})
	if err != nil || changed.GetApiKey().GetDisplayName() != "desk" || changed.GetApiKey().GetRole() != optionsv1.Role_ROLE_DEVELOPER {
		t.Errorf("got %v, %v", changed, err)
	}
	token, err := w.machine(rotated.GetSecret())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.gateway().RevokeApiKey(anna.in(acme), &identityv1.RevokeApiKeyRequest{AccountId: acme, ApiKeyId: berts.GetId()}); err != nil {
		t.Errorf("an owner revokes it: %v", err)
	}
	wants(t, w.sees(token, acme), "TOKEN_REVOKED")
	if _, err := w.personal().RevokePersonalApiKey(anna.in(acme), &identityv1.RevokePersonalApiKeyRequest{AccountId: acme, ApiKeyId: annas.GetId()}); err != nil {
		t.Errorf("one's own: %v", err)
	}
	anna.admit(acme, bert, optionsv1.Role_ROLE_EXTERNAL)
	_, err = w.personal().CreatePersonalApiKey(bert.in(acme), &identityv1.CreatePersonalApiKeyRequest{
		AccountId: acme, DisplayName: "x", Scopes: []string{"account.read"},
	})
	wants(t, err, "ROLE_NOT_ALLOWED")
}

func TestOther_services_end_the_tokens_of_a_personal_key_with_the_membership(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	acme := anna.account("Acme").GetId()
	anna.admit(acme, bert, optionsv1.Role_ROLE_DEVELOPER)
	view := w.watch()
	raw, err := w.gateway().ExchangeApiKey(testkit.Context(t), &identityv1.ExchangeApiKeyRequest{ApiKey: bert.personalKey(acme, "account.read").GetSecret()})
	if err != nil {
		t.Fatal(err)
	}
	authenticate := revoke.Authenticator(w.verifier(), view)
	who, err := authenticate(testkit.Context(t), raw.GetAccessToken())
	if err != nil || who.UserID != bert.id {
		t.Fatalf("another service takes the caller for %+v, %v", who, err)
	}
	anna.admit(acme, bert, optionsv1.Role_ROLE_VIEWER)
	testkit.Eventually(t, 10*time.Second, func() error {
		if _, err := authenticate(testkit.Context(t), raw.GetAccessToken()); err == nil {
			return context.DeadlineExceeded
		}
		return nil
	})
	_, err = authenticate(testkit.Context(t), raw.GetAccessToken())
	wants(t, err, "TOKEN_REVOKED")
}

// verifier verifies tokens as other services do.
func (w *world) verifier() *token.Verifier {
	w.t.Helper()
	verifier, err := token.NewVerifier(token.VerifierConfig{
		Issuer: w.config.TokenIssuer, Audience: w.config.TokenAudience, Clock: w.clock,
		Keys: token.NewRemoteKeys(token.RemoteKeysConfig{Clock: w.clock, Fetch: func(ctx context.Context) ([]token.PublicKey, error) {
			set, err := w.gateway().GetKeySet(ctx, &identityv1.GetKeySetRequest{})
			var keys []token.PublicKey
			for _, k := range set.GetKeys() {
				key, err := token.NewPublicKey(k.GetKid(), k.GetX())
				if err != nil {
					return nil, err
				}
				keys = append(keys, key)
			}
			return keys, err
		}}),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return verifier
}
