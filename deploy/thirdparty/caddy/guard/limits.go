package guard

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/dustin/go-humanize"

	"github.com/primecloud/primecloud/deploy/thirdparty/caddy/form"
)

// Limits bounds what one client may ask of the door. Zero means no bound.
//
// A client is its address (of IPv6 the first 64 bits, which is what one customer of a network
// gets) and the access key id that it names, each with a rate of its own. The id is not proved
// at this point: whoever knows one can use up its rate, but ids are treated as secrets.
type Limits struct {
	// PerAddress and PerKey are requests per second; twice as many may come at once.
	PerAddress int `json:"per_address,omitempty"`
	PerKey     int `json:"per_key,omitempty"`
	// Open is how many requests of one address may be under way.
	Open int `json:"open,omitempty"`
	// Put is the greatest content of one PUT, and the greatest file of a form; Other is the greatest body of any other
	// request. All in bytes.
	Put   int64 `json:"put,omitempty"`
	Other int64 `json:"other,omitempty"`
	// Stalled is how long a body may stand still.
	Stalled caddy.Duration `json:"stalled,omitempty"`
	// Slowest is what a body brings at the least, in bytes per second of waiting for it, looked at every minute.
	Slowest int64 `json:"slowest,omitempty"`

	addresses, keys *rates
	opened          *counts
}

// framing is what chunk signatures, checksums and trailers may add to the content of a PUT: some 90 bytes
// per chunk, and nobody sends chunks of less than 8 KiB.
const framing = 64 << 20

// CaddyModule names the handler.
func (*Limits) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.s3_limits", New: func() caddy.Module { return new(Limits) }}
}

// Provision makes the tables.
func (l *Limits) Provision(caddy.Context) error {
	l.addresses, l.keys, l.opened = newRates(l.PerAddress), newRates(l.PerKey), newCounts(l.Open)
	return nil
}

// ServeHTTP passes on what is within the limits.
func (l *Limits) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	address, now := client(r), time.Now()
	if !l.opened.enter(address) {
		// Not counted, so neither waited for: what is left of a body has a moment.
		_ = http.NewResponseController(w).SetReadDeadline(now.Add(lingerStill))
		return refuse(w, http.StatusServiceUnavailable, "SlowDown", "Too many requests of this address are under way.")
	}
	defer l.opened.leave(address)
	most, body := l.bounds(r)
	if r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0 {
		if most > 0 && r.ContentLength < 0 {
			r.Body = http.MaxBytesReader(w, r.Body, body)
		}
		steady := l.steady(w, r)
		r.Body = steady
		answer := &slowAnswer{ResponseWriterWrapper: &caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, body: steady}
		w = answer
		defer func() { steady.linger(r, answer.said) }()
	}
	if !l.addresses.allow(address, now) || !l.keys.allow(keyID(r), now) {
		return refuse(w, http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate.")
	}
	if most > 0 && (r.ContentLength > body || content(r) > most) {
		return refuse(w, http.StatusBadRequest, "EntityTooLarge",
			fmt.Sprintf("One %s carries at most %s here; upload larger objects in parts.", r.Method, humanize.IBytes(uint64(most))))
	}
	return next.ServeHTTP(w, r)
}

// bounds are the greatest content of a request and the greatest body it may come in.
func (l *Limits) bounds(r *http.Request) (most, body int64) {
	switch {
	case r.Method == http.MethodPut:
		return l.Put, l.Put + framing
	case isForm(r) && l.Put > 0:
		// The form's other fields come on top, before the file and behind it.
		return l.Put + 2*form.MaxHead, l.Put + 2*form.MaxHead
	case isForm(r):
		return 0, 0
	}
	return l.Other, l.Other
}

// content is how much a request carries: without the framing, where the client says so.
func content(r *http.Request) int64 {
	if decoded, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64); err == nil && r.Method == http.MethodPut {
		return decoded
	}
	return r.ContentLength
}

// client is whom a request counts for.
func client(r *http.Request) string {
	text, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	if text == "" {
		text, _, _ = net.SplitHostPort(r.RemoteAddr)
	}
	address, err := netip.ParseAddr(text)
	if err != nil || address.Unmap().Is4() {
		return text
	}
	network, err := address.WithZone("").Prefix(64)
	if err != nil {
		return text
	}
	return network.String()
}

// keyID is the access key id that a request names, empty when it names none.
func keyID(r *http.Request) string {
	authorization := r.Header.Get("Authorization")
	if _, rest, found := strings.Cut(authorization, "Credential="); found {
		id, _, _ := strings.Cut(rest, "/")
		return id
	}
	if rest, found := strings.CutPrefix(authorization, "AWS "); found {
		id, _, _ := strings.Cut(rest, ":")
		return id
	}
	for _, name := range []string{"X-Amz-Credential=", "AWSAccessKeyId="} {
		if _, rest, found := strings.Cut(r.URL.RawQuery, name); found {
			return rest[:len(rest)-len(strings.TrimLeftFunc(rest, func(c rune) bool { return c != '/' && c != '%' && c != '&' }))]
		}
	}
	return ""
}

func parseLimits(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next()
	l := new(Limits)
	for h.NextBlock(0) {
		name := h.Val()
		if !h.NextArg() {
			return nil, h.ArgErr()
		}
		var err error
		switch name {
		case "per_address":
			l.PerAddress, err = strconv.Atoi(h.Val())
		case "per_key":
			l.PerKey, err = strconv.Atoi(h.Val())
		case "open":
			l.Open, err = strconv.Atoi(h.Val())
		case "put":
			l.Put, err = size(h.Val())
		case "other":
			l.Other, err = size(h.Val())
		case "slowest":
			l.Slowest, err = size(h.Val())
		case "stalled":
			var d time.Duration
			d, err = caddy.ParseDuration(h.Val())
			l.Stalled = caddy.Duration(d)
		default:
			return nil, h.Errf("s3_limits knows no %s", name)
		}
		if err != nil {
			return nil, h.Errf("%s: %v", name, err)
		}
	}
	return l, nil
}

func size(text string) (int64, error) {
	n, err := humanize.ParseBytes(text)
	return int64(n), err //nolint:gosec // nobody sets exabytes
}
