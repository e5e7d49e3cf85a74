package rpc

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
)

// instrumentation names this package in traces and metrics.
const instrumentation = "github.com/primecloud/primecloud/pkg/rpc"

// telemetry makes spans and the duration metric by OpenTelemetry's conventions for RPC. It
// is written out instead of taken from otelgrpc, which has stats handlers only: those cost
// more than all the rest of the chain, and the in-process channel has no place for them
// that keeps the order of the chain.
type telemetry struct {
	tracer     trace.Tracer
	duration   metric.Float64Histogram
	propagator propagation.TraceContext
}

// buckets are the bounds of the duration metric, in seconds.
var buckets = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}

func newTelemetry(deps Deps, side string) (*telemetry, error) {
	duration, err := deps.Meter.Meter(instrumentation).Float64Histogram("rpc."+side+".call.duration",
		metric.WithUnit("s"), metric.WithDescription("How long calls take."), metric.WithExplicitBucketBoundaries(buckets...))
	if err != nil {
		return nil, fmt.Errorf("rpc: %w", err)
	}
	return &telemetry{tracer: deps.Tracer.Tracer(instrumentation), duration: duration}, nil
}

// methodTelemetry is what of a method's telemetry can be made ahead.
type methodTelemetry struct {
	span       string
	attributes []attribute.KeyValue
	// record has the options of the metric for each code.
	record [codes.Unauthenticated + 1][]metric.RecordOption
}

func (t *telemetry) method(name string) methodTelemetry {
	name = strings.TrimPrefix(name, "/")
	m := methodTelemetry{span: name, attributes: []attribute.KeyValue{
		attribute.String("rpc.system.name", "grpc"), attribute.String("rpc.method", name),
	}}
	for code := range m.record {
		m.record[code] = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(
			attribute.String("rpc.system.name", "grpc"),
			attribute.String("rpc.method", name),
			attribute.String("rpc.response.status_code", codeName(codes.Code(code))),
		))}
	}
	return m
}

// start begins the span of a call that continues the caller's trace, if it has one.
func (t *telemetry) start(ctx context.Context, m *methodTelemetry) (context.Context, trace.Span) {
	if parent := metadata.ValueFromIncomingContext(ctx, headerTraceparent); len(parent) == 1 {
		carrier := traceCarrier{parent: parent[0], state: first(metadata.ValueFromIncomingContext(ctx, headerTracestate))}
		ctx = t.propagator.Extract(ctx, carrier)
	}
	ctx, span := t.tracer.Start(ctx, m.span, asServer...)
	if span.IsRecording() {
		span.SetAttributes(m.attributes...)
	}
	return ctx, span
}

// asServer marks a span; its attributes come later, for the few spans that are kept.
var asServer = []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)}

// end ends the span and counts the call.
func (t *telemetry) end(ctx context.Context, m *methodTelemetry, span trace.Span, ended ending) {
	if span.IsRecording() {
		span.SetAttributes(attribute.String("rpc.response.status_code", codeName(ended.code)))
		if ended.err != nil {
			span.SetAttributes(attribute.String("error.type", ended.reason))
			// What the caller did wrong is no failure of ours.
			if isOurs(ended.code) {
				span.SetStatus(otelcodes.Error, ended.reason)
			}
		}
	}
	span.End()
	if int(ended.code) < len(m.record) {
		t.duration.Record(ctx, ended.took.Seconds(), m.record[ended.code]...)
	}
}

// ending is how a call ended.
type ending struct {
	code   codes.Code
	reason string
	err    error
	took   time.Duration
}

// isOurs reports whether a code means that something on our side failed.
func isOurs(code codes.Code) bool {
	switch code {
	case codes.Internal, codes.Unknown, codes.Unavailable, codes.DeadlineExceeded, codes.DataLoss, codes.Unimplemented:
		return true
	default:
		return false
	}
}

// codeName returns the canonical name of a code: NOT_FOUND.
func codeName(code codes.Code) string {
	if int(code) < len(codeNames) {
		return codeNames[code]
	}
	return "UNKNOWN"
}

var codeNames = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
	"INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

// traceCarrier holds the two headers of the W3C trace context.
type traceCarrier struct{ parent, state string }

// Get returns a header.
func (c traceCarrier) Get(key string) string {
	switch key {
	case headerTraceparent:
		return c.parent
	case headerTracestate:
		return c.state
	default:
		return ""
	}
}

// Set does nothing: the carrier is for reading.
func (traceCarrier) Set(string, string) {}

// Keys returns the headers' names.
func (traceCarrier) Keys() []string { return []string{headerTraceparent, headerTracestate} }
