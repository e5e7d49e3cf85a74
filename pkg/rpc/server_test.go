package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/lifecycle"
	"github.com/primecloud/primecloud/pkg/pki"
	"github.com/primecloud/primecloud/pkg/rpc"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

func TestServer_does_not_start_with_a_method_that_is_not_in_the_contract(t *testing.T) {
	for name, desc := range map[string]*grpc.ServiceDesc{
		"an unknown service": {ServiceName: "primecloud.nonesuch.v1.Service", HandlerType: (*any)(nil)},
		"an unknown method": {
			ServiceName: "primecloud.storage.v1.BucketService", HandlerType: (*any)(nil),
			Methods: []grpc.MethodDesc{{MethodName: "Nonesuch"}},
		},
		"a service without options": {ServiceName: "grpc.health.v1.Health2", HandlerType: (*any)(nil)},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := rpc.NewServer(rpc.ServerConfig{Service: "s", Noun: "storage", Authenticate: authenticate}, rpc.Deps{})
			if err != nil {
				t.Fatal(err)
			}
			s.RegisterService(desc, &buckets{})
			if err := s.Check(); err == nil {
				t.Error("checked")
			}
			if err := s.Serve(t.Context()); err == nil {
				t.Error("served")
			}
			if err := getBucket(t.Context(), s.Channel("gateway")); err == nil {
				t.Error("called")
			}
		})
	}
}

func TestNewServer_wants_to_know_who_it_is_and_how_to_authenticate(t *testing.T) {
	for _, config := range []rpc.ServerConfig{
		{Noun: "n", Authenticate: authenticate}, {Service: "s", Authenticate: authenticate}, {Service: "s", Noun: "n"},
	} {
		if _, err := rpc.NewServer(config, rpc.Deps{}); err == nil {
			t.Errorf("made from %+v", config)
		}
	}
}

func TestServer_speaks_health_and_reflection_to_anybody(t *testing.T) {
	w := start(t)
	conn := w.dial(t, "")
	checked, err := healthv1.NewHealthClient(conn).Check(as(t, ""), &healthv1.HealthCheckRequest{})
	if err != nil || checked.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Fatalf("health is %v, %v", checked, err)
	}
	_, err = healthv1.NewHealthClient(conn).Check(as(t, ""), &healthv1.HealthCheckRequest{Service: "nonesuch"})
	if status.Code(err) != codes.NotFound {
		t.Fatalf("health of nothing is %v", err)
	}
	ctx, cancel := context.WithCancel(as(t, ""))
	defer cancel()
	stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	list := &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}
	if err := stream.Send(list); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil || !strings.Contains(answer.String(), "primecloud.storage.v1.BucketService") {
		t.Fatalf("reflection answers %v, %v", answer, err)
	}
	if log := w.lines.String(); log != "" {
		t.Fatalf("probes fill the log: %s", log)
	}
}

func TestStop_drains_what_is_in_flight_and_takes_nothing_new(t *testing.T) {
	w := start(t)
	entered, release := make(chan struct{}), make(chan struct{})
	w.buckets.get = func(context.Context, *storagev1.GetBucketRequest) (*storagev1.GetBucketResponse, error) {
		entered <- struct{}{}
		<-release
		return &storagev1.GetBucketResponse{}, nil
	}
	conns := []grpc.ClientConnInterface{w.dial(t, ""), w.server.Channel("")}
	results := make(chan error, len(conns))
	for _, conn := range conns {
		ctx := as(t, "owner")
		go func() { results <- getBucket(ctx, conn) }()
		<-entered
	}
	stopped := make(chan error, 1)
	ctx := as(t, "")
	go func() { stopped <- w.server.Stop(ctx) }()
	select {
	case err := <-stopped:
		t.Fatalf("stopped while calls were in flight: %v", err)
	case <-afterAMoment():
	}
	for _, conn := range conns {
		wants(t, getBucket(as(t, "owner"), conn), errs.Unavailable, "DEPENDENCY_UNAVAILABLE")
	}
	close(release)
	for range conns {
		if err := <-results; err != nil {
			t.Errorf("a call in flight was cut off: %v", err)
		}
	}
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
}

