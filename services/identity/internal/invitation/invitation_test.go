package invitation

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
)

func TestAddresses_that_differ_in_more_than_the_case_of_A_to_Z_are_not_one(t *testing.T) {
	if addressKey("Bert.K@Example.COM") != "bert.k@example.com" {
		t.Error("upper case tells addresses apart")
	}
	for _, other := range []string{"\u212Aim@example.com", "k\u0131m@example.com", "\uFF4Bim@example.com", "kim@example.com ", "kim@example.com."} {
		if addressKey(other) == addressKey("KIM@example.com") {
			t.Errorf("%q is taken for another one", other)
		}
	}
}

func TestAddresses_are_folded_once_and_for_all(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		address := rapid.String().Draw(t, "address")
		if key := addressKey(address); addressKey(key) != key || addressKey(asciiUpper(address)) != key {
			t.Fatalf("%q has the key %q", address, key)
		}
	})
}

func asciiUpper(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, s)
}

func TestWhat_is_no_address_is_not_invited(t *testing.T) {
	for _, bad := range []string{"", "bert", "@example.com", "bert@", "a@b@c", "bert@exa mple.com", "b\u00E9rt@example.com", "bert@example.com\n", strings.Repeat("a", 254) + "@b.c"} {
		err := Wanted{Email: bad, Role: membership.Viewer}.check()
		if !errors.Is(err, errEmailInvalid) {
			t.Errorf("%q gave %v", bad, err)
		}
	}
}

func TestGrants_are_for_external_people_and_name_each_bucket_once(t *testing.T) {
	read := Grant{BucketID: "bkt_1", AccessLevel: "read"}
	many := make([]Grant, MaxGrants+1)
	for i := range many {
		many[i] = Grant{BucketID: strings.Repeat("b", i+1), AccessLevel: "read"}
	}
	for name, c := range map[string]struct {
		role   membership.Role
		grants []Grant
		good   bool
	}{
		"an external person":          {membership.External, []Grant{read}, true},
		"as many as may be":           {membership.External, many[1:], true},
		"nothing yet":                 {membership.External, nil, true},
		"a viewer":                    {membership.Viewer, []Grant{read}, false},
		"the same bucket twice":       {membership.External, []Grant{read, {BucketID: "bkt_1", AccessLevel: "write"}}, false},
		"a grant without a bucket":    {membership.External, []Grant{{AccessLevel: "read"}}, false},
		"a grant that says not what":  {membership.External, []Grant{{BucketID: "bkt_1"}}, false},
		"too many":                    {membership.External, many, false},
		"a role that there is not":    {"emperor", nil, false},
		"a role that no account has":  {"platform_admin", nil, false},
		"no role, and grants with it": {"", []Grant{read}, false},
	} {
		err := Wanted{Email: "bert@example.com", Role: c.role, Grants: c.grants}.check()
		if (err == nil) != c.good || err != nil && errs.ReasonOf(err) != "REQUEST_INVALID" {
			t.Errorf("%s gave %v", name, err)
		}
	}
}

func TestAn_invitation_ends_by_the_clock_while_it_waits_and_not_otherwise(t *testing.T) {
	end := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		state State
		at    time.Time
		want  State
	}{
		{Pending, end.Add(-1), Pending},
		{Pending, end, Expired},
		{Accepted, end.Add(time.Hour), Accepted},
		{Revoked, end.Add(time.Hour), Revoked},
	} {
		if got := (Invitation{State: c.state, ExpireTime: end}).At(c.at).State; got != c.want {
			t.Errorf("%s at %v is %s", c.state, c.at, got)
		}
	}
}

func TestTokens_are_of_one_form_and_never_the_same(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		token := newToken()
		if !wellFormed(token) || seen[token] || hashOf(token) == (Hash{}) {
			t.Fatal("a token is malformed or came twice")
		}
		seen[token] = true
	}
	token := newToken()
	for name, other := range map[string]string{
		"nothing": "", "its prefix alone": "pci_", "short": token[:46], "long": token + "A", "of another kind": "pck_" + token[4:],
		"in another alphabet": token[:46] + "+", "padded": token[:46] + "=",
	} {
		if wellFormed(other) {
			t.Errorf("%s is taken for a token", name)
		}
	}
}

func FuzzWellFormed_takes_one_spelling_alone(f *testing.F) {
	f.Add(newToken())
	f.Add("pci_" + strings.Repeat("_", 43))
	f.Fuzz(func(t *testing.T, text string) {
		if wellFormed(text) && (len(text) != 47 || strings.ContainsAny(text, "\r\n=+/ ") || !strings.HasPrefix(text, "pci_")) {
			t.Errorf("took %q", text)
		}
	})
}
