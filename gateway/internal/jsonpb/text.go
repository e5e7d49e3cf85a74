package jsonpb

import (
	"errors"
	"reflect"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// errUTF8 is what protojson says of such a text too.
var errUTF8 = errors.New("jsonpb: a text field holds invalid UTF-8")

const hex = "0123456789abcdef"

// text writes a string: quotes, backslashes and control characters are escaped, and
// nothing else.
func text(b []byte, v reflect.Value) ([]byte, error) {
	s := v.String()
	b = append(b, '"')
	start, ascii := 0, true
	for i := range len(s) {
		c := s[i]
		if c >= utf8.RuneSelf {
			ascii = false
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, '\\', 'b')
		case '\f':
			b = append(b, '\\', 'f')
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		}
	}
	if !ascii && !utf8.ValidString(s) {
		return b, errUTF8
	}
	return append(append(b, s[start:]...), '"'), nil
}

// The first and the last second that a Timestamp can be written of.
const (
	firstSecond = -62135596800
	lastSecond  = 253402300799
)

// timestamp writes a time: UTC, with no, three, six or nine digits of a second.
func timestamp(b []byte, message proto.Message) ([]byte, error) {
	t, ok := message.(*timestamppb.Timestamp)
	if !ok || t.Seconds < firstSecond || t.Seconds > lastSecond || t.Nanos < 0 || t.Nanos > 999_999_999 {
		return whole(b, message)
	}
	b = time.Unix(t.Seconds, 0).UTC().AppendFormat(append(b, '"'), time.RFC3339)
	if t.Nanos == 0 {
		return append(b, '"'), nil
	}
	b[len(b)-1] = '.' // in place of the Z
	digits, n := 9, t.Nanos
	for digits > 3 && n%1000 == 0 {
		digits, n = digits-3, n/1000
	}
	at := len(b)
	b = append(b, "000000000"[:digits]...)
	for i := at + digits - 1; i >= at; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return append(b, 'Z', '"'), nil
}
