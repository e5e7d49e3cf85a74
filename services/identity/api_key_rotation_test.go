package identity_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/testkit"
	auditv1 "github.com/primecloud/primecloud/proto/gen/primecloud/audit/v1"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	optionsv1 "github.com/primecloud/primecloud/proto/gen/primecloud/options/v1"
)

// key makes an API key in the account.
func (p person) key(accountID string) *identityv1.CreateApiKeyResponse {
	p.w.t.Helper()
	created, err := p.w.gateway().CreateApiKey(p.in(accountID), keyFor(accountID, "account.read"))
	if err != nil {
		p.w.t.Fatal(err)
	}
	return created
}

// rotate rotates a key with the overlap.
func (p person) rotate(k *identityv1.ApiKey, overlap time.Duration) *identityv1.RotateApiKeyResponse {
	p.w.t.Helper()
	rotated, err := p.w.gateway().RotateApiKey(p.in(k.GetAccountId()), &identityv1.RotateApiKeyRequest{
		AccountId: k.GetAccountId(), ApiKeyId: k.GetId(), Overlap: durationpb.New(overlap),
	})
	if err != nil {
		p.w.t.Fatal(err)
	}
	return rotated
}

// from exchanges an API key at an address that the gateway asserts.
func (w *world) from(address, secret string) error {
	_, err := w.gateway().ExchangeApiKey(rpc.WithClient(testkit.Context(w.t), address, "test"), &identityv1.ExchangeApiKeyRequest{ApiKey: secret})
	return err
}

// sees calls with a token of an API key.
func (w *world) sees(ctx context.Context, accountID string) error {
	_, err := w.gateway().GetAccount(ctx, &identityv1.GetAccountRequest{AccountId: accountID})
	return err
}

func TestA_key_that_was_rotated_works_with_both_secrets_until_the_overlap_ends(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	acme := anna.account("Acme").GetId()
	first := anna.key(acme)
	before, err := w.machine(first.GetSecret())
	if err != nil {
		t.Fatal(err)
	}
	answer, err := w.gateway().RotateApiKey(anna.in(acme), &identityv1.RotateApiKeyRequest{AccountId: acme, ApiKeyId: first.GetApiKey().GetId()})
	if err != nil {
		t.Fatal(err)
	}
	k := answer.GetApiKey()
	if k.GetId() != first.GetApiKey().GetId() || k.GetPrefix() != first.GetApiKey().GetPrefix() || answer.GetSecret() == first.GetSecret() ||
		k.GetEtag() == first.GetApiKey().GetEtag() {
		t.Errorf("rotated from %v to %v", first.GetApiKey(), k)
	}
	if ends := k.GetOverlapEndTime().AsTime().Sub(w.clock.Now()); ends > 24*time.Hour || ends < 24*time.Hour-time.Minute {
		t.Errorf("the overlap lasts %s", ends)
	}
	for name, secret := range map[string]string{"the new": answer.GetSecret(), "the former": first.GetSecret()} {
		ctx, err := w.machine(secret)
		if err != nil {
			t.Fatalf("%s secret within the overlap: %v", name, err)
		}
		if err := w.sees(ctx, acme); err != nil {
			t.Errorf("a token of %s secret: %v", name, err)
		}
	}
	if err := w.sees(before, acme); err != nil {
		t.Errorf("a token from before the rotation: %v", err)
	}
	// Shortly before the end a token of the former secret gets only what is left.
	w.clock.advance(24*time.Hour - 2*time.Minute)
	late, err := w.machine(first.GetSecret())
	if err != nil {
		t.Fatal(err)
	}
	w.clock.advance(2*time.Minute + 2*time.Second)
	wants(t, w.sees(late, acme), "TOKEN_EXPIRED")
	_, err = w.machine(first.GetSecret())
	wants(t, err, "API_KEY_INVALID")
	if _, err := w.machine(answer.GetSecret()); err != nil {
		t.Errorf("the new secret after the overlap: %v", err)
	}
	w.clock.advance(-24 * time.Hour) // back to where anna is logged in
	entries := anna.eventually(acme, "account.create SUCCEEDED", "api_key.create SUCCEEDED", "api_key.rotate SUCCEEDED", "api_key.exchange DENIED")
	if e := entries[3]; e.GetReason() != "API_KEY_ROTATED" || e.GetActor().GetId() != k.GetId() || e.GetActor().GetKind() != "machine" ||
		e.GetActor().GetAddress() != "127.0.0.1" {
		t.Errorf("the refusal is recorded as %v", e)
	}
}

