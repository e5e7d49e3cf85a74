package apikey

import (
	"net/netip"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/network"
)

// MaxNetworks is how many networks a key may be bound to.
const MaxNetworks = 50

// ErrNetworkInvalid is for what is no network, or too many of them.
var ErrNetworkInvalid = errs.New(errs.InvalidArgument, "NETWORK_INVALID",
	"allowed_networks are at most 50 CIDR ranges such as 192.0.2.0/24 or 2001:db8::/32, or single addresses")

// ParseNetworks reads networks as a caller spells them. Its error is ErrNetworkInvalid.
func ParseNetworks(texts []string) ([]netip.Prefix, error) {
	if len(texts) > MaxNetworks {
		return nil, ErrNetworkInvalid.WithViolation(violation("give 50 at most"))
	}
	networks, wrong := network.ParseAll(texts)
	if wrong != "" {
		return nil, ErrNetworkInvalid.WithViolation(violation(wrong))
	}
	return networks, nil
}

func violation(description string) errs.Violation {
	return errs.Violation{Field: "allowed_networks", Rule: "NETWORK_INVALID", Description: description}
}
