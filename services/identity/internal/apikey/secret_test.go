package apikey

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/pkg/id"
)

// scanner is the expression that the README gives to those who look for leaks.
var scanner = regexp.MustCompile(`\bpck_[0-9a-hjkmnp-tv-z]{26}_[0-9A-Za-z]{49}\b`)

func TestA_secret_names_its_key_and_is_found_by_a_scanner(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		keyID := id.New(Prefix, time.Now())
		secret := newSecret(keyID)
		if named, ok := parse(secret); !ok || named != keyID {
			t.Fatalf("parse gave %q, %v", named, ok)
		}
		if !scanner.MatchString("x = \""+secret+"\"") || !strings.HasPrefix(secret, Shown(keyID)+"_") || len(secret) != 80 {
			t.Fatalf("the form has changed: %d characters", len(secret))
		}
		if seen[secret] {
			t.Fatal("two secrets are the same")
		}
		seen[secret] = true
	}
}

func TestA_secret_with_any_one_character_changed_is_refused(t *testing.T) {
	secret := newSecret(id.New(Prefix, time.Now()))
	rapid.Check(t, func(t *rapid.T) {
		i := rapid.IntRange(0, len(secret)-1).Draw(t, "at")
		b := byte(rapid.IntRange(0x20, 0x7e).Draw(t, "character"))
		if b == secret[i] {
			return
		}
		if _, ok := parse(secret[:i] + string(b) + secret[i+1:]); ok {
			t.Fatalf("accepted with %q at %d", b, i)
		}
	})
}

func TestParse_refuses_what_has_the_checksum_but_not_the_form(t *testing.T) {
	keyID := id.New(Prefix, time.Now())
	random := strings.Repeat("0", randomLength)
	for name, body := range map[string]string{
		"no second underscore":   Shown(keyID) + "0" + random,
		"another prefix":         "pcx_" + keyID[4:] + "_" + random,
		"a letter no id has":     "pck_" + "l" + keyID[5:] + "_" + random,
		"an id in capitals":      "pck_" + strings.ToUpper(keyID[4:]) + "_" + random,
		"a stranger in the rest": Shown(keyID) + "_" + random[1:] + "-",
		"too short":              Shown(keyID) + "_" + random[1:],
	} {
		if _, ok := parse(body + checksum(body)); ok {
			t.Errorf("%s is accepted", name)
		}
	}
	if body := Shown(keyID) + "_" + random; true {
		if _, ok := parse(body + checksum(body)); !ok {
			t.Error("the form itself is refused")
		}
	}
}

func FuzzParse_accepts_only_what_it_would_write(f *testing.F) {
	f.Add(newSecret(id.New(Prefix, time.Now())))
	f.Add("pck__")
	f.Add(strings.Repeat("pck_", 20))
	f.Fuzz(func(t *testing.T, secret string) {
		keyID, ok := parse(secret)
		if !ok {
			return
		}
		body := secret[:bodyLength]
		if !id.Valid(Prefix, keyID) || !strings.HasPrefix(secret, Shown(keyID)+"_") || body+checksum(body) != secret || !scanner.MatchString(secret) {
			t.Errorf("accepted %q as %q", secret, keyID)
		}
	})
}
