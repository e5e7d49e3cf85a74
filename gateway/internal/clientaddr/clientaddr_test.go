package clientaddr_test

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/primecloud/primecloud/gateway/internal/clientaddr"
)

func TestForwarded_addresses_count_as_far_as_trusted_proxies_wrote_them(t *testing.T) {
	finder := clientaddr.New([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")})
	cases := []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"a client itself", "203.0.113.7:1", nil, "203.0.113.7"},
		{"a client that claims to be another", "203.0.113.7:1", []string{"6.6.6.6"}, "203.0.113.7"},
		{"behind a proxy", "10.1.2.3:1", []string{"203.0.113.7"}, "203.0.113.7"},
		{"behind two proxies", "10.1.2.3:1", []string{"203.0.113.7, 10.9.9.9"}, "203.0.113.7"},
		{"a claim behind a proxy", "10.1.2.3:1", []string{"6.6.6.6, 203.0.113.7"}, "203.0.113.7"},
		{"a claim in a header of its own", "10.1.2.3:1", []string{"6.6.6.6", "203.0.113.7"}, "203.0.113.7"},
		{"a proxy that writes ports", "10.1.2.3:1", []string{"203.0.113.7:4711"}, "203.0.113.7"},
		{"a proxy over IPv6", "[fd00::1]:1", []string{"2001:db8::7"}, "2001:db8::7"},
		{"IPv4 in IPv6", "[::ffff:10.1.2.3]:1", []string{"::ffff:203.0.113.7"}, "203.0.113.7"},
		{"a zone", "[fe80::1%eth0]:1", nil, "fe80::1"},
		{"nonsense behind a proxy", "10.1.2.3:1", []string{"nonsense"}, "10.1.2.3"},
		{"nonsense before the client", "10.1.2.3:1", []string{"nonsense, 203.0.113.7"}, "203.0.113.7"},
		{"a proxy that says nothing", "10.1.2.3:1", nil, "10.1.2.3"},
		{"no transport address", "@", nil, ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: tc.peer, Header: http.Header{"X-Forwarded-For": tc.forwarded}}
			if got := finder.Of(r); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}
