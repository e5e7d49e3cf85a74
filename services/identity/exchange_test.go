package identity_test

import (
	"slices"
	"testing"

	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/testkit"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
)

func TestAn_exchange_narrows_the_token_to_the_scopes_that_were_asked_for(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	acme := anna.account("Acme").GetId()
	created, err := w.gateway().CreateApiKey(anna.in(acme), keyFor(acme, "account.read", "account.write"))
	if err != nil {
		t.Fatal(err)
	}
	other := anna.key(acme).GetApiKey()
	exchange := func(keyID string, scopes ...string) (*identityv1.ExchangeApiKeyResponse, error) {
		return w.gateway().ExchangeApiKey(testkit.Context(t), &identityv1.ExchangeApiKeyRequest{ApiKey: created.GetSecret(), ApiKeyId: keyID, Scopes: scopes})
	}
	all, err := exchange("")
	if err != nil || !slices.Equal(all.GetScopes(), []string{"account.read", "account.write"}) {
		t.Errorf("without scopes: %v, %v", all.GetScopes(), err)
	}
	narrow, err := exchange(created.GetApiKey().GetId(), "account.read", "account.read")
	if err != nil || !slices.Equal(narrow.GetScopes(), []string{"account.read"}) {
		t.Fatalf("with one: %v, %v", narrow.GetScopes(), err)
	}
	ctx := rpc.WithBearer(testkit.Context(t), narrow.GetAccessToken())
	wants(t, w.rename(ctx, acme, "x"), "SCOPE_MISSING")
	if err := w.sees(ctx, acme); err != nil {
		t.Errorf("within the narrowed scopes: %v", err)
	}
	_, err = exchange("", "account.read", "storage.write")
	wants(t, err, "SCOPE_NOT_HELD")
	for _, id := range []string{other.GetId(), "apk_none"} {
		_, err = exchange(id)
		wants(t, err, "API_KEY_INVALID")
	}
}
