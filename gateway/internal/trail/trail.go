// Package trail leaves a trace of every REST request: a span that is linked to the client's,
// the duration as a metric, and a log line for what went wrong. It owns their names, by
// OpenTelemetry's conventions for HTTP. Paths are shown as routes, never as they are: a
// path may hold what belongs into no metric.
package trail

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/primecloud/primecloud/gateway/internal/call"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/observe"
)

const instrumentation = "github.com/primecloud/primecloud/gateway"

// other is the route of requests that have none.
const other = "other"

// buckets are the bounds of the duration metric, in seconds.
var buckets = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}

// Trail makes spans, metrics and log lines.
type Trail struct {
	logger   *slog.Logger
	tracer   trace.Tracer
	duration metric.Float64Histogram
	context  propagation.TraceContext

	mu      sync.RWMutex
	records map[label][]metric.RecordOption
}

// label is what tells one series of the metric from another.
type label struct {
	method, route string
	status        int
}

// New returns a trail.
func New(telemetry *observe.Telemetry) (*Trail, error) {
	duration, err := telemetry.Meter.Meter(instrumentation).Float64Histogram("http.server.request.duration",
		metric.WithUnit("s"), metric.WithDescription("How long REST requests take."), metric.WithExplicitBucketBoundaries(buckets...))
	if err != nil {
		return nil, fmt.Errorf("trail: %w", err)
	}
	return &Trail{
		logger: telemetry.Logger, tracer: telemetry.Tracer.Tracer(instrumentation), duration: duration,
		records: map[label][]metric.RecordOption{},
	}, nil
}

var server = trace.WithSpanKind(trace.SpanKindServer)

// Begin starts the span of a request. The client's own trace is linked and not continued:
// nobody outside decides which of our traces are sampled, nor what they are called.
func (t *Trail) Begin(r *http.Request) (context.Context, trace.Span) {
	if len(r.Header["Traceparent"]) != 1 {
		return t.tracer.Start(r.Context(), "request", server)
	}
	theirs := trace.LinkFromContext(t.context.Extract(r.Context(), propagation.HeaderCarrier(r.Header)))
	return t.tracer.Start(r.Context(), "request", server, trace.WithLinks(theirs))
}

// Ending is how a request ended.
type Ending struct {
	// Call is the request.
	Call *call.Call
	// Method is its HTTP method.
	Method string
	// Status is the HTTP status.
	Status int
	// Took is how long it took.
	Took time.Duration
}

// End ends the span, counts the request, and logs it if something of ours went wrong.
func (t *Trail) End(ctx context.Context, span trace.Span, e Ending) {
	l := label{method: known(e.Method), route: e.Call.Route, status: e.Status}
	if l.route == "" {
		l.route = other
	}
	if span.IsRecording() {
		span.SetName(l.method + " " + l.route)
		span.SetAttributes(attributes(l)...)
		span.SetAttributes(attribute.String("primecloud.request_id", e.Call.RequestID))
		if e.Status >= http.StatusInternalServerError {
			span.SetStatus(otelcodes.Error, errs.ReasonOf(e.Call.Failure))
		}
	}
	span.End()
	t.duration.Record(ctx, e.Took.Seconds(), t.record(l)...)
	level := levelOf(e.Status)
	if !t.logger.Enabled(ctx, level) {
		return
	}
	t.log(observe.WithRequestID(ctx, e.Call.RequestID), level, l, e)
}

func (t *Trail) log(ctx context.Context, level slog.Level, l label, e Ending) {
	attrs := []slog.Attr{
		slog.String("method", l.method),
		slog.String("route", l.route),
		slog.Int("status", e.Status),
		slog.Int64("duration_us", e.Took.Microseconds()),
		slog.String("address", e.Call.Address),
	}
	if e.Call.Failure != nil {
		attrs = append(attrs, slog.String("reason", errs.ReasonOf(e.Call.Failure)), slog.String("error", e.Call.Failure.Error()))
	}
	t.logger.LogAttrs(ctx, level, "request", attrs...)
}

// levelOf makes what went right or is the client's doing a matter of debugging: the
// services have logged it, and the metric counts it.
func levelOf(status int) slog.Level {
	switch {
	case status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout:
		return slog.LevelWarn
	case status >= http.StatusInternalServerError:
		return slog.LevelError
	default:
		return slog.LevelDebug
	}
}

// record returns the options of a series, which are made once.
func (t *Trail) record(l label) []metric.RecordOption {
	t.mu.RLock()
	options, ok := t.records[l]
	t.mu.RUnlock()
	if ok {
		return options
	}
	options = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attributes(l)...))}
	t.mu.Lock()
	t.records[l] = options
	t.mu.Unlock()
	return options
}

func attributes(l label) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("http.request.method", l.method),
		attribute.String("http.route", l.route),
		attribute.Int("http.response.status_code", l.status),
	}
}

// known keeps methods that clients make up out of the metric.
func known(method string) string {
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete, http.MethodHead, http.MethodOptions:
		return method
	default:
		return "_OTHER"
	}
}
