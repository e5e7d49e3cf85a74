package auditchain

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/seal"
	"github.com/primecloud/primecloud/pkg/token"
)

// Key is one key as it is kept. It signs until there is a newer one and is never removed:
// what it signed lasts.
type Key struct {
	// ID is its id.
	ID string
	// Public is the half for verifying.
	Public ed25519.PublicKey
	// Sealed is the private half, sealed.
	Sealed []byte
	// CreateTime is when it was made.
	CreateTime time.Time
}

// KeyStore keeps keys.
type KeyStore interface {
	// AuditKeys returns all keys, oldest first. When there is none it stores the one that
	// first returns, alone among all replicas.
	AuditKeys(ctx context.Context, first func() (Key, error)) ([]Key, error)
}

// Sealer opens and seals private halves.
type Sealer interface {
	Seal(ctx context.Context, plaintext []byte, place seal.Context) ([]byte, error)
	Open(ctx context.Context, sealed []byte, place seal.Context) ([]byte, error)
}

// Keyring holds the keys in use. It is a Signer.
type Keyring struct {
	store  KeyStore
	sealer Sealer
	clock  clock.Clock
	ring   atomic.Pointer[ring]
}

type ring struct {
	signing token.SigningKey
	public  []token.PublicKey
}

// NewKeyring returns a keyring; Load fills it.
func NewKeyring(store KeyStore, sealer Sealer, clock clock.Clock) *Keyring {
	return &Keyring{store: store, sealer: sealer, clock: clock}
}

func place(id string) seal.Context {
	return seal.Context{Table: "audit_key", Column: "sealed_private", Row: id}
}

// Load takes the keys into use, and makes the first one when there is none.
func (r *Keyring) Load(ctx context.Context) error {
	keys, err := r.store.AuditKeys(ctx, func() (Key, error) {
		fresh, err := token.NewSigningKey()
		if err != nil {
			return Key{}, err
		}
		sealed, err := r.sealer.Seal(ctx, fresh.Seed(), place(fresh.ID))
		return Key{ID: fresh.ID, Public: fresh.Public().Key, Sealed: sealed, CreateTime: r.clock.Now()}, err
	})
	if err != nil {
		return fmt.Errorf("load audit keys: %w", err)
	}
	loaded := &ring{}
	for _, k := range keys {
		loaded.public = append(loaded.public, token.PublicKey{ID: k.ID, Key: k.Public})
	}
	newest := keys[len(keys)-1]
	seed, err := r.sealer.Open(ctx, newest.Sealed, place(newest.ID))
	if err != nil {
		return fmt.Errorf("audit key %s cannot be opened; is this the keyset that sealed it? %w", newest.ID, err)
	}
	if loaded.signing, err = token.SigningKeyOf(seed); err != nil {
		return err
	}
	if loaded.signing.ID != newest.ID || !loaded.signing.Public().Key.Equal(newest.Public) {
		return fmt.Errorf("audit key %s: the private half is another key's", newest.ID)
	}
	r.ring.Store(loaded)
	return nil
}

// Sign signs with the newest key.
func (r *Keyring) Sign(message []byte) (Signature, error) {
	ring := r.ring.Load()
	if ring == nil {
		return Signature{}, errors.New("the audit keys are not loaded")
	}
	return Signature{KeyID: ring.signing.ID, Bytes: ed25519.Sign(ring.signing.Key, message)}, nil
}

// PublicKeys returns the keys to verify with, oldest first.
func (r *Keyring) PublicKeys() []token.PublicKey {
	if ring := r.ring.Load(); ring != nil {
		return ring.public
	}
	return nil
}
