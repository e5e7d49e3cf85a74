package traced_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/port/traced"
)

func TestAround_shows_each_call_and_no_text_of_its_error(t *testing.T) {
	classified := errs.New(errs.Unavailable, "BACKEND_UNAVAILABLE", "key hunter2 refused").Wrap(errors.New("hunter2"))
	for name, tt := range map[string]struct {
		err     error
		outcome string
		status  codes.Code
	}{
		"success":            {nil, "OK", codes.Unset},
		"a classified error": {classified, "UNAVAILABLE", codes.Error},
		"any other error":    {errors.New("hunter2"), "INTERNAL", codes.Error},
		"a deadline":         {context.DeadlineExceeded, "DEADLINE_EXCEEDED", codes.Error},
	} {
		t.Run(name, func(t *testing.T) {
			spans, reader := tracetest.NewSpanRecorder(), sdkmetric.NewManualReader()
			around, err := traced.Around(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)), sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
			if err != nil {
				t.Fatal(err)
			}
			inside := false
			got := around(t.Context(), "minio.MakeBucket", func(ctx context.Context) error {
				inside = trace.SpanContextFromContext(ctx).IsValid()
				return tt.err
			})
			if got != tt.err || !inside {
				t.Errorf("returned %v, the call saw its span: %t", got, inside)
			}
			ended := spans.Ended()
			if len(ended) != 1 || ended[0].Name() != "minio.MakeBucket" || ended[0].Status().Code != tt.status {
				t.Fatalf("spans %+v", ended)
			}
			if shown := fmt.Sprintf("%+v", tracetest.SpanStubsFromReadOnlySpans(ended)); strings.Contains(shown, "hunter2") {
				t.Errorf("the span shows %s", shown)
			}
			if calls := recorded(t, reader); calls["minio.MakeBucket "+tt.outcome] != 1 || len(calls) != 1 {
				t.Errorf("recorded %v", calls)
			}
		})
	}
}

func TestAround_ends_the_span_of_a_call_that_panics(t *testing.T) {
	spans, reader := tracetest.NewSpanRecorder(), sdkmetric.NewManualReader()
	around, err := traced.Around(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)), sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = around(t.Context(), "postgres.commit", func(context.Context) error { panic("hunter2") })
	}()
	if ended := spans.Ended(); len(ended) != 1 || ended[0].Status().Description != "PANIC" {
		t.Errorf("spans %+v", ended)
	} else if shown := fmt.Sprintf("%+v", tracetest.SpanStubsFromReadOnlySpans(ended)); strings.Contains(shown, "hunter2") {
		t.Errorf("the span shows %s", shown)
	}
	if calls := recorded(t, reader); calls["postgres.commit PANIC"] != 1 {
		t.Errorf("recorded %v", calls)
	}
}

// recorded returns how many calls were recorded, by name and outcome.
func recorded(t *testing.T, reader *sdkmetric.ManualReader) map[string]uint64 {
	t.Helper()
	var data metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	calls := map[string]uint64{}
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			histogram, ok := m.Data.(metricdata.Histogram[float64])
			if !ok || m.Name != "port.call.duration" {
				t.Fatalf("recorded %+v", m)
			}
			for _, point := range histogram.DataPoints {
				name, _ := point.Attributes.Value("port.call")
				outcome, _ := point.Attributes.Value("outcome")
				calls[name.AsString()+" "+outcome.AsString()] += point.Count
			}
		}
	}
	return calls
}
