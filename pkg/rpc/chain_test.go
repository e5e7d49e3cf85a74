package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/idempotency"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/rpc"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

func TestRequestID_is_the_callers_when_it_is_sound(t *testing.T) {
	w := start(t)
	var seen string
	w.buckets.get = func(ctx context.Context, _ *storagev1.GetBucketRequest) (*storagev1.GetBucketResponse, error) {
		seen = observe.RequestID(ctx)
		return &storagev1.GetBucketResponse{}, nil
	}
	both(t, w, "", func(t *testing.T, conn grpc.ClientConnInterface) {
		var back metadata.MD
		if err := getBucket(observe.WithRequestID(as(t, "owner"), "Req-1_a.b"), conn, grpc.Header(&back)); err != nil || seen != "Req-1_a.b" {
			t.Fatalf("seen %q, %v", seen, err)
		}
		for _, bad := range []string{"", "a b", "a\tb", strings.Repeat("x", 129), `"}`, "é"} {
			if err := getBucket(header("x-request-id", bad)(as(t, "owner")), conn, grpc.Header(&back)); err != nil && !strings.Contains(bad, "é") && !strings.Contains(bad, "\t") {
				t.Fatal(err)
			} else if err != nil {
				continue // gRPC itself refuses to send it
			}
			if !strings.HasPrefix(seen, "req_") || len(back.Get("x-request-id")) != 1 || back.Get("x-request-id")[0] != seen {
				t.Errorf("%q: seen %q, sent back %v", bad, seen, back.Get("x-request-id"))
			}
		}
	})
}

func TestDeadline_is_the_callers_but_not_too_late(t *testing.T) {
	w := start(t, func(w *world) { w.config.DefaultDeadline, w.config.MaxDeadline = 3*time.Second, 5*time.Second })
	var left time.Duration
	w.buckets.get = func(ctx context.Context, _ *storagev1.GetBucketRequest) (*storagev1.GetBucketResponse, error) {
		deadline, given := ctx.Deadline()
		if !given {
			return nil, errors.New("no deadline")
		}
		left = time.Until(deadline)
		return &storagev1.GetBucketResponse{}, nil
	}
	conns := map[string]grpc.ClientConnInterface{"over the wire": w.dial(t, ""), "in process": w.server.Channel("")}
	for name, conn := range conns {
		for _, c := range []struct{ asked, least, most time.Duration }{
			{time.Second, 0, time.Second},
			{time.Minute, 4 * time.Second, 5 * time.Second},
		} {
			ctx, cancel := context.WithTimeout(rpc.WithBearer(t.Context(), "owner"), c.asked)
			err := getBucket(ctx, conn)
			cancel()
			if err != nil || left < c.least || left > c.most {
				t.Errorf("%s, %s asked: %s left, %v", name, c.asked, left, err)
			}
		}
	}
	t.Run("a client that does not wait for the answer gets DEADLINE_EXCEEDED", func(t *testing.T) {
		// In process a read ends when its handler does, so that one must not wait for the client.
		held := make(chan struct{}, 1)
		w.buckets.get = func(ctx context.Context, _ *storagev1.GetBucketRequest) (*storagev1.GetBucketResponse, error) {
			defer func() { held <- struct{}{} }()
			<-ctx.Done()
			return nil, ctx.Err()
		}
		for _, conn := range conns {
			ctx, cancel := context.WithTimeout(rpc.WithBearer(t.Context(), "owner"), 50*time.Millisecond)
			wants(t, getBucket(ctx, conn), errs.DeadlineExceeded, "DEADLINE_EXCEEDED")
			cancel()
			<-held
		}
	})
	t.Run("a raw client without a deadline gets the default one", func(t *testing.T) {
		var got time.Duration
		w.tokens.keySet = func(ctx context.Context) error {
			deadline, _ := ctx.Deadline()
			got = time.Until(deadline)
			return nil
		}
		// The health service's own client is raw enough: dial without our interceptors.
		if err := rawKeySet(t, w); err != nil || got <= 2*time.Second || got > 3*time.Second {
			t.Fatalf("%s left, %v", got, err)
		}
	})
}

