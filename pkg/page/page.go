// Package page reads lists page by page, and makes the tokens for it (AIP-158). A token
// holds the position of the last row that was shown (keyset paging), not an offset: rows
// made or deleted in between neither repeat nor hide others.
//
// Guarantees: a token is authenticated and bound to the method, the account and the
// filter and order it was made for; anything else is refused with PAGE_TOKEN_INVALID. The
// size of the page may change on the way. A token is not encrypted: its position must be
// nothing that the caller was not shown. It lives as long as the key.
package page

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/primecloud/primecloud/pkg/errs"
)

// The size of a page when the caller names none, and the largest there is.
const (
	DefaultSize = 50
	MaxSize     = 1000
)

// MinKeyLength is the fewest bytes a codec's key may have.
const MinKeyLength = 32

// Position is the values, in the order of the list's keys, of the last row shown. The
// contract allows tokens of 1024 characters: keep the values under 700 bytes in all.
type Position []string

// Binding is what a token is good for.
type Binding struct {
	// Method is the full gRPC method name.
	Method string
	// Account is the account whose rows are listed, or empty.
	Account string
	// Query is the filter and the order: all that changes which rows there are, or their
	// order, always written in the same sequence.
	Query []string
}

// ErrInvalid is returned for a token that is malformed, changed, or made for another list.
var ErrInvalid = errs.New(errs.InvalidArgument, "PAGE_TOKEN_INVALID",
	"this page_token is not one of this list with this filter and order; start again without page_token").
	WithViolation(errs.Violation{Field: "page_token", Rule: "PAGE_TOKEN_INVALID", Description: "start again without page_token"})

const (
	version   = 1
	macLength = 16
)

// Base64 has several spellings of some tokens; strict decoding accepts one.
var encoding = base64.RawURLEncoding.Strict()

// Codec makes and reads tokens. Every replica of a service needs the same key.
type Codec struct {
	key []byte
}

// NewCodec returns a codec with the key.
func NewCodec(key []byte) (*Codec, error) {
	if len(key) < MinKeyLength {
		return nil, fmt.Errorf("page: the key has %d bytes, but %d are needed", len(key), MinKeyLength)
	}
	return &Codec{key: append([]byte(nil), key...)}, nil
}

// Encode returns the token that goes on behind the position; an empty position, which is
// the end of the list, gives an empty token.
func (c *Codec) Encode(position Position, binding Binding) string {
	if len(position) == 0 {
		return ""
	}
	raw := appendStrings([]byte{version}, position)
	return encoding.EncodeToString(append(raw, c.mac(raw, binding)...))
}

// Decode returns the position in the token; an empty token, which is the start of the
// list, gives an empty position. Its error is ErrInvalid.
func (c *Codec) Decode(token string, binding Binding) (Position, error) {
	if token == "" {
		return nil, nil
	}
	raw, err := encoding.DecodeString(token)
	// Even strict decoding skips line ends.
	if err != nil || strings.ContainsAny(token, "\r\n") || len(raw) <= macLength {
		return nil, ErrInvalid
	}
	raw, mac := raw[:len(raw)-macLength], raw[len(raw)-macLength:]
	if !hmac.Equal(mac, c.mac(raw, binding)) || raw[0] != version {
		return nil, ErrInvalid
	}
	position, err := readStrings(raw[1:])
	if err != nil {
		return nil, ErrInvalid.Wrap(err)
	}
	return position, nil
}

func (c *Codec) mac(raw []byte, b Binding) []byte {
	bound := appendStrings([]byte("primecloud.page"), []string{b.Method, b.Account})
	bound = appendStrings(bound, b.Query)
	mac := hmac.New(sha256.New, c.key)
	mac.Write(bound)
	mac.Write(raw)
	return mac.Sum(nil)[:macLength]
}

// appendStrings writes how many there are and each behind its length, so that no two
// lists look alike.
func appendStrings(to []byte, values []string) []byte {
	to = binary.AppendUvarint(to, uint64(len(values)))
	for _, v := range values {
		to = binary.AppendUvarint(to, uint64(len(v)))
		to = append(to, v...)
	}
	return to
}

func readStrings(from []byte) ([]string, error) {
	errShort := errors.New("the token is too short for what it says")
	count, n := binary.Uvarint(from)
	if n <= 0 || count > uint64(len(from)) {
		return nil, errShort
	}
	from = from[n:]
	values := make([]string, 0, count)
	for range count {
		length, n := binary.Uvarint(from)
		if n <= 0 || length > uint64(len(from)-n) {
			return nil, errShort
		}
		end := n + int(length)
		values = append(values, string(from[n:end]))
		from = from[end:]
	}
	if len(from) > 0 {
		return nil, errors.New("the token is longer than it says")
	}
	return values, nil
}

// Size returns how many rows to show: def when the caller asked for zero, most when it
// asked for more than that.
func Size(requested, def, most int32) (int, error) {
	switch {
	case requested < 0:
		return 0, errs.New(errs.InvalidArgument, "REQUEST_INVALID", "page_size must not be negative; leave it out for the default").
			WithViolation(errs.Violation{Field: "page_size", Rule: "NOT_NEGATIVE", Description: "must be zero or more"})
	case requested == 0:
		return int(def), nil
	default:
		return int(min(requested, most)), nil
	}
}
