// Package id makes and checks resource ids: a prefix that names the kind of
// resource, an underscore, and 26 characters that sort by time of creation
// (48 bits of milliseconds, 80 random bits, Crockford base 32 in lower case).
//
// Ids are not secrets. They are unique for all practical purposes and say when the
// resource was made; nothing else may be read out of them.
package id

import (
	"crypto/rand"
	"encoding/base32"
	"strings"
	"time"
)

// Length is the number of characters behind the prefix and its underscore.
const Length = 26

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

var encoding = base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)

// New returns a new id with the prefix, ordered by now, which is in 1970 or later.
func New(prefix string, now time.Time) string {
	var raw [16]byte
	ms := uint64(now.UnixMilli())
	for i := range 6 {
		raw[i] = byte(ms >> (8 * (5 - i)))
	}
	// crypto/rand.Read never fails: it ends the process rather than return weak bytes.
	_, _ = rand.Read(raw[6:])
	return prefix + "_" + encoding.EncodeToString(raw[:])
}

// Valid reports whether s is an id with the prefix, in its one canonical spelling.
func Valid(prefix, s string) bool {
	rest, ok := strings.CutPrefix(s, prefix+"_")
	if !ok {
		return false
	}
	_, ok = decode(rest)
	return ok
}

// Time returns when the id was made, to the millisecond.
func Time(s string) (time.Time, bool) {
	i := strings.LastIndexByte(s, '_')
	if i < 0 {
		return time.Time{}, false
	}
	raw, ok := decode(s[i+1:])
	if !ok {
		return time.Time{}, false
	}
	var ms uint64
	for _, b := range raw[:6] {
		ms = ms<<8 | uint64(b)
	}
	return time.UnixMilli(int64(ms)).UTC(), true
}

// decode reads what is behind the prefix. The decoder skips line ends and ignores the two
// bits that are too many, so only what encodes to the same text again is canonical.
func decode(rest string) ([]byte, bool) {
	if len(rest) != Length {
		return nil, false
	}
	raw, err := encoding.DecodeString(rest)
	if err != nil || encoding.EncodeToString(raw) != rest {
		return nil, false
	}
	return raw, true
}
