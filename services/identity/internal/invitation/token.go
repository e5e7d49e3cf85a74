package invitation

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// The form of a token: pci_<43 characters base64url: 256 random bits>.
const (
	tokenPrefix = "pci_"
	tokenLength = len(tokenPrefix) + 43
)

// Hash is how a token is stored. It needs no salt and no work factor: the token has 256
// random bits.
type Hash [sha256.Size]byte

func hashOf(token string) Hash { return sha256.Sum256([]byte(token)) }

// newToken returns a token.
func newToken() string {
	var raw [32]byte
	// crypto/rand.Read never fails: it ends the process rather than return weak bytes.
	_, _ = rand.Read(raw[:])
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(raw[:])
}

// wellFormed reports whether the text could be a token in its one spelling.
func wellFormed(token string) bool {
	rest, found := strings.CutPrefix(token, tokenPrefix)
	if !found || len(token) != tokenLength {
		return false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	return err == nil && len(raw) == 32
}
