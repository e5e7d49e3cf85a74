// Package provider reads the file that names further login providers, beside the one of the
// settings. Gateway and identity read the same file, so that both trust the same ones:
//
//	[
//	  {
//	    "id": "google",
//	    "display_name": "Google",
//	    "issuer": "https://accounts.google.com",
//	    "client_id": "primecloud",
//	    "client_secret_file": "/run/secrets/google",
//	    "scopes": ["openid", "profile", "email"]
//	  }
//	]
//
// It owns the form of the file and its rules, and asks no provider. Only the gateway needs
// the secret, and so only it reads the file with it.
package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/primecloud/primecloud/pkg/config"
)

// Default is the id of the provider of the settings, which no other may have.
const Default = "default"

// Provider is one login provider.
type Provider struct {
	// ID names it in addresses and the choice: small letters, digits and hyphens.
	ID string `json:"id"`
	// DisplayName is what people choose by.
	DisplayName string `json:"display_name"`
	// Issuer is its issuer, exactly as its ID tokens name it.
	Issuer string `json:"issuer"`
	// InternalURL is where our processes reach it, if not at the issuer's address: scheme and host.
	InternalURL string `json:"internal_url"`
	// ClientID is ours there.
	ClientID string `json:"client_id"`
	// SecretFile holds our secret there; none for a public client.
	SecretFile string `json:"client_secret_file"`
	// Scopes are asked for; openid, profile and email when there are none.
	Scopes []string `json:"scopes"`
}

// maxFile is the largest file that is read, in bytes.
const maxFile = 1 << 20

var validID = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// Read returns the providers of the file, none without a path. The issuer of the settings
// may not be among them.
func Read(path, settings string) ([]Provider, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("login providers: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	raw, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return nil, fmt.Errorf("login providers: %w", err)
	}
	var list []Provider
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&list); err != nil {
		return nil, fmt.Errorf("login providers in %s: %w", path, err)
	}
	ids, issuers := map[string]bool{Default: true}, map[string]bool{settings: true}
	for i := range list {
		p := &list[i]
		if err := p.check(); err != nil {
			return nil, fmt.Errorf("login provider %d in %s: %w", i+1, path, err)
		}
		if ids[p.ID] || issuers[p.Issuer] {
			return nil, fmt.Errorf("login provider %d in %s: its id %q or its issuer is another one's already", i+1, path, p.ID)
		}
		ids[p.ID], issuers[p.Issuer] = true, true
		if len(p.Scopes) == 0 {
			p.Scopes = []string{"openid", "profile", "email"}
		}
	}
	return list, nil
}

func (p *Provider) check() error {
	issuer, err := url.Parse(p.Issuer)
	switch {
	case !validID.MatchString(p.ID):
		return errors.New("id must be 1 to 32 small letters, digits and hyphens, and begin with a letter")
	case strings.TrimSpace(p.DisplayName) == "":
		return errors.New("display_name is missing")
	case p.ClientID == "":
		return errors.New("client_id is missing")
	case err != nil || issuer.Scheme != "https" && issuer.Scheme != "http" || issuer.Host == "":
		return errors.New("issuer must be an http or https URL")
	}
	internal, err := url.Parse(p.InternalURL)
	if err != nil || p.InternalURL != "" && (internal.Scheme == "" || internal.Host == "" || strings.Trim(internal.Path, "/") != "") {
		return errors.New("internal_url is a scheme and a host, without a path")
	}
	return nil
}

// Secret reads our secret at the provider; there is none for a public client.
func (p *Provider) Secret() (config.Secret, error) {
	if p.SecretFile == "" {
		return "", nil
	}
	raw, err := os.ReadFile(p.SecretFile)
	if err != nil {
		return "", fmt.Errorf("the secret of login provider %s: %w", p.ID, err)
	}
	return config.Secret(strings.TrimRight(string(raw), "\r\n")), nil
}
