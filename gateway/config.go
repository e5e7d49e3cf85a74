package gateway

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/pki"
)

// Config is what an operator sets.
type Config struct {
	Listen      string  `env:"PRIMECLOUD_GATEWAY_LISTEN" default:"127.0.0.1:8080" doc:"Address that the REST server listens on."`
	PublicURL   url.URL `env:"PRIMECLOUD_GATEWAY_PUBLIC_URL" default:"http://127.0.0.1:8080" doc:"Address that browsers use, without a path. Plain http is accepted for a loopback address only."`
	TLSCert     string  `env:"PRIMECLOUD_GATEWAY_TLS_CERT" doc:"PEM file with the certificate for browsers; without one the server speaks plain http, for a proxy in front that speaks https."`
	TLSKey      string  `env:"PRIMECLOUD_GATEWAY_TLS_KEY" doc:"PEM file with the key of that certificate."`
	AdminListen string  `env:"PRIMECLOUD_GATEWAY_ADMIN_LISTEN" doc:"Address for /metrics, apart from the public one; none by default."`

	Identity string `env:"PRIMECLOUD_GATEWAY_IDENTITY" default:"dns:///127.0.0.1:7001" doc:"Where identity is, as a gRPC target."`
	Storage  string `env:"PRIMECLOUD_GATEWAY_STORAGE" default:"dns:///127.0.0.1:7002" doc:"Where storage-provisioning is, as a gRPC target."`
	PKICert  string `env:"PRIMECLOUD_GATEWAY_PKI_CERT" doc:"PEM file with the gateway's own certificate, by which services know it."`
	PKIKey   string `env:"PRIMECLOUD_GATEWAY_PKI_KEY" doc:"PEM file with the key of that certificate."`
	PKICA    string `env:"PRIMECLOUD_GATEWAY_PKI_CA" doc:"PEM file with the authority that services' certificates come from."`

	CookieKey config.Secret `env:"PRIMECLOUD_GATEWAY_COOKIE_KEY" required:"true" doc:"Key that login cookies and CSRF tokens are made with, 32 characters or more, the same for all replicas."`

	OIDCIssuer       url.URL       `env:"PRIMECLOUD_GATEWAY_OIDC_ISSUER" required:"true" doc:"Issuer of the OpenID Connect provider, as browsers reach it."`
	OIDCInternalURL  url.URL       `env:"PRIMECLOUD_GATEWAY_OIDC_INTERNAL_URL" doc:"Where the gateway reaches the provider, if not at the issuer's address: scheme and host."`
	OIDCClientID     string        `env:"PRIMECLOUD_GATEWAY_OIDC_CLIENT_ID" default:"primecloud" doc:"Client id at the provider."`
	OIDCClientSecret config.Secret `env:"PRIMECLOUD_GATEWAY_OIDC_CLIENT_SECRET" doc:"Client secret at the provider; none for a public client."`
	OIDCScopes       []string      `env:"PRIMECLOUD_GATEWAY_OIDC_SCOPES" default:"openid,profile,email" doc:"Scopes to ask the provider for."`
	OIDCDisplayName  string        `env:"PRIMECLOUD_GATEWAY_OIDC_DISPLAY_NAME" default:"Single sign-on" doc:"Name that people choose the provider by, where there are several."`
	OIDCProviders    string        `env:"PRIMECLOUD_GATEWAY_OIDC_PROVIDERS" doc:"JSON file with further login providers; identity reads the same one."`

	TokenIssuer   string `env:"PRIMECLOUD_GATEWAY_TOKEN_ISSUER" default:"primecloud" doc:"Issuer that identity's access tokens name."`
	TokenAudience string `env:"PRIMECLOUD_GATEWAY_TOKEN_AUDIENCE" default:"primecloud" doc:"Audience that identity's access tokens name."`

	CORSOrigins    []string `env:"PRIMECLOUD_GATEWAY_CORS_ORIGINS" doc:"Origins, exact, whose pages may call with the cookie."`
	TrustedProxies []string `env:"PRIMECLOUD_GATEWAY_TRUSTED_PROXIES" doc:"Addresses or CIDR ranges whose X-Forwarded-For is believed."`

	RateLimit      int64         `env:"PRIMECLOUD_GATEWAY_RATE_LIMIT" default:"1200" doc:"Requests per minute and principal, or address without a login; 0 for no limit."`
	LoginRateLimit int64         `env:"PRIMECLOUD_GATEWAY_LOGIN_RATE_LIMIT" default:"30" doc:"Requests per minute and address to /auth and /oauth2/token; 0 for no limit."`
	ShareRateLimit int64         `env:"PRIMECLOUD_GATEWAY_SHARE_RATE_LIMIT" default:"60" doc:"Requests per minute and address to public links, /s; 0 for no limit."`
	BodyLimit      int64         `env:"PRIMECLOUD_GATEWAY_BODY_LIMIT" default:"1048576" doc:"Largest request body, in bytes."`
	Timeout        time.Duration `env:"PRIMECLOUD_GATEWAY_TIMEOUT" default:"30s" doc:"Longest that a request may take."`
	Drain          time.Duration `env:"PRIMECLOUD_GATEWAY_DRAIN" default:"10s" doc:"How long requests may take to end at shutdown."`

	Observe observe.Config `prefix:"PRIMECLOUD_GATEWAY_"`
}

