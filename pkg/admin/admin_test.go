package admin_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/admin"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/lifecycle"
)

// serve runs the server as a process would and returns its address.
func serve(t *testing.T, c admin.Config) string {
	t.Helper()
	free, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.Listen = free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	group := lifecycle.New(nil)
	group.Add(admin.Component(c))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- group.Run(ctx) }()
	select {
	case <-group.Started():
	case err := <-ended:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return c.Listen
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestReadyz_goes_by_own_needs_and_shows_the_others(t *testing.T) {
	var own error
	address := serve(t, admin.Config{
		Ready: func(context.Context) error { return own },
		Details: map[string]func(context.Context) error{
			"nats": func(context.Context) error { return errors.New("dial tcp: user:password@broker") },
			"dex":  func(context.Context) error { return nil },
		},
	})
	code, body := get(t, "http://"+address+"/readyz")
	if code != http.StatusOK || !strings.Contains(body, `"dex":"ok"`) || !strings.Contains(body, `"nats":"not available`) {
		t.Errorf("a detail decided: %d %s", code, body)
	}
	if strings.Contains(body, "password") {
		t.Errorf("an unclassified error is shown: %s", body)
	}
	if err := admin.Check(t.Context(), address); err != nil {
		t.Error(err)
	}
	own = errs.New(errs.Unavailable, "DATABASE_UNAVAILABLE", "the database cannot be reached")
	if code, body := get(t, "http://"+address+"/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "DATABASE_UNAVAILABLE") {
		t.Errorf("an own need did not decide: %d %s", code, body)
	}
	if err := admin.Check(t.Context(), address); err == nil || !strings.Contains(err.Error(), "DATABASE_UNAVAILABLE") {
		t.Errorf("the check says %v", err)
	}
	if code, _ := get(t, "http://"+address+"/healthz"); code != http.StatusOK {
		t.Errorf("a process that is not ready still lives, but: %d", code)
	}
}

func TestReadyz_does_not_wait_for_a_dependency_that_hangs(t *testing.T) {
	hung := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	address := serve(t, admin.Config{Details: map[string]func(context.Context) error{"nats": hung, "dex": hung}})
	// That is how long a probe waits by default.
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := admin.Check(ctx, address); err != nil {
		t.Error(err)
	}
}

func TestCheckTLS_asks_a_process_whatever_its_certificate(t *testing.T) {
	server := httptest.NewTLSServer(admin.Handler(admin.Config{}))
	t.Cleanup(server.Close)
	if err := admin.CheckTLS(t.Context(), server.Listener.Addr().String()); err != nil {
		t.Error(err)
	}
	if err := admin.Check(t.Context(), server.Listener.Addr().String()); err == nil {
		t.Error("plain text was fine too")
	}
}

func TestCheck_fails_when_nobody_answers(t *testing.T) {
	if err := admin.Check(t.Context(), "127.0.0.1:1"); err == nil {
		t.Error("nobody answered, and that was fine")
	}
	if err := admin.Check(t.Context(), ""); err == nil {
		t.Error("no address, and that was fine")
	}
}

func TestComponent_fails_to_start_on_a_taken_address(t *testing.T) {
	address := serve(t, admin.Config{})
	if err := admin.Component(admin.Config{Listen: address}).Start(t.Context()); err == nil {
		t.Error("a taken address was no failure")
	}
}
