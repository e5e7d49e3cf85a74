package oidc

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// claimedIssuer reads the issuer that an ID token claims, without believing it.
func claimedIssuer(idToken string) (string, error) {
	parts := strings.Split(idToken, ".")
	if len(parts) != 3 {
		return "", fmt.Errorf("oidc: %d parts are no signed token", len(parts))
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", fmt.Errorf("oidc: %w", err)
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	if err := json.Unmarshal(raw, &claims); err != nil {
		return "", fmt.Errorf("oidc: %w", err)
	}
	return claims.Issuer, nil
}

// rerouted returns the transport that reaches the provider: at its issuer, or at the
// internal address in its place.
func rerouted(transport http.RoundTripper, p Provider) (http.RoundTripper, error) {
	if transport == nil {
		transport = &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute}
	}
	public, err := url.Parse(p.Issuer)
	if err != nil || public.Scheme == "" || public.Host == "" {
		return nil, fmt.Errorf("oidc: the issuer %q is no URL", p.Issuer)
	}
	if p.InternalURL == "" {
		return transport, nil
	}
	internal, err := url.Parse(p.InternalURL)
	if err != nil || internal.Scheme == "" || internal.Host == "" {
		return nil, fmt.Errorf("oidc: the internal address %q of %s is no URL", p.InternalURL, p.Issuer)
	}
	return detour{RoundTripper: transport, public: public, internal: internal}, nil
}

// detour sends what is meant for the public address to the internal one.
type detour struct {
	http.RoundTripper
	public, internal *url.URL
}

// RoundTrip sends the request.
func (d detour) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == d.public.Host && r.URL.Scheme == d.public.Scheme {
		r = r.Clone(r.Context())
		r.URL.Scheme, r.URL.Host = d.internal.Scheme, d.internal.Host
		// The provider is told the name that it knows itself by.
		r.Host = d.public.Host
	}
	return d.RoundTripper.RoundTrip(r)
}
