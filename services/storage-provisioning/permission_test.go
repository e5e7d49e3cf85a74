package storage_test

import (
	"context"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/pkg/token"
)

func TestEvery_method_is_open_to_exactly_whom_the_contract_says(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	mine := account()
	var callers []testkit.Caller
	add := func(name string, c token.Claims, refused string) {
		callers = append(callers, testkit.Caller{
			Name: name, Refused: refused, Conn: w.conn, Login: func() context.Context { return w.asClaims(c) },
			Is: c.Principal(),
		})
	}
	person := func(account, state, role string) token.Claims {
		return token.Claims{Subject: "usr_1", Kind: principal.Person, Account: account, AccountState: state, Role: role, Session: "ses_1"}
	}
	for _, role := range []string{"owner", "admin", "developer", "billing", "viewer", "external"} {
		add(role, person(mine, "active", role), "")
	}
	for _, state := range []string{"pending", "suspended", "closing", "closed"} {
		add("owner of an account that is "+state, person(mine, state, "owner"), "")
	}
	add("owner of another account", person(account(), "active", "owner"), "")
	add("person without an account", person("", "", ""), "")
	for _, role := range []string{"platform_admin", "platform_support", "platform_billing"} {
		c := person("", "", role)
		c.Kind = principal.Operator
		add(role, c, "")
	}
	for _, role := range []string{"admin", "viewer"} {
		inside := person(mine, "active", role)
		inside.Kind = principal.Operator
		add("operator inside the account as "+role, inside, "")
	}
	machine := func(subject string, scopes ...string) token.Claims {
		return token.Claims{Subject: subject, Kind: principal.Machine, Account: mine, AccountState: "active", Role: "owner", Scopes: scopes}
	}
	add("key that may read", machine("apk_1", "storage.read"), "")
	add("key that may write", machine("apk_1", "storage.write"), "")
	add("key with a scope of elsewhere", machine("apk_1", "account.read"), "")
	add("revoked key", machine(revokedKey, "storage.read", "storage.write"), "TOKEN_REVOKED")
	callers = append(callers, testkit.Caller{
		Name: "nobody", Is: principal.Nobody(), Conn: w.conn, Login: func() context.Context { return testkit.Context(t) },
	})
	testkit.Permissions(t, mine, []protoreflect.FullName{"primecloud.storage.v1"}, callers)
}