func TestA_rotation_without_an_overlap_ends_the_former_secret_and_all_tokens_at_once(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	acme := anna.account("Acme").GetId()
	first := anna.key(acme)
	token, err := w.machine(first.GetSecret())
	if err != nil {
		t.Fatal(err)
	}
	second := anna.rotate(first.GetApiKey(), 0)
	wants(t, w.sees(token, acme), "TOKEN_REVOKED")
	_, err = w.machine(first.GetSecret())
	wants(t, err, "API_KEY_INVALID")
	fresh, err := w.machine(second.GetSecret())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.sees(fresh, acme); err != nil {
		t.Errorf("the new secret: %v", err)
	}
	t.Run("and one more rotation within an overlap ends what overlapped", func(t *testing.T) {
		third := anna.rotate(first.GetApiKey(), time.Hour)
		if err := w.sees(fresh, acme); err != nil {
			t.Errorf("nothing ended that would have worked: %v", err)
		}
		fourth := anna.rotate(first.GetApiKey(), time.Hour)
		wants(t, w.sees(fresh, acme), "TOKEN_REVOKED")
		_, err := w.machine(second.GetSecret())
		wants(t, err, "API_KEY_INVALID")
		for _, secret := range []string{third.GetSecret(), fourth.GetSecret()} {
			if _, err := w.machine(secret); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestRotations_that_should_not_be_are_refused(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	acme := anna.account("Acme").GetId()
	if _, err := w.gateway().CreateMembership(anna.in(acme), &identityv1.CreateMembershipRequest{
		AccountId: acme, UserId: bert.id, Role: optionsv1.Role_ROLE_ADMIN,
	}); err != nil {
		t.Fatal(err)
	}
	k := anna.key(acme).GetApiKey()
	rotate := func(ctx context.Context, overlap time.Duration) error {
		_, err := w.gateway().RotateApiKey(ctx, &identityv1.RotateApiKeyRequest{AccountId: acme, ApiKeyId: k.GetId(), Overlap: durationpb.New(overlap)})
		return err
	}
	wants(t, rotate(anna.in(acme), 7*24*time.Hour+time.Second), "REQUEST_INVALID")
	wants(t, rotate(anna.in(acme), -time.Second), "REQUEST_INVALID")
	_, err := w.gateway().RotateApiKey(anna.in(acme), &identityv1.RotateApiKeyRequest{AccountId: acme, ApiKeyId: "apk_none"})
	wants(t, err, "API_KEY_NOT_FOUND")
	owners := keyFor(acme, "account.read")
	owners.Role = optionsv1.Role_ROLE_OWNER
	created, err := w.gateway().CreateApiKey(anna.in(acme), owners)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.gateway().RotateApiKey(bert.in(acme), &identityv1.RotateApiKeyRequest{AccountId: acme, ApiKeyId: created.GetApiKey().GetId()})
	wants(t, err, "ROLE_TOO_HIGH")
	_, err = w.gateway().UpdateApiKey(bert.in(acme), &identityv1.UpdateApiKeyRequest{
		AccountId: acme, ApiKeyId: created.GetApiKey().GetId(), ApiKey: &identityv1.ApiKey{DisplayName: "mine"},
	})
	wants(t, err, "ROLE_TOO_HIGH")
	if _, err := w.gateway().RevokeApiKey(anna.in(acme), &identityv1.RevokeApiKeyRequest{AccountId: acme, ApiKeyId: k.GetId()}); err != nil {
		t.Fatal(err)
	}
	wants(t, rotate(anna.in(acme), 0), "API_KEY_ENDED")
	_, err = w.gateway().UpdateApiKey(anna.in(acme), &identityv1.UpdateApiKeyRequest{
		AccountId: acme, ApiKeyId: k.GetId(), ApiKey: &identityv1.ApiKey{DisplayName: "again"},
	})
	wants(t, err, "API_KEY_ENDED")
}

func TestA_lost_answer_of_a_rotation_is_had_again_and_that_of_the_creation_no_more(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	acme := anna.account("Acme").GetId()
	create := func() *identityv1.CreateApiKeyResponse {
		created, err := w.gateway().CreateApiKey(rpc.WithIdempotencyKey(anna.in(acme), "c1"), keyFor(acme, "account.read"))
		if err != nil {
			t.Fatal(err)
		}
		return created
	}
	rotate := func(key string) *identityv1.RotateApiKeyResponse {
		rotated, err := w.gateway().RotateApiKey(rpc.WithIdempotencyKey(anna.in(acme), key), &identityv1.RotateApiKeyRequest{
			AccountId: acme, ApiKeyId: create().GetApiKey().GetId(), Overlap: durationpb.New(time.Hour),
		})
		if err != nil {
			t.Fatal(err)
		}
		return rotated
	}
	first := rotate("r1")
	if again := rotate("r1"); !proto.Equal(again, first) {
		t.Errorf("again gave %v, first %v", again.GetApiKey(), first.GetApiKey())
	}
	if again := create(); again.GetSecret() != "" {
		t.Error("the call that made the key gives out a secret that it did not issue, or one that was replaced")
	}
	if second := rotate("r2"); second.GetSecret() == first.GetSecret() || rotate("r1").GetSecret() != "" {
		t.Error("a secret that was replaced is still given out")
	}
	if n := w.rows(`select count(*) from identity.api_key_secret`); n != 1 {
		t.Errorf("%d secrets are kept", n)
	}
	if late := w.rows(`select count(*) from identity.api_key where former_secret_hash = secret_hash`); late != 0 {
		t.Error("a rotation left the secret as it was")
	}
}

func TestA_key_opens_from_within_its_networks_alone(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	acme := anna.account("Acme").GetId()
	request := keyFor(acme, "account.read")
	request.AllowedNetworks = []string{"192.0.2.0/24", "2001:db8::/32", "203.0.113.7", "192.0.2.0/24"}
	created, err := w.gateway().CreateApiKey(anna.in(acme), request)
	if err != nil {
		t.Fatal(err)
	}
	if got := created.GetApiKey().GetAllowedNetworks(); !slices.Equal(got, []string{"192.0.2.0/24", "2001:db8::/32", "203.0.113.7/32"}) {
		t.Errorf("the networks are %v", got)
	}
	unknown := w.from("192.0.2.9", "pck_nonsense")
	for _, address := range []string{"192.0.2.9", "2001:db8:1::5", "203.0.113.7"} {
		if err := w.from(address, created.GetSecret()); err != nil {
			t.Errorf("from %s: %v", address, err)
		}
		got, err := w.gateway().GetApiKey(anna.in(acme), &identityv1.GetApiKeyRequest{AccountId: acme, ApiKeyId: created.GetApiKey().GetId()})
		if err != nil || got.GetApiKey().GetLastUseAddress() != address || got.GetApiKey().GetLastUseTime() == nil {
			t.Errorf("after an exchange from %s the key says %v, %v", address, got, err)
		}
	}
	for _, address := range []string{"192.0.3.1", "2001:db9::1", "203.0.113.8", "", "nonsense"} {
		err := w.from(address, created.GetSecret())
		wants(t, err, "API_KEY_INVALID")
		if err.Error() != unknown.Error() {
			t.Errorf("from %q the caller learns more: %v", address, err)
		}
	}
	if err := w.from("::ffff:192.0.2.1", created.GetSecret()); err != nil {
		t.Errorf("an IPv4 address in the dress of IPv6: %v", err)
	}
	entries := anna.eventually(acme, "account.create SUCCEEDED", "api_key.create SUCCEEDED", "api_key.exchange DENIED", "api_key.exchange DENIED",
		"api_key.exchange DENIED", "api_key.exchange DENIED", "api_key.exchange DENIED")
	if e := entries[2]; e.GetReason() != "API_KEY_NETWORK_NOT_ALLOWED" || e.GetActor().GetAddress() != "192.0.3.1" ||
		e.GetActor().GetId() != created.GetApiKey().GetId() || e.GetSeverity() != auditv1.AuditEntry_SEVERITY_WARNING {
		t.Errorf("the refusal is recorded as %v", e)
	}
	for name, networks := range map[string][]string{
		"a name": {"localhost"}, "host bits": {"192.0.2.1/24"}, "IPv4 in IPv6": {"::ffff:192.0.2.0/120"}, "a zone": {"fe80::1%eth0"},
		"nothing": {""}, "too long a prefix": {"192.0.2.0/33"}, "too long a text": {string(make([]byte, 65))},
	} {
		request := keyFor(acme, "account.read")
		request.AllowedNetworks = networks
		_, err := w.gateway().CreateApiKey(anna.in(acme), request)
		if name == "too long a text" {
			wants(t, err, "REQUEST_INVALID")
			continue
		}
		wants(t, err, "NETWORK_INVALID")
	}
}

func TestA_key_is_changed_as_it_was_seen_and_what_shortens_its_rights_ends_its_tokens(t *testing.T) {
	t.Parallel() // it waits most of its time
	w := newWorld(t)
	anna := w.login("anna")
	acme := anna.account("Acme").GetId()
	created := anna.key(acme)
	k := created.GetApiKey()
	update := func(change *identityv1.ApiKey, paths ...string) (*identityv1.ApiKey, error) {
		answer, err := w.gateway().UpdateApiKey(anna.in(acme), &identityv1.UpdateApiKeyRequest{
			AccountId: acme, ApiKeyId: k.GetId(), ApiKey: change, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths},
		})
		return answer.GetApiKey(), err
	}
	token, err := w.machine(created.GetSecret())
	if err != nil {
		t.Fatal(err)
	}
	renamed, err := update(&identityv1.ApiKey{DisplayName: " deployment ", Etag: k.GetEtag()})
	if err != nil || renamed.GetDisplayName() != "deployment" || renamed.GetEtag() == k.GetEtag() {
		t.Fatalf("got %v, %v", renamed, err)
	}
	if same, err := update(&identityv1.ApiKey{DisplayName: "deployment"}); err != nil || same.GetEtag() != renamed.GetEtag() {
		t.Errorf("the same again gave %v, %v", same, err)
	}
	_, err = update(&identityv1.ApiKey{DisplayName: "x", Etag: k.GetEtag()})
	wants(t, err, "ETAG_MISMATCH")
	for reason, change := range map[string]struct {
		key  *identityv1.ApiKey
		path string
	}{
		"FIELD_NOT_UPDATABLE":  {&identityv1.ApiKey{Role: optionsv1.Role_ROLE_OWNER}, "role"},
		"DISPLAY_NAME_INVALID": {&identityv1.ApiKey{DisplayName: " "}, "display_name"},
		"EXPIRE_TIME_INVALID":  {&identityv1.ApiKey{ExpireTime: timestamppb.New(w.clock.Now().Add(-time.Minute))}, "expire_time"},
		"NETWORK_INVALID":      {&identityv1.ApiKey{AllowedNetworks: slices.Repeat([]string{"::1"}, 51)}, "allowed_networks"},
	} {
		_, err := update(change.key, change.path)
		wants(t, err, reason)
	}
	if err := w.sees(token, acme); err != nil {
		t.Errorf("a name ended the tokens: %v", err)
	}
	ends := w.clock.Now().Add(time.Hour)
	for _, step := range []struct {
		name  string
		key   *identityv1.ApiKey
		path  string
		ended bool
	}{
		{"an expiry where there was none", &identityv1.ApiKey{ExpireTime: timestamppb.New(ends)}, "expire_time", true},
		{"a later one", &identityv1.ApiKey{ExpireTime: timestamppb.New(ends.Add(time.Hour))}, "expire_time", false},
		{"none again", &identityv1.ApiKey{}, "expire_time", false},
		{"a network", &identityv1.ApiKey{AllowedNetworks: []string{"127.0.0.0/16"}}, "allowed_networks", true},
		{"a wider one", &identityv1.ApiKey{AllowedNetworks: []string{"127.0.0.0/8", "::1"}}, "allowed_networks", false},
		{"another one", &identityv1.ApiKey{AllowedNetworks: []string{"127.0.0.1"}}, "allowed_networks", true},
		{"none again", &identityv1.ApiKey{}, "allowed_networks", false},
	} {
		token, err := w.machine(created.GetSecret())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := update(step.key, step.path); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if err := w.sees(token, acme); (err != nil) != step.ended {
			t.Errorf("after %s: %v", step.name, err)
		}
	}
	if _, err := update(&identityv1.ApiKey{ExpireTime: timestamppb.New(ends)}); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Hour + time.Minute)
	_, err = update(&identityv1.ApiKey{}, "expire_time")
	wants(t, err, "API_KEY_ENDED")
	_, err = w.machine(created.GetSecret())
	wants(t, err, "API_KEY_INVALID")
	testkit.Eventually(t, 20*time.Second, func() error {
		entries, _, err := anna.trail(acme)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(entries, func(e *auditv1.AuditEntry) bool { return e.GetReason() == "API_KEY_EXPIRED" }) {
			return fmt.Errorf("no entry tells of the expired key among %d", len(entries))
		}
		return nil
	})
}
