package storage

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/primecloud/primecloud/pkg/errs"
)

// instrumentation names this package in metrics.
const instrumentation = "github.com/primecloud/primecloud/services/storage-provisioning"

// metrics say how well the backends are kept what was asked for.
type metrics struct {
	attempts, passes metric.Float64Histogram
	passed           metric.Float64Gauge
	counted          metric.Registration
}

// newMetrics makes the instruments. open counts the findings that stand, by kind of resource
// and of difference; it is asked whenever the metrics are read.
func newMetrics(provider metric.MeterProvider, open func(context.Context) (map[[2]string]int64, error)) (*metrics, error) {
	meter := provider.Meter(instrumentation)
	attempts, err1 := meter.Float64Histogram("storage.reconcile.attempt.duration", metric.WithUnit("s"),
		metric.WithDescription("looks at one resource on a backend, with what they had to change"))
	passes, err2 := meter.Float64Histogram("storage.pass.duration", metric.WithUnit("s"),
		metric.WithDescription("passes over everything on a backend"))
	passed, err3 := meter.Float64Gauge("storage.pass.last_success", metric.WithUnit("s"),
		metric.WithDescription("when the last pass over a backend ended well, in seconds since 1970"))
	drifts, err4 := meter.Int64ObservableGauge("storage.drift.open",
		metric.WithDescription("differences that are neither repaired nor ignored"))
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, err
	}
	counted, err := meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		counts, err := open(ctx)
		for key, n := range counts {
			o.ObserveInt64(drifts, n, metric.WithAttributes(attribute.String("resource_kind", key[0]), attribute.String("kind", key[1])))
		}
		return err
	}, drifts)
	return &metrics{attempts: attempts, passes: passes, passed: passed, counted: counted}, err
}

// close ends the counting of findings.
func (m *metrics) close(context.Context) error { return m.counted.Unregister() }

// attempt notes one look at a resource.
func (m *metrics) attempt(ctx context.Context, kind string, took time.Duration, err error) {
	m.attempts.Record(ctx, took.Seconds(), metric.WithAttributes(attribute.String("resource_kind", kind), outcome(err)))
}

// pass notes one pass over a backend that began then.
func (m *metrics) pass(ctx context.Context, backend string, began, ended time.Time, err error) {
	place := attribute.String("backend", backend)
	m.passes.Record(ctx, ended.Sub(began).Seconds(), metric.WithAttributes(place, outcome(err)))
	if err == nil {
		m.passed.Record(ctx, float64(ended.UnixMilli())/1000, metric.WithAttributes(place))
	}
}

// outcome is "OK", or the reason of the error.
func outcome(err error) attribute.KeyValue {
	if err == nil {
		return attribute.String("outcome", "OK")
	}
	reason := errs.ReasonOf(err)
	if reason == "" {
		reason = errs.KindOf(err).String()
	}
	return attribute.String("outcome", reason)
}