func TestLog_has_one_line_per_call(t *testing.T) {
	w := start(t)
	both(t, w, "gateway", func(t *testing.T, conn grpc.ClientConnInterface) {
		w.lines.all(t)
		if err := getBucket(as(t, "owner"), conn); err != nil {
			t.Fatal(err)
		}
		logged := w.lines.all(t)
		if len(logged) != 1 {
			t.Fatalf("%d lines", len(logged))
		}
		line := logged[0]
		for key, want := range map[string]any{
			"method": "/primecloud.storage.v1.BucketService/GetBucket", "code": "OK", "principal": "person:usr_1",
			"account_id": mine, "peer": "gateway", "level": "INFO", "msg": "call",
		} {
			if line[key] != want {
				t.Errorf("%s is %v, want %v", key, line[key], want)
			}
		}
		if _, timed := line["duration_us"].(float64); !timed {
			t.Errorf("no duration in %v", line)
		}
	})
}

func TestLog_carries_the_ids_once(t *testing.T) {
	var log bytes.Buffer
	telemetry, err := observe.New(t.Context(), observe.Config{Service: "storage-provisioning", LogWriter: &log, SampleRatio: 1})
	if err != nil {
		t.Fatal(err)
	}
	w := start(t, func(w *world) {
		w.deps = rpc.Deps{Logger: telemetry.Logger, Tracer: telemetry.Tracer, Meter: telemetry.Meter}
	})
	if err := getBucket(observe.WithRequestID(as(t, "owner"), "req-1"), w.server.Channel("")); err != nil {
		t.Fatal(err)
	}
	line := log.String()
	for _, want := range []string{`"request_id":"req-1"`, `"trace_id":"`, `"span_id":"`} {
		if strings.Count(line, want) != 1 {
			t.Errorf("%s is not there once: %s", want, line)
		}
	}
	if err := telemetry.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestTrace_goes_on_through_both_shapes(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	w := start(t, func(w *world) { w.deps.Tracer = provider })
	var inner trace.SpanContext
	w.buckets.get = func(ctx context.Context, _ *storagev1.GetBucketRequest) (*storagev1.GetBucketResponse, error) {
		inner = trace.SpanContextFromContext(ctx)
		return nil, errs.New(errs.NotFound, "BUCKET_NOT_FOUND", "no such bucket")
	}
	both(t, w, "", func(t *testing.T, conn grpc.ClientConnInterface) {
		ctx, root := provider.Tracer("test").Start(as(t, "owner"), "root")
		wants(t, getBucket(ctx, conn), errs.NotFound, "BUCKET_NOT_FOUND")
		root.End()
		if inner.TraceID() != root.SpanContext().TraceID() || inner.SpanID() == root.SpanContext().SpanID() {
			t.Fatalf("the handler is in trace %s, the caller in %s", inner.TraceID(), root.SpanContext().TraceID())
		}
		for _, span := range spans.Ended() {
			if span.SpanContext().SpanID() == inner.SpanID() {
				if span.SpanKind() != trace.SpanKindServer || span.Name() != "primecloud.storage.v1.BucketService/GetBucket" ||
					!strings.Contains(fmt.Sprint(span.Attributes()), "BUCKET_NOT_FOUND") || span.Status().Description != "" {
					t.Fatalf("the span is %v %s %v", span.SpanKind(), span.Name(), span.Attributes())
				}
				return
			}
		}
		t.Fatal("the server's span did not end")
	})
}

func TestValidation_names_the_field_and_the_rule(t *testing.T) {
	w := start(t)
	both(t, w, "", func(t *testing.T, conn grpc.ClientConnInterface) {
		_, err := storagev1.NewBucketServiceClient(conn).CreateBucket(as(t, "owner"), &storagev1.CreateBucketRequest{
			AccountId: mine, Backend: strings.Repeat("x", 65), QuotaBytes: -1,
			LifecycleRules: []*storagev1.LifecycleRule{{Id: "ok"}, {Id: "not ok", ExpireAfterDays: -1}},
		})
		e := wants(t, err, errs.InvalidArgument, "REQUEST_INVALID")
		got := map[string]string{}
		for _, v := range e.Violations() {
			got[v.Field] = v.Rule
			if len(v.Description) < 10 {
				t.Errorf("%s is described as %q", v.Field, v.Description)
			}
		}
		for field, rule := range map[string]string{
			"name": "STRING_MIN_LEN", "backend": "STRING_MAX_LEN", "quota_bytes": "INT64_GTE",
			"lifecycle_rules[1].id": "STRING_PATTERN", "lifecycle_rules[1].expire_after_days": "INT32_GTE_LTE",
		} {
			if got[field] != rule {
				t.Errorf("%s broke %q, want %q (all: %v)", field, got[field], rule, got)
			}
		}
	})
	t.Run("but to those alone who may call", func(t *testing.T) {
		_, err := storagev1.NewBucketServiceClient(w.server.Channel("")).CreateBucket(as(t, "viewer"), &storagev1.CreateBucketRequest{AccountId: mine})
		wants(t, err, errs.PermissionDenied, "ROLE_NOT_ALLOWED")
	})
}

func TestIdempotencyKey_reaches_the_use_case(t *testing.T) {
	w := start(t)
	var keys []idempotency.Key
	w.buckets.create = func(ctx context.Context, _ *storagev1.CreateBucketRequest) (*storagev1.CreateBucketResponse, error) {
		keys = append(keys, idempotency.FromContext(ctx))
		return &storagev1.CreateBucketResponse{}, rpc.SetOperationID(ctx, "op_1")
	}
	both(t, w, "", func(t *testing.T, conn grpc.ClientConnInterface) {
		keys = nil
		create := func(ctx context.Context, name string, options ...grpc.CallOption) error {
			_, err := storagev1.NewBucketServiceClient(conn).CreateBucket(ctx, &storagev1.CreateBucketRequest{AccountId: mine, Name: name}, options...)
			return err
		}
		var back metadata.MD
		for _, name := range []string{"one", "one", "two"} {
			if err := create(rpc.WithIdempotencyKey(as(t, "owner"), "key-1"), name, grpc.Header(&back)); err != nil {
				t.Fatal(err)
			}
		}
		if err := create(as(t, "owner"), "one"); err != nil {
			t.Fatal(err)
		}
		one, again, two, without := keys[0], keys[1], keys[2], keys[3]
		if one.Value != "key-1" || one.Principal != "person:usr_1" || one.Method != storagev1.BucketService_CreateBucket_FullMethodName {
			t.Errorf("the key is %+v", one)
		}
		if one != again || one.RequestHash == two.RequestHash || one.RequestHash == ([32]byte{}) {
			t.Error("the hash does not tell requests apart")
		}
		if without.Value != "" || without.RequestHash != one.RequestHash || without.Method != one.Method {
			t.Errorf("without a key: %+v", without)
		}
		if rpc.OperationID(back) != "op_1" {
			t.Errorf("the operation is %q", rpc.OperationID(back))
		}
		for _, bad := range []string{"", " ", "a b", strings.Repeat("x", 256)} {
			wants(t, create(rpc.WithIdempotencyKey(as(t, "owner"), bad), "one"), errs.InvalidArgument, "IDEMPOTENCY_KEY_INVALID")
		}
		twice := rpc.WithIdempotencyKey(rpc.WithIdempotencyKey(as(t, "owner"), "a"), "b")
		wants(t, create(twice, "one"), errs.InvalidArgument, "IDEMPOTENCY_KEY_INVALID")
		if err := getBucket(rpc.WithIdempotencyKey(as(t, "owner"), "not valid"), conn); err != nil {
			t.Errorf("a read looks at a key: %v", err)
		}
	})
}
