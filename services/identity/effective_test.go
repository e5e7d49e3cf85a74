package identity_test

import (
	"slices"
	"testing"

	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	optionsv1 "github.com/primecloud/primecloud/proto/gen/primecloud/options/v1"
)

func TestAccess_is_explained_by_role_scope_and_state_as_the_call_would_find_it(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	acme := anna.account("Acme").GetId()
	if _, err := w.gateway().CreateMembership(anna.in(acme), &identityv1.CreateMembershipRequest{AccountId: acme, UserId: bert.id, Role: optionsv1.Role_ROLE_VIEWER}); err != nil {
		t.Fatal(err)
	}
	const create, list = "primecloud.storage.v1.BucketService/CreateBucket", "primecloud.storage.v1.BucketService/ListBuckets"
	explain := func(p person, subject, method string) *identityv1.ExplainAccessResponse {
		t.Helper()
		got, err := w.gateway().ExplainAccess(p.in(acme), &identityv1.ExplainAccessRequest{AccountId: acme, SubjectId: subject, Method: method})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, asker := range []struct {
		p       person
		subject string
	}{{anna, bert.id}, {bert, ""}, {bert, bert.id}} {
		got := explain(asker.p, asker.subject, create)
		if m := got.GetMethods()[0]; got.GetSubjectId() != bert.id || got.GetRole() != optionsv1.Role_ROLE_VIEWER || m.GetAllowed() || m.GetReason() != "ROLE_NOT_ALLOWED" ||
			!slices.Contains(m.GetRoles(), optionsv1.Role_ROLE_DEVELOPER) {
			t.Errorf("a viewer is told %v", got)
		}
	}
	if m := explain(bert, "", "/"+list).GetMethods()[0]; !m.GetAllowed() || len(m.GetChecks()) != 6 || m.GetChecks()[5].GetName() != "state" {
		t.Errorf("a viewer's list is explained as %v", m)
	}
	all := explain(anna, "", "").GetMethods()
	if len(all) < 50 || !slices.ContainsFunc(all, func(m *identityv1.MethodAccess) bool { return m.GetMethod() == create && m.GetAllowed() }) {
		t.Errorf("the owner is told of %d methods", len(all))
	}
	made, err := w.gateway().CreateApiKey(anna.in(acme), keyFor(acme, "storage.read"))
	if err != nil {
		t.Fatal(err)
	}
	key := made.GetApiKey().GetId()
	if m := explain(anna, key, create).GetMethods()[0]; m.GetReason() != "SCOPE_MISSING" || m.GetScope() != "storage.write" {
		t.Errorf("the key's scope is explained as %v", m)
	}
	w.behind(`update identity.account set state = 'suspended' where id = $1`, acme)
	if m := explain(anna, "", create).GetMethods()[0]; m.GetReason() != "ACCOUNT_SUSPENDED" {
		t.Errorf("the suspension is explained as %v", m)
	}
	w.behind(`update identity.account set state = 'active' where id = $1`, acme)
	if _, err := w.gateway().RevokeApiKey(anna.in(acme), &identityv1.RevokeApiKeyRequest{AccountId: acme, ApiKeyId: key}); err != nil {
		t.Fatal(err)
	}
	if m := explain(anna, key, list).GetMethods()[0]; m.GetAllowed() || m.GetReason() != "API_KEY_INVALID" || m.GetChecks()[0].GetPassed() {
		t.Errorf("a revoked key is explained as %v", m)
	}
}

func TestAccess_of_others_is_explained_to_those_who_manage_alone(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	acme := anna.account("Acme").GetId()
	ask := func(p person, subject, method string) error {
		_, err := w.gateway().ExplainAccess(p.in(acme), &identityv1.ExplainAccessRequest{AccountId: acme, SubjectId: subject, Method: method})
		return err
	}
	wants(t, ask(anna, bert.id, ""), "MEMBERSHIP_NOT_FOUND")
	wants(t, ask(anna, "apk_nothing", ""), "API_KEY_NOT_FOUND")
	for _, method := range []string{"primecloud.storage.v1.BucketService/Nothing", "primecloud.identity.v1.TokenService/GetRevocationSnapshot", "x"} {
		wants(t, ask(anna, "", method), "METHOD_UNKNOWN")
	}
	if _, err := w.gateway().CreateMembership(anna.in(acme), &identityv1.CreateMembershipRequest{AccountId: acme, UserId: bert.id, Role: optionsv1.Role_ROLE_DEVELOPER}); err != nil {
		t.Fatal(err)
	}
	wants(t, ask(bert, anna.id, ""), "ROLE_NOT_ALLOWED")
	if err := ask(bert, "", ""); err != nil {
		t.Error(err)
	}
}
