package revoke

import (
	"testing"

	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/token"
)

func TestLedger_ends_the_tokens_of_a_personal_key_with_the_key_and_with_the_membership(t *testing.T) {
	personal := token.Claims{Kind: principal.Machine, Subject: "apk_1", User: "usr_1", Account: "acc_1", Epoch: 5}
	for name, c := range map[string]struct {
		entry Entry
		want  bool
	}{
		"the key":                                {entry(6, APIKey, "apk_1"), true},
		"another key":                            {entry(6, APIKey, "apk_2"), false},
		"the membership of the person":           {entry(6, Membership, MembershipSubject("usr_1", "acc_1")), true},
		"before the token":                       {entry(5, Membership, MembershipSubject("usr_1", "acc_1")), false},
		"the membership of somebody else":        {entry(6, Membership, MembershipSubject("usr_2", "acc_1")), false},
		"the person's membership somewhere else": {entry(6, Membership, MembershipSubject("usr_1", "acc_2")), false},
		"the account":                            {entry(6, Account, "acc_1"), true},
		"a session of the person":                {entry(6, Session, "ses_1"), false},
	} {
		l := newLedger()
		l.apply(c.entry)
		if got := l.refuses(&personal); got != c.want {
			t.Errorf("%s: refused %v", name, got)
		}
	}
}
