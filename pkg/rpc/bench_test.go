package rpc_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/revoke"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/token"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// production makes a world as it runs: tokens that are verified and held against a view,
// spans sampled at 1 %, metrics, one log line per call.
func production(b *testing.B) (*world, string) {
	b.Helper()
	signer := token.NewSigner()
	key, err := token.NewSigningKey()
	if err != nil {
		b.Fatal(err)
	}
	if err := signer.Use(token.Ring{Current: key}); err != nil {
		b.Fatal(err)
	}
	verifier, err := token.NewVerifier(token.VerifierConfig{Issuer: "i", Audience: "a", Clock: clock.System(), Keys: signer})
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	raw, err := signer.Sign(token.Claims{
		Issuer: "i", Audience: "a", Subject: "usr_01kb3w5v9p8q7r6s5t4v3w2x1y", Kind: principal.Person, Account: mine, AccountState: "active",
		Role: "viewer", Session: "ses_01kb3w5v9p8q7r6s5t4v3w2x1y", ID: "tok_1", Epoch: 7, IssuedAt: now, Expires: now.Add(token.MaxLifetime),
	})
	if err != nil {
		b.Fatal(err)
	}
	telemetry, err := observe.New(b.Context(), observe.Config{Service: "storage-provisioning", LogWriter: io.Discard, SampleRatio: 0.01})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = telemetry.Shutdown(context.Background()) })
	view := revoke.NewView(revoke.Config{Clock: clock.System()})
	w := start(b, func(w *world) {
		w.config.Authenticate = revoke.Authenticator(verifier, view)
		w.config.TLS = nil
		w.deps = rpc.Deps{Logger: telemetry.Logger, Tracer: telemetry.Tracer, Meter: telemetry.Meter}
	})
	return w, raw
}

// cpu reports the processor time per operation, which other work on the machine disturbs
// less than the time that passes.
func cpu(b *testing.B) func() {
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	return func() { b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op") }
}

var readRequest = &storagev1.GetBucketRequest{AccountId: mine, Bucket: "bucket"}

// incoming is the metadata of a call that came through the gateway.
func incoming(raw string) metadata.MD {
	return metadata.Pairs(
		":authority", "127.0.0.1:1", "content-type", "application/grpc", "user-agent", "primecloud-gateway grpc-go/1.85.0",
		"authorization", "Bearer "+raw, "x-request-id", "req_01kb3w5v9p8q7r6s5t4v3w2x1y",
		"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
		"x-primecloud-client-address", "203.0.113.7", "x-primecloud-user-agent", "curl/8",
	)
}

// BenchmarkChain is all that a call costs between transport and handler.
func BenchmarkChain(b *testing.B) {
	handler := func(context.Context, any) (any, error) { return readRequest, nil }
	run := func(b *testing.B, request any, method string, change func(*world)) {
		w, raw := production(b)
		if change != nil {
			change(w)
		}
		ctx, cancel := context.WithTimeout(metadata.NewIncomingContext(b.Context(), incoming(raw)), time.Minute)
		defer cancel()
		b.ReportAllocs()
		defer cpu(b)()
		for b.Loop() {
			if _, err := w.server.Unary(ctx, "gateway", request, method, handler); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("read", func(b *testing.B) { run(b, readRequest, storagev1.BucketService_GetBucket_FullMethodName, nil) })
	b.Run("refused", func(b *testing.B) {
		w, _ := production(b)
		ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
		defer cancel()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := w.server.Unary(ctx, "", readRequest, storagev1.BucketService_GetBucket_FullMethodName, handler); err == nil {
				b.Fatal("allowed")
			}
		}
	})
}

func BenchmarkValidate(b *testing.B) {
	w := start(b)
	for name, request := range map[string]any{
		"read": readRequest,
		"create": &storagev1.CreateBucketRequest{AccountId: mine, Name: "bucket", QuotaBytes: 1 << 30, LifecycleRules: []*storagev1.LifecycleRule{
			{Id: "logs", Prefix: "logs/", ExpireAfterDays: 30}, {Id: "tmp", Prefix: "tmp/", ExpireAfterDays: 1},
		}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := w.server.Validate(request); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkHash(b *testing.B) {
	request := &storagev1.CreateBucketRequest{AccountId: mine, Name: "bucket", QuotaBytes: 1 << 30}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rpc.Hash(request); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCall is a whole call, beside the same over bare gRPC.
func BenchmarkCall(b *testing.B) {
	w, raw := production(b)
	b.Run("in process", func(b *testing.B) { calls(b, w.server.Channel("gateway"), raw) })
	conn, err := rpc.Dial(rpc.ClientConfig{Target: w.config.Listener.Addr().String()}, rpc.Deps{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	b.Run("tcp", func(b *testing.B) { calls(b, conn, raw) })
	b.Run("bare tcp", func(b *testing.B) { calls(b, bare(b), raw) })
	telemetry, err := observe.New(b.Context(), observe.Config{Service: "s", LogWriter: io.Discard, SampleRatio: 0.01})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = telemetry.Shutdown(context.Background()) }()
	b.Run("bare tcp with otelgrpc", func(b *testing.B) {
		calls(b, bare(b, grpc.StatsHandler(otelgrpc.NewServerHandler(
			otelgrpc.WithTracerProvider(telemetry.Tracer), otelgrpc.WithMeterProvider(telemetry.Meter), otelgrpc.WithPropagators(telemetry.Propagator),
		))), raw)
	})
}

func calls(b *testing.B, conn grpc.ClientConnInterface, raw string) {
	client := storagev1.NewBucketServiceClient(conn)
	b.ReportAllocs()
	defer cpu(b)()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			ctx, cancel := context.WithTimeout(rpc.WithBearer(b.Context(), raw), time.Minute)
			if _, err := client.GetBucket(ctx, readRequest); err != nil {
				b.Error(err)
			}
			cancel()
		}
	})
}

// bare returns a connection to a server without any chain.
func bare(b *testing.B, options ...grpc.ServerOption) *grpc.ClientConn {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := grpc.NewServer(options...)
	storagev1.RegisterBucketServiceServer(server, &buckets{})
	go func() { _ = server.Serve(listener) }()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
	})
	return conn
}

// BenchmarkLogLine is what of the chain the log line costs.
func BenchmarkLogLine(b *testing.B) {
	w := start(b, func(w *world) { w.config.TLS, w.deps.Logger = nil, slog.New(slog.DiscardHandler) })
	ctx, cancel := context.WithTimeout(metadata.NewIncomingContext(b.Context(), incoming("viewer")), time.Minute)
	defer cancel()
	b.Run("chain without log, trace and metric", func(b *testing.B) {
		b.ReportAllocs()
		defer cpu(b)()
		for b.Loop() {
			_, err := w.server.Unary(ctx, "gateway", readRequest, storagev1.BucketService_GetBucket_FullMethodName,
				func(context.Context, any) (any, error) { return readRequest, nil })
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
