package invitation

import "strings"

// maxAddress is the longest address that mail can be sent to, in characters.
const maxAddress = 254

// AddressKey returns what two spellings of one address have in common: letters from A to Z
// are the same in upper and lower case, and nothing else is. Folding more would make
// addresses of different people one: the Kelvin sign becomes a k, and whoever has it in an
// address of their own, verified, could take an invitation to another's.
func AddressKey(address string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, address)
}

// validAddress reports whether mail may be sent to the address. Its form in detail is the
// contract's rule; here is what a mistake there must not let through.
func validAddress(address string) bool {
	local, domain, found := strings.Cut(address, "@")
	return found && local != "" && domain != "" && len(address) <= maxAddress && !strings.Contains(domain, "@") &&
		!strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' })
}
