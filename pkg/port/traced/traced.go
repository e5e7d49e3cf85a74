// Package traced is the decorator that production puts around port calls: a span and a
// duration for each. It stands apart from package port so that domain code, which names
// its port calls, compiles without OpenTelemetry.
//
// It shows an error's kind and reason only: the text of an error may hold what the other
// side said, and that may hold anything.
package traced

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/port"
)

const scope = "github.com/primecloud/primecloud/pkg/port/traced"

// outcomeOK is the outcome of a call without an error; others have the error's kind.
const outcomeOK = "OK"

// Around returns the decorator. Spans have the call's name; the histogram port.call.duration
// (seconds) has it as port.call, besides the outcome: OK, PANIC or the kind of the error.
func Around(tracers trace.TracerProvider, meters metric.MeterProvider) (port.Around, error) {
	tracer := tracers.Tracer(scope)
	durations, err := meters.Meter(scope).Float64Histogram("port.call.duration",
		metric.WithUnit("s"),
		metric.WithDescription("How long a call through a port took."),
		metric.WithExplicitBucketBoundaries(.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, name string, call func(context.Context) error) error {
		began := time.Now()
		ctx, span := tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient))
		// What a panic leaves behind.
		outcome := "PANIC"
		defer func() {
			if outcome != outcomeOK {
				span.SetStatus(codes.Error, outcome)
			}
			span.End()
			durations.Record(ctx, time.Since(began).Seconds(), metric.WithAttributeSet(attribute.NewSet(
				attribute.String("port.call", name), attribute.String("outcome", outcome))))
		}()
		err := call(ctx)
		outcome = outcomeOf(err)
		if reason := errs.ReasonOf(err); reason != "" {
			span.SetAttributes(attribute.String("error.reason", reason))
		}
		return err
	}, nil
}

func outcomeOf(err error) string {
	if err == nil {
		return outcomeOK
	}
	return errs.KindOf(err).String()
}
