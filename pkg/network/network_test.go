package network_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/pkg/network"
)

func networks(t interface{ Fatal(...any) }, texts ...string) []netip.Prefix {
	parsed, wrong := network.ParseAll(texts)
	if wrong != "" {
		t.Fatal(wrong)
	}
	return parsed
}

func TestNetworks_that_cover_others_let_in_whoever_those_did(t *testing.T) {
	prefix := rapid.Custom(func(t *rapid.T) netip.Prefix {
		bytes := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 127, 128, 255}), 4, 4).Draw(t, "address")
		address, _ := netip.AddrFromSlice(bytes)
		masked, _ := address.Prefix(rapid.IntRange(0, 32).Draw(t, "bits"))
		return masked
	})
	rapid.Check(t, func(t *rapid.T) {
		before := rapid.SliceOfN(prefix, 0, 3).Draw(t, "before")
		after := rapid.SliceOfN(prefix, 0, 3).Draw(t, "after")
		address := prefix.Draw(t, "caller").Addr().String()
		if network.Cover(after, before) && network.Admit(before, address) && !network.Admit(after, address) {
			t.Fatalf("%v covers %v and refuses %s", after, before, address)
		}
	})
	for _, c := range []struct {
		after, before []string
		want          bool
	}{
		{nil, nil, true},
		{nil, []string{"10.0.0.0/8"}, true},
		{[]string{"0.0.0.0/0"}, nil, false},
		{[]string{"10.0.0.0/8", "::/0"}, []string{"10.1.0.0/16", "2001:db8::1"}, true},
		{[]string{"10.1.0.0/16"}, []string{"10.0.0.0/8"}, false},
		{[]string{"::/0"}, []string{"10.0.0.0/8"}, false},
	} {
		if got := network.Cover(networks(t, c.after...), networks(t, c.before...)); got != c.want {
			t.Errorf("%v covers %v: %v", c.after, c.before, got)
		}
	}
}

func TestNetworks_are_read_as_they_were_meant(t *testing.T) {
	read := networks(t, "192.0.2.0/24", " 198.51.100.7 ", "2001:DB8::/32", "192.0.2.0/24", "::ffff:203.0.113.9")
	if got := strings.Join(network.Spell(read), " "); got != "192.0.2.0/24 198.51.100.7/32 2001:db8::/32 203.0.113.9/32" {
		t.Error(got)
	}
	for text, want := range map[string]string{
		"192.0.2.1/24":         "write 192.0.2.1/24 as 192.0.2.0/24",
		"::ffff:10.0.0.0/104":  "write ::ffff:10.0.0.0/104 as an IPv4 range",
		"x":                    "give a CIDR range or an address",
		"":                     "give a CIDR range or an address",
		"fe80::1%eth0":         "give a CIDR range or an address",
		"10.0.0.0/33":          "give a CIDR range or an address",
		"010.0.0.1":            "give a CIDR range or an address",
		"10.0.0.0/8, 11.0.0.0": "give a CIDR range or an address",
	} {
		if got, wrong := network.ParseAll([]string{"192.0.2.0/24", text}); wrong != want || got != nil {
			t.Errorf("%q: %v, %q", text, got, wrong)
		}
	}
}

func TestNetworks_admit_the_addresses_in_them_however_those_are_spelled(t *testing.T) {
	some := networks(t, "192.0.2.0/24", "198.51.100.7", "2001:db8::/32")
	for address, want := range map[string]bool{
		"192.0.2.200": true, "198.51.100.7": true, "198.51.100.8": false, "2001:db8:1::5": true, "2001:db9::": false,
		"::ffff:192.0.2.1": true, "": false, "unix": false, "2001:db8::1%eth0": true,
	} {
		if network.Admit(some, address) != want {
			t.Errorf("%q: %v", address, !want)
		}
	}
	if !network.Admit(nil, "") {
		t.Error("without networks somebody is kept out")
	}
}

func FuzzNetworks_are_read_back_as_they_are_spelled(f *testing.F) {
	for _, seed := range []string{"192.0.2.0/24", "::1", "2001:db8::/32", "10.0.0.1/8", "::ffff:1.2.3.4", "fe80::1%eth0", "", "/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, wrong := network.ParseAll([]string{text})
		if wrong != "" {
			return
		}
		second := networks(t, network.Spell(first)...)
		if !slices.Equal(first, second) || !first[0].IsValid() || first[0].Masked() != first[0] {
			t.Errorf("%q is %v and then %v", text, first, second)
		}
	})
}
