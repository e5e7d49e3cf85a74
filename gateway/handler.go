package gateway

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/primecloud/primecloud/gateway/internal/admission"
	"github.com/primecloud/primecloud/gateway/internal/call"
	"github.com/primecloud/primecloud/gateway/internal/clientaddr"
	"github.com/primecloud/primecloud/gateway/internal/docs"
	"github.com/primecloud/primecloud/gateway/internal/edge"
	"github.com/primecloud/primecloud/gateway/internal/fault"
	"github.com/primecloud/primecloud/gateway/internal/link"
	"github.com/primecloud/primecloud/gateway/internal/login"
	"github.com/primecloud/primecloud/gateway/internal/oauth"
	"github.com/primecloud/primecloud/gateway/internal/ratelimit"
	"github.com/primecloud/primecloud/gateway/internal/secure"
	"github.com/primecloud/primecloud/gateway/internal/trail"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/id"
)

// handler is every request's way through the gateway, in the order of ServeHTTP.
type handler struct {
	clock       clock.Clock
	addresses   *clientaddr.Finder
	headers     *secure.Headers
	cors        *secure.CORS
	trail       *trail.Trail
	admission   *admission.Admission
	edge        *edge.Edge
	login       *login.Login
	oauth       *oauth.Server
	loginLimit  *ratelimit.Limiter
	logoutLimit *ratelimit.Limiter
	docs        *docs.Docs
	links       *link.Links
	linkLimit   *ratelimit.Limiter
	health      http.Handler
	timeout     time.Duration
	draining    atomic.Bool
}

// exchange is one request and its response: the call, and the writer that remembers the
// status. They are one allocation.
type exchange struct {
	http.ResponseWriter
	call   call.Call
	status int
}

// WriteHeader notes the status.
func (e *exchange) WriteHeader(status int) {
	if e.status == 0 {
		e.status = status
	}
	e.ResponseWriter.WriteHeader(status)
}

// Write notes that a response without a status is a success.
func (e *exchange) Write(p []byte) (int, error) {
	if e.status == 0 {
		e.status = http.StatusOK
	}
	return e.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (e *exchange) Unwrap() http.ResponseWriter { return e.ResponseWriter }

// ServeHTTP answers a request.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	e := &exchange{ResponseWriter: w}
	k := &e.call
	h.begin(e, r)
	ctx, span := h.trail.Begin(r)
	defer func() {
		if cause := recover(); cause != nil {
			if cause == http.ErrAbortHandler { //nolint:errorlint // it is never wrapped
				h.trail.End(ctx, span, trail.Ending{Call: k, Method: r.Method, Status: e.status, Took: time.Since(began)})
				panic(cause)
			}
			k.Failure = errs.New(errs.Internal, "INTERNAL", "panic").Wrap(fmt.Errorf("panic: %v\n%s", cause, debug.Stack()))
			if e.status == 0 {
				fault.Write(e, k.RequestID, k.Failure)
			}
		}
		h.trail.End(ctx, span, trail.Ending{Call: k, Method: r.Method, Status: e.status, Took: time.Since(began)})
	}()
	if h.cors.Answer(e, r) {
		return
	}
	h.route(ctx, e, r)
}

// begin fills the call with what the request says of itself, and sets the headers of
// every response.
func (h *handler) begin(e *exchange, r *http.Request) {
	header := e.Header()
	e.call = call.Call{
		RequestID: requestID(r, h.clock), Address: h.addresses.Of(r), UserAgent: visible(r.Header.Get("User-Agent")), Response: header,
	}
	h.headers.Set(header)
	header["X-Request-Id"] = []string{e.call.RequestID}
}

