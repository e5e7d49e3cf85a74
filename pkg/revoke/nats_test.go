package revoke_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/primecloud/primecloud/pkg/bus"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/revoke"
	"github.com/primecloud/primecloud/pkg/servers"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/pkg/token"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// truth is identity's table, and identity itself as far as a view can reach it.
type truth struct {
	mu      sync.Mutex
	entries []revoke.Entry
	// away makes identity unreachable.
	away bool
	// lost are sessions whose entries do not make it into the bucket.
	lost    string
	fetches int
}

func (s *truth) revoke(kind revoke.Kind, subject string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.entries = append(s.entries, revoke.Entry{
		Epoch: int64(len(s.entries) + 1), Kind: kind, Subject: subject, RevokedAt: now, ExpiresAt: now.Add(time.Hour),
	})
}

func (s *truth) since(_ context.Context, epoch int64) (revoke.Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return revoke.Snapshot{Epoch: int64(len(s.entries)), Entries: append([]revoke.Entry(nil), s.entries[epoch:]...)}, nil
}

// publish is since as the publisher sees it: without what is to be lost.
func (s *truth) publish(ctx context.Context, epoch int64) (revoke.Snapshot, error) {
	snapshot, err := s.since(ctx, epoch)
	var kept []revoke.Entry
	for _, e := range snapshot.Entries {
		if e.Subject != s.lost {
			kept = append(kept, e)
		}
	}
	snapshot.Entries = kept
	return snapshot, err
}

func (s *truth) fetch(ctx context.Context) (revoke.Snapshot, error) {
	s.mu.Lock()
	s.fetches++
	away := s.away
	s.mu.Unlock()
	if away {
		return revoke.Snapshot{}, errors.New("identity is away")
	}
	return s.since(ctx, 0)
}

func (s *truth) setAway(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

func (s *truth) fetched() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fetches
}

// shifted is the system's clock, moved.
type shifted struct{ by atomic.Int64 }

func (c *shifted) Now() time.Time { return time.Now().UTC().Add(time.Duration(c.by.Load())) }

func (c *shifted) After(d time.Duration) <-chan time.Time { return time.After(d) }

// world is identity with its publisher, a service with its view, and NATS between them.
type world struct {
	nats  *servers.NATS
	truth *truth
	view  *revoke.View
	pub   *revoke.Publisher
	clock *shifted
	js    jetstream.JetStream
}

// users are identity, which writes the bucket, and a service, which reads it, each with the
// permissions it has in production.
func users() []servers.NATSUser {
	writer := bus.PermissionsOf("identity", bus.MayWriteBucket(revoke.Bucket))
	reader := bus.PermissionsOf("storage", bus.MayReadBucket(revoke.Bucket))
	return []servers.NATSUser{
		{Name: "identity", Password: "i", Publish: writer.Publish, Subscribe: writer.Subscribe},
		{Name: "storage", Password: "s", Publish: reader.Publish, Subscribe: reader.Subscribe},
		{Name: "admin", Password: "a", Publish: []string{">"}, Subscribe: []string{">"}},
	}
}

func start(t *testing.T, changes ...func(*world)) *world {
	t.Helper()
	t.Parallel()
	w := &world{truth: &truth{}, clock: &shifted{}, nats: testkit.NATS(t, users()...)}
	for _, change := range changes {
		change(w)
	}
	w.js = w.connect(t, "admin", "a", "admin")
	w.pub = revoke.NewPublisher(revoke.PublisherConfig{
		JetStream: w.connect(t, "identity", "i", "identity"), Since: w.truth.publish, Clock: clock.System(), Logger: testkit.Logger(t),
	})
	w.view = revoke.NewView(revoke.Config{Fetch: w.truth.fetch, Clock: w.clock, Logger: testkit.Logger(t)})
	js := w.connect(t, "storage", "s", "storage")
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { _ = w.pub.Run(ctx) })
	group.Go(func() { _ = w.view.Run(ctx, js) })
	t.Cleanup(func() {
		cancel()
		group.Wait()
	})
	return w
}

