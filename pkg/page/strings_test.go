package page

import (
	"slices"
	"testing"
)

// FuzzReadStrings looks at what lies behind the authentication, which keeps FuzzDecode out.
func FuzzReadStrings(f *testing.F) {
	f.Add(appendStrings(nil, []string{"a", ""}))
	f.Add([]byte{2, 1, 'a'})
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		values, err := readStrings(raw)
		if err != nil {
			return
		}
		again, err := readStrings(appendStrings(nil, values))
		if err != nil || !slices.Equal(again, values) {
			t.Errorf("%q became %q, error %v", values, again, err)
		}
	})
}
