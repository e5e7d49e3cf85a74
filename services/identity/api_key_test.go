package identity_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/testkit"
	auditv1 "github.com/primecloud/primecloud/proto/gen/primecloud/audit/v1"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	optionsv1 "github.com/primecloud/primecloud/proto/gen/primecloud/options/v1"
)

// machine exchanges an API key and returns a context with its token.
func (w *world) machine(secret string) (context.Context, error) {
	exchanged, err := clientsOf(w.dial("")).ExchangeApiKey(testkit.Context(w.t), &identityv1.ExchangeApiKeyRequest{ApiKey: secret})
	return rpc.WithBearer(testkit.Context(w.t), exchanged.GetAccessToken()), err
}

func keyFor(accountID string, scopes ...string) *identityv1.CreateApiKeyRequest {
	return &identityv1.CreateApiKeyRequest{
		AccountId: accountID, DisplayName: "ci", Role: optionsv1.Role_ROLE_ADMIN, Scopes: scopes,
	}
}

func TestA_machine_gets_as_far_as_its_key_and_scopes_reach(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	acme := anna.account("Acme").GetId()
	ctx := anna.in(acme)
	created, err := w.gateway().CreateApiKey(ctx, keyFor(acme, "account.read", "storage.read"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(created.GetSecret(), created.GetApiKey().GetPrefix()+"_") {
		t.Errorf("the prefix %q tells nothing", created.GetApiKey().GetPrefix())
	}
	asMachine, err := w.machine(created.GetSecret())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.gateway().GetAccount(asMachine, &identityv1.GetAccountRequest{AccountId: acme}); err != nil {
		t.Errorf("within its scopes: %v", err)
	}
	_, err = w.gateway().UpdateAccount(asMachine, &identityv1.UpdateAccountRequest{AccountId: acme, Account: &identityv1.Account{DisplayName: "x"}})
	wants(t, err, "SCOPE_MISSING")
	_, err = w.gateway().ListAuditEntries(asMachine, &auditv1.ListAuditEntriesRequest{AccountId: acme})
	wants(t, err, "SCOPE_MISSING")
	_, err = w.gateway().CreateApiKey(asMachine, keyFor(acme, "account.read"))
	wants(t, err, "CALLER_NOT_ALLOWED")
	_, err = w.gateway().CreateAccount(asMachine, &identityv1.CreateAccountRequest{DisplayName: "x"})
	wants(t, err, "CALLER_NOT_ALLOWED")
	other := w.login("bert").account("Theirs").GetId()
	_, err = w.gateway().GetAccount(asMachine, &identityv1.GetAccountRequest{AccountId: other})
	wants(t, err, "NOT_FOUND")
	got, err := w.gateway().GetApiKey(ctx, &identityv1.GetApiKeyRequest{AccountId: acme, ApiKeyId: created.GetApiKey().GetId()})
	if err != nil || got.GetApiKey().GetLastUseTime() == nil {
		t.Errorf("its use is not recorded: %v, %v", got, err)
	}
}

func TestWhoever_shows_a_bad_key_learns_nothing_of_why(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	acme := anna.account("Acme").GetId()
	ctx := anna.in(acme)
	request := keyFor(acme, "account.read")
	request.ExpireTime = timestamppb.New(w.clock.Now().Add(time.Hour))
	expiring, err := w.gateway().CreateApiKey(ctx, request)
	if err != nil {
		t.Fatal(err)
	}
	revoked, err := w.gateway().CreateApiKey(ctx, keyFor(acme, "account.read"))
	if err != nil {
		t.Fatal(err)
	}
	unknown, err := w.gateway().CreateApiKey(ctx, keyFor(acme, "account.read"))
	if err != nil {
		t.Fatal(err)
	}
	w.behind(`delete from identity.api_key where id = $1`, unknown.GetApiKey().GetId())
	asMachine, err := w.machine(revoked.GetSecret())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		answer, err := w.gateway().RevokeApiKey(ctx, &identityv1.RevokeApiKeyRequest{AccountId: acme, ApiKeyId: revoked.GetApiKey().GetId()})
		if err != nil || answer.GetApiKey().GetRevokeTime() == nil {
			t.Fatalf("revoking gave %v, %v", answer, err)
		}
	}
	_, err = w.gateway().GetAccount(asMachine, &identityv1.GetAccountRequest{AccountId: acme})
	wants(t, err, "TOKEN_REVOKED")
	if _, err := w.machine(expiring.GetSecret()); err != nil {
		t.Errorf("before its expiry: %v", err)
	}
	w.clock.advance(2 * time.Hour)
	var messages []string
	for name, secret := range map[string]string{
		"malformed": "nonsense", "mistyped": revoked.GetSecret()[:79] + "!", "revoked": revoked.GetSecret(), "expired": expiring.GetSecret(),
		"unknown": unknown.GetSecret(),
	} {
		_, err := w.machine(secret)
		wants(t, err, "API_KEY_INVALID")
		messages = append(messages, err.Error())
		if err.Error() != messages[0] {
			t.Errorf("%s is told apart: %v", name, err)
		}
	}
}

func TestKeys_that_should_not_be_are_refused(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	acme := anna.account("Acme").GetId()
	if _, err := w.gateway().CreateMembership(anna.in(acme), &identityv1.CreateMembershipRequest{
		AccountId: acme, UserId: bert.id, Role: optionsv1.Role_ROLE_ADMIN,
	}); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		change func(*identityv1.CreateApiKeyRequest)
		reason string
	}{
		"a role above one's own": {func(r *identityv1.CreateApiKeyRequest) { r.Role = optionsv1.Role_ROLE_OWNER }, "ROLE_TOO_HIGH"},
		"an unknown scope":       {func(r *identityv1.CreateApiKeyRequest) { r.Scopes = []string{"account.everything"} }, "SCOPE_UNKNOWN"},
		"no scope":               {func(r *identityv1.CreateApiKeyRequest) { r.Scopes = nil }, "REQUEST_INVALID"},
		"an expiry in the past": {func(r *identityv1.CreateApiKeyRequest) {
			r.ExpireTime = timestamppb.New(w.clock.Now().Add(-time.Minute))
		}, "EXPIRE_TIME_INVALID"},
		"an expiry that is no time":  {func(r *identityv1.CreateApiKeyRequest) { r.ExpireTime = &timestamppb.Timestamp{Seconds: 1 << 60} }, "REQUEST_INVALID"},
		"an expiry at the beginning": {func(r *identityv1.CreateApiKeyRequest) { r.ExpireTime = timestamppb.New(time.Time{}) }, "REQUEST_INVALID"},
		"a blank name":               {func(r *identityv1.CreateApiKeyRequest) { r.DisplayName = "  " }, "DISPLAY_NAME_INVALID"},
		"a role that no machine has": {func(r *identityv1.CreateApiKeyRequest) { r.Role = optionsv1.Role_ROLE_EXTERNAL }, "REQUEST_INVALID"},
	}
	ctx := bert.in(acme)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			request := keyFor(acme, "account.read")
			c.change(request)
			_, err := w.gateway().CreateApiKey(ctx, request)
			wants(t, err, c.reason)
		})
	}
	_, err := w.gateway().GetApiKey(ctx, &identityv1.GetApiKeyRequest{AccountId: acme, ApiKeyId: "apk_none"})
	wants(t, err, "API_KEY_NOT_FOUND")
	if n := w.rows(`select count(*) from identity.api_key`); n != 0 {
		t.Errorf("%d keys were made", n)
	}
}

