package invitation

import (
	"strings"

	"github.com/primecloud/primecloud/services/identity/internal/address"
)

// maxAddress is the longest address that mail can be sent to, in characters.
const maxAddress = 254

// addressKey is what invitations are found by.
func addressKey(email string) string { return address.Key(email) }

// validAddress reports whether mail may be sent to the address. Its form in detail is the
// contract's rule; here is what a mistake there must not let through.
func validAddress(email string) bool {
	local, domain, found := strings.Cut(email, "@")
	return found && local != "" && domain != "" && len(email) <= maxAddress && !strings.Contains(domain, "@") &&
		!strings.ContainsFunc(email, func(r rune) bool { return r <= ' ' || r > '~' })
}
