package token

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
)

// DefaultCacheSize is how many verified tokens are remembered when nothing else is said.
const DefaultCacheSize = 16 << 10

// VerifierConfig is what a verifier goes by.
type VerifierConfig struct {
	// Issuer and Audience must be exactly those of the token.
	Issuer, Audience string
	// Clock tells the time.
	Clock clock.Clock
	// Keys knows the keys.
	Keys KeySource
	// CacheSize bounds the verified tokens remembered; zero means DefaultCacheSize, a
	// negative one remembers none.
	CacheSize int
}

// Verifier checks tokens without asking anybody. It is safe for concurrent use.
type Verifier struct {
	config VerifierConfig
	cache  *cache
}

// NewVerifier returns a verifier; it refuses a configuration that would accept any issuer.
func NewVerifier(config VerifierConfig) (*Verifier, error) {
	if config.Issuer == "" || config.Audience == "" || config.Clock == nil || config.Keys == nil {
		return nil, errors.New("token: a verifier needs issuer, audience, clock and keys")
	}
	if config.CacheSize == 0 {
		config.CacheSize = DefaultCacheSize
	}
	return &Verifier{config: config, cache: newCache(config.CacheSize)}, nil
}

// Verify returns the claims of a token that is genuine, meant for us and alive: ErrInvalid
// or ErrExpired when it is not, ErrNotReady when that cannot be told yet. The claims are
// shared with other callers: do not change them. A genuine token may still be revoked.
func (v *Verifier) Verify(ctx context.Context, raw string) (*Claims, error) {
	if len(raw) > MaxLength {
		return nil, invalid("longer than any token of ours")
	}
	now := v.config.Clock.Now()
	if hit := v.cache.get(raw); hit != nil {
		// A key that was withdrawn takes its tokens with it.
		if key, err := v.config.Keys.Key(ctx, hit.keyID); err == nil && key.Equal(hit.key) {
			if !now.Before(hit.claims.Expires) {
				v.cache.drop(raw)
				return nil, ErrExpired
			}
			return &hit.claims, nil
		}
		v.cache.drop(raw)
	}
	found, err := v.open(ctx, raw)
	if err != nil {
		return nil, err
	}
	if err := v.accept(&found.claims, now); err != nil {
		return nil, err
	}
	v.cache.put(raw, found, now)
	return &found.claims, nil
}

// open checks form and signature and returns what was signed.
func (v *Verifier) open(ctx context.Context, raw string) (*verified, error) {
	if !compact(raw) {
		return nil, invalid("not in the compact form")
	}
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return nil, ErrInvalid.Wrap(err)
	}
	if len(jws.Signatures) != 1 {
		return nil, invalid("not exactly one signature")
	}
	header := jws.Signatures[0].Protected
	if typ, _ := header.ExtraHeaders[jose.HeaderType].(string); typ != mediaType {
		return nil, invalid("the type is not " + mediaType)
	}
	if header.KeyID == "" {
		return nil, invalid("no key id")
	}
	key, err := v.config.Keys.Key(ctx, header.KeyID)
	switch {
	case errors.Is(err, ErrUnknownKey):
		return nil, ErrInvalid.Wrap(err)
	case err != nil:
		if _, classified := errs.As(err); classified {
			return nil, err
		}
		return nil, ErrNotReady.Wrap(err)
	case len(key) != ed25519.PublicKeySize:
		return nil, ErrNotReady.Wrap(fmt.Errorf("token: key %q is malformed", header.KeyID))
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return nil, ErrInvalid.Wrap(err)
	}
	claims, err := decode(payload)
	if err != nil {
		return nil, ErrInvalid.Wrap(err)
	}
	return &verified{claims: claims, keyID: header.KeyID, key: key}, nil
}

// compact reports whether raw is three parts of base64url; the parser would also take the
// JSON form and white space within.
func compact(raw string) bool {
	dots := 0
	for i := range len(raw) {
		switch c := raw[i]; {
		case c == '.':
			dots++
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return dots == 2
}

// accept checks what a genuine signature stands under.
func (v *Verifier) accept(c *Claims, now time.Time) error {
	if err := c.check(); err != nil {
		return ErrInvalid.Wrap(err)
	}
	switch {
	case c.Issuer != v.config.Issuer:
		return invalid("another issuer")
	case c.Audience != v.config.Audience:
		return invalid("another audience")
	case c.IssuedAt.After(now.Add(Skew)) || c.NotBefore.After(now.Add(Skew)):
		return invalid("not valid yet")
	case !now.Before(c.Expires):
		return ErrExpired
	}
	return nil
}

func invalid(why string) error { return ErrInvalid.Wrap(errors.New("token: " + why)) }
