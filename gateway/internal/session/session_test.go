package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/primecloud/primecloud/gateway/internal/session"
	"github.com/primecloud/primecloud/pkg/clock"
)

// mint counts exchanges and gives tokens of five minutes.
type mint struct {
	clock *clock.Manual
	n     atomic.Int64
	err   error
	begun chan struct{}
	hold  chan struct{}
}

func (m *mint) exchange(ctx context.Context, secret, account string) (session.Token, error) {
	n := m.n.Add(1)
	if m.begun != nil {
		close(m.begun)
	}
	if m.hold != nil {
		select {
		case <-m.hold:
		case <-ctx.Done():
			return session.Token{}, ctx.Err()
		}
	}
	return session.Token{Access: fmt.Sprintf("%s %s %d", secret, account, n), Expires: m.clock.Now().Add(5 * time.Minute), UserID: "usr_1"}, m.err
}

func TestCallers_that_need_a_token_at_once_cause_one_exchange(t *testing.T) {
	m := &mint{clock: clock.NewManual(time.Now()), begun: make(chan struct{}), hold: make(chan struct{})}
	tokens := session.NewTokens(m.exchange, m.clock)
	var group sync.WaitGroup
	impatient, cancel := context.WithCancel(t.Context())
	defer cancel()
	for i := range 20 {
		ctx := t.Context()
		if i == 0 {
			ctx = impatient
		}
		group.Go(func() {
			login := tokens.Login("s", "acc_1")
			access, subject, err := login.Token(ctx)
			if i == 0 {
				if !errors.Is(err, context.Canceled) {
					t.Errorf("who went away got %v", err)
				}
				return
			}
			if err != nil || access != "s acc_1 1" || subject != "person:usr_1" {
				t.Errorf("got %q %q %v", access, subject, err)
			}
		})
		if i == 0 {
			<-m.begun // the first one has begun the exchange that it will not wait for
			cancel()
		}
	}
	close(m.hold)
	group.Wait()
}

func TestA_token_lives_in_the_cache_until_shortly_before_its_end(t *testing.T) {
	m := &mint{clock: clock.NewManual(time.Now())}
	tokens := session.NewTokens(m.exchange, m.clock)
	login := tokens.Login("s", "")
	want := func(n int64) {
		t.Helper()
		if _, _, err := login.Token(t.Context()); err != nil || m.n.Load() != n {
			t.Fatalf("%d exchanges, %v, want %d", m.n.Load(), err, n)
		}
	}
	want(1)
	m.clock.Advance(4*time.Minute + 29*time.Second)
	want(1)
	m.clock.Advance(2 * time.Second)
	want(2)
	other := tokens.Login("t", "")
	if _, _, ok := other.Cached(); ok {
		t.Error("another session has the token")
	}
	tokens.Forget("s")
	want(3)
}

func TestA_refused_token_is_replaced_once_for_all_that_hold_it(t *testing.T) {
	m := &mint{clock: clock.NewManual(time.Now())}
	tokens := session.NewTokens(m.exchange, m.clock)
	login := tokens.Login("s", "acc_1")
	stale, _, err := login.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		fresh, err := login.Renew(t.Context(), stale)
		if err != nil || fresh != "s acc_1 2" {
			t.Errorf("got %q, %v", fresh, err)
		}
	}
	m.err = errors.New("over")
	if _, err := login.Renew(t.Context(), "s acc_1 2"); err == nil {
		t.Error("a refused exchange gave a token")
	}
	if _, _, ok := login.Cached(); ok {
		t.Error("a refused exchange is remembered")
	}
}

func TestThe_cache_is_bounded(t *testing.T) {
	m := &mint{clock: clock.NewManual(time.Now())}
	tokens := session.NewTokens(m.exchange, m.clock)
	for i := range 20_000 {
		login := tokens.Login(fmt.Sprint(i), "")
		if _, _, err := login.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 1000 {
		login := tokens.Login("one", fmt.Sprint("acc_", i))
		if _, _, err := login.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := tokens.Size(); n > 16384+64 {
		t.Errorf("%d tokens are kept", n)
	}
}

func TestThe_cookie_is_tied_to_the_host_over_https(t *testing.T) {
	for secure, want := range map[bool]string{
		true:  "__Host-primecloud_session=s; Path=/; Expires=Thu, 01 Jan 2026 00:00:00 GMT; HttpOnly; Secure; SameSite=Lax",
		false: "primecloud_session=s; Path=/; Expires=Thu, 01 Jan 2026 00:00:00 GMT; HttpOnly; SameSite=Lax",
	} {
		cookies := session.Cookies{Secure: secure}
		w := httptest.NewRecorder()
		cookies.Set(w, "s", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		if got := w.Header().Get("Set-Cookie"); got != want {
			t.Errorf("got %q", got)
		}
		r := &http.Request{Header: http.Header{"Cookie": {"a=b; " + cookies.Name() + "=s"}}}
		if got := cookies.Read(r); got != "s" {
			t.Errorf("read %q", got)
		}
		r.Header.Set("Cookie", cookies.Name()+"="+strings.Repeat("s", 600))
		if got := cookies.Read(r); got != "" {
			t.Errorf("read a secret of %d characters", len(got))
		}
	}
}
