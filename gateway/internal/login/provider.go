package login

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/errs"
)

// askWithin bounds each request to the provider.
const askWithin = 10 * time.Second

var errProvider = errs.New(errs.Unavailable, "DEPENDENCY_UNAVAILABLE",
	"the login provider cannot be reached; try again later").With("dependency", "oidc")

// Provider is one OpenID Connect provider.
type Provider struct {
	// ID names it in addresses, DisplayName for people.
	ID, DisplayName string
	// Issuer is its issuer; InternalURL is where it is reached from here, if elsewhere.
	Issuer, InternalURL url.URL
	// ClientID and ClientSecret are ours there.
	ClientID     string
	ClientSecret config.Secret
	// Scopes are asked for.
	Scopes []string
}

// provider is a provider at work. It is looked up when a login first needs it, so that the
// gateway starts without it; until it answers, each login tries again.
type provider struct {
	Provider
	callback string
	client   *http.Client

	flight singleflight.Group
	found  atomic.Pointer[oauth2.Config]
}

func newProvider(config Provider, publicURL string) *provider {
	p := &provider{Provider: config, callback: publicURL + "/auth/callback"}
	transport := http.DefaultTransport
	if config.InternalURL.Host != "" {
		transport = &detour{public: config.Issuer, internal: config.InternalURL, next: transport}
	}
	p.client = &http.Client{Transport: transport, Timeout: askWithin}
	return p
}

// detour sends what is meant for the provider's public address to its internal one.
type detour struct {
	public, internal url.URL
	next             http.RoundTripper
}

// RoundTrip sends the request.
func (d *detour) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != d.public.Scheme || r.URL.Host != d.public.Host {
		return d.next.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	r.Host = d.public.Host
	r.URL.Scheme, r.URL.Host = d.internal.Scheme, d.internal.Host
	return d.next.RoundTrip(r)
}

// oauth returns the provider's endpoints and our client there. Logins that wait for them at
// once wait for one request.
func (p *provider) oauth(ctx context.Context) (*oauth2.Config, error) {
	if found := p.found.Load(); found != nil {
		return found, nil
	}
	discovery := p.flight.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askWithin)
		defer cancel()
		return p.discover(ctx)
	})
	select {
	case <-ctx.Done():
		return nil, errProvider.Wrap(ctx.Err())
	case r := <-discovery:
		if r.Err != nil {
			return nil, errProvider.Wrap(r.Err)
		}
		return r.Val.(*oauth2.Config), nil
	}
}

func (p *provider) discover(ctx context.Context) (*oauth2.Config, error) {
	discovered, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.Issuer.String())
	if err != nil {
		return nil, err
	}
	found := &oauth2.Config{
		ClientID: p.ClientID, ClientSecret: p.ClientSecret.Reveal(), Endpoint: discovered.Endpoint(),
		RedirectURL: p.callback, Scopes: p.Scopes,
	}
	p.found.Store(found)
	return found, nil
}

// begin returns where to send the browser.
func (p *provider) begin(ctx context.Context, s state, options ...oauth2.AuthCodeOption) (string, error) {
	config, err := p.oauth(ctx)
	if err != nil {
		return "", err
	}
	options = append(options, oauth2.S256ChallengeOption(s.Verifier), oidc.Nonce(s.Nonce))
	return config.AuthCodeURL(s.State, options...), nil
}

// answered reports whether an answer says that it is this provider's, if it says whose it is
// (RFC 9207): with several, one could pass another's code off as its own.
func (p *provider) answered(query url.Values) bool {
	issuer := query.Get("iss")
	return issuer == "" || issuer == p.Issuer.String()
}

// redeem turns the code into an ID token, which identity verifies.
func (p *provider) redeem(ctx context.Context, code string, s state) (string, error) {
	config, err := p.oauth(ctx)
	if err != nil {
		return "", err
	}
	token, err := config.Exchange(oidc.ClientContext(ctx, p.client), code, oauth2.VerifierOption(s.Verifier))
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused) && refused.Response != nil && refused.Response.StatusCode < http.StatusInternalServerError:
		// Used, expired or never given out: the code is no good, whatever the reason.
		return "", ErrState.Wrap(err)
	case err != nil:
		return "", errProvider.Wrap(err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok || raw == "" {
		return "", errProvider.WithMessage("the login provider gave no ID token; the scope openid must be among those asked for")
	}
	return raw, nil
}
