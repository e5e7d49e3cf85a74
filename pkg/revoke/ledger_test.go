package revoke

import (
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/token"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func entry(epoch int64, kind Kind, subject string) Entry {
	return Entry{Epoch: epoch, Kind: kind, Subject: subject, RevokedAt: noon, ExpiresAt: noon.Add(time.Hour)}
}

func TestLedger_refuses_what_depends_on_what_was_revoked_later(t *testing.T) {
	person := token.Claims{Kind: principal.Person, Subject: "usr_1", Account: "acc_1", Session: "ses_1", Epoch: 5}
	between := token.Claims{Kind: principal.Person, Subject: "usr_1", Session: "ses_1", Epoch: 5}
	machine := token.Claims{Kind: principal.Machine, Subject: "apk_1", Account: "acc_1", Epoch: 5}
	cases := map[string]struct {
		claims token.Claims
		entry  Entry
		want   bool
	}{
		"its session":                                {person, entry(6, Session, "ses_1"), true},
		"another session":                            {person, entry(6, Session, "ses_2"), false},
		"its session, before the token was made":     {person, entry(5, Session, "ses_1"), false},
		"its membership":                             {person, entry(6, Membership, MembershipSubject("usr_1", "acc_1")), true},
		"its membership in another account":          {person, entry(6, Membership, MembershipSubject("usr_1", "acc_2")), false},
		"another's membership in the account":        {person, entry(6, Membership, MembershipSubject("usr_2", "acc_1")), false},
		"a membership does not concern the person":   {between, entry(6, Membership, MembershipSubject("usr_1", "acc_1")), false},
		"its account":                                {person, entry(6, Account, "acc_1"), true},
		"its account, for a machine":                 {machine, entry(6, Account, "acc_1"), true},
		"another account":                            {machine, entry(6, Account, "acc_2"), false},
		"its key":                                    {machine, entry(6, APIKey, "apk_1"), true},
		"another key":                                {machine, entry(6, APIKey, "apk_2"), false},
		"a key with a person's id":                   {person, entry(6, APIKey, "usr_1"), false},
		"a session with the account's id":            {person, entry(6, Session, "acc_1"), false},
		"an account with the session's id":           {person, entry(6, Account, "ses_1"), false},
		"an unknown kind":                            {person, entry(6, "other", "ses_1"), false},
		"a token that claims no epoch is the oldest": {token.Claims{Kind: principal.Person, Session: "ses_1"}, entry(1, Session, "ses_1"), true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			l := newLedger()
			l.apply(c.entry)
			if got := l.refuses(&c.claims); got != c.want {
				t.Fatalf("refused %t, want %t", got, c.want)
			}
		})
	}
}

func TestLedger_forgets_only_what_no_token_can_depend_on(t *testing.T) {
	l := newLedger()
	l.apply(entry(1, Session, "ses_1"))
	c := token.Claims{Kind: principal.Person, Session: "ses_1"}
	if l.forget(noon.Add(time.Hour)); !l.refuses(&c) {
		t.Fatal("forgotten at its very end, although clocks differ")
	}
	if l.forget(noon.Add(time.Hour + token.Skew + time.Second)); l.refuses(&c) || len(l.revoked) != 0 {
		t.Fatal("never forgotten")
	}
	if l.epoch() != 1 {
		t.Fatalf("forgot the epoch: %d", l.epoch())
	}
}

func TestLedger_a_snapshot_of_a_table_that_was_set_back_is_believed(t *testing.T) {
	l := newLedger()
	l.replace(Snapshot{Epoch: 100, Entries: []Entry{entry(100, Session, "ses_1")}})
	l.apply(entry(103, Session, "ses_2"))
	l.replace(Snapshot{Epoch: 3})
	if l.epoch() != 3 || len(l.ahead) != 0 {
		t.Fatalf("stands at %d with %v ahead", l.epoch(), l.ahead)
	}
	l.apply(entry(4, Session, "ses_3"))
	if l.epoch() != 4 || !l.refuses(&token.Claims{Session: "ses_3", Epoch: 3}) || !l.refuses(&token.Claims{Session: "ses_1", Epoch: 3}) {
		t.Fatal("what was seen is lost")
	}
}

// TestLedger_whatever_the_order holds that entries and snapshots in any order, lost and
// repeated, never let pass what one of them refuses, and that the ledger never claims to be
// complete beyond what it has seen.
func TestLedger_whatever_the_order(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		const last = 12
		var all []Entry
		for epoch := int64(1); epoch <= last; epoch++ {
			all = append(all, entry(epoch, Session, "ses_"+strconv.Itoa(rapid.IntRange(0, 3).Draw(r, "session"))))
		}
		l, seen, base := newLedger(), map[int64]bool{}, int64(0)
		for range rapid.IntRange(0, 30).Draw(r, "steps") {
			at := rapid.Int64Range(1, last).Draw(r, "at")
			if rapid.IntRange(0, 5).Draw(r, "what") == 0 {
				if at < l.epoch() {
					continue // a snapshot of the past is another test
				}
				l.replace(Snapshot{Epoch: at, Entries: all[:at]})
				base = at
				for _, e := range all[:at] {
					seen[e.Epoch] = true
				}
				continue
			}
			l.apply(all[at-1])
			seen[at] = true
		}
		want := base
		for seen[want+1] {
			want++
		}
		if l.epoch() != want {
			r.Fatalf("complete up to %d, want %d (saw %v)", l.epoch(), want, seen)
		}
		for minted := int64(0); minted <= last; minted++ {
			for s := range 4 {
				c := token.Claims{Session: "ses_" + strconv.Itoa(s), Epoch: minted}
				refused := false
				for _, e := range all {
					refused = refused || seen[e.Epoch] && e.Subject == c.Session && e.Epoch > minted
				}
				if l.refuses(&c) != refused {
					r.Fatalf("%s of epoch %d: refused %t, want %t", c.Session, minted, !refused, refused)
				}
			}
		}
	})
}

func TestDecodeEntry_refuses_what_lies_about_its_epoch(t *testing.T) {
	for key, value := range map[string]string{
		"e.7":  `{"epoch":8}`,
		"e.0":  `{"epoch":0}`,
		"e.-1": `{"epoch":-1}`,
		"e.x":  `{"epoch":7}`,
		"e.9":  `nonsense`,
	} {
		if _, err := decodeEntry(key, []byte(value)); err == nil {
			t.Errorf("%s: %s is taken", key, value)
		}
	}
}

func FuzzTake(f *testing.F) {
	f.Add("e.7", []byte(`{"epoch":7,"kind":"session","subject":"ses_1"}`))
	f.Add("heartbeat", []byte(`{"epoch":7}`))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		v := NewView(Config{Clock: fixed{}})
		v.take(key, value, true)
		if v.Ready() || v.Fresh() {
			t.Fatal("an update made the view ready")
		}
	})
}

type fixed struct{}

func (fixed) Now() time.Time                       { return noon }
func (fixed) After(time.Duration) <-chan time.Time { return nil }

func BenchmarkRevoked(b *testing.B) {
	for _, size := range []int{0, 10_000} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			v := NewView(Config{Clock: fixed{}})
			for i := range size {
				v.ledger.apply(entry(int64(i+1), Session, "ses_"+strconv.Itoa(i)))
			}
			c := token.Claims{Kind: principal.Person, Subject: "usr_1", Account: "acc_1", Session: "ses_none"}
			b.ReportAllocs()
			for b.Loop() {
				if v.Revoked(&c) {
					b.Fatal("revoked")
				}
			}
		})
	}
}
