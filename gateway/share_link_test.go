package gateway_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"

	"github.com/primecloud/primecloud/gateway"
	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/principal"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// linkToken has the form of one; what stands before it says what the link is.
const linkToken = "psh_CANARYCANARYCANARYCANARYCANARYCANARYCANARYCANARYCANARYCANARY"

// shelf answers links as storage does: the token's end says which.
type shelf struct {
	storagev1.UnimplementedShareServiceServer
	record
}

const (
	shelfPassword = "open sesame"
	backend       = "http://127.0.0.1:9"
)

func (s *shelf) ResolveShare(ctx context.Context, r *storagev1.ResolveShareRequest) (*storagev1.ResolveShareResponse, error) {
	s.note(ctx, r)
	kind, guarded := strings.CutPrefix(strings.TrimPrefix(r.GetToken(), linkToken), "-guarded")
	switch {
	case !strings.HasPrefix(r.GetToken(), linkToken):
		return nil, errs.New(errs.NotFound, "SHARE_NOT_FOUND", "there is no such share")
	case guarded && r.GetPassword() == "":
		return nil, errs.New(errs.PermissionDenied, "SHARE_PASSWORD_MISSING", "give it")
	case guarded && r.GetPassword() == "guess":
		return nil, errs.New(errs.ResourceExhausted, "SHARE_PASSWORD_LIMITED", "too many").WithRetryAfter(90 * time.Second)
	case guarded && r.GetPassword() != shelfPassword:
		return nil, errs.New(errs.PermissionDenied, "SHARE_PASSWORD_WRONG", "wrong")
	}
	switch {
	case kind == "-object", kind == "-prefix" && r.GetKey() != "":
		return &storagev1.ResolveShareResponse{
			Scope: storagev1.ShareScope_SHARE_SCOPE_OBJECT, Download: &storagev1.SharedDownload{Name: "a <b>.txt", Url: backend + "/b/k?X-Amz-Signature=secret"},
		}, nil
	case kind == "-prefix":
		return &storagev1.ResolveShareResponse{
			DisplayName: "<holiday>", Scope: storagev1.ShareScope_SHARE_SCOPE_PREFIX, NextPageToken: "n&xt",
			Objects: []*storagev1.SharedObject{{Key: "a/<b>?&.txt", SizeBytes: 7}},
		}, nil
	case kind == "-upload" && r.GetUploadName() == "a/b":
		return nil, errs.New(errs.InvalidArgument, "SHARE_INVALID", "a share cannot be like this").
			WithViolation(errs.Violation{Field: "upload_name", Rule: "NAME_SLASH", Description: "give a file name, <without> slashes"})
	case kind == "-upload" && r.GetUploadName() != "":
		return &storagev1.ResolveShareResponse{Scope: storagev1.ShareScope_SHARE_SCOPE_UPLOAD, Upload: &storagev1.SharedUpload{
			Key: "x-" + r.GetUploadName(), Method: "PUT", Url: backend + "/b/x?X-Amz-Signature=secret", Headers: map[string]string{"If-None-Match": "*"},
		}}, nil
	case kind == "-upload":
		return &storagev1.ResolveShareResponse{
			Scope: storagev1.ShareScope_SHARE_SCOPE_UPLOAD, MaxUploadBytes: 100, DisplayName: "<holiday>", UploadEndpoint: backend,
		}, nil
	default:
		return nil, errs.New(errs.Unavailable, "BACKEND_UNAVAILABLE", "it is away")
	}
}

