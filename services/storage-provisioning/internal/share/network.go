package share

import (
	"net/netip"
	"slices"
	"strings"
)

// maxNetworks is how many networks a share may be bound to.
const maxNetworks = 50

// ParseNetworks reads networks as a caller spells them. A single address is the network of
// that address alone; bits beyond the prefix are refused, for then somebody meant something
// else than they wrote. Doubles are dropped.
func ParseNetworks(texts []string) ([]netip.Prefix, error) {
	networks := []netip.Prefix{}
	if len(texts) > maxNetworks {
		return nil, invalid("allowed_networks", "NETWORKS", "give 50 at most")
	}
	for _, text := range texts {
		network, wrong := parseNetwork(strings.TrimSpace(text))
		if wrong != "" {
			return nil, invalid("allowed_networks", "NETWORK", wrong)
		}
		if !slices.Contains(networks, network) {
			networks = append(networks, network)
		}
	}
	return networks, nil
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

// guesser names whom wrong passwords are counted for: an address, of IPv6 its network of 64
// bits, which is what one customer has.
func guesser(address string) string {
	from, err := netip.ParseAddr(address)
	if err != nil {
		return "unknown"
	}
	from = from.Unmap().WithZone("")
	if from.Is4() {
		return from.String()
	}
	return netip.PrefixFrom(from, 64).Masked().String()
}
