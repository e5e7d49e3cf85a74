// Package observe makes a process visible: traces, metrics and logs that know of each
// other. It owns how they are built and what they may show, not what is measured.
//
// Guarantees: nothing global is set, so two services in one process each have their own
// providers, registry and logger; log lines carry trace, span and request id; attributes
// whose key looks like a secret's are shown redacted. It does not look into messages and
// error texts: secrets must not get there in the first place.
package observe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	nometric "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	notrace "go.opentelemetry.io/otel/trace/noop"
)

// Config says who the process is and where its telemetry goes. The tagged fields are
// settings: nest the struct in a service's configuration with a prefix.
type Config struct {
	// Service is the process's long name, such as "storage-provisioning".
	Service string `env:"-"`
	// Version is that of the binary.
	Version string `env:"-"`
	// LogWriter is where log lines go; nil means standard error.
	LogWriter io.Writer `env:"-"`
	// InstanceID tells replicas apart; empty leaves it out.
	InstanceID string `env:"INSTANCE_ID" doc:"Name of this replica in traces and metrics."`
	// OTLPEndpoint is a collector's host:port (gRPC); empty exports nothing.
	OTLPEndpoint string `env:"OTLP_ENDPOINT" doc:"Host and port of an OpenTelemetry collector (gRPC); without one nothing is exported."`
	// OTLPInsecure speaks to the collector without TLS.
	OTLPInsecure bool `env:"OTLP_INSECURE" doc:"Speak to the collector without TLS."`
	// SampleRatio is the share of new traces that is kept; the caller's choice prevails.
	SampleRatio float64 `env:"TRACE_RATIO" default:"0.01" doc:"Share of new traces that is kept, 0 to 1."`
	// LogLevel is the least level that is logged.
	LogLevel slog.Level `env:"LOG_LEVEL" default:"info" doc:"Least level that is logged: debug, info, warn or error."`
	// LogFormat is "json" (also when empty) or "text".
	LogFormat string `env:"LOG_FORMAT" default:"json" doc:"Shape of log lines: json or text."`
}

// Validate reports values that mean nothing.
func (c Config) Validate() error {
	var problems []error
	if !(c.SampleRatio >= 0 && c.SampleRatio <= 1) {
		problems = append(problems, fmt.Errorf("TRACE_RATIO is %v, but must lie between 0 and 1", c.SampleRatio))
	}
	if c.LogFormat != "" && c.LogFormat != "json" && c.LogFormat != "text" {
		problems = append(problems, fmt.Errorf("LOG_FORMAT is %q, but must be json or text", c.LogFormat))
	}
	return errors.Join(problems...)
}

// Telemetry is what a process needs to be seen. It goes into a service's Deps.
type Telemetry struct {
	// Logger writes structured lines; log with the context of the call.
	Logger *slog.Logger
	// Tracer makes tracers.
	Tracer trace.TracerProvider
	// Meter makes meters.
	Meter metric.MeterProvider
	// Propagator carries the trace over process borders (W3C trace context, no baggage).
	Propagator propagation.TextMapPropagator
	// Metrics serves the metrics to Prometheus, those of the Go runtime included.
	Metrics http.Handler

	shutdown []func(context.Context) error
}

// New builds the telemetry of a process. A collector that is down does not fail it: spans
// and metrics are dropped until it is back.
func New(ctx context.Context, c Config) (*Telemetry, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	t := &Telemetry{Logger: newLogger(c), Propagator: propagation.TraceContext{}}
	about := c.resource()
	if err := t.trace(ctx, c, about); err != nil {
		return nil, err
	}
	if err := t.measure(ctx, c, about); err != nil {
		return nil, errors.Join(err, t.Shutdown(ctx))
	}
	return t, nil
}

// Discard returns telemetry that keeps nothing, for tests.
func Discard() *Telemetry {
	return &Telemetry{
		Logger:     slog.New(slog.DiscardHandler),
		Tracer:     notrace.NewTracerProvider(),
		Meter:      nometric.NewMeterProvider(),
		Propagator: propagation.TraceContext{},
		Metrics:    promhttp.HandlerFor(prometheus.NewRegistry(), promhttp.HandlerOpts{}),
	}
}

// Shutdown sends what is still held back and ends the exporters.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	var failures []error
	for _, shutdown := range t.shutdown {
		failures = append(failures, shutdown(ctx))
	}
	return errors.Join(failures...)
}

func (t *Telemetry) trace(ctx context.Context, c Config, about *resource.Resource) error {
	options := []sdktrace.TracerProviderOption{
		sdktrace.WithResource(about),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(c.SampleRatio))),
	}
	if c.OTLPEndpoint != "" {
		dial := []otlptracegrpc.Option{otlptracegrpc.WithEndpoint(c.OTLPEndpoint)}
		if c.OTLPInsecure {
			dial = append(dial, otlptracegrpc.WithInsecure())
		}
		exporter, err := otlptracegrpc.New(ctx, dial...)
		if err != nil {
			return fmt.Errorf("trace exporter to %s: %w", c.OTLPEndpoint, err)
		}
		options = append(options, sdktrace.WithBatcher(exporter))
	}
	provider := sdktrace.NewTracerProvider(options...)
	t.Tracer = provider
	t.shutdown = append(t.shutdown, provider.Shutdown)
	return nil
}

func (t *Telemetry) measure(ctx context.Context, c Config, about *resource.Resource) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	reader, err := otelprometheus.New(otelprometheus.WithRegisterer(registry))
	if err != nil {
		return fmt.Errorf("prometheus reader: %w", err)
	}
	options := []sdkmetric.Option{sdkmetric.WithResource(about), sdkmetric.WithReader(reader)}
	if c.OTLPEndpoint != "" {
		dial := []otlpmetricgrpc.Option{otlpmetricgrpc.WithEndpoint(c.OTLPEndpoint)}
		if c.OTLPInsecure {
			dial = append(dial, otlpmetricgrpc.WithInsecure())
		}
		exporter, err := otlpmetricgrpc.New(ctx, dial...)
		if err != nil {
			return fmt.Errorf("metric exporter to %s: %w", c.OTLPEndpoint, err)
		}
		options = append(options, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter)))
	}
	provider := sdkmetric.NewMeterProvider(options...)
	t.Meter = provider
	t.Metrics = promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	t.shutdown = append(t.shutdown, provider.Shutdown)
	return nil
}

// resource describes the process by the names of OpenTelemetry's conventions.
func (c Config) resource() *resource.Resource {
	attributes := []attribute.KeyValue{
		attribute.String("service.namespace", "primecloud"),
		attribute.String("service.name", c.Service),
		attribute.String("service.version", c.Version),
	}
	if c.InstanceID != "" {
		attributes = append(attributes, attribute.String("service.instance.id", c.InstanceID))
	}
	return resource.NewSchemaless(attributes...)
}

func (c Config) writer() io.Writer {
	if c.LogWriter != nil {
		return c.LogWriter
	}
	return os.Stderr
}
