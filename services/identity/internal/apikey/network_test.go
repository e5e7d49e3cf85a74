package apikey

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func networks(t interface{ Fatal(...any) }, texts ...string) []netip.Prefix {
	parsed, err := ParseNetworks(texts)
	if err != nil {
		t.Fatal(err)
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
		if covers(after, before) && within(before, address) && !within(after, address) {
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
		if got := covers(networks(t, c.after...), networks(t, c.before...)); got != c.want {
			t.Errorf("%v covers %v: %v", c.after, c.before, got)
		}
	}
}

func FuzzNetworks_are_read_back_as_they_are_spelled(f *testing.F) {
	for _, seed := range []string{"192.0.2.0/24", "::1", "2001:db8::/32", "10.0.0.1/8", "::ffff:1.2.3.4", "fe80::1%eth0", "", "/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, err := ParseNetworks([]string{text})
		if err != nil {
			return
		}
		second := networks(t, Spell(first)...)
		if !slices.Equal(first, second) || !first[0].IsValid() || first[0].Masked() != first[0] {
			t.Errorf("%q is %v and then %v", text, first, second)
		}
	})
}
