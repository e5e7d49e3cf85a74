package operator_test

import (
	"slices"
	"testing"

	"github.com/primecloud/primecloud/services/identity/internal/membership"
	"github.com/primecloud/primecloud/services/identity/internal/operator"
)

const issuer = "https://login.example"

func TestOnly_a_verified_address_or_a_group_at_the_issuer_makes_an_operator(t *testing.T) {
	roster, err := operator.NewRoster(issuer, []string{"admin=Olga@example.com", "admin=kim@example.com", " support=sam@example.com"}, []string{"billing=finance", "support=help"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		login operator.Login
		want  operator.Role
	}{
		"a verified address, whatever its case": {operator.Login{Issuer: issuer, Email: "olga@EXAMPLE.com", EmailVerified: true}, operator.Admin},
		"an unverified address":                 {operator.Login{Issuer: issuer, Email: "olga@example.com"}, ""},
		"an address that only looks the same":   {operator.Login{Issuer: issuer, Email: "olga@ex\u0061mple.com\u212a", EmailVerified: true}, ""},
		"another person's domain, folded":       {operator.Login{Issuer: issuer, Email: "\u212aim@example.com", EmailVerified: true}, ""},
		"another issuer's word":                 {operator.Login{Issuer: "https://other.example", Email: "olga@example.com", EmailVerified: true, Groups: []string{"finance"}}, ""},
		"a group":                               {operator.Login{Issuer: issuer, Groups: []string{"x", "finance"}}, operator.Billing},
		"a group in another case":               {operator.Login{Issuer: issuer, Groups: []string{"Finance"}}, ""},
		"the first of several roles":            {operator.Login{Issuer: issuer, Email: "sam@example.com", EmailVerified: true, Groups: []string{"help", "finance"}}, operator.Billing},
		"nobody":                                {operator.Login{Issuer: issuer, EmailVerified: true}, ""},
	} {
		if got := roster.RoleOf(c.login); got != c.want {
			t.Errorf("%s gives %q, want %q", name, got, c.want)
		}
	}
	if got := roster.Groups([]string{"x", "help", "help", "finance"}); !slices.Equal(got, []string{"help", "finance"}) {
		t.Errorf("kept %v", got)
	}
}

func TestA_roster_that_means_nothing_is_refused(t *testing.T) {
	for _, bad := range []string{"olga@example.com", "admin=", "owner=olga@example.com", "=x", "platform_admin=x", "admin=\u212aim@example.com"} {
		if _, err := operator.NewRoster(issuer, []string{bad}, nil); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if _, err := operator.NewRoster(issuer, []string{"admin=a@b.example", "support=A@b.example"}, nil); err == nil {
		t.Error("one address with two roles is taken")
	}
}

func TestNo_operator_is_an_owner_inside_an_account(t *testing.T) {
	for role, want := range map[operator.Role]membership.Role{
		operator.Admin: membership.Admin, operator.Billing: membership.Billing, operator.Support: membership.Viewer, "": "", "owner": "",
	} {
		if got := role.Inside(); got != want {
			t.Errorf("%q is %q inside, want %q", role, got, want)
		}
	}
}
