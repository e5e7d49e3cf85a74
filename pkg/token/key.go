package token

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// KeySource knows the public keys that tokens may be signed with.
type KeySource interface {
	// Key returns the key, ErrUnknownKey when there is none of that id, or a classified
	// error when it cannot tell. It must be quick: it is asked on every call.
	Key(ctx context.Context, id string) (ed25519.PublicKey, error)
}

// PublicKey is one key to verify with.
type PublicKey struct {
	// ID is the key id in the header of tokens.
	ID string
	// Key is the Ed25519 key.
	Key ed25519.PublicKey
}

// NewPublicKey returns the key of a JWK (RFC 8037: kty OKP, crv Ed25519) by its kid and x.
func NewPublicKey(id, x string) (PublicKey, error) {
	raw, err := base64.RawURLEncoding.DecodeString(x)
	if err != nil || len(raw) != ed25519.PublicKeySize || id == "" {
		return PublicKey{}, fmt.Errorf("token: %q is no Ed25519 key with an id", id)
	}
	return PublicKey{ID: id, Key: raw}, nil
}

// X returns the key as the x of a JWK: base64url without padding.
func (k PublicKey) X() string { return base64.RawURLEncoding.EncodeToString(k.Key) }

// SigningKey is one key to sign with. It is a secret: keep it sealed at rest.
type SigningKey struct {
	// ID is the key id: the start of the public key's hash.
	ID string
	// Key is the Ed25519 key.
	Key ed25519.PrivateKey
}

// NewSigningKey makes a key.
func NewSigningKey() (SigningKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return SigningKey{}, fmt.Errorf("token: %w", err)
	}
	return SigningKeyOf(private.Seed())
}

// SigningKeyOf returns the key of a seed, as it was kept by Seed.
func SigningKeyOf(seed []byte) (SigningKey, error) {
	if len(seed) != ed25519.SeedSize {
		return SigningKey{}, fmt.Errorf("token: a seed has %d bytes, not %d", ed25519.SeedSize, len(seed))
	}
	private := ed25519.NewKeyFromSeed(seed)
	sum := sha256.Sum256(private[ed25519.SeedSize:])
	return SigningKey{ID: base64.RawURLEncoding.EncodeToString(sum[:12]), Key: private}, nil
}

// Seed returns the 32 secret bytes that the key can be made from again.
func (k SigningKey) Seed() []byte { return k.Key.Seed() }

// Public returns the half that verifiers need.
func (k SigningKey) Public() PublicKey {
	return PublicKey{ID: k.ID, Key: append(ed25519.PublicKey(nil), k.Key[ed25519.SeedSize:]...)}
}
