package observe_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/observe"
)

// start returns telemetry that logs into the buffer, ended with the test.
func start(t *testing.T, log *strings.Builder, c observe.Config) *observe.Telemetry {
	t.Helper()
	c.Service, c.LogWriter = "storage-provisioning", log
	telemetry, err := observe.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := telemetry.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return telemetry
}

func line(t *testing.T, log string) map[string]any {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal([]byte(log), &fields); err != nil {
		t.Fatalf("%v in %q", err, log)
	}
	return fields
}

func TestLogger_adds_service_trace_and_request_at_the_top_level(t *testing.T) {
	var log strings.Builder
	telemetry := start(t, &log, observe.Config{SampleRatio: 1})
	ctx, span := telemetry.Tracer.Tracer("test").Start(observe.WithRequestID(t.Context(), "req_1"), "call")
	defer span.End()
	for name, logger := range map[string]*slog.Logger{
		"plain":      telemetry.Logger,
		"with attrs": telemetry.Logger.With("a", 1),
		"in a group": telemetry.Logger.With("a", 1).WithGroup("g").With("b", 2).WithGroup("h"),
	} {
		t.Run(name, func(t *testing.T) {
			log.Reset()
			logger.InfoContext(ctx, "hello", "c", 3)
			got := line(t, log.String())
			for key, want := range map[string]string{
				"service": "storage-provisioning", "request_id": "req_1", "msg": "hello",
				"trace_id": span.SpanContext().TraceID().String(), "span_id": span.SpanContext().SpanID().String(),
			} {
				if got[key] != want {
					t.Errorf("%s is %v, want %s", key, got[key], want)
				}
			}
			if name == "in a group" && !strings.Contains(log.String(), `"a":1,"g":{"b":2,"h":{"c":3}}`) {
				t.Errorf("the groups are lost: %s", log.String())
			}
		})
	}
}

func TestLogger_redacts_what_looks_like_a_secret(t *testing.T) {
	var log strings.Builder
	logger := start(t, &log, observe.Config{}).Logger
	for _, key := range []string{
		"secret", "Password", "token", "access_token", "Authorization", "cookie", "Set-Cookie", "access_key",
		"accessKeyId", "key_id", "X-Amz-Signature", "session.id", "API-Key", "private_key",
	} {
		log.Reset()
		logger.Info("m", key, "hunter2", slog.Group(key, "inner", "hunter2"), slog.Group("outer", key, "hunter2"))
		logger.With(key, "hunter2").WithGroup(key).Info("m", "x", "hunter2")
		if strings.Contains(log.String(), "hunter2") {
			t.Errorf("%s is shown: %s", key, log.String())
		}
	}
	log.Reset()
	logger.Info("m", "value", config.Secret("hunter2"), "struct", struct{ Key config.Secret }{"hunter2"}, "bucket", "acme", "idempotency_key", "k1")
	got := line(t, log.String())
	if strings.Contains(log.String(), "hunter2") || got["bucket"] != "acme" || got["idempotency_key"] != "k1" {
		t.Errorf("logged %s", log.String())
	}
}

func TestLogger_keeps_to_its_level_and_format(t *testing.T) {
	var log strings.Builder
	logger := start(t, &log, observe.Config{LogLevel: slog.LevelWarn, LogFormat: "text"}).Logger
	logger.Info("quiet")
	logger.Warn("loud")
	if strings.Contains(log.String(), "quiet") || !strings.Contains(log.String(), "level=WARN msg=loud") {
		t.Errorf("logged %q", log.String())
	}
}

