package access_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/primecloud/primecloud/pkg/access"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/principal"
)

const (
	mine   = "acc_mine"
	theirs = "acc_theirs"
)

var (
	nobody   = principal.Nobody()
	owner    = principal.Principal{Kind: principal.Person, ID: "usr_1", AccountID: mine, AccountState: "active", Role: "owner"}
	viewer   = principal.Principal{Kind: principal.Person, ID: "usr_2", AccountID: mine, AccountState: "active", Role: "viewer"}
	homeless = principal.Principal{Kind: principal.Person, ID: "usr_3"}
	operator = principal.Principal{Kind: principal.Operator, ID: "usr_4", Role: "platform_admin"}
	reader   = principal.Principal{Kind: principal.Machine, ID: "apk_1", AccountID: mine, Role: "owner", Scopes: []string{"storage.read"}}
	bare     = principal.Principal{Kind: principal.Machine, ID: "apk_2", AccountID: mine, Role: "owner"}
	gateway  = principal.Principal{Kind: principal.Service, ID: "gateway", Peer: "gateway"}
	billing  = principal.Principal{Kind: principal.Service, ID: "billing", Peer: "billing"}
)

func suspended(p principal.Principal) principal.Principal {
	return standing(p, access.AccountSuspended)
}

func standing(p principal.Principal, state string) principal.Principal {
	p.AccountState = state
	return p
}

func through(p principal.Principal, peer string) principal.Principal {
	p.Peer = peer
	return p
}

func TestDecide(t *testing.T) {
	account := access.Rule{Level: access.Account, Roles: []string{"owner", "admin"}, Scope: "storage.read"}
	person := access.Rule{Level: access.Person}
	anyToken := access.Rule{Level: access.Authenticated, Scope: "storage.read", WhileSuspended: true}
	platform := access.Rule{Level: access.Platform, Roles: []string{"platform_admin"}}
	gatewayOnly := access.Rule{Level: access.Service, Services: []string{"gateway"}}
	anyService := access.Rule{Level: access.Service}
	unscoped := access.Rule{Level: access.Account, Roles: []string{"owner"}}
	openWhileSuspended := access.Rule{Level: access.Account, Roles: []string{"owner"}, WhileSuspended: true}
	cases := map[string]struct {
		rule    access.Rule
		who     principal.Principal
		account string
		want    *errs.Error
	}{
		"anybody calls a public method":                           {access.Rule{Level: access.Public}, nobody, "", nil},
		"an undeclared rule allows nobody":                        {access.Rule{}, owner, mine, access.ErrCallerNotAllowed},
		"an unknown level allows nobody":                          {access.Rule{Level: 99}, owner, mine, access.ErrCallerNotAllowed},
		"an owner calls for the account":                          {account, owner, mine, nil},
		"without a login nothing is allowed":                      {account, nobody, mine, access.ErrLoginRequired},
		"the zero principal is nobody":                            {account, principal.Principal{}, "", access.ErrLoginRequired},
		"another's account looks absent":                          {account, owner, theirs, access.ErrNotFound},
		"another's account looks absent to a wrong role too":      {account, viewer, theirs, access.ErrNotFound},
		"no account in the request matches no token":              {account, homeless, "", access.ErrNotFound},
		"a person between accounts has no account":                {account, homeless, mine, access.ErrNotFound},
		"an operator is no member":                                {account, operator, mine, access.ErrNotFound},
		"a role that is not listed is refused":                    {account, viewer, mine, access.ErrRoleNotAllowed},
		"a machine with the scope calls":                          {account, reader, mine, nil},
		"a machine without the scope is refused":                  {access.Rule{Level: access.Account, Roles: []string{"owner"}, Scope: "storage.write"}, reader, mine, access.ErrScopeMissing},
		"a machine without any scope may do nothing":              {account, bare, mine, access.ErrScopeMissing},
		"a method without a scope keeps machines out":             {unscoped, reader, mine, access.ErrCallerNotAllowed},
		"a service is no member, whoever it is":                   {account, gateway, mine, access.ErrCallerNotAllowed},
		"a background process is no member":                       {account, principal.Background("storage-provisioning"), mine, access.ErrCallerNotAllowed},
		"a suspended account is refused":                          {account, suspended(owner), mine, access.ErrAccountSuspended},
		"a pending account is refused":                            {account, standing(owner, access.AccountPending), mine, access.ErrAccountPending},
		"a closing account is refused":                            {account, standing(owner, access.AccountClosing), mine, access.ErrAccountClosing},
		"a closed account is refused":                             {account, standing(owner, access.AccountClosed), mine, access.ErrAccountClosed},
		"an account in a state that nobody knows is refused":      {account, standing(owner, "frozen"), mine, access.ErrAccountSuspended},
		"a closing account can be looked at":                      {openWhileSuspended, standing(owner, access.AccountClosing), mine, nil},
		"a wrong role does not learn that it is suspended":        {account, suspended(viewer), mine, access.ErrRoleNotAllowed},
		"what works while suspended works":                        {openWhileSuspended, suspended(owner), mine, nil},
		"any token will do for an authenticated method":           {anyToken, viewer, "", nil},
		"a machine needs the scope there too":                     {anyToken, bare, "", access.ErrScopeMissing},
		"any person calls a person's method":                      {person, homeless, "", nil},
		"an operator is a person":                                 {person, operator, "", nil},
		"a machine is no person":                                  {person, reader, "", access.ErrCallerNotAllowed},
		"a suspended account's person may not, unless it says so": {person, suspended(owner), "", access.ErrAccountSuspended},
		"an operator calls for the platform":                      {platform, operator, "", nil},
		"an owner is no operator":                                 {platform, owner, "", access.ErrCallerNotAllowed},
		"a person with an operator's role name is no operator":    {platform, principal.Principal{Kind: principal.Person, ID: "u", Role: "platform_admin"}, "", access.ErrCallerNotAllowed},
		"an operator needs the role":                              {platform, principal.Principal{Kind: principal.Operator, ID: "u", Role: "owner"}, "", access.ErrRoleNotAllowed},
		"the listed service calls":                                {gatewayOnly, gateway, "", nil},
		"another service does not":                                {gatewayOnly, billing, "", access.ErrCallerNotAllowed},
		"any service of the suite calls":                          {anyService, billing, "", nil},
		"a person is no service":                                  {anyService, owner, "", access.ErrCallerNotAllowed},
		"a name without a certificate is no service":              {anyService, principal.Principal{Kind: principal.Service, ID: "gateway"}, "", access.ErrCallerNotAllowed},
		"a person behind the gateway stays a person":              {account, through(viewer, "gateway"), mine, access.ErrRoleNotAllowed},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := access.Decide(&c.rule, &c.who, c.account)
			if c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) {
				t.Fatalf("decided %v, want %v", err, c.want)
			}
		})
	}
}