// newShelf returns a world with links. What the gateway logs and traces goes to the writer
// and the recorder.
func newShelf(t *testing.T, changes ...settings) (*world, *shelf, *said) {
	t.Helper()
	w, s, out := emptyWorld(t, listen(t)), &shelf{}, &said{spans: tracetest.NewSpanRecorder()}
	identity := w.server("identity", func(r grpc.ServiceRegistrar) { identityv1.RegisterTokenServiceServer(r, w.identity) })
	storage := w.server("storage", func(r grpc.ServiceRegistrar) { storagev1.RegisterShareServiceServer(r, s) })
	w.base = "http://" + w.listener.Addr().String()
	source := config.Source{
		"PRIMECLOUD_GATEWAY_PUBLIC_URL": w.base, "PRIMECLOUD_GATEWAY_COOKIE_KEY": "a key for tests that is long enough",
		"PRIMECLOUD_GATEWAY_OIDC_ISSUER": "http://127.0.0.1:1/dex",
	}
	for _, change := range changes {
		change(source)
	}
	var c gateway.Config
	must(t, config.Load(&c, source, "PRIMECLOUD_GATEWAY_"))
	telemetry := observe.Discard()
	telemetry.Logger = slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	telemetry.Tracer = trace.NewTracerProvider(trace.WithSpanProcessor(out.spans))
	g, err := gateway.New(t.Context(), c, gateway.Deps{
		Telemetry: telemetry, Clock: w.clock, Listener: w.listener, Identity: identity.Channel("gateway"), Storage: storage.Channel("gateway"),
	})
	must(t, err)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		must(t, <-ended)
	})
	return w, s, out
}

// said is what was logged and traced.
type said struct {
	mu    sync.Mutex
	text  bytes.Buffer
	spans *tracetest.SpanRecorder
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := s.text.String()
	for _, span := range s.spans.Ended() {
		text += fmt.Sprintf("\n%s %v %v", span.Name(), span.Attributes(), span.Events())
	}
	return text
}

// post sends a form of a page.
func (c *client) post(path string, fields ...string) answer {
	values := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		values.Set(fields[i], fields[i+1])
	}
	return c.submit(path, values.Encode())
}

func (c *client) submit(path, body string) answer {
	browser := *c
	browser.with = c.with.Clone()
	browser.with.Set("Content-Type", "application/x-www-form-urlencoded")
	return browser.do("POST", path, body)
}

const pagePolicy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

// page fails the test unless the answer is a page of links with its headers.
func (a answer) page(t *testing.T, status int, says ...string) {
	t.Helper()
	if a.status != status || a.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("got %d %v %s", a.status, a.header, a.body)
	}
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow, noarchive", "X-Frame-Options": "DENY",
	} {
		if a.header.Get(name) != want {
			t.Errorf("%s is %q", name, a.header.Get(name))
		}
	}
	if !strings.HasPrefix(a.header.Get("Content-Security-Policy"), pagePolicy) {
		t.Errorf("the policy is %s", a.header.Get("Content-Security-Policy"))
	}
	for _, text := range says {
		if !strings.Contains(a.body, text) {
			t.Errorf("the page does not say %s: %s", text, a.body)
		}
	}
	if script := a.header.Get("Content-Security-Policy") == pagePolicy && strings.Contains(a.body, "<script"); script {
		t.Errorf("the page has a script: %s", a.body)
	}
	if strings.Contains(a.body, "<b>") || strings.Contains(a.body, "<holiday>") {
		t.Errorf("the page carries markup of others: %s", a.body)
	}
}

func TestALinkToOneObjectRedirectsToTheBackend(t *testing.T) {
	w, s, _ := newShelf(t)
	got := w.client("User-Agent", "a browser").get("/s/" + linkToken + "-object")
	if got.status != http.StatusFound || got.header.Get("Location") != backend+"/b/k?X-Amz-Signature=secret" {
		t.Fatalf("got %d %v %s", got.status, got.header, got.body)
	}
	if got.header.Get("Cache-Control") != "no-store" || got.header.Get("Referrer-Policy") != "no-referrer" || len(got.header.Values("Set-Cookie")) > 0 {
		t.Errorf("with %v", got.header)
	}
	who := s.last(t).principal
	if who.Address != "127.0.0.1" || who.UserAgent != "a browser" || who.Kind != principal.Anonymous || who.Peer != "gateway" {
		t.Errorf("storage was asked for %+v", who)
	}
	t.Run("whoever is logged in is nobody to a link", func(t *testing.T) {
		w.as("usr_1", "acc_1").get("/s/" + linkToken + "-object")
		if md := s.last(t).metadata; len(md.Get("authorization")) > 0 {
			t.Errorf("it was asked with %v", md)
		}
	})
	t.Run("HEAD opens nothing, and other methods neither", func(t *testing.T) {
		before := s.count("ResolveShare")
		for _, method := range []string{"HEAD", "PUT", "DELETE"} {
			if got := w.client().do(method, "/s/"+linkToken+"-object", nil); got.status != http.StatusMethodNotAllowed {
				t.Errorf("%s: %d", method, got.status)
			}
		}
		if s.count("ResolveShare") != before {
			t.Error("storage was asked")
		}
	})
	t.Run("by program, with the token in the body", func(t *testing.T) {
		r := w.client().do("POST", "/v1/shares:resolve", `{"token":"`+linkToken+`-object"}`).ok(t).json(t)
		if r["download"].(map[string]any)["url"] != backend+"/b/k?X-Amz-Signature=secret" {
			t.Errorf("got %v", r)
		}
		w.client().do("POST", "/v1/shares:resolve?token="+linkToken, `{}`).wants(t, 400, "REQUEST_INVALID")
	})
}

