// Package pki lets the suite's processes know each other by mutual TLS. It owns how a
// process is named in a certificate (a URI, spiffe://primecloud.local/<service>), the TLS
// settings both sides use, and a small certificate authority for the local stack and tests.
//
// Guarantees: TLS 1.3 or newer; a client talks only to the service it asked for; a client
// certificate is optional for a server but, when shown, must be of our authority; replaced
// certificate files are used from the next handshake on, without a restart, and a broken
// replacement leaves the last good one in use.
//
// It does not decide what a peer may do, and it revokes nothing: certificates are short.
package pki

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// TrustDomain is the host of the URI that names a service.
const TrustDomain = "primecloud.local"

var servicePattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// ServiceURI returns the URI that names a service in its certificate.
func ServiceURI(service string) (*url.URL, error) {
	if !servicePattern.MatchString(service) {
		return nil, fmt.Errorf("pki: %q is not a service name (small letters, digits and hyphens)", service)
	}
	return &url.URL{Scheme: "spiffe", Host: TrustDomain, Path: "/" + service}, nil
}

// PeerName returns the service at the other end of a connection whose client certificate
// was verified, or "" when none was shown or it names no service of ours.
func PeerName(state tls.ConnectionState) string {
	if len(state.VerifiedChains) == 0 || len(state.VerifiedChains[0]) == 0 {
		return ""
	}
	return serviceOf(state.VerifiedChains[0][0])
}

// serviceOf returns the one service a certificate names. One that names several URIs
// could pass for any of them, so it names none.
func serviceOf(cert *x509.Certificate) string {
	if len(cert.URIs) != 1 {
		return ""
	}
	name, ok := strings.CutPrefix(cert.URIs[0].String(), "spiffe://"+TrustDomain+"/")
	if !ok || !servicePattern.MatchString(name) {
		return ""
	}
	return name
}
