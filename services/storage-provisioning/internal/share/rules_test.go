package share

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestATokenIsRecognisedByItsFormAndChecksum(t *testing.T) {
	token := newToken()
	hash, ok := hashOf(token)
	if again, _ := hashOf(token); !ok || again != hash {
		t.Fatalf("%s is not recognised", token)
	}
	if other, _ := hashOf(newToken()); other == hash {
		t.Error("two tokens are one")
	}
	for i := range token {
		for _, digit := range "A7Z" {
			changed := token[:i] + string(digit) + token[i+1:]
			if _, ok := hashOf(changed); ok && changed != token {
				t.Errorf("with another character at %d it passes", i)
			}
		}
	}
	for _, other := range []string{"", "psh_", token + "A", token[:len(token)-1], strings.ToLower(token), " " + token[1:]} {
		if _, ok := hashOf(other); ok {
			t.Errorf("%q passes", other)
		}
	}
}

func FuzzATokenIsNeverReadWithAPanic(f *testing.F) {
	f.Add(newToken())
	f.Add("psh_")
	f.Fuzz(func(t *testing.T, text string) {
		if _, ok := hashOf(text); ok && checksum(text[:bodyLength]) != text[bodyLength:] {
			t.Errorf("%q passes", text)
		}
	})
}

func TestAPasswordIsComparedWithWhatItsHashSays(t *testing.T) {
	p := newPasswords()
	first, err := p.hash(t.Context(), "open sesame")
	if err != nil {
		t.Fatal(err)
	}
	second, err := p.hash(t.Context(), "open sesame")
	if err != nil || first == second || strings.Contains(first, "sesame") {
		t.Errorf("twice: %s %s, %v", first, second, err)
	}
	for password, want := range map[string]bool{"open sesame": true, "open Sesame": false, "": false} {
		if right, err := p.right(t.Context(), password, first); err != nil || right != want {
			t.Errorf("%q: %v, %v", password, right, err)
		}
	}
	if none, err := p.hash(t.Context(), ""); none != "" || err != nil {
		t.Errorf("none is kept as %q, %v", none, err)
	}
	// One that was made with other settings goes on working.
	older := "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$" + strings.Repeat("A", 43)
	if right, err := p.right(t.Context(), "open sesame", older); right || err != nil {
		t.Errorf("%v, %v", right, err)
	}
	for _, broken := range []string{"x", "$argon2i$v=19$m=8,t=1,p=1$c2FsdA$AA", "$argon2id$v=19$m=8,t=0,p=1$c2FsdA$" + strings.Repeat("A", 43), first[:len(first)-4]} {
		if _, err := p.right(t.Context(), "x", broken); !errors.Is(err, errHash) {
			t.Errorf("%s: %v", broken, err)
		}
	}
}

func TestWhoeverWaitsForASeatGoesWithTheirCall(t *testing.T) {
	p := newPasswords()
	for range hashers {
		p.seats <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.hash(ctx, "open sesame"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestNetworksAreRefusedWithWhatIsWrong(t *testing.T) {
	for _, wrong := range []string{"192.0.2.1/24", "x", ""} {
		if _, err := ParseNetworks([]string{"192.0.2.0/24", wrong}); !errors.Is(err, errInvalid) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if _, err := ParseNetworks(make([]string, maxNetworks+1)); !errors.Is(err, errInvalid) {
		t.Errorf("too many: %v", err)
	}
}

func TestGuessersAreToldApartByWhatOneCustomerHas(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3::4": "2001:db8:1:2::/64", "2001:db8:1:2::": "2001:db8:1:2::/64", "": "unknown",
	} {
		if got := guesser(address); got != want {
			t.Errorf("%q counts as %s", address, got)
		}
	}
}

func TestAShareStandsWhereItsRowSays(t *testing.T) {
	now := time.Now()
	for want, s := range map[State]Share{
		Active: {UseLimit: 2, UseCount: 1, ExpireTime: now.Add(1)}, Expired: {ExpireTime: now, UseLimit: 1, UseCount: 1},
		UsedUp: {UseLimit: 1, UseCount: 1}, Revoked: {RevokedAt: now, ExpireTime: now},
	} {
		if got := s.seen(now).State; got != want {
			t.Errorf("%s and not %s", got, want)
		}
	}
	if (Share{UseCount: 1 << 40}).seen(now).State != Active {
		t.Error("without a limit it is used up")
	}
}

func TestPathsAndNamesThatReachFurtherAreRefused(t *testing.T) {
	for _, c := range []struct {
		scope Scope
		path  string
		ok    bool
	}{
		{Object, "a/b", true},
		{Object, "a*", true},
		{Object, "", false},
		{Object, "a/../b", false},
		{Prefix, "", true},
		{Prefix, "a/", true},
		{Prefix, "a", false},
		{Prefix, "/", false},
		{Prefix, "a//", false},
		{Prefix, "../", false},
		{Prefix, strings.Repeat("a/", 401), false},
		{Upload, "", true},
		{Upload, "a/", true},
		{Upload, "a*/", false},
		{Upload, "${aws:username}/", false},
	} {
		if err := checkPath(c.scope, c.path); (err == nil) != c.ok || err != nil && !errors.Is(err, errInvalid) {
			t.Errorf("%s of %q: %v", c.scope, c.path, err)
		}
	}
	for name, ok := range map[string]bool{"a b.txt": true, "ä.txt": true, "a/b": false, `a\b`: false, "${filename}": false, "..": false, "": false, "a\nb": false} {
		if err := checkUploadName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
	if a, b := newName("x"), newName("x"); a == b || !strings.HasSuffix(a, "-x") {
		t.Errorf("%s and %s", a, b)
	}
}
