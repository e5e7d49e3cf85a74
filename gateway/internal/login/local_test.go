package login

import (
	"net/url"
	"strings"
	"testing"
)

// FuzzLocal holds the check of return_to against what browsers make of a Location: they
// strip blanks at the ends, drop tabs and line breaks, and take a backslash for a slash.
func FuzzLocal(f *testing.F) {
	for _, seed := range []string{"/", "/docs?x=1#y", "//evil", "/\\evil", "/\t/evil", "https://evil", "/%2f/evil", "/.//evil", "/@evil", "/é", "/\x00"} {
		f.Add(seed)
	}
	base, err := url.Parse("https://panel.example.com/auth/callback")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, target string) {
		if !local(target) {
			return
		}
		seen := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(strings.Trim(target, " \x00"))
		to, err := base.Parse(seen)
		if err != nil || to.Host != base.Host || to.Scheme != base.Scheme || strings.HasPrefix(seen, "//") {
			t.Errorf("%q sends the browser to %v (%v)", target, to, err)
		}
	})
}
