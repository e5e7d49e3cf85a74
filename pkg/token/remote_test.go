package token_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/token"
)

// origin is the signer's process: it answers with its keys, or fails.
type origin struct {
	mu      sync.Mutex
	keys    []token.PublicKey
	err     error
	fetches int
}

func newOrigin(keys ...token.PublicKey) *origin { return &origin{keys: keys} }

func (o *origin) fetch(context.Context) ([]token.PublicKey, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fetches++
	return o.keys, o.err
}

func (o *origin) set(err error, keys ...token.PublicKey) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keys, o.err = keys, err
}

func (o *origin) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.fetches
}

func publicKey(t testing.TB) token.PublicKey { return newKey(t).Public() }

func TestRemoteKeys_asks_for_an_unknown_key_but_not_too_often(t *testing.T) {
	known, rotated := publicKey(t), publicKey(t)
	o, c := newOrigin(known), clock.NewManual(start)
	keys := token.NewRemoteKeys(token.RemoteKeysConfig{Fetch: o.fetch, Clock: c})
	if keys.Ready() {
		t.Fatal("ready without keys")
	}
	if _, err := keys.Key(t.Context(), known.ID); err != nil {
		t.Fatal(err)
	}
	o.set(nil, known, rotated)
	for range 50 {
		if _, err := keys.Key(t.Context(), rotated.ID); !errors.Is(err, token.ErrUnknownKey) {
			t.Fatalf("within the interval: %v", err)
		}
	}
	if n := o.count(); n != 1 {
		t.Fatalf("forged key ids cost %d fetches", n)
	}
	c.Advance(3 * time.Second)
	key, err := keys.Key(t.Context(), rotated.ID)
	if err != nil || !key.Equal(rotated.Key) || o.count() != 2 {
		t.Fatalf("a rotated key is not found: %v", err)
	}
	if _, err := keys.Key(t.Context(), "forged"); !errors.Is(err, token.ErrUnknownKey) {
		t.Fatalf("got %v", err)
	}
}

func TestRemoteKeys_keeps_working_while_the_signer_is_away(t *testing.T) {
	known := publicKey(t)
	o, c := newOrigin(known), clock.NewManual(start)
	keys := token.NewRemoteKeys(token.RemoteKeysConfig{Fetch: o.fetch, Clock: c})
	if _, err := keys.Key(t.Context(), known.ID); err != nil {
		t.Fatal(err)
	}
	for _, away := range []error{errors.New("away"), nil} { // an empty set is no answer either
		o.set(away)
		c.Advance(time.Hour)
		if _, err := keys.Key(t.Context(), known.ID); err != nil {
			t.Fatalf("the known key is lost: %v", err)
		}
		if _, err := keys.Key(t.Context(), "other"); !errors.Is(err, token.ErrNotReady) {
			t.Fatalf("whether the key exists cannot be told, but: %v", err)
		}
		if _, err := keys.Key(t.Context(), known.ID); err != nil || !keys.Ready() {
			t.Fatalf("the known key is lost: %v", err)
		}
	}
}

func TestRemoteKeys_joins_callers_in_one_fetch_that_outlives_the_first(t *testing.T) {
	known := publicKey(t)
	entered, release := make(chan struct{}), make(chan struct{})
	fetch := func(ctx context.Context) ([]token.PublicKey, error) {
		close(entered) // a second fetch would panic here
		<-release
		return []token.PublicKey{known}, ctx.Err()
	}
	keys := token.NewRemoteKeys(token.RemoteKeysConfig{Fetch: fetch, Clock: clock.NewManual(start)})
	impatient, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { _, _ = keys.Key(impatient, known.ID) })
	<-entered
	cancel()
	for range 8 {
		group.Go(func() {
			if _, err := keys.Key(t.Context(), known.ID); err != nil {
				t.Error(err)
			}
		})
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := keys.Key(gone, known.ID); errs.KindOf(err) != errs.Unavailable {
		t.Errorf("a caller that left got %v", err)
	}
	close(release)
	group.Wait()
}

func TestRemoteKeys_recovers_from_a_fetch_that_panics(t *testing.T) {
	known := publicKey(t)
	c, panics := clock.NewManual(start), true
	keys := token.NewRemoteKeys(token.RemoteKeysConfig{Clock: c, Fetch: func(context.Context) ([]token.PublicKey, error) {
		if panics {
			panic("boom")
		}
		return []token.PublicKey{known}, nil
	}})
	func() {
		defer func() { _ = recover() }()
		_, _ = keys.Key(t.Context(), known.ID)
	}()
	panics = false
	c.Advance(time.Minute)
	if _, err := keys.Key(t.Context(), known.ID); err != nil {
		t.Fatalf("everybody waits for the panicked fetch: %v", err)
	}
}

// told is a clock whose waits are seen and ended by the test.
type told struct {
	clock.Clock
	asked chan time.Duration
	ring  chan time.Time
}

func (c told) After(d time.Duration) <-chan time.Time {
	c.asked <- d
	return c.ring
}

func TestRemoteKeys_refreshes_each_minute_and_sooner_after_a_failure(t *testing.T) {
	o := newOrigin(publicKey(t))
	c := told{Clock: clock.NewManual(start), asked: make(chan time.Duration, 1), ring: make(chan time.Time)}
	keys := token.NewRemoteKeys(token.RemoteKeysConfig{Fetch: o.fetch, Clock: c})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- keys.Run(ctx) }()
	if wait := <-c.asked; wait != time.Minute {
		t.Errorf("waits %s when all is well", wait)
	}
	o.set(errors.New("away"))
	c.ring <- start
	if wait := <-c.asked; wait != 3*time.Second {
		t.Errorf("waits %s after a failure", wait)
	}
	if n := o.count(); n != 2 {
		t.Errorf("fetched %d times", n)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRemoteKeys_starts_cold_from_the_cached_set(t *testing.T) {
	known, file, c := publicKey(t), filepath.Join(t.TempDir(), "keys.json"), clock.NewManual(start)
	o := newOrigin(known)
	warm := token.NewRemoteKeys(token.RemoteKeysConfig{Fetch: o.fetch, Clock: c, CacheFile: file})
	if _, err := warm.Key(t.Context(), known.ID); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the file is %v, %v", info, err)
	}
	if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 1 {
		t.Fatalf("beside the file: %v, %v", left, err)
	}
	o.set(errors.New("away"))
	cold := func() *token.RemoteKeys {
		return token.NewRemoteKeys(token.RemoteKeysConfig{Fetch: o.fetch, Clock: c, CacheFile: file})
	}
	if keys := cold(); !keys.Ready() {
		t.Fatal("the cached set is not used")
	} else if key, err := keys.Key(t.Context(), known.ID); err != nil || !key.Equal(known.Key) {
		t.Fatal(err)
	}
	t.Run("but not when others may have written it", func(t *testing.T) {
		if err := os.Chmod(file, 0o666); err != nil {
			t.Fatal(err)
		}
		if cold().Ready() {
			t.Fatal("used")
		}
		if err := os.Chmod(file, 0o600); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("but not when it is older than a day", func(t *testing.T) {
		c.Advance(24*time.Hour + time.Second)
		if cold().Ready() {
			t.Fatal("used")
		}
	})
	for _, content := range []string{"", "{", `{"fetched_at":"2026-11-24T09:00:00Z","keys":[{"kid":"a","x":"b"}]}`} {
		t.Run("but not when it holds "+content, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if cold().Ready() {
				t.Fatal("used")
			}
		})
	}
}
