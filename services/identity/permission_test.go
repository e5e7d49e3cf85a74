package identity_test

import (
	"context"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/testkit"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	optionsv1 "github.com/primecloud/primecloud/proto/gen/primecloud/options/v1"
)

// tried is somebody whose login may end by what they try, and who then logs in anew.
type tried struct {
	w        *world
	name     string
	secret   string
	account  string
	platform bool
	// before makes the truth what it shall be.
	before func()
}

func (c *tried) login() context.Context {
	c.w.t.Helper()
	if c.before != nil {
		c.before()
	}
	for range 2 {
		exchanged, err := c.w.gateway().ExchangeSession(testkit.Context(c.w.t), &identityv1.ExchangeSessionRequest{
			SessionSecret: c.secret, AccountId: c.account, Platform: c.platform,
		})
		if err == nil {
			return rpc.WithBearer(testkit.Context(c.w.t), exchanged.GetAccessToken())
		}
		c.secret = c.w.login(c.name).secret
	}
	c.w.t.Fatalf("%s cannot log in", c.name)
	return nil
}

func TestEvery_method_is_open_to_exactly_whom_the_contract_says(t *testing.T) {
	t.Parallel()
	w := operated(t)
	anna, bert := w.login("anna"), w.login("bert")
	mine, other := anna.account("Mine").GetId(), anna.account("Other").GetId()
	gateway, notifier := w.dial("gateway"), w.dial("notifier")
	caller := func(name string, is principal.Principal, who *tried) testkit.Caller {
		who.w = w
		return testkit.Caller{Name: name, Is: is, Conn: gateway, Peer: "gateway", Login: who.login}
	}
	var callers []testkit.Caller
	person := func(account, state, role string) principal.Principal {
		return principal.Principal{Kind: principal.Person, AccountID: account, AccountState: state, Role: role}
	}
	// stands has bert belong to the account in a role, and the account stand in a state, whatever was tried before.
	stands := func(role, state string) func() {
		return func() {
			w.behind(`insert into identity.membership (account_id, user_id, role, version, create_time, update_time)
				values ($1, $2, $3, 1, now(), now()) on conflict (account_id, user_id) do update set role = excluded.role`, mine, bert.id, role)
			w.behind(`update identity.account set state = $2, close_time = case when $2 = 'closing' then now() + interval '1 day' end,
				resumes = case when $2 = 'closing' then 'active' else '' end where id = $1`, mine, state)
		}
	}
	for _, role := range []string{"owner", "admin", "developer", "billing", "viewer", "external"} {
		callers = append(callers, caller(role, person(mine, "active", role), &tried{name: "bert", account: mine, before: stands(role, "active")}))
	}
	for _, state := range []string{"pending", "suspended", "closing", "closed"} {
		callers = append(callers, caller("owner of an account that is "+state, person(mine, state, "owner"),
			&tried{name: "bert", account: mine, before: stands("owner", state)}))
	}
	active := stands("viewer", "active")
	callers = append(callers,
		caller("owner of another account", person(other, "active", "owner"), &tried{name: "anna", account: other, before: active}),
		caller("person without an account", person("", "", ""), &tried{name: "anna", before: active}))
	for name, role := range map[string]string{"olga": "platform_admin", "sam": "platform_support", "bill": "platform_billing"} {
		callers = append(callers, caller(role, principal.Principal{Kind: principal.Operator, Role: role}, &tried{name: name, platform: true, before: active}))
	}
	for name, role := range map[string]string{"olga": "admin", "sam": "viewer", "bill": "billing"} {
		inside := func() {
			active()
			w.behind(`insert into identity.operator_access (id, account_id, user_id, role, reason, create_time, expire_time)
				select 'opa_' || $2, $1, id, $3, 'r', now(), now() + interval '1 hour' from identity.users where email = $2 || '@example.com'
				on conflict (id) do update set end_time = null`, mine, name, role)
		}
		callers = append(callers, caller("operator inside the account as "+role,
			principal.Principal{Kind: principal.Operator, AccountID: mine, AccountState: "active", Role: role}, &tried{name: name, account: mine, before: inside}))
	}
	machine := func(name, refused string, scopes ...string) testkit.Caller {
		made, err := w.gateway().CreateApiKey(anna.in(mine), &identityv1.CreateApiKeyRequest{
			AccountId: mine, DisplayName: name, Role: optionsv1.Role_ROLE_OWNER, Scopes: scopes,
		})
		if err != nil {
			t.Fatal(err)
		}
		given, err := w.gateway().ExchangeApiKey(testkit.Context(t), &identityv1.ExchangeApiKeyRequest{ApiKey: made.GetSecret()})
		if err != nil {
			t.Fatal(err)
		}
		if refused != "" {
			if _, err := w.gateway().RevokeApiKey(anna.in(mine), &identityv1.RevokeApiKeyRequest{AccountId: mine, ApiKeyId: made.GetApiKey().GetId()}); err != nil {
				t.Fatal(err)
			}
		}
		return testkit.Caller{
			Name: name, Refused: refused, Conn: gateway, Peer: "gateway",
			Is:    principal.Principal{Kind: principal.Machine, AccountID: mine, AccountState: "active", Role: "owner", Scopes: scopes},
			Login: func() context.Context { active(); return rpc.WithBearer(testkit.Context(t), given.GetAccessToken()) },
		}
	}
	callers = append(callers,
		machine("key that may read", "", "account.read"), machine("key that may write", "", "account.write"),
		machine("key with a scope of elsewhere", "", "storage.read"), machine("revoked key", "TOKEN_REVOKED", "account.read", "account.write"))
	nobody := func(peer string) testkit.Caller {
		c := testkit.Caller{Name: "nobody, by " + peer, Is: principal.Nobody(), Conn: gateway, Peer: peer, Login: func() context.Context { return testkit.Context(t) }}
		if peer == "notifier" {
			c.Conn = notifier
		}
		return c
	}
	callers = append(callers, nobody("gateway"), nobody("notifier"))
	testkit.Permissions(t, mine, []protoreflect.FullName{"primecloud.identity.v1", "primecloud.audit.v1"}, callers)
}
