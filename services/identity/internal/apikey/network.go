package apikey

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/primecloud/primecloud/pkg/errs"
)

// MaxNetworks is how many networks a key may be bound to.
const MaxNetworks = 50

// ErrNetworkInvalid is for what is no network, or too many of them.
var ErrNetworkInvalid = errs.New(errs.InvalidArgument, "NETWORK_INVALID",
	"allowed_networks are at most 50 CIDR ranges such as 192.0.2.0/24 or 2001:db8::/32, or single addresses")

// ParseNetworks reads networks as a caller spells them. A single address is the network of
// that address alone; bits beyond the prefix are refused, for then somebody meant something
// else than they wrote. Doubles are dropped.
func ParseNetworks(texts []string) ([]netip.Prefix, error) {
	if len(texts) > MaxNetworks {
		return nil, ErrNetworkInvalid.WithViolation(violation("give 50 at most"))
	}
	var networks []netip.Prefix
	for _, text := range texts {
		network, wrong := parseNetwork(strings.TrimSpace(text))
		if wrong != "" {
			return nil, ErrNetworkInvalid.WithViolation(violation(wrong))
		}
		if !slices.Contains(networks, network) {
			networks = append(networks, network)
		}
	}
	return networks, nil
}

func violation(description string) errs.Violation {
	return errs.Violation{Field: "allowed_networks", Rule: "NETWORK_INVALID", Description: description}
}

// parseNetwork returns the network of a text, or what is wrong with it.
func parseNetwork(text string) (network netip.Prefix, wrong string) {
	network, err := netip.ParsePrefix(text)
	if err != nil {
		address, err := netip.ParseAddr(text)
		if err != nil || address.Zone() != "" {
			return netip.Prefix{}, "one is neither a CIDR range nor an address"
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

// Spell returns the networks as text.
func Spell(networks []netip.Prefix) []string {
	texts := make([]string, len(networks))
	for i, network := range networks {
		texts[i] = network.String()
	}
	return texts
}

// within reports whether an address lies in one of the networks. Without any, all do; with
// some, an address that is not known does not.
func within(networks []netip.Prefix, address string) bool {
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

// covers reports whether every address of the old networks lies in the new ones, each of
// them in one: a cover made of parts is not looked for.
func covers(after, before []netip.Prefix) bool {
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