func TestDecide_allocates_nothing_when_it_allows(t *testing.T) {
	rule := access.Rule{Level: access.Account, Roles: []string{"owner"}, Scope: "storage.read"}
	who := reader
	if n := testing.AllocsPerRun(100, func() {
		if err := access.Decide(&rule, &who, mine); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

// TestDecide_over_all_roles_and_kinds holds the decision against a second, plainer one.
func TestDecide_over_all_roles_and_kinds(t *testing.T) {
	roles := []string{"", "owner", "admin", "developer", "billing", "viewer", "external", "platform_admin"}
	kinds := []principal.Kind{"", principal.Anonymous, principal.Person, principal.Machine, principal.Operator, principal.Service, principal.System, "other"}
	rule := access.Rule{Level: access.Account, Roles: []string{"admin", "developer"}, Scope: "s"}
	for _, kind := range kinds {
		for _, role := range roles {
			for _, account := range []string{"", mine, theirs} {
				for _, scopes := range [][]string{nil, {"s"}, {"t"}} {
					p := principal.Principal{Kind: kind, ID: "x", Role: role, AccountID: account, Scopes: scopes}
					may := (kind == principal.Person || kind == principal.Operator || kind == principal.Machine && slices.Contains(scopes, "s")) &&
						(role == "admin" || role == "developer") && account == mine
					if got := access.Decide(&rule, &p, mine) == nil; got != may {
						t.Errorf("kind %q role %q account %q scopes %v: allowed %t, want %t", kind, role, account, scopes, got, may)
					}
				}
			}
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	rule := access.Rule{Level: access.Account, Roles: []string{"owner", "admin", "developer", "viewer"}, Scope: "storage.read"}
	who := viewer
	b.ReportAllocs()
	for b.Loop() {
		if err := access.Decide(&rule, &who, mine); err != nil {
			b.Fatal(err)
		}
	}
}
