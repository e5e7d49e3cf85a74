package rpc_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// replicas returns a connection in plain text that the servers share.
func replicas(t *testing.T, worlds ...*world) *grpc.ClientConn {
	t.Helper()
	names := manual.NewBuilderWithScheme("test")
	var addresses []resolver.Address
	for _, w := range worlds {
		addresses = append(addresses, resolver.Address{Addr: w.config.Listener.Addr().String()})
	}
	names.InitialState(resolver.State{Addresses: addresses})
	resolver.Register(names)
	conn, err := rpc.Dial(rpc.ClientConfig{Target: "test:///replicas"}, rpc.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func plain(w *world) { w.config.TLS = nil }

func TestDial_shares_calls_among_replicas_that_are_healthy(t *testing.T) {
	one, two := start(t, plain), start(t, plain)
	conn := replicas(t, one, two)
	ask := func() (string, error) {
		var from peer.Peer
		err := getBucket(as(t, "owner"), conn, grpc.Peer(&from))
		if err != nil {
			return "", err
		}
		return from.Addr.String(), nil
	}
	reached := func() map[string]bool {
		seen := map[string]bool{}
		for range 6 {
			from, err := ask()
			if err != nil {
				t.Fatal(err)
			}
			seen[from] = true
		}
		return seen
	}
	testkit.Eventually(t, 5*time.Second, func() error {
		if len(reached()) != 2 {
			return errors.New("only one replica is asked")
		}
		return nil
	})
	two.server.SetHealthy(false)
	testkit.Eventually(t, 5*time.Second, func() error {
		if seen := reached(); len(seen) != 1 || !seen[one.config.Listener.Addr().String()] {
			return errors.New("the unhealthy replica is still asked")
		}
		return nil
	})
	two.server.SetHealthy(true)
	testkit.Eventually(t, 5*time.Second, func() error {
		if len(reached()) != 2 {
			return errors.New("the replica is not asked again")
		}
		return nil
	})
	t.Run("and none fails while one of them drains", func(t *testing.T) {
		stopped := make(chan error, 1)
		ctx := as(t, "")
		go func() { stopped <- two.server.Stop(ctx) }()
		for done := false; !done; {
			if _, err := ask(); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-stopped:
				if err != nil {
					t.Fatal(err)
				}
				done = true
			default:
			}
		}
	})
}

func TestDial_does_not_repeat_a_call(t *testing.T) {
	w := start(t)
	calls := 0
	w.buckets.get = func(context.Context, *storagev1.GetBucketRequest) (*storagev1.GetBucketResponse, error) {
		calls++
		return nil, errs.New(errs.Unavailable, "DATABASE_UNAVAILABLE", "later").WithRetryAfter(time.Millisecond)
	}
	wants(t, getBucket(as(t, "owner"), w.dial(t, "")), errs.Unavailable, "DATABASE_UNAVAILABLE")
	if calls != 1 {
		t.Fatalf("called %d times", calls)
	}
}

// exchanges counts exchanges of a key and hands out owner tokens.
type exchanges struct {
	mu    sync.Mutex
	clock *clock.Manual
	count int
	err   error
	// hold, when set, keeps each exchange until it receives; entered tells of it.
	hold, entered chan struct{}
}

func (e *exchanges) exchange(context.Context) (string, time.Time, error) {
	if e.hold != nil {
		e.entered <- struct{}{}
		<-e.hold
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.count++
	return "owner", e.clock.Now().Add(5 * time.Minute), e.err
}

func (e *exchanges) n() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.count
}

func newExchanges(t *testing.T) (*exchanges, *rpc.KeyCredentials) {
	t.Helper()
	e := &exchanges{clock: clock.NewManual(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC))}
	k, err := rpc.NewKeyCredentials(rpc.KeyCredentialsConfig{Exchange: e.exchange, Clock: e.clock})
	if err != nil {
		t.Fatal(err)
	}
	return e, k
}

