package object_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
)

func TestCheckKey_names_every_broken_rule(t *testing.T) {
	for key, want := range map[string][]string{
		"":                          {"KEY_LENGTH"},
		strings.Repeat("k/", 513):   {"KEY_LENGTH"},
		"a\xff":                     {"KEY_UTF8"},
		"a\x00b":                    {"KEY_CONTROL_CHARACTER"},
		"a\u0085b":                  {"KEY_CONTROL_CHARACTER"},
		"  ":                        {"KEY_BLANK"},
		"/a":                        {"KEY_LEADING_SLASH"},
		"//..":                      {"KEY_LEADING_SLASH", "KEY_DOUBLE_SLASH", "KEY_DOT_SEGMENT"},
		"a/../b":                    {"KEY_DOT_SEGMENT"},
		`a\ .. \b`:                  {"KEY_DOT_SEGMENT"},
		strings.Repeat("é", 128):    {"KEY_SEGMENT_LENGTH"},
		"x__XLDIR__":                {"KEY_RESERVED"},
		"a/b c+d%2f?*#&=;:@[]{}|^~": nil,
		"a/":                        nil,
		"...":                       nil,
	} {
		var got []string
		if e, ok := errs.As(object.CheckKey(key)); ok {
			for _, v := range e.Violations() {
				got = append(got, v.Rule)
				if v.Field != "key" || v.Description == "" {
					t.Errorf("%q: %+v", key, v)
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q breaks %v, want %v", key, got, want)
		}
	}
}

// FuzzCheckKey holds what passes against what every S3 client and server can bear.
func FuzzCheckKey(f *testing.F) {
	for _, seed := range []string{"a/b", "/a", "a//b", "..", "a\x00", "\xff", "ä/日本", "a\\..\\b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if object.CheckKey(key) != nil {
			return
		}
		if key == "" || len(key) > 1024 || !utf8.ValidString(key) || key[0] == '/' || strings.Contains(key, "//") {
			t.Fatalf("%q passes", key)
		}
		for segment := range strings.SplitSeq(key, "/") {
			if segment == "." || segment == ".." || len(segment) > 255 {
				t.Fatalf("%q passes with %q", key, segment)
			}
		}
	})
}