func TestStop_cuts_off_what_does_not_end_in_time(t *testing.T) {
	w := start(t)
	entered, cut := make(chan struct{}), make(chan struct{})
	w.buckets.get = func(ctx context.Context, _ *storagev1.GetBucketRequest) (*storagev1.GetBucketResponse, error) {
		close(entered)
		<-ctx.Done()
		close(cut)
		return nil, ctx.Err()
	}
	result := make(chan error, 1)
	conn, ctx := w.dial(t, ""), as(t, "owner")
	go func() { result <- getBucket(ctx, conn) }()
	<-entered
	hurry, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := w.server.Stop(hurry); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("stopped with %v", err)
	}
	<-cut
	if err := <-result; err == nil {
		t.Fatal("the call that was cut off succeeded")
	}
}

func TestComponent_lives_in_a_group(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := rpc.NewServer(rpc.ServerConfig{Service: "s", Noun: "storage", Listener: listener, Authenticate: authenticate}, rpc.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	storagev1.RegisterBucketServiceServer(s, &buckets{})
	group := lifecycle.New(nil)
	group.Add(s.Component())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- group.Run(ctx) }()
	<-group.Started()
	conn, err := rpc.Dial(rpc.ClientConfig{Target: listener.Addr().String(), Service: "t"}, rpc.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := getBucket(as(t, "owner"), conn); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func TestTLS_keeps_strangers_out(t *testing.T) {
	w, elsewhere := start(t), start(t)
	t.Run("a certificate of another authority", func(t *testing.T) {
		files := elsewhere.files(t, "gateway")
		files.CA = w.authority.CA()
		client, err := files.ClientTLS(pki.Peer{Service: "storage-provisioning"})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := rpc.Dial(rpc.ClientConfig{Target: w.config.Listener.Addr().String(), TLS: client}, rpc.Deps{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		wants(t, getBucket(as(t, "owner"), conn), errs.Unavailable, "DEPENDENCY_UNAVAILABLE")
	})
	t.Run("a server that is another service", func(t *testing.T) {
		client, err := w.files(t, "gateway").ClientTLS(pki.Peer{Service: "identity"})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := rpc.Dial(rpc.ClientConfig{Target: w.config.Listener.Addr().String(), TLS: client}, rpc.Deps{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		wants(t, getBucket(as(t, "owner"), conn), errs.Unavailable, "DEPENDENCY_UNAVAILABLE")
	})
	t.Run("plain text", func(t *testing.T) {
		conn, err := rpc.Dial(rpc.ClientConfig{Target: w.config.Listener.Addr().String()}, rpc.Deps{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		wants(t, getBucket(as(t, "owner"), conn), errs.Unavailable, "DEPENDENCY_UNAVAILABLE")
	})
}

func TestRequest_that_is_too_large_is_refused(t *testing.T) {
	w := start(t, func(w *world) { w.config.MaxMessageBytes = 1 << 10 })
	_, err := storagev1.NewBucketServiceClient(w.dial(t, "")).GetBucket(as(t, "owner"),
		&storagev1.GetBucketRequest{AccountId: mine, Bucket: strings.Repeat("x", 2<<10)})
	wants(t, err, errs.ResourceExhausted, "BODY_TOO_LARGE")
}

// TestServer_serves_many_at_once runs many at once for the race
// detector.
func TestServer_serves_many_at_once(t *testing.T) {
	w := start(t)
	var served atomic.Int64
	w.buckets.get = func(_ context.Context, r *storagev1.GetBucketRequest) (*storagev1.GetBucketResponse, error) {
		served.Add(1)
		return &storagev1.GetBucketResponse{Bucket: &storagev1.Bucket{Name: r.GetBucket()}}, nil
	}
	results := make(chan error)
	const callers, calls = 8, 25
	ctx := as(t, "owner")
	for i, conn := range []grpc.ClientConnInterface{w.dial(t, "gateway"), w.server.Channel("gateway")} {
		for j := range callers {
			go func() {
				client := storagev1.NewBucketServiceClient(conn)
				for k := range calls {
					name := fmt.Sprintf("b-%d-%d-%d", i, j, k)
					got, err := client.GetBucket(ctx, &storagev1.GetBucketRequest{AccountId: mine, Bucket: name})
					if err == nil && got.GetBucket().GetName() != name {
						err = fmt.Errorf("asked for %s, got %s", name, got.GetBucket().GetName())
					}
					if err != nil {
						results <- err
						return
					}
				}
				results <- nil
			}()
		}
	}
	for range 2 * callers {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if served.Load() != 2*callers*calls {
		t.Errorf("served %d calls", served.Load())
	}
}
