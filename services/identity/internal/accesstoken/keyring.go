package accesstoken

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/seal"
	"github.com/primecloud/primecloud/pkg/token"
)

// KeyStore keeps signing keys.
type KeyStore interface {
	// RotateKeys runs decide over all keys, alone among all replicas, and inserts the key
	// that it returns, if any. Keys past their retirement at now are removed.
	RotateKeys(ctx context.Context, now time.Time, decide func(keys []Key) (*Key, error)) error
	// Keys returns the keys not retired at now, the first to sign first.
	Keys(ctx context.Context, now time.Time) ([]Key, error)
}

// Sealer opens and seals private halves.
type Sealer interface {
	Seal(ctx context.Context, plaintext []byte, place seal.Context) ([]byte, error)
	Open(ctx context.Context, sealed []byte, place seal.Context) ([]byte, error)
}

// reloadApart is the least time between two reloads that unknown key ids ask for.
const reloadApart = 2 * time.Second

// Keyring holds the keys in use, opened, and is the key source of this process. Make it
// with NewKeyring, then call Rotate at start and from time to time.
type Keyring struct {
	store    KeyStore
	sealer   Sealer
	clock    clock.Clock
	schedule Schedule
	signer   *token.Signer

	mu     sync.Mutex
	opened map[string]token.SigningKey
	tried  time.Time
}

// KeyringConfig is what a keyring is made of.
type KeyringConfig struct {
	Store    KeyStore
	Sealer   Sealer
	Clock    clock.Clock
	Schedule Schedule
}

// NewKeyring returns a keyring without keys.
func NewKeyring(c KeyringConfig) (*Keyring, error) {
	if err := c.Schedule.Check(); err != nil {
		return nil, err
	}
	return &Keyring{
		store: c.Store, sealer: c.Sealer, clock: c.Clock, schedule: c.Schedule,
		signer: token.NewSigner(), opened: map[string]token.SigningKey{},
	}, nil
}

// Rotate makes the next key when one is due, removes retired ones, and takes the present
// set into use. A key that cannot be opened is an error: quietly making another one would
// end everybody's tokens.
func (r *Keyring) Rotate(ctx context.Context) error {
	now := r.clock.Now()
	err := r.store.RotateKeys(ctx, now, func(keys []Key) (*Key, error) {
		from, due := r.schedule.next(keys, now)
		if !due {
			return nil, nil
		}
		return r.make(ctx, from, now)
	})
	if err != nil {
		return fmt.Errorf("rotate signing keys: %w", err)
	}
	return r.load(ctx)
}

func (r *Keyring) make(ctx context.Context, from, now time.Time) (*Key, error) {
	fresh, err := token.NewSigningKey()
	if err != nil {
		return nil, err
	}
	sealed, err := r.sealer.Seal(ctx, fresh.Seed(), place(fresh.ID))
	if err != nil {
		return nil, err
	}
	k := r.schedule.life(Key{ID: fresh.ID, Public: fresh.Public().Key, Sealed: sealed}, from, now)
	return &k, nil
}

// load takes the keys of the store into use.
func (r *Keyring) load(ctx context.Context) error {
	now := r.clock.Now()
	keys, err := r.store.Keys(ctx, now)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	ring, err := r.ring(ctx, keys, now)
	if err != nil {
		return err
	}
	return r.signer.Use(ring)
}

// ring sorts the keys into the one that signs, those that will and those that did.
func (r *Keyring) ring(ctx context.Context, keys []Key, now time.Time) (token.Ring, error) {
	var ring token.Ring
	for _, k := range keys {
		public := token.PublicKey{ID: k.ID, Key: k.Public}
		switch {
		case k.signs(now) && ring.Current.ID == "":
			opened, err := r.open(ctx, k)
			if err != nil {
				return token.Ring{}, err
			}
			ring.Current = opened
		case now.Before(k.SignFrom):
			ring.Next = append(ring.Next, public)
		default:
			ring.Retired = append(ring.Retired, public)
		}
	}
	if ring.Current.ID == "" {
		return token.Ring{}, errors.New("no key signs at present")
	}
	return ring, nil
}

// open returns the private half, which is opened once.
func (r *Keyring) open(ctx context.Context, k Key) (token.SigningKey, error) {
	if opened, ok := r.opened[k.ID]; ok {
		return opened, nil
	}
	seed, err := r.sealer.Open(ctx, k.Sealed, place(k.ID))
	if err != nil {
		return token.SigningKey{}, fmt.Errorf("signing key %s cannot be opened; is this the keyset that sealed it? %w", k.ID, err)
	}
	opened, err := token.SigningKeyOf(seed)
	if err != nil {
		return token.SigningKey{}, err
	}
	if opened.ID != k.ID || !opened.Public().Key.Equal(k.Public) {
		return token.SigningKey{}, fmt.Errorf("signing key %s: the private half is another key's", k.ID)
	}
	r.opened = map[string]token.SigningKey{k.ID: opened}
	return opened, nil
}

// Key returns a public key. One that is not known may be another replica's newest: the
// set is read again, though not for every guess of a forger.
func (r *Keyring) Key(ctx context.Context, kid string) (ed25519.PublicKey, error) {
	key, err := r.signer.Key(ctx, kid)
	if err == nil || !r.mayReload() {
		return key, err
	}
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	return r.signer.Key(ctx, kid)
}

func (r *Keyring) mayReload() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	if now.Sub(r.tried) < reloadApart {
		return false
	}
	r.tried = now
	return true
}

// PublicKeys returns the published keys, the one in use first.
func (r *Keyring) PublicKeys() []token.PublicKey { return r.signer.PublicKeys() }

// Ready reports whether there is a key to sign with.
func (r *Keyring) Ready() bool { return len(r.signer.PublicKeys()) > 0 }
