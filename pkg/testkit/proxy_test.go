package testkit_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/testkit"
)

func TestProxy(t *testing.T) {
	var served atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		served.Add(1)
		_, _ = io.WriteString(w, r.Host+" "+string(body))
	}))
	t.Cleanup(server.Close)
	proxy := testkit.NewProxy(t, server.URL)
	host := strings.TrimPrefix(proxy.Endpoint(), "http://")
	ask := func() (string, error) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, proxy.Endpoint()+"/x", strings.NewReader("a body"))
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return "", err
		}
		defer func() { _ = response.Body.Close() }()
		answer, err := io.ReadAll(response.Body)
		return response.Status + " " + string(answer), err
	}
	late := make(chan struct{})
	for name, c := range map[string]struct {
		hook func(*testkit.Exchange)
		want string
		// effects is how many requests reach the server.
		effects int64
	}{
		"passes on with the Host header as it came": {nil, "200 OK " + host + " a body", 1},
		"passes on what the order leaves alone":     {func(*testkit.Exchange) {}, "200 OK " + host + " a body", 1},
		"cuts before the effect":                    {(*testkit.Exchange).Cut, "", 0},
		"cuts after the effect":                     {func(e *testkit.Exchange) { e.Deliver(func() bool { return false }) }, "", 1},
		"answers late":                              {func(e *testkit.Exchange) { e.Deliver(func() bool { return true }) }, "200 OK " + host + " a body", 1},
		"answers itself":                            {func(e *testkit.Exchange) { e.Answer(http.StatusServiceUnavailable, "busy") }, "503 Service Unavailable busy", 0},
	} {
		t.Run(name, func(t *testing.T) {
			proxy.Order(c.hook)
			served.Store(0)
			got, err := ask()
			if got != c.want || (err != nil) != (c.want == "") || served.Load() != c.effects {
				t.Errorf("got %q, %v, and the server served %d", got, err, served.Load())
			}
		})
	}
	t.Run("delivers after the sender has gone", func(t *testing.T) {
		served.Store(0)
		proxy.Order(func(e *testkit.Exchange) {
			e.Read()
			<-late
			e.Deliver(func() bool { return false })
		})
		client := http.Client{Timeout: 50 * time.Millisecond}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, proxy.Endpoint()+"/x", strings.NewReader("a body"))
		if err != nil {
			t.Fatal(err)
		}
		if response, err := client.Do(request); err == nil {
			_ = response.Body.Close()
			t.Fatal("it was answered")
		}
		close(late)
		testkit.Eventually(t, 10*time.Second, func() error {
			if served.Load() != 1 {
				return io.ErrNoProgress
			}
			return nil
		})
	})
}