// Validate reports what a tag cannot say.
func (c Config) Validate() error {
	var problems []error
	report := func(name, format string, args ...any) {
		problems = append(problems, fmt.Errorf("PRIMECLOUD_GATEWAY_"+name+" "+format, args...))
	}
	switch {
	case c.PublicURL.Scheme != "http" && c.PublicURL.Scheme != "https":
		report("PUBLIC_URL", "must begin with https://, or with http:// on a loopback address")
	case c.PublicURL.Scheme == "http" && !loopback(c.PublicURL.Hostname()):
		report("PUBLIC_URL", "is plain http on %s: session cookies would cross the network unprotected; use https", c.PublicURL.Hostname())
	case strings.Trim(c.PublicURL.Path, "/") != "" || c.PublicURL.RawQuery != "":
		report("PUBLIC_URL", "must have no path or query")
	}
	if len(c.CookieKey.Reveal()) < 32 {
		report("COOKIE_KEY", "must have 32 characters or more")
	}
	if n := len(c.pki()); n != 0 && n != 3 {
		report("PKI_CERT", ", PKI_KEY and PKI_CA must all be set, or none")
	}
	if c.OIDCIssuer.Scheme != "https" && c.OIDCIssuer.Scheme != "http" {
		report("OIDC_ISSUER", "must be an http or https URL")
	}
	if strings.Trim(c.OIDCInternalURL.Path, "/") != "" {
		report("OIDC_INTERNAL_URL", "is a scheme and a host, without a path")
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		report("TLS_CERT", "and TLS_KEY must both be set, or neither")
	}
	for _, origin := range c.CORSOrigins {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Scheme+"://"+u.Host != origin {
			report("CORS_ORIGINS", "has %q, which is no origin such as https://panel.example.com; patterns are not supported", origin)
		}
	}
	if _, err := c.proxies(); err != nil {
		report("TRUSTED_PROXIES", "%w", err)
	}
	if c.RateLimit < 0 || c.LoginRateLimit < 0 || c.ShareRateLimit < 0 {
		report("RATE_LIMIT", "LOGIN_RATE_LIMIT and SHARE_RATE_LIMIT must not be negative")
	}
	if c.BodyLimit < 1 {
		report("BODY_LIMIT", "must be positive")
	}
	if c.Timeout <= 0 {
		report("TIMEOUT", "must be positive")
	}
	return errors.Join(problems...)
}

// pki returns the files that are set.
func (c Config) pki() []string {
	var set []string
	for _, file := range []string{c.PKICert, c.PKIKey, c.PKICA} {
		if file != "" {
			set = append(set, file)
		}
	}
	return set
}

// PKI returns the files that this process is known by, and whether there are any.
func (c Config) PKI() (pki.Files, bool) {
	return pki.Files{Cert: c.PKICert, Key: c.PKIKey, CA: c.PKICA}, len(c.pki()) == 3
}

// loopback reports whether a host can be reached from this machine alone.
func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// proxies returns the trusted proxies as ranges.
func (c Config) proxies() ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, text := range c.TrustedProxies {
		if address, err := netip.ParseAddr(text); err == nil {
			prefixes = append(prefixes, netip.PrefixFrom(address, address.BitLen()))
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("has %q, which is neither an address nor a range such as 10.0.0.0/8", text)
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, nil
}

// origin returns the public address as browsers send it in Origin.
func (c Config) origin() string { return c.PublicURL.Scheme + "://" + c.PublicURL.Host }

// https reports whether browsers use https.
func (c Config) https() bool { return c.PublicURL.Scheme == "https" }
