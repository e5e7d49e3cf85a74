package token_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/token"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	issuer   = "https://identity.primecloud.test"
	audience = "primecloud"
)

var start = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// world is a signer and a verifier that trusts it.
type world struct {
	clock    *clock.Manual
	current  token.SigningKey
	signer   *token.Signer
	verifier *token.Verifier
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{clock: clock.NewManual(start), signer: token.NewSigner(), current: newKey(t)}
	w.use(t, token.Ring{Current: w.current})
	var err error
	w.verifier, err = token.NewVerifier(token.VerifierConfig{Issuer: issuer, Audience: audience, Clock: w.clock, Keys: w.signer})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func newKey(t testing.TB) token.SigningKey {
	t.Helper()
	key, err := token.NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (w *world) use(t testing.TB, ring token.Ring) {
	t.Helper()
	if err := w.signer.Use(ring); err != nil {
		t.Fatal(err)
	}
}

func (w *world) sign(t testing.TB, c token.Claims) string {
	t.Helper()
	raw, err := w.signer.Sign(c)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func claims() token.Claims {
	return token.Claims{
		Issuer: issuer, Audience: audience, Subject: "usr_1", Kind: principal.Person, Account: "acc_1", AccountState: "active",
		Role: "owner", Session: "ses_1", ID: "tok_1", Epoch: 7, IssuedAt: start, Expires: start.Add(5 * time.Minute),
	}
}

func other() token.Claims {
	c := claims()
	c.ID = "tok_2"
	return c
}

func TestVerify_returns_what_was_signed(t *testing.T) {
	w := newWorld(t)
	machine := token.Claims{
		Issuer: issuer, Audience: audience, Subject: "apk_1", Kind: principal.Machine, Account: "acc_1", Role: "developer",
		Scopes: []string{"storage.read", "storage.write"}, ID: "tok_3", IssuedAt: start, NotBefore: start, Expires: start.Add(time.Hour),
	}
	for _, want := range []token.Claims{claims(), machine} {
		raw := w.sign(t, want)
		for _, from := range []string{"the token", "the cache"} {
			got, err := w.verifier.Verify(t.Context(), raw)
			if err != nil {
				t.Fatalf("from %s: %v", from, err)
			}
			if !reflect.DeepEqual(*got, want) {
				t.Fatalf("from %s: got %+v, want %+v", from, *got, want)
			}
		}
	}
	got := claims()
	p := got.Principal()
	if p.Subject() != "person:usr_1" || p.AccountID != "acc_1" || p.SessionID != "ses_1" || p.Epoch != 7 || p.Peer != "" {
		t.Fatalf("the principal is %+v", p)
	}
}

func TestVerify_returns_any_claims_that_were_signed(t *testing.T) {
	w := newWorld(t)
	rapid.Check(t, func(r *rapid.T) {
		want := claims()
		want.Subject = rapid.StringN(1, 40, 80).Draw(r, "sub")
		want.Role = rapid.StringN(0, 10, 20).Draw(r, "role")
		want.Epoch = rapid.Int64Range(0, 1<<62).Draw(r, "epoch")
		want.Expires = start.Add(time.Duration(rapid.IntRange(1, 3600).Draw(r, "life")) * time.Second)
		want.Scopes = rapid.SliceOfN(rapid.StringMatching(`[a-z]{1,9}\.[a-z]{1,9}`), 1, 5).Draw(r, "scopes")
		raw, err := w.signer.Sign(want)
		if err != nil {
			r.Fatal(err)
		}
		got, err := w.verifier.Verify(context.Background(), raw)
		if err != nil || !reflect.DeepEqual(*got, want) {
			r.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
	})
}

func TestVerify_refuses_an_expired_token_to_the_second(t *testing.T) {
	for _, from := range []string{"the token", "the cache"} {
		t.Run("from "+from, func(t *testing.T) {
			w := newWorld(t)
			raw := w.sign(t, claims())
			w.clock.Advance(5*time.Minute - time.Nanosecond)
			if from == "the cache" {
				if _, err := w.verifier.Verify(t.Context(), raw); err != nil {
					t.Fatalf("refused before its end: %v", err)
				}
			}
			w.clock.Advance(time.Nanosecond)
			if _, err := w.verifier.Verify(t.Context(), raw); !errors.Is(err, token.ErrExpired) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestVerify_bears_clocks_that_differ_a_little(t *testing.T) {
	w := newWorld(t)
	c := claims()
	c.IssuedAt, c.NotBefore = start.Add(token.Skew), start.Add(token.Skew)
	if _, err := w.verifier.Verify(t.Context(), w.sign(t, c)); err != nil {
		t.Fatal(err)
	}
}

func TestVerify_follows_the_rotation_of_keys(t *testing.T) {
	w := newWorld(t)
	old := w.sign(t, claims())
	next := newKey(t)
	w.use(t, token.Ring{Current: w.current, Next: []token.PublicKey{next.Public()}})
	w.use(t, token.Ring{Current: next, Retired: []token.PublicKey{w.current.Public()}})
	for _, raw := range []string{old, w.sign(t, other())} {
		if _, err := w.verifier.Verify(t.Context(), raw); err != nil {
			t.Fatalf("a key in rotation is refused: %v", err)
		}
	}
	if keys := w.signer.PublicKeys(); len(keys) != 2 || keys[0].ID != next.ID {
		t.Fatalf("published %v", keys)
	}
	w.use(t, token.Ring{Current: next})
	if _, err := w.verifier.Verify(t.Context(), old); !errors.Is(err, token.ErrInvalid) {
		t.Fatalf("the cache keeps a withdrawn key alive: %v", err)
	}
}

func TestVerify_is_not_ready_without_keys(t *testing.T) {
	w := newWorld(t)
	raw := w.sign(t, claims())
	for name, keys := range map[string]token.KeySource{
		"no ring yet":        token.NewSigner(),
		"a source that errs": source(func() (ed25519.PublicKey, error) { return nil, errors.New("boom") }),
		"a malformed key":    source(func() (ed25519.PublicKey, error) { return ed25519.PublicKey("short"), nil }),
	} {
		t.Run(name, func(t *testing.T) {
			v, err := token.NewVerifier(token.VerifierConfig{Issuer: issuer, Audience: audience, Clock: w.clock, Keys: keys})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := v.Verify(t.Context(), raw); !errors.Is(err, token.ErrNotReady) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

type source func() (ed25519.PublicKey, error)

func (s source) Key(context.Context, string) (ed25519.PublicKey, error) { return s() }

func TestNewVerifier_refuses_to_accept_any_issuer(t *testing.T) {
	w := newWorld(t)
	if _, err := token.NewVerifier(token.VerifierConfig{Audience: audience, Clock: w.clock, Keys: w.signer}); err == nil {
		t.Fatal("made without an issuer")
	}
	if _, err := token.NewVerifier(token.VerifierConfig{Issuer: issuer, Clock: w.clock, Keys: w.signer}); err == nil {
		t.Fatal("made without an audience")
	}
}

func TestSign_refuses_claims_that_no_verifier_would_take(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(*token.Claims){
		"no subject":        func(c *token.Claims) { c.Subject = "" },
		"no session":        func(c *token.Claims) { c.Session = "" },
		"a life of a day":   func(c *token.Claims) { c.Expires = start.Add(24 * time.Hour) },
		"no end":            func(c *token.Claims) { c.Expires = time.Time{} },
		"an anonymous kind": func(c *token.Claims) { c.Kind = principal.Anonymous },
		"too much of it":    func(c *token.Claims) { c.Role = strings.Repeat("x", token.MaxLength) },
	} {
		c := claims()
		change(&c)
		if raw, err := w.signer.Sign(c); err == nil {
			t.Errorf("%s: signed %s", name, raw)
		}
	}
	if _, err := token.NewSigner().Sign(claims()); !errors.Is(err, token.ErrNotReady) {
		t.Errorf("signed without a key: %v", err)
	}
}

func TestUse_refuses_two_keys_of_one_id(t *testing.T) {
	w := newWorld(t)
	if err := w.signer.Use(token.Ring{Current: w.current, Retired: []token.PublicKey{w.current.Public()}}); err == nil {
		t.Fatal("took them")
	}
}

func TestSigningKey_comes_back_from_its_seed(t *testing.T) {
	key := newKey(t)
	again, err := token.SigningKeyOf(key.Seed())
	if err != nil || again.ID != key.ID || !again.Key.Equal(key.Key) {
		t.Fatalf("got %v, %v", again.ID, err)
	}
	public, err := token.NewPublicKey(key.ID, key.Public().X())
	if err != nil || !public.Key.Equal(key.Public().Key) {
		t.Fatal("the JWK is another key")
	}
	for _, x := range []string{"", "AAAA", "!", key.Public().X() + "=="} {
		if _, err := token.NewPublicKey("k", x); err == nil {
			t.Errorf("%q is taken for a key", x)
		}
	}
}

func TestVerify_keeps_its_cache_bounded_and_right_under_load(t *testing.T) {
	w := newWorld(t)
	v, err := token.NewVerifier(token.VerifierConfig{Issuer: issuer, Audience: audience, Clock: w.clock, Keys: w.signer, CacheSize: 32})
	if err != nil {
		t.Fatal(err)
	}
	var raws []string
	for i := range 200 {
		c := claims()
		c.ID = fmt.Sprintf("tok_%d", i)
		raws = append(raws, w.sign(t, c))
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 3 {
				for i, raw := range raws {
					got, err := v.Verify(context.Background(), raw)
					if err != nil || got.ID != fmt.Sprintf("tok_%d", i) {
						t.Errorf("token %d: got %v, %v", i, got, err)
						return
					}
				}
			}
		})
	}
	group.Wait()
	if n := v.CacheSize(); n == 0 || n > 32 {
		t.Fatalf("%d tokens are remembered", n)
	}
}

func TestErrors_of_a_refused_token_hide_why_from_the_caller(t *testing.T) {
	w := newWorld(t)
	_, err := w.verifier.Verify(t.Context(), "x.y.z")
	e, ok := errs.As(err)
	if !ok || strings.Contains(e.Message(), "jose") || e.Unwrap() == nil {
		t.Fatalf("got %v", err)
	}
}

func BenchmarkVerify_cached(b *testing.B) {
	w := newWorld(b)
	raw := w.sign(b, claims())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.verifier.Verify(b.Context(), raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify_new(b *testing.B) {
	w := newWorld(b)
	v, err := token.NewVerifier(token.VerifierConfig{Issuer: issuer, Audience: audience, Clock: w.clock, Keys: w.signer, CacheSize: -1})
	if err != nil {
		b.Fatal(err)
	}
	raw := w.sign(b, claims())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), raw); err != nil {
			b.Fatal(err)
		}
	}
}
