package accesstoken_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/seal"
	"github.com/primecloud/primecloud/pkg/token"
	"github.com/primecloud/primecloud/services/identity/internal/accesstoken"
)

// shelf is a key store in memory.
type shelf struct {
	mu   sync.Mutex
	keys []accesstoken.Key
}

func (s *shelf) RotateKeys(ctx context.Context, now time.Time, decide func([]accesstoken.Key) (*accesstoken.Key, error)) error {
	keys, _ := s.Keys(ctx, now)
	fresh, err := decide(keys)
	if err != nil || fresh == nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append(s.keys, *fresh)
	return nil
}

func (s *shelf) Keys(_ context.Context, now time.Time) ([]accesstoken.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.keys), func(k accesstoken.Key) bool { return !k.RetireTime.After(now) }), nil
}

func newSealer(t *testing.T) *seal.Sealer {
	t.Helper()
	file := filepath.Join(t.TempDir(), "keyset.json")
	if err := seal.NewKeysetFile(file); err != nil {
		t.Fatal(err)
	}
	sealer, err := seal.Keyset{File: file}.Sealer()
	if err != nil {
		t.Fatal(err)
	}
	return sealer
}

const (
	signFor = 30 * 24 * time.Hour
	ahead   = 24 * time.Hour
)

func newKeyring(t *testing.T, store accesstoken.KeyStore, sealer accesstoken.Sealer, c clock.Clock) *accesstoken.Keyring {
	t.Helper()
	keys, err := accesstoken.NewKeyring(accesstoken.KeyringConfig{
		Store: store, Sealer: sealer, Clock: c, Schedule: accesstoken.Schedule{SignFor: signFor, PublishAhead: ahead},
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

var (
	start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	names = accesstoken.Names{Issuer: "primecloud", Audience: "primecloud"}
)

func mint(t *testing.T, keys *accesstoken.Keyring, c clock.Clock, g accesstoken.Grant) accesstoken.Token {
	t.Helper()
	minter, err := accesstoken.NewMinter(keys, c, names, 5*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	minted, err := minter.Mint(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	return minted
}

var grant = accesstoken.Grant{
	Kind: principal.Person, Subject: "usr_1", SessionID: "ses_1", AccountID: "acc_1", AccountState: "active", Role: "owner", Epoch: 7,
}

// truth says what is revoked.
type truth struct {
	revoked bool
	err     error
}

func (t *truth) RevokedAfter(context.Context, principal.Principal) (bool, error) {
	return t.revoked, t.err
}

func TestA_key_is_published_before_it_signs_and_until_its_tokens_have_ended(t *testing.T) {
	now := clock.NewManual(start)
	store := &shelf{}
	keys := newKeyring(t, store, newSealer(t), now)
	rotate := func() []token.PublicKey {
		t.Helper()
		if err := keys.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		return keys.PublicKeys()
	}
	first := rotate()
	if len(first) != 1 {
		t.Fatalf("%d keys at the start", len(first))
	}
	now.Advance(signFor - ahead)
	both := rotate()
	if len(both) != 2 || both[0].ID != first[0].ID {
		t.Fatalf("a day ahead: %d keys, the first is %s", len(both), both[0].ID)
	}
	now.Advance(ahead - time.Second)
	old := mint(t, keys, now, grant)
	now.Advance(time.Second)
	after := rotate()
	if len(after) != 2 || after[0].ID != both[1].ID {
		t.Fatal("the next key does not sign although its time has come")
	}
	authenticator, err := accesstoken.NewAuthenticator(keys, &truth{}, now, names)
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string]string{"the old key's": old.Raw, "the new key's": mint(t, keys, now, grant).Raw} {
		p, err := authenticator.Authenticate(t.Context(), raw)
		if err != nil || p.ID != "usr_1" || p.AccountID != "acc_1" || p.Role != "owner" || p.Epoch != 7 || p.SessionID != "ses_1" {
			t.Errorf("%s token: %+v, %v", name, p, err)
		}
	}
	now.Advance(2 * time.Hour)
	if last := rotate(); len(last) != 1 || last[0].ID != after[0].ID {
		t.Errorf("%d keys once the old one's last token has ended", len(last))
	}
}

func TestA_key_of_another_replica_is_found_and_a_forgers_is_not(t *testing.T) {
	now := clock.NewManual(start)
	store, sealer := &shelf{}, newSealer(t)
	mine, theirs := newKeyring(t, store, sealer, now), newKeyring(t, store, sealer, now)
	if err := mine.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	now.Advance(signFor)
	if err := theirs.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	authenticator, err := accesstoken.NewAuthenticator(mine, &truth{}, now, names)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := authenticator.Authenticate(t.Context(), mint(t, theirs, now, grant).Raw); err != nil {
		t.Errorf("another replica's key: %v", err)
	}
	forger := newKeyring(t, &shelf{}, newSealer(t), now)
	if err := forger.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := authenticator.Authenticate(t.Context(), mint(t, forger, now, grant).Raw); !errors.Is(err, token.ErrInvalid) {
			t.Errorf("a forger's key: %v", err)
		}
	}
}

func TestKeys_that_were_sealed_by_another_keyset_stop_the_start(t *testing.T) {
	now := clock.NewManual(start)
	store := &shelf{}
	if err := newKeyring(t, store, newSealer(t), now).Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	stranger := newKeyring(t, store, newSealer(t), now)
	if err := stranger.Rotate(t.Context()); !errors.Is(err, seal.ErrNotOpened) || stranger.Ready() || len(store.keys) != 1 {
		t.Errorf("got %v, ready %v, %d keys", err, stranger.Ready(), len(store.keys))
	}
}

func TestA_token_ends_no_later_than_what_it_came_from(t *testing.T) {
	now := clock.NewManual(start)
	keys := newKeyring(t, &shelf{}, newSealer(t), now)
	if err := keys.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := mint(t, keys, now, grant).ExpireTime; !got.Equal(start.Add(5 * time.Minute)) {
		t.Errorf("ends at %s", got)
	}
	brief := grant
	brief.Until = start.Add(time.Minute)
	if got := mint(t, keys, now, brief).ExpireTime; !got.Equal(start.Add(time.Minute)) {
		t.Errorf("a brief one ends at %s", got)
	}
	for _, lifetime := range []time.Duration{0, time.Second, 2 * time.Hour} {
		if _, err := accesstoken.NewMinter(keys, now, names, lifetime); err == nil {
			t.Errorf("a lifetime of %s is accepted", lifetime)
		}
	}
}

func TestA_token_is_refused_when_it_was_revoked_or_when_that_cannot_be_told(t *testing.T) {
	now := clock.NewManual(start)
	keys := newKeyring(t, &shelf{}, newSealer(t), now)
	if err := keys.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	raw := mint(t, keys, now, grant).Raw
	down := errs.New(errs.Unavailable, "DATABASE_UNAVAILABLE", "down")
	for reason, now := range map[string]*truth{"TOKEN_REVOKED": {revoked: true}, "DATABASE_UNAVAILABLE": {err: down}} {
		authenticator, err := accesstoken.NewAuthenticator(keys, now, clock.NewManual(start), names)
		if err != nil {
			t.Fatal(err)
		}
		p, err := authenticator.Authenticate(t.Context(), raw)
		if errs.ReasonOf(err) != reason {
			t.Errorf("got %v, want %s", err, reason)
		}
		// Whose login was ended and is tried all the same belongs into the account's trail.
		if known := p.ID == "usr_1" && p.AccountID == "acc_1"; known != now.revoked {
			t.Errorf("with %s the caller is %+v", reason, p)
		}
	}
}