func TestKeyCredentials_log_each_call_in_with_one_token(t *testing.T) {
	w := start(t)
	e, k := newExchanges(t)
	conn := w.dial(t, "", func(c *rpc.ClientConfig) { c.Credentials = k })
	for range 5 {
		if err := getBucket(as(t, ""), conn); err != nil {
			t.Fatal(err)
		}
	}
	if e.n() != 1 {
		t.Fatalf("%d exchanges", e.n())
	}
	k.Forget()
	if err := getBucket(as(t, ""), conn); err != nil || e.n() != 2 {
		t.Fatalf("%d exchanges, %v", e.n(), err)
	}
	if !k.RequireTransportSecurity() {
		t.Fatal("the token may travel in plain text")
	}
	t.Run("but not over a connection without TLS", func(t *testing.T) {
		if _, err := rpc.Dial(rpc.ClientConfig{Target: "127.0.0.1:1", Credentials: k}, rpc.Deps{}); err == nil {
			t.Fatal("dialled")
		}
	})
}

func TestKeyCredentials_renew_ahead_without_making_anybody_wait(t *testing.T) {
	e, k := newExchanges(t)
	want := func(n int) {
		t.Helper()
		if _, err := k.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, 5*time.Second, func() error {
			if e.n() != n {
				return errors.New("not exchanged")
			}
			return nil
		})
	}
	want(1)
	e.clock.Advance(4*time.Minute - time.Second)
	want(1)
	e.clock.Advance(time.Second)
	want(2)
	e.clock.Advance(time.Hour)
	want(3)
}

func TestKeyCredentials_use_the_old_token_while_the_exchange_fails(t *testing.T) {
	e, k := newExchanges(t)
	if _, err := k.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.err = errs.New(errs.Unavailable, "DEPENDENCY_UNAVAILABLE", "away")
	e.clock.Advance(4*time.Minute + 30*time.Second)
	for range 20 {
		if _, err := k.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	testkit.Eventually(t, 5*time.Second, func() error {
		if e.n() != 2 {
			return errors.New("no second exchange")
		}
		return nil
	})
	e.clock.Advance(time.Minute)
	if _, err := k.Token(t.Context()); errs.ReasonOf(err) != "DEPENDENCY_UNAVAILABLE" {
		t.Fatalf("a token that has ended: %v", err)
	}
}

func TestKeyCredentials_exchange_once_for_all_who_wait(t *testing.T) {
	e, k := newExchanges(t)
	e.hold, e.entered = make(chan struct{}), make(chan struct{}, 2)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if got, err := k.Token(context.Background()); err != nil || got != "owner" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	<-e.entered
	e.hold <- struct{}{}
	group.Wait()
	if e.n() != 1 {
		t.Fatalf("%d exchanges", e.n())
	}
	k.Forget()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = k.Token(context.Background())
	}()
	<-e.entered
	if _, err := k.Token(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that left got %v", err)
	}
	e.hold <- struct{}{}
	<-done
}

func TestKeyCredentials_survive_an_exchange_that_panics(t *testing.T) {
	calls := 0
	c := clock.NewManual(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC))
	k, err := rpc.NewKeyCredentials(rpc.KeyCredentialsConfig{Clock: c, Exchange: func(context.Context) (string, time.Time, error) {
		if calls++; calls == 1 {
			panic("boom")
		}
		return "owner", c.Now().Add(time.Minute), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() { _ = recover() }()
		_, _ = k.Token(t.Context())
	}()
	if got, err := k.Token(t.Context()); err != nil || got != "owner" {
		t.Fatalf("got %q, %v", got, err)
	}
}

// FuzzMetadata holds that nothing a caller puts into the metadata makes it another peer,
// gets it past authentication, or makes the server panic.
func FuzzMetadata(f *testing.F) {
	w := start(f)
	channel := w.server.Channel("billing")
	f.Add("authorization", "Bearer forged")
	f.Add("authorization", "Bearer \x00owner")
	f.Add("x-request-id", "\xff\xfe")
	f.Add("traceparent", "00-00000000000000000000000000000000-0000000000000000-00")
	f.Add("traceparent", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more")
	f.Add("x-primecloud-client-address", "1.2.3.4")
	f.Add("idempotency-key", " ")
	f.Add("x-primecloud-peer", "gateway")
	f.Fuzz(func(t *testing.T, key, value string) {
		ctx := metadata.AppendToOutgoingContext(t.Context(), key, value)
		err := getBucket(ctx, channel)
		if strings.EqualFold(key, "authorization") {
			_, sent, _ := strings.Cut(value, " ")
			if _, known := callers[strings.TrimLeft(sent, " ")]; err == nil && !known {
				t.Fatalf("%q: %q got through", key, value)
			}
		} else if errs.ReasonOf(err) != "LOGIN_REQUIRED" {
			t.Fatalf("%q: %q gives %v", key, value, err)
		}
	})
}
