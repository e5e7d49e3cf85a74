package gateway_test

import (
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/primecloud/primecloud/gateway"
	"github.com/primecloud/primecloud/pkg/config"
)

// good is the least that a gateway needs.
func good() config.Source {
	return config.Source{
		"PRIMECLOUD_GATEWAY_COOKIE_KEY":  "0123456789abcdef0123456789abcdef",
		"PRIMECLOUD_GATEWAY_OIDC_ISSUER": "https://login.example.com",
	}
}

func TestSettings_that_would_not_be_safe_are_refused(t *testing.T) {
	for name, tc := range map[string]struct{ variable, value, says string }{
		"a public address over plain http":      {"PUBLIC_URL", "http://panel.example.com", "use https"},
		"a private address over plain http":     {"PUBLIC_URL", "http://10.0.0.1:8080", "use https"},
		"a public address with a path":          {"PUBLIC_URL", "https://panel.example.com/x", "no path"},
		"another scheme":                        {"PUBLIC_URL", "ftp://panel.example.com", "https://"},
		"a short key":                           {"COOKIE_KEY", "short", "32 characters"},
		"any origin":                            {"CORS_ORIGINS", "*", "no origin"},
		"a pattern of origins":                  {"CORS_ORIGINS", "https://*.example.com/", "no origin"},
		"a proxy by name":                       {"TRUSTED_PROXIES", "proxy", "neither"},
		"half a certificate":                    {"TLS_CERT", "cert.pem", "both"},
		"half a certificate for services":       {"PKI_CERT", "cert.pem", "all be set"},
		"a negative budget":                     {"RATE_LIMIT", "-1", "negative"},
		"no body":                               {"BODY_LIMIT", "0", "positive"},
		"a setting that does not exist":         {"COOKIE_KEYS", "x", "COOKIE_KEY"},
		"an internal provider address and path": {"OIDC_INTERNAL_URL", "http://dex:5556/dex", "without a path"},
	} {
		t.Run(name, func(t *testing.T) {
			source := good()
			source["PRIMECLOUD_GATEWAY_"+tc.variable] = tc.value
			var c gateway.Config
			if err := config.Load(&c, source, "PRIMECLOUD_GATEWAY_"); err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v", err)
			}
		})
	}
	for _, accepted := range []string{"http://localhost:8080", "http://127.0.0.1:1", "http://[::1]:1", "https://panel.example.com"} {
		source := maps.Clone(good())
		source["PRIMECLOUD_GATEWAY_PUBLIC_URL"] = accepted
		var c gateway.Config
		if err := config.Load(&c, source, "PRIMECLOUD_GATEWAY_"); err != nil {
			t.Errorf("%s is refused: %v", accepted, err)
		}
	}
}

func TestThe_README_lists_the_settings_as_they_are(t *testing.T) {
	var table strings.Builder
	if err := config.Document(&table, &gateway.Config{}); err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), table.String()) {
		t.Errorf("put the output of `gateway config` into the README:\n%s", table.String())
	}
}