func TestTracer_follows_the_caller_and_samples_the_rest(t *testing.T) {
	telemetry := start(t, new(strings.Builder), observe.Config{SampleRatio: 0})
	tracer := telemetry.Tracer.Tracer("test")
	_, fresh := tracer.Start(t.Context(), "fresh")
	if fresh.SpanContext().IsSampled() {
		t.Error("a ratio of 0 sampled a new trace")
	}
	carrier := propagation.MapCarrier{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
	_, child := tracer.Start(telemetry.Propagator.Extract(t.Context(), carrier), "child")
	if !child.SpanContext().IsSampled() || child.SpanContext().TraceID().String() != "0af7651916cd43dd8448eb211c80319c" {
		t.Error("the caller's trace was not continued")
	}
}

func TestMetrics_of_two_services_in_one_process_are_apart(t *testing.T) {
	one := start(t, new(strings.Builder), observe.Config{})
	two := start(t, new(strings.Builder), observe.Config{})
	counter, err := one.Meter.Meter("test").Int64Counter("buckets.made")
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(t.Context(), 2)
	if text := scrape(t, one); !strings.Contains(text, "buckets_made_total{") || !strings.Contains(text, "go_goroutines ") {
		t.Errorf("the first shows:\n%s", text)
	}
	if text := scrape(t, two); strings.Contains(text, "buckets_made") {
		t.Error("the second shows the first one's counter")
	}
}

func scrape(t *testing.T, telemetry *observe.Telemetry) string {
	t.Helper()
	w := httptest.NewRecorder()
	telemetry.Metrics.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	return w.Body.String()
}

// receiver is a collector that keeps the names of the spans it gets.
type receiver struct {
	collector.UnimplementedTraceServiceServer
	spans chan []string
}

func (r *receiver) Export(_ context.Context, req *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	var names []string
	for _, rs := range req.ResourceSpans {
		for _, a := range rs.Resource.Attributes {
			if a.Key == "service.name" {
				names = append(names, a.Value.GetStringValue())
			}
		}
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				names = append(names, s.Name)
			}
		}
	}
	r.spans <- names
	return &collector.ExportTraceServiceResponse{}, nil
}

func TestShutdown_sends_the_spans_held_back_to_the_collector(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, got := grpc.NewServer(), &receiver{spans: make(chan []string, 1)}
	collector.RegisterTraceServiceServer(server, got)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	telemetry, err := observe.New(t.Context(), observe.Config{
		Service: "identity", OTLPEndpoint: listener.Addr().String(), OTLPInsecure: true, SampleRatio: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	_, span := telemetry.Tracer.Tracer("test").Start(t.Context(), "call")
	span.End()
	// This collector knows no metrics, and the error says so; the spans arrive all the same.
	if err := telemetry.Shutdown(t.Context()); err == nil || !strings.Contains(err.Error(), "MetricsService") {
		t.Errorf("shutdown: %v", err)
	}
	if names := <-got.spans; !slices.Equal(names, []string{"identity", "call"}) {
		t.Errorf("the collector got %q", names)
	}
}

func TestNew_refuses_settings_that_mean_nothing(t *testing.T) {
	_, err := observe.New(t.Context(), observe.Config{SampleRatio: 1.5, LogFormat: "xml"})
	if err == nil || !strings.Contains(err.Error(), "TRACE_RATIO") || !strings.Contains(err.Error(), "LOG_FORMAT") {
		t.Errorf("got %v", err)
	}
}

func TestConfig_can_be_loaded_with_a_service_prefix(t *testing.T) {
	var dst struct {
		Observe observe.Config `prefix:"PRIMECLOUD_STORAGE_"`
	}
	err := config.Load(&dst, config.Source{"PRIMECLOUD_STORAGE_LOG_LEVEL": "debug"}, "PRIMECLOUD_STORAGE_")
	if err != nil || dst.Observe.LogLevel != slog.LevelDebug || dst.Observe.SampleRatio != 0.01 {
		t.Errorf("loaded %+v, error %v", dst, err)
	}
	var problems *config.Error
	if err := config.Load(&dst, config.Source{"PRIMECLOUD_STORAGE_TRACE_RATIO": "2"}); !errors.As(err, &problems) {
		t.Errorf("got %v", err)
	}
}

func TestDiscard_keeps_nothing_and_works(t *testing.T) {
	telemetry := observe.Discard()
	ctx, span := telemetry.Tracer.Tracer("test").Start(t.Context(), "call")
	telemetry.Logger.InfoContext(ctx, "m")
	span.End()
	if trace.SpanContextFromContext(ctx).IsValid() || telemetry.Shutdown(ctx) != nil || scrape(t, telemetry) != "" {
		t.Error("something was kept")
	}
}
