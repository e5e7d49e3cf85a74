package share

import (
	"net/netip"

	"github.com/primecloud/primecloud/pkg/network"
)

// maxNetworks is how many networks a share may be bound to.
const maxNetworks = 50

// ParseNetworks reads networks as a caller spells them.
func ParseNetworks(texts []string) ([]netip.Prefix, error) {
	if len(texts) > maxNetworks {
		return nil, invalid("allowed_networks", "NETWORKS", "give 50 at most")
	}
	networks, wrong := network.ParseAll(texts)
	if wrong != "" {
		return nil, invalid("allowed_networks", "NETWORK", wrong)
	}
	return networks, nil
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
