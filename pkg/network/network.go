// Package network reads the networks that something may be used from, CIDR ranges and single
// addresses, and says whom they admit.
//
// Guarantees: a network that was read has one spelling, which reads back as itself; one that
// can be taken in two ways is refused, with what to write instead. How many there may be, and
// with which error they are refused, is for whoever asks to say.
package network

import (
	"net/netip"
	"slices"
	"strings"
)

// Parse reads a network as a caller spells it. A single address is the network of that address
// alone; bits beyond the prefix are refused, for then somebody meant something else than they
// wrote. What is wrong is said as a violation's description has it, and empty if nothing is.
func Parse(text string) (network netip.Prefix, wrong string) {
	text = strings.TrimSpace(text)
	network, err := netip.ParsePrefix(text)
	if err != nil {
		address, err := netip.ParseAddr(text)
		if err != nil || address.Zone() != "" {
			return netip.Prefix{}, "give a CIDR range or an address"
		}
		network = netip.PrefixFrom(address.Unmap(), address.Unmap().BitLen())
	}
	switch {
	case network.Addr().Is4In6():
		return netip.Prefix{}, "write " + text + " as an IPv4 range"
	case network.Masked() != network:
		return netip.Prefix{}, "write " + text + " as " + network.Masked().String()
	default:
		return network, ""
	}
}

// ParseAll reads networks as Parse does, drops doubles, and says what is wrong with the first
// that it refuses.
func ParseAll(texts []string) (networks []netip.Prefix, wrong string) {
	for _, text := range texts {
		network, wrong := Parse(text)
		if wrong != "" {
			return nil, wrong
		}
		if !slices.Contains(networks, network) {
			networks = append(networks, network)
		}
	}
	return networks, ""
}

// Spell returns the networks as text. It is never nil.
func Spell(networks []netip.Prefix) []string {
	texts := make([]string, len(networks))
	for i, network := range networks {
		texts[i] = network.String()
	}
	return texts
}

// Admit reports whether an address lies in one of the networks. Without any, all do; with
// some, an address that is not known does not.
func Admit(networks []netip.Prefix, address string) bool {
	if len(networks) == 0 {
		return true
	}
	from, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	from = from.Unmap().WithZone("")
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(from) })
}

// Cover reports whether every address of the old networks lies in the new ones, each of
// them in one: a cover made of parts is not looked for.
func Cover(after, before []netip.Prefix) bool {
	if len(after) == 0 {
		return true
	}
	if len(before) == 0 {
		return false
	}
	for _, old := range before {
		if !slices.ContainsFunc(after, func(n netip.Prefix) bool { return n.Bits() <= old.Bits() && n.Contains(old.Addr()) }) {
			return false
		}
	}
	return true
}