func TestA_lost_answer_is_had_again_with_its_secret_for_a_day(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	acme := anna.account("Acme").GetId()
	create := func(key string) *identityv1.CreateApiKeyResponse {
		ctx := anna.in(acme)
		if key != "" {
			ctx = rpc.WithIdempotencyKey(ctx, key)
		}
		created, err := w.gateway().CreateApiKey(ctx, keyFor(acme, "account.read"))
		if err != nil {
			t.Fatal(err)
		}
		return created
	}
	kept := func() int { return w.rows(`select count(*) from identity.api_key_secret`) }
	create("")
	if kept() != 0 {
		t.Fatal("a secret is kept that nobody can ask for again")
	}
	first := create("k1")
	if again := create("k1"); !proto.Equal(again, first) || kept() != 1 {
		t.Errorf("again gave another answer, %d kept", kept())
	}
	anna.eventually(acme, "account.create SUCCEEDED", "api_key.create SUCCEEDED", "api_key.create SUCCEEDED", "api_key.show_secret SUCCEEDED")
	if n := w.rows(`select count(*) from identity.api_key_secret where position($1::bytea in sealed) > 0`, []byte(first.GetSecret())); n != 0 {
		t.Error("the secret is kept readable")
	}
	if _, err := w.gateway().RevokeApiKey(anna.in(acme), &identityv1.RevokeApiKeyRequest{AccountId: acme, ApiKeyId: first.GetApiKey().GetId()}); err != nil {
		t.Fatal(err)
	}
	if again := create("k1"); again.GetSecret() != "" || again.GetApiKey().GetId() != first.GetApiKey().GetId() || kept() != 0 {
		t.Error("the secret of a revoked key is still kept")
	}
	create("k2")
	w.stop()
	w.clock.advance(24*time.Hour + time.Minute)
	w.start()
	testkit.Eventually(t, 10*time.Second, func() error {
		if kept() != 0 {
			return context.DeadlineExceeded
		}
		return nil
	})
}
