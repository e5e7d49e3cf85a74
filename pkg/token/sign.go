package token

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"sync/atomic"

	"github.com/go-jose/go-jose/v4"
)

// Ring is a set of keys in rotation. A key is published as Next at least one refresh
// interval before it signs, and stays in Retired for MaxLifetime after it signed last.
type Ring struct {
	// Current signs.
	Current SigningKey
	// Next will sign; verifiers learn it ahead of time.
	Next []PublicKey
	// Retired signed tokens that may still live.
	Retired []PublicKey
}

// Signer signs claims with the current key of its ring. It is also the KeySource of the
// process that owns it.
type Signer struct {
	state atomic.Pointer[signing]
}

type signing struct {
	signer jose.Signer
	public []PublicKey
	byID   map[string]ed25519.PublicKey
}

// NewSigner returns a signer without keys; it is not ready before Use.
func NewSigner() *Signer { return &Signer{} }

// Use makes the ring the one in use, at once and for all callers.
func (s *Signer) Use(ring Ring) error {
	key := jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: ring.Current.Key, KeyID: ring.Current.ID}}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType(mediaType))
	if err != nil {
		return fmt.Errorf("token: signing key %s: %w", ring.Current.ID, err)
	}
	next := &signing{signer: signer, byID: map[string]ed25519.PublicKey{}}
	next.public = append(next.public, ring.Current.Public())
	next.public = append(append(next.public, ring.Next...), ring.Retired...)
	for _, k := range next.public {
		if _, twice := next.byID[k.ID]; twice {
			return fmt.Errorf("token: two keys have the id %q", k.ID)
		}
		next.byID[k.ID] = k.Key
	}
	s.state.Store(next)
	return nil
}

// Sign returns the token of the claims, which must be complete.
func (s *Signer) Sign(c Claims) (string, error) {
	state := s.state.Load()
	if state == nil {
		return "", ErrNotReady
	}
	if err := c.check(); err != nil {
		return "", fmt.Errorf("token: not signed: %w", err)
	}
	payload, err := encode(&c)
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	signed, err := state.signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	if len(raw) > MaxLength {
		return "", fmt.Errorf("token: not signed: %d bytes are more than the %d a verifier looks at", len(raw), MaxLength)
	}
	return raw, nil
}

// PublicKeys returns the keys to verify with, the current one first.
func (s *Signer) PublicKeys() []PublicKey {
	if state := s.state.Load(); state != nil {
		return append([]PublicKey(nil), state.public...)
	}
	return nil
}

// Key returns a public key of the ring.
func (s *Signer) Key(_ context.Context, id string) (ed25519.PublicKey, error) {
	state := s.state.Load()
	if state == nil {
		return nil, ErrNotReady
	}
	if key, ok := state.byID[id]; ok {
		return key, nil
	}
	return nil, ErrUnknownKey
}
