package token

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
)

const (
	// refreshEvery is how often the key set is fetched when all is well.
	refreshEvery = time.Minute
	// refreshSoon is how soon after a failure, and the least time between two fetches
	// that unknown key ids ask for.
	refreshSoon = 3 * time.Second
	// fetchWithin bounds one fetch, and so how long an unknown key id can hold up a call.
	fetchWithin = 2 * time.Second
)

// RemoteKeysConfig says where keys come from.
type RemoteKeysConfig struct {
	// Fetch asks the signer's process for its key set.
	Fetch func(ctx context.Context) ([]PublicKey, error)
	// CacheFile keeps the last set for a cold start; empty keeps none.
	CacheFile string
	// Clock tells the time.
	Clock clock.Clock
	// Logger gets what went wrong; nil for nowhere.
	Logger *slog.Logger
}

// RemoteKeys is the key source of a process that does not sign. It fetches the set each
// minute, and once, at most every few seconds, when a token names a key it does not know.
// Keys that it has go on working while the signer's process is away.
type RemoteKeys struct {
	config RemoteKeysConfig
	set    atomic.Pointer[map[string]ed25519.PublicKey]

	mu      sync.Mutex
	running chan struct{} // closed when the fetch under way ends; nil when there is none
	tried   time.Time
	failed  bool
}

// NewRemoteKeys returns a source that holds the cached set, if there is a usable one. Call
// Run to keep it fresh.
func NewRemoteKeys(config RemoteKeysConfig) *RemoteKeys {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	r := &RemoteKeys{config: config}
	if config.CacheFile == "" {
		return r
	}
	keys, err := readKeyFile(config.CacheFile, config.Clock.Now())
	if err != nil {
		config.Logger.Warn("the cached key set is not used", "error", err)
	}
	if len(keys) > 0 {
		r.store(keys)
	}
	return r
}

// Run refreshes the set until ctx is done. A signer that is away is no failure.
func (r *RemoteKeys) Run(ctx context.Context) error {
	for {
		wait := refreshEvery
		if !r.refresh(ctx, 0) {
			wait = refreshSoon
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.config.Clock.After(wait):
		}
	}
}

// Ready reports whether there are keys to verify with.
func (r *RemoteKeys) Ready() bool { return r.set.Load() != nil }

// Key returns a key. For an id that is not in the set it asks the signer's process first,
// for a moment; ErrUnknownKey says that the signer does not know it either, ErrNotReady
// that it could not be asked.
func (r *RemoteKeys) Key(ctx context.Context, id string) (ed25519.PublicKey, error) {
	if key, ok := r.lookUp(id); ok {
		return key, nil
	}
	fetched := r.refresh(ctx, refreshSoon)
	if key, ok := r.lookUp(id); ok {
		return key, nil
	}
	if !fetched || !r.Ready() {
		return nil, ErrNotReady
	}
	return nil, ErrUnknownKey
}

func (r *RemoteKeys) lookUp(id string) (ed25519.PublicKey, bool) {
	set := r.set.Load()
	if set == nil {
		return nil, false
	}
	key, ok := (*set)[id]
	return key, ok
}

// refresh fetches the set unless that was tried less than apart ago, or joins the fetch
// that is under way. It reports whether the last fetch succeeded.
func (r *RemoteKeys) refresh(ctx context.Context, apart time.Duration) bool {
	r.mu.Lock()
	if running := r.running; running != nil {
		r.mu.Unlock()
		select {
		case <-running:
		case <-ctx.Done():
			return false
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		return !r.failed
	}
	now := r.config.Clock.Now()
	if !r.tried.IsZero() && now.Sub(r.tried) < apart {
		defer r.mu.Unlock()
		return !r.failed
	}
	done := make(chan struct{})
	r.running, r.tried = done, now
	r.mu.Unlock()

	// Deferred, so that a panic in Fetch does not leave everybody waiting for ever.
	ok := false
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.running, r.failed = nil, !ok
		close(done)
	}()
	ok = r.fetch(ctx) == nil
	return ok
}

// fetch gets the set and keeps it. The caller that happens to come first must not take the
// others' fetch with it when it goes away, so its cancellation does not count.
func (r *RemoteKeys) fetch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchWithin)
	defer cancel()
	keys, err := r.config.Fetch(ctx)
	if err == nil && len(keys) == 0 {
		err = errors.New("token: the key set is empty")
	}
	if err != nil {
		r.config.Logger.WarnContext(ctx, "the key set could not be fetched", "error", err)
		return err
	}
	r.store(keys)
	if r.config.CacheFile != "" {
		r.save(ctx, keys)
	}
	return nil
}

func (r *RemoteKeys) store(keys []PublicKey) {
	set := make(map[string]ed25519.PublicKey, len(keys))
	for _, k := range keys {
		if k.ID != "" && len(k.Key) == ed25519.PublicKeySize {
			set[k.ID] = k.Key
		}
	}
	r.set.Store(&set)
}

// save writes the set for the next cold start. Its age counts there, so it is written at
// every fetch.
func (r *RemoteKeys) save(ctx context.Context, keys []PublicKey) {
	if err := writeKeyFile(r.config.CacheFile, keys, r.config.Clock.Now()); err != nil {
		r.config.Logger.WarnContext(ctx, "the key set could not be kept for a cold start", "error", err)
	}
}