func (w *world) connect(t *testing.T, user, password, noun string) jetstream.JetStream {
	t.Helper()
	// Not the test's context: connections outlive it until their cleanup.
	conn, err := bus.Connect(context.Background(), bus.Config{
		URL: w.nats.URL(), User: user, Password: config.Secret(password), Service: user, Noun: noun,
	}, bus.Deps{Logger: testkit.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn.JetStream()
}

// person returns the claims of a token that was minted now.
func (w *world) person(session string) *token.Claims {
	s, _ := w.truth.since(context.Background(), 0)
	return &token.Claims{Kind: principal.Person, Subject: "usr_1", Account: "acc_1", Session: session, Epoch: s.Epoch}
}

func (w *world) eventually(t *testing.T, within time.Duration, what string, check func() bool) {
	t.Helper()
	testkit.Eventually(t, within, func() error {
		if !check() {
			return fmt.Errorf("%s: ready %t, fresh %t, epoch %d, fetched %d times", what, w.view.Ready(), w.view.Fresh(), w.view.Epoch(), w.truth.fetched())
		}
		return nil
	})
}

// takesEffect revokes something and waits until the view knows.
func (w *world) takesEffect(t *testing.T, within time.Duration, session string) {
	t.Helper()
	before := w.person(session)
	w.truth.revoke(revoke.Session, session)
	w.pub.Nudge()
	after := w.person(session)
	w.eventually(t, within, session+" is revoked", func() bool { return w.view.Revoked(before) })
	if w.view.Revoked(after) {
		t.Fatalf("a token minted after %s was revoked is refused", session)
	}
}

// followed waits until heartbeats alone keep the view fresh.
func (w *world) followed(t *testing.T, within time.Duration) {
	t.Helper()
	w.eventually(t, within, "heartbeats are heard", func() bool {
		n := w.truth.fetched()
		<-time.After(2500 * time.Millisecond)
		return w.truth.fetched() == n && w.view.Fresh()
	})
}

func TestView_hears_of_a_revocation_and_needs_no_snapshot_for_it(t *testing.T) {
	w := start(t)
	w.followed(t, 30*time.Second)
	n := w.truth.fetched()
	for i := range 20 {
		w.takesEffect(t, 5*time.Second, "ses_"+strconv.Itoa(i))
	}
	if got := w.truth.fetched(); got != n {
		t.Errorf("fetched %d snapshots for it", got-n)
	}
	if err := w.view.RequireFresh(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestView_fetches_what_the_bucket_lost(t *testing.T) {
	w := start(t, func(w *world) { w.truth.lost = "ses_lost" })
	w.followed(t, 30*time.Second)
	n := w.truth.fetched()
	w.takesEffect(t, 5*time.Second, "ses_1")
	if got := w.truth.fetched(); got != n {
		t.Fatalf("fetched %d snapshots while nothing was lost", got-n)
	}
	w.takesEffect(t, 5*time.Second, "ses_lost")
	if w.truth.fetched() == n {
		t.Fatal("it was not lost: the test proves nothing")
	}
	w.followed(t, 30*time.Second)
}

func TestView_works_without_NATS(t *testing.T) {
	w := start(t, func(w *world) {
		if err := w.nats.Kill(); err != nil {
			t.Fatal(err)
		}
	})
	w.eventually(t, 10*time.Second, "a snapshot is there", func() bool { return w.view.Ready() && w.view.Fresh() })
	w.takesEffect(t, 15*time.Second, "ses_1")
	t.Run("and follows it once it is back", func(t *testing.T) {
		if err := w.nats.Start(testkit.Context(t)); err != nil {
			t.Fatal(err)
		}
		w.followed(t, 40*time.Second)
		w.takesEffect(t, 5*time.Second, "ses_2")
	})
}

func TestView_survives_that_the_store_of_NATS_is_lost(t *testing.T) {
	w := start(t)
	for i := range 20 {
		w.truth.revoke(revoke.Session, "early_"+strconv.Itoa(i))
	}
	w.followed(t, 30*time.Second)
	if err := w.nats.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(w.nats.Store); err != nil {
		t.Fatal(err)
	}
	w.takesEffect(t, 15*time.Second, "ses_while_down")
	if err := w.nats.Start(testkit.Context(t)); err != nil {
		t.Fatal(err)
	}
	w.takesEffect(t, 15*time.Second, "ses_after")
	w.followed(t, 40*time.Second)
	w.takesEffect(t, 5*time.Second, "ses_later")
}

func TestView_survives_that_the_bucket_is_deleted_under_it(t *testing.T) {
	w := start(t)
	for i := range 20 {
		w.truth.revoke(revoke.Session, "early_"+strconv.Itoa(i))
	}
	w.followed(t, 30*time.Second)
	if err := w.js.DeleteKeyValue(t.Context(), revoke.Bucket); err != nil {
		t.Fatal(err)
	}
	w.takesEffect(t, 15*time.Second, "ses_after")
	w.followed(t, 40*time.Second)
	w.takesEffect(t, 5*time.Second, "ses_later")
	t.Run("and the publisher fills the new one with all that matters", func(t *testing.T) {
		bucket, err := w.js.KeyValue(t.Context(), revoke.Bucket)
		if err != nil {
			t.Fatal(err)
		}
		for epoch := 1; epoch <= 22; epoch++ {
			if _, err := bucket.Get(t.Context(), "e."+strconv.Itoa(epoch)); err != nil {
				t.Errorf("entry %d: %v", epoch, err)
			}
		}
	})
}

func TestView_is_not_fresh_when_nothing_can_be_heard(t *testing.T) {
	w := start(t)
	w.takesEffect(t, 15*time.Second, "ses_1")
	w.eventually(t, 10*time.Second, "fresh", w.view.Fresh)
	old := &token.Claims{Kind: principal.Person, Session: "ses_1"}
	w.truth.setAway(true)
	if err := w.nats.Pause(); err != nil {
		t.Fatal(err)
	}
	w.clock.by.Store(int64(16 * time.Second))
	w.eventually(t, 10*time.Second, "stale", func() bool { return !w.view.Fresh() })
	err := w.view.RequireFresh(t.Context())
	if errs.ReasonOf(err) != "DEPENDENCY_UNAVAILABLE" || errs.KindOf(err) != errs.Unavailable {
		t.Errorf("something lasting may be minted: %v", err)
	}
	if !w.view.Ready() || !w.view.Revoked(old) || w.view.Revoked(w.person("ses_2")) {
		t.Error("what was known is forgotten, or the rest is refused")
	}
	w.truth.setAway(false)
	w.eventually(t, 10*time.Second, "fresh again, from snapshots", w.view.Fresh)
	if err := w.nats.Resume(); err != nil {
		t.Fatal(err)
	}
}

func TestPublisher_goes_on_where_a_round_ended(t *testing.T) {
	t.Parallel()
	w := &world{nats: testkit.NATS(t, users()...)}
	asked := make(chan int64, 2)
	publisher := revoke.NewPublisher(revoke.PublisherConfig{
		JetStream: w.connect(t, "identity", "i", "identity"), Clock: clock.System(), Logger: testkit.Logger(t),
		Since: func(ctx context.Context, epoch int64) (revoke.Snapshot, error) {
			select {
			case asked <- epoch:
			case <-ctx.Done():
			}
			// The last entry is longer than NATS takes, which ends the round.
			entries := []revoke.Entry{{Epoch: 1, Subject: "a"}, {Epoch: 2, Subject: "b"}, {Epoch: 3, Subject: strings.Repeat("c", 2<<20)}}
			return revoke.Snapshot{Epoch: 3, Entries: entries[epoch:]}, nil
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- publisher.Run(ctx) }()
	if first, second := <-asked, <-asked; first != 0 || second != 2 {
		t.Errorf("the table was asked for what follows %d, then %d", first, second)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAuthenticator_refuses_a_revoked_token_that_the_verifier_remembers(t *testing.T) {
	signer, now := token.NewSigner(), time.Now().UTC()
	key, err := token.NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := signer.Use(token.Ring{Current: key}); err != nil {
		t.Fatal(err)
	}
	verifier, err := token.NewVerifier(token.VerifierConfig{Issuer: "i", Audience: "a", Clock: clock.System(), Keys: signer})
	if err != nil {
		t.Fatal(err)
	}
	w := start(t)
	authenticate := revoke.Authenticator(verifier, w.view)
	claims := *w.person("ses_1")
	claims.Issuer, claims.Audience, claims.ID, claims.IssuedAt, claims.Expires = "i", "a", "tok_1", now, now.Add(5*time.Minute)
	raw, err := signer.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if p, err := authenticate(t.Context(), raw); err != nil || p.SessionID != "ses_1" {
			t.Fatalf("got %+v, %v", p, err)
		}
	}
	w.takesEffect(t, 15*time.Second, "ses_1")
	if p, err := authenticate(t.Context(), raw); !errors.Is(err, revoke.ErrRevoked) || p.ID != "usr_1" {
		t.Fatalf("got %+v, %v", p, err)
	}
}
