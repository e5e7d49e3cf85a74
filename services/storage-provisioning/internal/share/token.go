package share

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"hash/crc32"
	"strings"
)

// The form of a token: psh_<52 random><7 checksum>, so that whoever looks for leaked ones
// finds them, and a mistyped one asks nobody.
const (
	tokenPrefix    = "psh_"
	randomLength   = 52 // base 32 digits that hold 260 bits
	checksumLength = 7  // base 32 digits that hold 32 bits
	bodyLength     = len(tokenPrefix) + randomLength
	tokenLength    = bodyLength + checksumLength
)

const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

var encoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// Hash is how a token is stored. It needs no salt and no work factor: the token has 260
// random bits.
type Hash [sha256.Size]byte

// newToken returns a token. crypto/rand never fails: it ends the process rather than return
// weak characters.
func newToken() string {
	body := tokenPrefix + rand.Text() + rand.Text()
	return body + checksum(body)
}

// hashOf returns the hash of a token, if it has the form and its checksum holds. That says
// nothing of whether there is such a share.
func hashOf(token string) (Hash, bool) {
	if len(token) != tokenLength || !strings.HasPrefix(token, tokenPrefix) || strings.Trim(token[len(tokenPrefix):], digits) != "" {
		return Hash{}, false
	}
	if checksum(token[:bodyLength]) != token[bodyLength:] {
		return Hash{}, false
	}
	return sha256.Sum256([]byte(token)), true
}

func checksum(body string) string {
	return encoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(body))))
}
