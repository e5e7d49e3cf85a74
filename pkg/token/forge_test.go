package token_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/token"
)

// payload is a genuine token's claims in their wire form.
func payload() map[string]any {
	return map[string]any{
		"iss": issuer, "aud": audience, "sub": "usr_1", "kind": "person", "acc": "acc_1", "acs": "active", "rol": "owner",
		"sid": "ses_1", "jti": "tok_1", "epo": 7, "iat": start.Unix(), "exp": start.Add(5 * time.Minute).Unix(),
	}
}

func with(changes map[string]any) map[string]any {
	p := payload()
	for key, value := range changes {
		if value == nil {
			delete(p, key)
			continue
		}
		p[key] = value
	}
	return p
}

func part(t testing.TB, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// craft signs any header and payload with a genuine key, as somebody with the key could.
func craft(t testing.TB, key ed25519.PrivateKey, header, claims any) string {
	t.Helper()
	body := part(t, header) + "." + part(t, claims)
	return body + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, []byte(body)))
}

func TestVerify_refuses_forged_tokens(t *testing.T) {
	w := newWorld(t)
	kid := w.current.ID
	header := map[string]any{"alg": "EdDSA", "kid": kid, "typ": "at+jwt"}
	changed := func(changes map[string]any) map[string]any {
		h := maps.Clone(header)
		for key, value := range changes {
			if value == nil {
				delete(h, key)
				continue
			}
			h[key] = value
		}
		return h
	}
	stranger, err := token.NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	genuine := w.sign(t, claims())
	parts := strings.Split(genuine, ".")
	strangersJWK := map[string]any{"kty": "OKP", "crv": "Ed25519", "x": stranger.Public().X()}
	cases := map[string]string{
		"nothing":                           "",
		"a word":                            "hunter2",
		"dots alone":                        "..",
		"more than four dots":               "a.b.c.d.e.f",
		"no signature":                      parts[0] + "." + parts[1] + ".",
		"alg none":                          part(t, changed(map[string]any{"alg": "none"})) + "." + parts[1] + ".",
		"alg none with a signature":         part(t, changed(map[string]any{"alg": "none"})) + "." + parts[1] + "." + parts[2],
		"alg in another case":               craft(t, w.current.Key, changed(map[string]any{"alg": "eddsa"}), payload()),
		"no alg":                            craft(t, w.current.Key, changed(map[string]any{"alg": nil}), payload()),
		"HS256 with the public key":         hs256(t, changed(map[string]any{"alg": "HS256"}), w.current.Public().Key),
		"HS256 with the public key as PEM":  hs256(t, changed(map[string]any{"alg": "HS256"}), pemOf(t, w.current)),
		"HS256 with nothing":                hs256(t, changed(map[string]any{"alg": "HS256"}), []byte{}),
		"RS256 with a key of its own":       rs256(t, kid),
		"a stranger's key under our id":     craft(t, stranger.Key, header, payload()),
		"a stranger's key under its own id": craft(t, stranger.Key, changed(map[string]any{"kid": stranger.ID}), payload()),
		"a stranger's key brought along":    craft(t, stranger.Key, changed(map[string]any{"jwk": strangersJWK}), payload()),
		"no key id":                         craft(t, w.current.Key, changed(map[string]any{"kid": nil}), payload()),
		"an empty key id":                   craft(t, w.current.Key, changed(map[string]any{"kid": ""}), payload()),
		"a key id that is a path":           craft(t, w.current.Key, changed(map[string]any{"kid": "../" + kid}), payload()),
		"a key id that is a number":         craft(t, w.current.Key, changed(map[string]any{"kid": 7}), payload()),
		"no type":                           craft(t, w.current.Key, changed(map[string]any{"typ": nil}), payload()),
		"the type of any JWT":               craft(t, w.current.Key, changed(map[string]any{"typ": "JWT"}), payload()),
		"the type of an ID token":           craft(t, w.current.Key, changed(map[string]any{"typ": "id+jwt"}), payload()),
		"a critical header":                 craft(t, w.current.Key, changed(map[string]any{"crit": []string{"exp"}, "exp": 1}), payload()),
		"an unencoded payload":              craft(t, w.current.Key, changed(map[string]any{"crit": []string{"b64"}, "b64": false}), payload()),
		"a changed payload":                 parts[0] + "." + part(t, with(map[string]any{"rol": "platform_admin"})) + "." + parts[2],
		"another token's signature":         parts[0] + "." + parts[1] + "." + strings.Split(w.sign(t, other()), ".")[2],
		"a signature cut short":             genuine[:len(genuine)-4],
		"a signature made longer":           genuine + "AAAA",
		"a byte behind it":                  genuine + "=",
		"a space before it":                 " " + genuine,
		"a line break in it":                parts[0] + "." + parts[1] + ".\n" + parts[2],
		"the JSON serialization":            `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"encrypted":                         parts[0] + "." + parts[1] + "." + parts[2] + "." + parts[2] + "." + parts[2],
		"too long":                          craft(t, w.current.Key, header, with(map[string]any{"pad": strings.Repeat("a", token.MaxLength)})),
		"another issuer":                    craft(t, w.current.Key, header, with(map[string]any{"iss": "https://evil.example"})),
		"our issuer with a slash":           craft(t, w.current.Key, header, with(map[string]any{"iss": issuer + "/"})),
		"no issuer":                         craft(t, w.current.Key, header, with(map[string]any{"iss": nil})),
		"another audience":                  craft(t, w.current.Key, header, with(map[string]any{"aud": "other"})),
		"our audience among others":         craft(t, w.current.Key, header, with(map[string]any{"aud": []string{audience, "other"}})),
		"no audience":                       craft(t, w.current.Key, header, with(map[string]any{"aud": nil})),
		"no subject":                        craft(t, w.current.Key, header, with(map[string]any{"sub": nil})),
		"no token id":                       craft(t, w.current.Key, header, with(map[string]any{"jti": nil})),
		"no kind":                           craft(t, w.current.Key, header, with(map[string]any{"kind": nil})),
		"a service's kind":                  craft(t, w.current.Key, header, with(map[string]any{"kind": "service"})),
		"a system's kind":                   craft(t, w.current.Key, header, with(map[string]any{"kind": "system"})),
		"an anonymous kind":                 craft(t, w.current.Key, header, with(map[string]any{"kind": "anonymous"})),
		"a person without a session":        craft(t, w.current.Key, header, with(map[string]any{"sid": nil})),
		"a machine without an account":      craft(t, w.current.Key, header, with(map[string]any{"kind": "machine", "acc": nil})),
		"an operator without a session":     craft(t, w.current.Key, header, with(map[string]any{"kind": "operator", "sid": nil})),
		"a negative epoch":                  craft(t, w.current.Key, header, with(map[string]any{"epo": -1})),
		"an epoch in words":                 craft(t, w.current.Key, header, with(map[string]any{"epo": "7"})),
		"no end":                            craft(t, w.current.Key, header, with(map[string]any{"exp": nil})),
		"an end in a fraction":              craft(t, w.current.Key, header, with(map[string]any{"exp": 1e300})),
		"no time of issue":                  craft(t, w.current.Key, header, with(map[string]any{"iat": nil})),
		"issued in the future":              craft(t, w.current.Key, header, with(map[string]any{"iat": start.Unix() + 31})),
		"not valid yet":                     craft(t, w.current.Key, header, with(map[string]any{"nbf": start.Unix() + 31})),
		"an end before its issue":           craft(t, w.current.Key, header, with(map[string]any{"iat": start.Unix(), "exp": start.Unix() - 1})),
		"a life of years":                   craft(t, w.current.Key, header, with(map[string]any{"exp": start.AddDate(10, 0, 0).Unix()})),
		"no claims":                         craft(t, w.current.Key, header, map[string]any{}),
		"claims that are a list":            craft(t, w.current.Key, header, []string{"iss"}),
		"claims that are null":              craft(t, w.current.Key, header, nil),
	}
	for name, raw := range cases {
		t.Run(name, func(t *testing.T) {
			for range 2 { // the second time from whatever the first has left behind
				got, err := w.verifier.Verify(t.Context(), raw)
				if got != nil || errs.ReasonOf(err) != "TOKEN_INVALID" || errs.KindOf(err) != errs.Unauthenticated {
					t.Fatalf("got %v, %v", got, err)
				}
			}
		})
	}
	// The same makings without a flaw pass: the refusals above have the reasons they name.
	if _, err := w.verifier.Verify(t.Context(), craft(t, w.current.Key, header, payload())); err != nil {
		t.Fatalf("the genuine one is refused: %v", err)
	}
}

func hs256(t testing.TB, header any, key []byte) string {
	t.Helper()
	body := part(t, header) + "." + part(t, payload())
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(body))
	return body + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func pemOf(t testing.TB, key token.SigningKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public().Key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func rs256(t testing.TB, kid string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: kid}},
		(&jose.SignerOptions{}).WithType("at+jwt"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(payload())
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(raw)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// FuzzVerify holds that nothing but what was signed with our key is accepted, and that
// nothing makes the verifier panic.
func FuzzVerify(f *testing.F) {
	w := newWorld(f)
	genuine := w.sign(f, claims())
	parts := strings.Split(genuine, ".")
	for _, seed := range []string{"", genuine, "..", parts[0] + "." + parts[1] + ".", genuine[1:], hs256(f, map[string]any{"alg": "HS256"}, []byte("k"))} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := w.verifier.Verify(t.Context(), raw)
		if (got == nil) == (err == nil) {
			t.Fatalf("got %v, %v", got, err)
		}
		if err != nil && errs.ReasonOf(err) != "TOKEN_INVALID" {
			t.Fatalf("an odd refusal: %v", err)
		}
		// Base64 leaves bits over, and go-jose drops white space: the parts must be ours.
		if err == nil && (got.ID != claims().ID || !strings.HasPrefix(raw, parts[0]+"."+parts[1]+".")) {
			t.Fatalf("%q was accepted as %v", raw, got)
		}
	})
}
