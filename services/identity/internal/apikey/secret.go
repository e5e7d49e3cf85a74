package apikey

import (
	"crypto/rand"
	"crypto/sha256"
	"hash/crc32"
	"math/big"
	"strings"

	"github.com/primecloud/primecloud/pkg/id"
)

// The form of a secret: pck_<26 characters of the id>_<43 random><6 checksum>.
const (
	secretPrefix   = "pck_"
	randomLength   = 43 // base 62 digits that hold 256 bits
	checksumLength = 6  // base 62 digits that hold 32 bits
	bodyLength     = len(secretPrefix) + id.Length + 1 + randomLength
	secretLength   = bodyLength + checksumLength
)

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// Hash is how a secret is stored. It needs no salt and no work factor: the secret has 256
// random bits.
type Hash [sha256.Size]byte

func hashOf(secret string) Hash { return sha256.Sum256([]byte(secret)) }

// newSecret returns a secret for the key of the id.
func newSecret(keyID string) string {
	var raw [32]byte
	// crypto/rand.Read never fails: it ends the process rather than return weak bytes.
	_, _ = rand.Read(raw[:])
	body := Shown(keyID) + "_" + base62(new(big.Int).SetBytes(raw[:]), randomLength)
	return body + checksum(body)
}

// Shown returns the part of a key's secret that is no secret: what a list shows.
func Shown(keyID string) string { return secretPrefix + strings.TrimPrefix(keyID, Prefix+"_") }

// parse returns the id of the key that a secret names, if it has the form and its
// checksum holds. That says nothing of whether there is such a key.
func parse(secret string) (keyID string, ok bool) {
	if len(secret) != secretLength || !strings.HasPrefix(secret, secretPrefix) {
		return "", false
	}
	body, sum := secret[:bodyLength], secret[bodyLength:]
	if checksum(body) != sum {
		return "", false
	}
	named, random, found := strings.Cut(body[len(secretPrefix):], "_")
	keyID = Prefix + "_" + named
	if !found || !id.Valid(Prefix, keyID) || strings.Trim(random, digits) != "" {
		return "", false
	}
	return keyID, true
}

func checksum(body string) string {
	return base62(new(big.Int).SetUint64(uint64(crc32.ChecksumIEEE([]byte(body)))), checksumLength)
}

// base62 writes n in the given number of digits, which must be enough.
func base62(n *big.Int, length int) string {
	out := make([]byte, length)
	rest, digit, base := new(big.Int).Set(n), new(big.Int), big.NewInt(int64(len(digits)))
	for i := length - 1; i >= 0; i-- {
		rest.DivMod(rest, base, digit)
		out[i] = digits[digit.Int64()]
	}
	return string(out)
}