func TestALinkAsksForItsPasswordAndRemembersItForItselfAlone(t *testing.T) {
	w, s, _ := newShelf(t)
	browser, path := w.client(), "/s/"+linkToken+"-guarded-object"
	browser.get(path).page(t, http.StatusForbidden, `type="password"`, `action="`+path+`"`)
	browser.post(path, "password", "open simsim").page(t, http.StatusForbidden, "That was not the password")
	limited := browser.post(path, "password", "guess")
	limited.page(t, http.StatusTooManyRequests, "too many")
	if limited.header.Get("Retry-After") != "90" {
		t.Errorf("to wait for %s", limited.header.Get("Retry-After"))
	}
	opened := browser.post(path, "password", shelfPassword)
	opened.page(t, http.StatusOK, "a &lt;b&gt;.txt", `href="`+backend+`/b/k?X-Amz-Signature=secret"`)
	cookie := opened.cookie("primecloud_share")
	if cookie == nil || cookie.Path != path || !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.MaxAge != 900 || strings.Contains(cookie.Value, "sesame") {
		t.Fatalf("the cookie is %v", cookie)
	}
	if got := browser.get(path); got.status != http.StatusFound {
		t.Errorf("the second time: %d", got.status)
	}
	t.Run("not for another link, not for long, and not when it is wrong by now", func(t *testing.T) {
		other := "/s/" + linkToken + "-guarded-prefix"
		w.client().get(other, "Cookie", "primecloud_share="+cookie.Value).page(t, http.StatusForbidden, `type="password"`)
		if r := s.last(t).request.(*storagev1.ResolveShareRequest); r.GetPassword() != "" {
			t.Error("the password went to another link")
		}
		w.client().get(path, "Cookie", "primecloud_share="+cookie.Value[1:]).page(t, http.StatusForbidden)
		w.clock.Advance(16 * time.Minute)
		w.client().get(path, "Cookie", "primecloud_share="+cookie.Value).page(t, http.StatusForbidden)
	})
}

func TestALinkToAPrefixIsAListOfLinks(t *testing.T) {
	w, s, _ := newShelf(t)
	browser, path := w.client(), "/s/"+linkToken+"-guarded-prefix"
	listed := browser.post(path, "password", shelfPassword)
	listed.page(t, http.StatusOK, "&lt;holiday&gt;", "a/&lt;b&gt;?&amp;.txt", "(7 B)")
	links := regexp.MustCompile(`href="([^"]+)"`).FindAllStringSubmatch(listed.body, -1)
	if len(links) != 2 {
		t.Fatalf("the links are %v", links)
	}
	if got := browser.get(strings.ReplaceAll(links[0][1], "&amp;", "&")); got.status != http.StatusFound {
		t.Errorf("the file: %d %s", got.status, got.body)
	}
	if r := s.last(t).request.(*storagev1.ResolveShareRequest); r.GetKey() != "a/<b>?&.txt" || r.GetPassword() != shelfPassword {
		t.Errorf("storage was asked %q", r.GetKey())
	}
	browser.get(strings.ReplaceAll(links[1][1], "&amp;", "&")).page(t, http.StatusOK)
	if r := s.last(t).request.(*storagev1.ResolveShareRequest); r.GetPageToken() != "n&xt" || r.GetKey() != "" {
		t.Errorf("storage was asked for %q", r.GetPageToken())
	}
}

