package trail_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/primecloud/primecloud/gateway/internal/call"
	"github.com/primecloud/primecloud/gateway/internal/trail"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/observe"
)

func TestA_client_s_trace_is_linked_and_not_continued(t *testing.T) {
	telemetry, err := observe.New(t.Context(), observe.Config{Service: "gateway", LogWriter: &bytes.Buffer{}, SampleRatio: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = telemetry.Shutdown(t.Context()) })
	left, err := trail.New(telemetry)
	if err != nil {
		t.Fatal(err)
	}
	const id = "0af7651916cd43dd8448eb211c80319c"
	request := httptest.NewRequest(http.MethodGet, "/v1/me", nil)
	request.Header.Set("Traceparent", "00-"+id+"-b7ad6b7169203331-01")
	_, span := left.Begin(request)
	defer span.End()
	recorded, ok := span.(sdktrace.ReadOnlySpan)
	if !ok {
		t.Fatalf("the span is a %T", span)
	}
	if links := recorded.Links(); len(links) != 1 || links[0].SpanContext.TraceID().String() != id {
		t.Errorf("the links are %v", links)
	}
	if ours := span.SpanContext().TraceID().String(); ours == id || recorded.Parent().IsValid() {
		t.Errorf("the client's trace %s goes on", ours)
	}
}

func TestA_request_leaves_its_route_and_never_its_path(t *testing.T) {
	var log bytes.Buffer
	telemetry, err := observe.New(t.Context(), observe.Config{Service: "gateway", LogWriter: &log, SampleRatio: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = telemetry.Shutdown(t.Context()) })
	left, err := trail.New(telemetry)
	if err != nil {
		t.Fatal(err)
	}
	leave := func(method string, status int, k *call.Call) {
		ctx, span := left.Begin(httptest.NewRequest(method, "/v1/accounts/acc_secret/buckets/b1", nil))
		left.End(ctx, span, trail.Ending{Call: k, Method: method, Status: status, Took: time.Millisecond})
	}
	const route = "/v1/accounts/{account_id}/buckets/{bucket}"
	leave("GET", 200, &call.Call{Route: route, RequestID: "req_1"})
	if log.Len() != 0 {
		t.Errorf("what went well is logged: %s", log.String())
	}
	away := errs.New(errs.Unavailable, "DEPENDENCY_UNAVAILABLE", "away")
	leave("GET", 503, &call.Call{Route: route, RequestID: "req_2", Failure: away})
	leave("MADE-UP", 404, &call.Call{})
	for _, want := range []string{`"level":"WARN"`, `"request_id":"req_2"`, `"trace_id":"`, `"reason":"DEPENDENCY_UNAVAILABLE"`, route} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %s: %s", want, log.String())
		}
	}
	w := httptest.NewRecorder()
	telemetry.Metrics.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	shown := w.Body.String()
	for _, want := range []string{
		`http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="` + route + `"`,
		`http_server_request_duration_seconds_count{http_request_method="_OTHER",http_response_status_code="404",http_route="other"`,
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("the metrics do not show %s", want)
		}
	}
	if strings.Contains(shown+log.String(), "acc_secret") || strings.Contains(shown, "MADE-UP") {
		t.Error("what a client sent became a label")
	}
}
