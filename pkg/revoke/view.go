package revoke

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/token"
)

const (
	// staleAfter is how long the view waits for a heartbeat that confirms it before it
	// fetches a snapshot instead.
	staleAfter = 5 * time.Second
	// freshFor is how long a confirmation counts.
	freshFor = 15 * time.Second
	// gapGrace is how long an entry may come after the heartbeat that tells of it.
	gapGrace = time.Second
	// fetchApart is the least time between two attempts to fetch a snapshot.
	fetchApart = 2 * time.Second
	// fetchWithin bounds one such attempt.
	fetchWithin = 3 * time.Second
	// tick is how often the view looks at itself.
	tick = 250 * time.Millisecond
	// oldBeat is how old a heartbeat may be by its own time; more is a replayed one.
	oldBeat = 30 * time.Second
)

// Config is what a view needs.
type Config struct {
	// Fetch gets a snapshot from identity.
	Fetch func(ctx context.Context) (Snapshot, error)
	// Clock tells the time.
	Clock clock.Clock
	// Logger gets what goes wrong; nil for nowhere.
	Logger *slog.Logger
}

// View is one process's knowledge of all revocations. Make it with NewView, keep it up to
// date with Run; asking it costs no network and allocates nothing.
type View struct {
	config Config
	ledger *ledger
	ready  atomic.Bool
	// confirmed is the last moment at which nothing was missing, in Unix nanoseconds.
	confirmed atomic.Int64
	rewatch   chan struct{}

	mu       sync.Mutex
	beat     time.Time // of the last live heartbeat
	gapSince time.Time // zero when there is no gap
	demanded bool      // a snapshot is wanted whatever the heartbeats say
}

// NewView returns a view that knows nothing yet.
func NewView(config Config) *View {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &View{config: config, ledger: newLedger(), rewatch: make(chan struct{}, 1), demanded: true}
}

// Revoked reports whether the token of the claims was taken back, as far as is known.
func (v *View) Revoked(c *token.Claims) bool { return v.ledger.refuses(c) }

// Ready reports whether a first snapshot was taken in. Until then tokens are accepted as
// they are: they live for minutes.
func (v *View) Ready() bool { return v.ready.Load() }

// Fresh reports whether the view was known to be complete within the last 15 seconds.
func (v *View) Fresh() bool {
	return v.ready.Load() && v.config.Clock.Now().Sub(v.confirmedAt()) <= freshFor
}

// RequireFresh returns an Unavailable error unless the view is fresh. Use cases that mint
// something that outlives a token (a key, a session, a presigned URL) call it first.
func (v *View) RequireFresh(context.Context) error {
	if v.Fresh() {
		return nil
	}
	return errStale
}

// Epoch returns the epoch up to which nothing is missing.
func (v *View) Epoch() int64 { return v.ledger.epoch() }

// Authenticator returns the function that turns a bearer token into a principal: verified
// offline, and held against the view on every call, whether the verifier remembered the
// token or not. With ErrRevoked comes the principal whose token it was, for the record.
func Authenticator(verifier *token.Verifier, view *View) func(ctx context.Context, bearer string) (principal.Principal, error) {
	return func(ctx context.Context, bearer string) (principal.Principal, error) {
		claims, err := verifier.Verify(ctx, bearer)
		if err != nil {
			return principal.Principal{}, err
		}
		if view.Revoked(claims) {
			return claims.Principal(), ErrRevoked
		}
		return claims.Principal(), nil
	}
}

// Run keeps the view up to date until ctx is done. Neither NATS nor identity has to be
// there: what is away is tried again, and Fresh tells.
func (v *View) Run(ctx context.Context, js jetstream.JetStream) error {
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		v.watch(ctx, js)
	}()
	v.supervise(ctx, js)
	<-watching
	return nil
}

// supervise fetches a snapshot whenever the heartbeats do not show that nothing is missing.
func (v *View) supervise(ctx context.Context, js jetstream.JetStream) {
	var tried, rewatched time.Time
	reconnects := js.Conn().Stats().Reconnects
	for {
		now := v.config.Clock.Now()
		v.ledger.forget(now)
		if n := js.Conn().Stats().Reconnects; n != reconnects {
			reconnects = n
			v.demand()
		}
		if v.silent(now) && now.Sub(rewatched) >= staleAfter {
			rewatched = now
			notify(v.rewatch)
		}
		if v.wants(now) && now.Sub(tried) >= fetchApart {
			tried = now
			v.fetch(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-v.config.Clock.After(tick):
		}
	}
}

// fetch takes in a snapshot. It is as good as the moment it was asked for.
func (v *View) fetch(ctx context.Context) {
	asked := v.config.Clock.Now()
	ctx, cancel := context.WithTimeout(ctx, fetchWithin)
	defer cancel()
	v.mu.Lock()
	v.demanded = false
	v.mu.Unlock()
	snapshot, err := v.config.Fetch(ctx)
	if err != nil {
		v.demand()
		if !errors.Is(err, context.Canceled) {
			v.config.Logger.WarnContext(ctx, "revocations could not be fetched", "error", err, "fresh", v.Fresh())
		}
		return
	}
	v.ledger.replace(snapshot)
	v.ready.Store(true)
	v.confirm(asked)
}

// take handles one update of the bucket. Heartbeats count only when they are live: the
// bucket keeps the last one for whoever comes later.
func (v *View) take(key string, value []byte, live bool) {
	if key != heartbeatKey {
		entry, err := decodeEntry(key, value)
		if err != nil {
			v.config.Logger.Error("a revocation cannot be read; the next snapshot has it", "error", err)
			return
		}
		v.ledger.apply(entry)
		return
	}
	var h heartbeat
	if err := json.Unmarshal(value, &h); err != nil || !live {
		return
	}
	now := v.config.Clock.Now()
	if now.Sub(h.Time) > oldBeat {
		return
	}
	v.heard(h, now)
}

// heard weighs a heartbeat. One that is behind us says nothing: another replica of identity
// may have sent it before the entry we know of, and if it stays behind, the lack of
// confirmation brings a snapshot.
func (v *View) heard(h heartbeat, now time.Time) {
	epoch := v.ledger.epoch()
	v.mu.Lock()
	v.beat = now
	if h.Epoch > epoch && v.gapSince.IsZero() {
		v.gapSince = now
	}
	v.mu.Unlock()
	if h.Epoch == epoch {
		v.confirm(now)
	}
}

func (v *View) confirm(at time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.gapSince = time.Time{}
	if nano := at.UnixNano(); nano > v.confirmed.Load() {
		v.confirmed.Store(nano)
	}
}

func (v *View) confirmedAt() time.Time { return time.Unix(0, v.confirmed.Load()) }

// demand asks for a snapshot as soon as one may be fetched again.
func (v *View) demand() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.demanded = true
}

// wants reports whether a snapshot is needed.
func (v *View) wants(now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	gap := !v.gapSince.IsZero() && now.Sub(v.gapSince) >= gapGrace
	return v.demanded || gap || now.Sub(v.confirmedAt()) > staleAfter
}

// silent reports whether heartbeats stay away: the watcher may be waiting in a store that
// was wiped.
func (v *View) silent(now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return now.Sub(v.beat) > staleAfter
}

func notify(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
