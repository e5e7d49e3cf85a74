// Package address compares e-mail addresses, once for all that rights hang on.
package address

import "strings"

// Key returns what two spellings of one address have in common: letters from A to Z are the
// same in upper and lower case, and nothing else is. Folding more would make addresses of
// different people one: the Kelvin sign becomes a k, and whoever has it in an address of
// their own, verified, would have the rights of another's.
func Key(address string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, address)
}
