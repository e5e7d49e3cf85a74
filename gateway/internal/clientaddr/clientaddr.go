// Package clientaddr finds out which address a request comes from. It believes
// X-Forwarded-For only as far as the trusted proxies wrote it: from the right, up to the
// first address that is no trusted proxy. What a client puts in front of that is ignored.
package clientaddr

import (
	"net/http"
	"net/netip"
	"strings"
)

// Finder knows the trusted proxies.
type Finder struct{ proxies []netip.Prefix }

// New returns a finder that trusts the proxies.
func New(proxies []netip.Prefix) *Finder { return &Finder{proxies: proxies} }

// Of returns the client's address without a port, or "" when the transport has none.
func (f *Finder) Of(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	address := peer.Addr().Unmap()
	if len(f.proxies) == 0 || !f.trusts(address) {
		return address.WithZone("").String()
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, ok := parse(strings.TrimSpace(hops[i]))
		if !ok {
			break
		}
		address = hop
		if !f.trusts(hop) {
			break
		}
	}
	return address.WithZone("").String()
}

// parse reads one hop, which some proxies write with a port.
func parse(hop string) (netip.Addr, bool) {
	if address, err := netip.ParseAddr(hop); err == nil {
		return address.Unmap(), true
	}
	if both, err := netip.ParseAddrPort(hop); err == nil {
		return both.Addr().Unmap(), true
	}
	return netip.Addr{}, false
}

func (f *Finder) trusts(address netip.Addr) bool {
	for _, p := range f.proxies {
		if p.Contains(address) {
			return true
		}
	}
	return false
}
