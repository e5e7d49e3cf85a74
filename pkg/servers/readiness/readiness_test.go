package readiness_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/servers/readiness"
)

// serving answers every request with the body and returns host:port.
func serving(t *testing.T, body string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// greeting sends the line to whoever connects and returns host:port.
func greeting(t *testing.T, line string) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte(line))
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}

func TestAServerIsReadyWhenItSaysSoInItsOwnProtocolAndNotBefore(t *testing.T) {
	const issuer = "http://login.example:5556/dex"
	cases := map[string]struct {
		ask   func(ctx context.Context) error
		ready bool
	}{
		"NATS with JetStream": {func(ctx context.Context) error {
			return readiness.NATS(ctx, greeting(t, "INFO {\"jetstream\":true}\r\n"))
		}, true},
		"NATS without JetStream":   {func(ctx context.Context) error { return readiness.NATS(ctx, greeting(t, "INFO {}\r\n")) }, false},
		"something else than NATS": {func(ctx context.Context) error { return readiness.NATS(ctx, greeting(t, "220 smtp\r\n")) }, false},
		"MinIO that knows its users": {func(ctx context.Context) error {
			return readiness.MinIO(ctx, serving(t, "<Error><Code>InvalidAccessKeyId</Code></Error>"), "local")
		}, true},
		"MinIO that is still reading them": {func(ctx context.Context) error {
			return readiness.MinIO(ctx, serving(t, "<Error><Code>XMinioServerNotInitialized</Code></Error>"), "")
		}, false},
		"the door":            {func(ctx context.Context) error { return readiness.Door(ctx, serving(t, "ok")) }, true},
		"MinIO instead of it": {func(ctx context.Context) error { return readiness.Door(ctx, serving(t, "<Error/>")) }, false},
		"Dex with its issuer": {func(ctx context.Context) error {
			return readiness.Dex(ctx, serving(t, `{"issuer": "`+issuer+`"}`), issuer)
		}, true},
		"Dex with another": {func(ctx context.Context) error {
			return readiness.Dex(ctx, serving(t, `{"issuer": "http://x"}`), issuer)
		}, false},
		"nobody at that address": {func(ctx context.Context) error { return readiness.Door(ctx, "127.0.0.1:1") }, false},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if err := tt.ask(ctx); (err == nil) != tt.ready {
				t.Errorf("ready %v is wanted, it says: %v", tt.ready, err)
			}
		})
	}
}
