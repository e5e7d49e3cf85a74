package session_test

import (
	"testing"

	"github.com/primecloud/primecloud/services/identity/internal/session"
)

func TestDevice_is_what_a_person_would_call_it(t *testing.T) {
	const mozilla, webkit = "Mozilla/5.0 ", " AppleWebKit/537.36 (KHTML, like Gecko) "
	for agent, want := range map[string]string{
		mozilla + "(X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                           "Firefox on Linux",
		mozilla + "(Windows NT 10.0; Win64; x64)" + webkit + "Chrome/140.0.0.0 Safari/537.36":                            "Chrome on Windows",
		mozilla + "(Windows NT 10.0; Win64; x64)" + webkit + "Chrome/140.0.0.0 Safari/537.36 Edg/140.0":                  "Edge on Windows",
		mozilla + "(Macintosh; Intel Mac OS X 10_15_7)" + webkit + "Version/18.0 Safari/605.1.15":                        "Safari on macOS",
		mozilla + "(iPhone; CPU iPhone OS 18_0 like Mac OS X)" + webkit + "Version/18.0 Mobile/15E148 Safari/604.1":      "Safari on iPhone",
		mozilla + "(Linux; Android 15; Pixel 9)" + webkit + "Chrome/140.0.0.0 Mobile Safari/537.36":                      "Chrome on Android",
		mozilla + "(Linux; Android 15; SM-S921B)" + webkit + "SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36": "Samsung Internet on Android",
		"curl/8.10": "", "": "", "Something (Windows NT 10.0)": "Windows", "Firefox/1": "Firefox",
	} {
		if got := (session.Session{UserAgent: agent}).Device(); got != want {
			t.Errorf("%q is %q, want %q", agent, got, want)
		}
	}
}