// route sends the request where its path belongs.
func (h *handler) route(ctx context.Context, e *exchange, r *http.Request) {
	k := &e.call
	path := r.URL.Path
	switch {
	case path == "/v1/me/csrf":
		k.Route = path
		if h.only(e, r, http.MethodGet) && h.admit(ctx, e, r) {
			h.login.CSRF(e, r, k)
		}
	case strings.HasPrefix(path, "/v1/") && !legible(r):
		h.fail(e, errNotText)
	case strings.HasPrefix(path, "/v1/"):
		if h.admit(ctx, e, r) {
			h.edge.Serve(ctx, e, r, k)
		}
	case path == oauth.TokenPath || path == oauth.MetadataPath:
		h.authorize(ctx, e, r)
	case path == "/auth/backchannel-logout":
		h.backchannel(ctx, e, r)
	case strings.HasPrefix(path, "/auth/"):
		h.auth(ctx, e, r)
	case strings.HasPrefix(path, link.Base):
		h.link(ctx, e, r)
	case path == "/healthz" || path == "/readyz":
		k.Route = path
		if h.only(e, r, http.MethodGet) {
			h.health.ServeHTTP(e, r.WithContext(ctx))
		}
	case path == "/":
		k.Route = path
		if h.only(e, r, http.MethodGet) {
			e.Header().Set("Location", "/docs")
			e.WriteHeader(http.StatusSeeOther)
		}
	case h.docs.Has(path):
		k.Route = path
		if h.only(e, r, http.MethodGet) {
			h.docs.ServeHTTP(e, r)
		}
	default:
		h.fail(e, fault.ErrRoute)
	}
}

// errNotText is for a request that no service could be told.
var errNotText = fault.ErrRequestInvalid.WithMessage("path, query and If-Match must be UTF-8")

// legible reports whether what a request says outside of its body is text. A message carries
// nothing else, so anything else would come back as a defect of ours.
func legible(r *http.Request) bool {
	query, err := url.QueryUnescape(r.URL.RawQuery)
	// What cannot be unescaped is refused where the query is read.
	return utf8.ValidString(r.URL.Path) && (err != nil || utf8.ValidString(query)) && utf8.ValidString(r.Header.Get("If-Match"))
}

// admit finds out who calls, and answers those beyond their budget.
func (h *handler) admit(ctx context.Context, e *exchange, r *http.Request) bool {
	if err := h.admission.Admit(ctx, e, r, &e.call); err != nil {
		h.fail(e, err)
		return false
	}
	return true
}