func TestALinkForUploadsIsAPageThatSendsFilesToTheBackend(t *testing.T) {
	w, s, _ := newShelf(t)
	browser, path := w.client(), "/s/"+linkToken+"-guarded-upload"
	browser.get(path).page(t, http.StatusForbidden, `type="password"`)
	got := browser.post(path, "password", shelfPassword)
	got.page(t, http.StatusOK, "&lt;holiday&gt;", "100 B at most", `type="file"`)
	parts := regexp.MustCompile(`(?s)<script>(.*)</script>`).FindStringSubmatch(got.body)
	if len(parts) != 2 || strings.Count(got.body, "<script") != 1 || strings.Contains(got.body, linkToken) {
		t.Fatalf("the page is %s", got.body)
	}
	sum := sha256.Sum256([]byte(parts[1]))
	want := pagePolicy + "; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; connect-src 'self' " + backend
	if policy := got.header.Get("Content-Security-Policy"); policy != want {
		t.Errorf("the policy is %s, want %s", policy, want)
	}
	asked := browser.post(path, "name", "report.pdf", "size", "77").ok(t).json(t)
	if asked["url"] != backend+"/b/x?X-Amz-Signature=secret" || asked["method"] != "PUT" || asked["headers"].(map[string]any)["If-None-Match"] != "*" {
		t.Errorf("the script gets %v", asked)
	}
	if r := s.last(t).request.(*storagev1.ResolveShareRequest); r.GetUploadName() != "report.pdf" || r.GetUploadSize() != 77 || r.GetPassword() != shelfPassword {
		t.Errorf("storage was asked for %s of %d bytes", r.GetUploadName(), r.GetUploadSize())
	}
	browser.post(path, "name", "a/b", "size", "1").wants(t, 400, "SHARE_INVALID")
	w.client().post(path, "name", "report.pdf").wants(t, 403, "SHARE_PASSWORD_MISSING")
}

func TestALinkThatLeadsNowhereSaysSoAndShowsItsTokenToNobody(t *testing.T) {
	w, _, out := newShelf(t)
	browser := w.client()
	browser.get("/s/psh_"+strings.Repeat("A", 59)).page(t, http.StatusNotFound, "leads nowhere")
	browser.get("/s/").page(t, http.StatusBadRequest)
	browser.get("/s/"+linkToken+"/more").page(t, http.StatusServiceUnavailable)
	browser.get("/s/"+linkToken).page(t, http.StatusServiceUnavailable, "on our side")
	browser.get("/s/" + linkToken + "-object")
	browser.post("/s/"+linkToken+"-guarded-object", "password", "canary-password")
	browser.post("/s/"+linkToken+"-guarded-object", "password", shelfPassword)
	browser.submit("/s/"+linkToken, strings.Repeat("x", 9000)).page(t, http.StatusBadRequest)
	browser.get("/s/"+linkToken+"-%ff").wants(t, 400, "REQUEST_INVALID")
	browser.do("DELETE", "/s/"+linkToken, nil).wants(t, 405, "ROUTE_NOT_FOUND")
	said := out.all()
	for _, secret := range []string{"CANARY", "canary-password", "sesame", "X-Amz-Signature"} {
		if strings.Contains(said, secret) {
			t.Errorf("%s is told: %s", secret, said)
		}
	}
	if n := strings.Count(said, "/s/{token}"); n < 20 { // a line and a span each
		t.Errorf("%d times it is told that a link was opened: %s", n, said)
	}
}

func TestLinksHaveABudgetOfTheirOwn(t *testing.T) {
	w, s, _ := newShelf(t, set("SHARE_RATE_LIMIT", "2"))
	for range 2 {
		w.client().get("/s/" + linkToken + "-object")
	}
	got := w.client().get("/s/" + linkToken + "-object")
	got.wants(t, http.StatusTooManyRequests, "RATE_LIMITED")
	if got.header.Get("Retry-After") == "" || s.count("ResolveShare") != 2 {
		t.Errorf("with %v, storage was asked %d times", got.header, s.count("ResolveShare"))
	}
}
