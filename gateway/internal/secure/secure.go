// Package secure sets the headers that tell browsers what not to do, and answers CORS. It
// owns both and decides nothing else: who may call is decided elsewhere, whatever a
// browser thinks of it.
package secure

import (
	"net/http"
	"strings"
)

// Headers writes the security headers. It allocates nothing.
type Headers struct {
	always map[string][]string
}

// NewHeaders returns the headers for a site that browsers reach over https or not.
func NewHeaders(https bool) *Headers {
	h := &Headers{always: map[string][]string{
		"Cache-Control":                {"no-store"},
		"Content-Security-Policy":      {"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"},
		"Cross-Origin-Opener-Policy":   {"same-origin"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
		"Referrer-Policy":              {"no-referrer"},
		"X-Content-Type-Options":       {"nosniff"},
		"X-Frame-Options":              {"DENY"},
	}}
	if https {
		h.always["Strict-Transport-Security"] = []string{"max-age=63072000; includeSubDomains"}
	}
	return h
}

// Set writes them; a handler may replace one later.
func (h *Headers) Set(header http.Header) {
	for name, values := range h.always {
		header[name] = values
	}
}

// CORS lets pages of the listed origins call, with the cookie. Others get no permission
// from us, so their browsers keep the answers from them.
type CORS struct{ origins map[string][]string }

// NewCORS returns the answers for the origins, which are exact.
func NewCORS(origins []string) *CORS {
	c := &CORS{origins: map[string][]string{}}
	for _, origin := range origins {
		c.origins[origin] = []string{origin}
	}
	return c
}

var (
	vary        = []string{"Origin"}
	yes         = []string{"true"}
	age         = []string{"600"}
	methods     = []string{"GET, POST, PATCH, PUT, DELETE"}
	may         = []string{strings.Join(sent, ", ")}
	exposed     = []string{"ETag, X-Request-Id, Primecloud-Operation-Id, Retry-After, RateLimit, RateLimit-Policy, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset"}
	sent        = []string{"Authorization", "Content-Type", "Idempotency-Key", "If-Match", "X-CSRF-Token", "X-Request-Id", "Traceparent", "Tracestate"}
	preflightOf = "Access-Control-Request-Method"
)

// Answer writes what a browser needs to know, and reports whether the request was a
// preflight, which is answered with it.
func (c *CORS) Answer(w http.ResponseWriter, r *http.Request) (preflight bool) {
	if len(c.origins) == 0 {
		return false
	}
	header := w.Header()
	header["Vary"] = vary
	origin := r.Header["Origin"]
	if len(origin) != 1 {
		return false
	}
	allowed, ok := c.origins[origin[0]]
	if !ok {
		return false
	}
	header["Access-Control-Allow-Origin"] = allowed
	header["Access-Control-Allow-Credentials"] = yes
	delete(header, "Cross-Origin-Resource-Policy")
	if r.Method != http.MethodOptions || r.Header.Get(preflightOf) == "" {
		header["Access-Control-Expose-Headers"] = exposed
		return false
	}
	header["Access-Control-Allow-Methods"] = methods
	header["Access-Control-Allow-Headers"] = may
	header["Access-Control-Max-Age"] = age
	w.WriteHeader(http.StatusNoContent)
	return true
}