// auth serves the login routes, with a budget per address.
func (h *handler) auth(ctx context.Context, e *exchange, r *http.Request) {
	k := &e.call
	decision := h.loginLimit.Take(ratelimit.Key(k.Address), h.clock.Now())
	h.loginLimit.Tell(e.Header(), decision)
	if !decision.Allowed {
		h.fail(e, ratelimit.ErrLimited.WithRetryAfter(decision.RetryAfter))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	k.Route = r.URL.Path
	switch r.URL.Path {
	case "/auth/login":
		if h.only(e, r, http.MethodGet) {
			h.login.Begin(ctx, e, r, k)
		}
	case "/auth/providers":
		if h.only(e, r, http.MethodGet) {
			h.login.Providers(e)
		}
	case "/auth/callback":
		// It makes a session, so that HEAD, which is to change nothing, is no GET here.
		if r.Method != http.MethodHead && h.only(e, r, http.MethodGet) {
			h.login.Callback(ctx, e, r, k)
		} else if r.Method == http.MethodHead {
			e.Header().Set("Allow", http.MethodGet)
			h.fail(e, fault.ErrMethod)
		}
	case "/auth/link":
		if h.only(e, r, http.MethodPost) {
			h.login.Link(ctx, e, r, k)
		}
	case "/auth/logout":
		if h.only(e, r, http.MethodPost) {
			h.login.Logout(ctx, e, r, k)
		}
	default:
		k.Route = ""
		h.fail(e, fault.ErrRoute)
	}
}

// authorize serves machines that speak OAuth 2.0; a token comes out of the budget of logins.
func (h *handler) authorize(ctx context.Context, e *exchange, r *http.Request) {
	k := &e.call
	k.Route = r.URL.Path
	if r.URL.Path == oauth.MetadataPath {
		if h.only(e, r, http.MethodGet) {
			h.oauth.Metadata(e)
		}
		return
	}
	if !h.only(e, r, http.MethodPost) {
		return
	}
	decision := h.loginLimit.Take(ratelimit.Key(k.Address), h.clock.Now())
	h.loginLimit.Tell(e.Header(), decision)
	if !decision.Allowed {
		h.oauth.Limited(e, k, ratelimit.ErrLimited.WithRetryAfter(decision.RetryAfter))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	h.oauth.Token(ctx, e, r, k)
}

// backchannel serves a provider's logouts. They have a budget of their own, that of requests: a
// provider may log many out at once, all from its one address.
func (h *handler) backchannel(ctx context.Context, e *exchange, r *http.Request) {
	k := &e.call
	k.Route = r.URL.Path
	if !h.only(e, r, http.MethodPost) {
		return
	}
	decision := h.logoutLimit.Take(ratelimit.Key(k.Address), h.clock.Now())
	h.logoutLimit.Tell(e.Header(), decision)
	if !decision.Allowed {
		h.fail(e, ratelimit.ErrLimited.WithRetryAfter(decision.RetryAfter))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	h.login.Backchannel(ctx, e, r, k)
}

// link serves public links, with a budget per address. Their path holds a token, so that it
// is nowhere shown.
func (h *handler) link(ctx context.Context, e *exchange, r *http.Request) {
	k := &e.call
	k.Route = link.Route
	decision := h.linkLimit.Take(ratelimit.Key(k.Address), h.clock.Now())
	h.linkLimit.Tell(e.Header(), decision)
	switch {
	case !decision.Allowed:
		h.fail(e, ratelimit.ErrLimited.WithRetryAfter(decision.RetryAfter))
	case !legible(r):
		h.fail(e, errNotText)
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		// Opening a link counts, so that HEAD, which is to change nothing, is no GET here.
		e.Header().Set("Allow", "GET, POST")
		h.fail(e, fault.ErrMethod)
	default:
		ctx, cancel := context.WithTimeout(ctx, h.timeout)
		defer cancel()
		h.links.Serve(ctx, e, r, k)
	}
}

// only refuses other methods than the one that a route of ours takes.
func (h *handler) only(e *exchange, r *http.Request, method string) bool {
	if r.Method == method || r.Method == http.MethodHead && method == http.MethodGet {
		return true
	}
	e.Header().Set("Allow", method)
	h.fail(e, fault.ErrMethod)
	return false
}

func (h *handler) fail(e *exchange, err error) {
	e.call.Failure = err
	fault.Write(e, e.call.RequestID, err)
}

// maxRequestID is the longest request id of a client that is kept.
const maxRequestID = 128

// requestID returns the client's id of the request when it is fit to be logged, or a new one.
func requestID(r *http.Request, clock clock.Clock) string {
	if sent := r.Header["X-Request-Id"]; len(sent) == 1 && sent[0] != "" && len(sent[0]) <= maxRequestID {
		fit := true
		for i := range len(sent[0]) {
			switch c := sent[0][i]; {
			case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
			default:
				fit = false
			}
		}
		if fit {
			return sent[0]
		}
	}
	return id.New("req", clock.Now())
}

// maxUserAgent is how much of a user agent is kept.
const maxUserAgent = 256

// visible makes a user agent fit for metadata: visible ASCII and blanks.
func visible(agent string) string {
	if len(agent) > maxUserAgent {
		agent = agent[:maxUserAgent]
	}
	for i := range len(agent) {
		if agent[i] < 0x20 || agent[i] >= 0x7f {
			return strings.Map(func(c rune) rune {
				if c < 0x20 || c >= 0x7f {
					return '?'
				}
				return c
			}, agent)
		}
	}
	return agent
}
