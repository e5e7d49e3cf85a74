package load_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/primecloud/primecloud/deploy/e2e/bench/load"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/pki"
)

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func TestHTTP_counts_answers_and_fills_each_request_anew(t *testing.T) {
	var mu sync.Mutex
	keys := map[string]bool{}
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		keys[r.Header.Get("Idempotency-Key")] = true
		_, _ = w.Write([]byte("fine"))
	})
	result, err := load.Run(t.Context(), load.Plan{Callers: 3, For: 50 * time.Millisecond, Dial: load.HTTP(load.Request{
		Address: address, Method: "POST", Path: "/", Body: "{}", Header: []string{"Idempotency-Key: k-" + load.Digits},
	})})
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if result.PerSecond <= 0 || int64(len(keys)) != result.Calls {
		t.Errorf("%d calls with %d keys, %.0f per second", result.Calls, len(keys), result.PerSecond)
	}
}

func TestHTTP_fails_when_an_answer_is_no_success(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "too many", http.StatusTooManyRequests) })
	_, err := load.Run(t.Context(), load.Plan{Callers: 1, For: time.Millisecond, Dial: load.HTTP(load.Request{Address: address, Method: "GET", Path: "/"})})
	if err == nil || !strings.Contains(err.Error(), "429") || !strings.Contains(err.Error(), "too many") {
		t.Errorf("got %v", err)
	}
}

func TestGRPC_counts_answers_and_fails_with_the_status(t *testing.T) {
	address, trust := grpcServer(t)
	caller := func(service string) load.GRPC {
		return load.GRPC{
			Address: address, TLS: trust, Bearer: "token", Method: healthv1.Health_Check_FullMethodName,
			Request: &healthv1.HealthCheckRequest{Service: service},
		}
	}
	result, err := load.Run(t.Context(), load.Plan{Callers: 2, For: 50 * time.Millisecond, Dial: caller("").Dial})
	if err != nil || result.Calls == 0 {
		t.Errorf("%+v, %v", result, err)
	}
	_, err = load.Run(t.Context(), load.Plan{Callers: 1, For: time.Millisecond, Dial: caller("unknown").Dial})
	if err == nil || !strings.Contains(err.Error(), "status 5") {
		t.Errorf("got %v", err)
	}
}

func TestGRPC_fills_each_request_anew(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]bool{}
	address, trust := grpcServer(t, grpc.UnaryInterceptor(func(_ context.Context, request any, _ *grpc.UnaryServerInfo, _ grpc.UnaryHandler) (any, error) {
		mu.Lock()
		defer mu.Unlock()
		asked[request.(*healthv1.HealthCheckRequest).GetService()] = true
		return &healthv1.HealthCheckResponse{}, nil
	}))
	result, err := load.Run(t.Context(), load.Plan{Callers: 3, For: 50 * time.Millisecond, Dial: load.GRPC{
		Address: address, TLS: trust, Bearer: "token", Method: healthv1.Health_Check_FullMethodName,
		Request: &healthv1.HealthCheckRequest{Service: "s-" + load.Digits},
	}.Dial})
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if result.Calls == 0 || int64(len(asked)) != result.Calls {
		t.Errorf("%d calls with %d services", result.Calls, len(asked))
	}
}

func grpcServer(t *testing.T, options ...grpc.ServerOption) (address string, trust *tls.Config) {
	t.Helper()
	authority, err := pki.OpenAuthority(t.TempDir(), clock.System())
	if err != nil {
		t.Fatal(err)
	}
	files, err := authority.Issue(t.TempDir(), pki.Leaf{Service: "storage", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}})
	if err != nil {
		t.Fatal(err)
	}
	config, err := files.ServerTLS()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(files.CA)
	if err != nil {
		t.Fatal(err)
	}
	trust = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS13}
	trust.RootCAs.AppendCertsFromPEM(raw)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(append(options, grpc.Creds(credentials.NewTLS(config)))...)
	healthv1.RegisterHealthServer(server, health.NewServer())
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().String(), trust
}
