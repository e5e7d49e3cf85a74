// Package oidc asks login providers: it verifies ID tokens by OpenID Connect, with go-oidc.
//
// It guarantees that an ID token is accepted only if the configured provider signed it, for
// our client alone, for this very login (nonce), and it has not ended by our clock. A
// provider is looked up at the first login and not at the start, so that one that is down
// stops logins and nothing else; that is told apart from a bad token.
//
// It runs no login: the gateway does, and brings the result.
package oidc

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/port"
	"github.com/primecloud/primecloud/services/identity/internal/session"
	"github.com/primecloud/primecloud/services/identity/internal/user"
)

// The refusals.
var (
	// ErrIDTokenInvalid is for any ID token that is not accepted; why is in the cause, for the log.
	ErrIDTokenInvalid = errs.New(errs.Unauthenticated, "ID_TOKEN_INVALID", "the ID token was not accepted; log in again")
	// ErrProviderUnavailable is for a provider that does not answer.
	ErrProviderUnavailable = errs.New(errs.Unavailable, "PROVIDER_UNAVAILABLE",
		"the login provider cannot be reached; try again later").WithRetryAfter(5 * time.Second)
)

const (
	// askWithin bounds one request to a provider.
	askWithin = 5 * time.Second
	// maxToken is the longest ID token that is looked at, in bytes.
	maxToken = 16 << 10
)

// Provider is one login provider that is trusted.
type Provider struct {
	// Issuer is its issuer, exactly as its ID tokens say it.
	Issuer string
	// ClientID is ours there.
	ClientID string
	// InternalURL is called in place of the issuer's scheme and host, where these reach a
	// browser but not this process; empty calls the issuer.
	InternalURL string
}

// Config is what a verifier is made of.
type Config struct {
	// Providers are those that are trusted.
	Providers []Provider
	// Clock tells the time.
	Clock clock.Clock
	// Transport reaches the providers; nil is the default one.
	Transport http.RoundTripper
	// GroupsClaim is the claim whose values are returned as groups, such as "groups"; empty is none.
	GroupsClaim string
	// Around stands around each verification, as "oidc.Verify" and "oidc.VerifyLogout".
	Around port.Around
}

// Verifier verifies ID tokens of several providers.
type Verifier struct {
	config    Config
	providers map[string]*provider
}

var _ session.Provider = (*Verifier)(nil)

// New returns a verifier. It asks no provider yet.
func New(c Config) (*Verifier, error) {
	if c.Around == nil {
		c.Around = port.Plain
	}
	v := &Verifier{config: c, providers: map[string]*provider{}}
	for _, p := range c.Providers {
		transport, err := rerouted(c.Transport, p)
		if err != nil {
			return nil, err
		}
		v.providers[p.Issuer] = &provider{Provider: p, client: &http.Client{Transport: transport, Timeout: askWithin}}
	}
	if len(v.providers) == 0 {
		return nil, errors.New("oidc: no provider is configured")
	}
	return v, nil
}

// Verify returns who the ID token vouches for, with the session at the provider and the groups.
func (v *Verifier) Verify(ctx context.Context, idToken, nonce string) (session.Vouched, error) {
	token, err := port.Value(ctx, v.config.Around, "oidc.Verify", func(ctx context.Context) (*oidc.IDToken, error) {
		return v.genuine(ctx, idToken)
	})
	if err != nil {
		return session.Vouched{}, err
	}
	if subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(nonce)) != 1 {
		return session.Vouched{}, invalid("the nonce is of another login")
	}
	vouched, err := login(token)
	if err != nil {
		return session.Vouched{}, err
	}
	vouched.Groups, err = v.groups(token)
	return vouched, err
}

// groups reads the claim that operators are known by: a list of strings, or one string.
func (v *Verifier) groups(token *oidc.IDToken) ([]string, error) {
	if v.config.GroupsClaim == "" {
		return nil, nil
	}
	var claims map[string]any
	if err := token.Claims(&claims); err != nil {
		return nil, ErrIDTokenInvalid.Wrap(err)
	}
	switch value := claims[v.config.GroupsClaim].(type) {
	case string:
		return []string{value}, nil
	case []any:
		var groups []string
		for _, one := range value {
			if group, ok := one.(string); ok {
				groups = append(groups, group)
			}
		}
		return groups, nil
	default:
		return nil, nil
	}
}

// genuine returns a token that one of the providers signed for us and that lives.
func (v *Verifier) genuine(ctx context.Context, raw string) (*oidc.IDToken, error) {
	if len(raw) > maxToken {
		return nil, invalid("it is longer than any ID token")
	}
	// Unverified, but it only chooses among providers that are all trusted; the one chosen
	// then insists on its own name.
	issuer, err := claimedIssuer(raw)
	if err != nil {
		return nil, ErrIDTokenInvalid.Wrap(err)
	}
	p, trusted := v.providers[issuer]
	if !trusted {
		return nil, invalid("its issuer is not trusted")
	}
	return p.verify(ctx, raw, v.config.Clock)
}

// login reads the claims that a person is made of.
func login(token *oidc.IDToken) (session.Vouched, error) {
	var claims struct {
		Email             string `json:"email"`
		EmailVerified     bool   `json:"email_verified"`
		Name              string `json:"name"`
		PreferredUsername string `json:"preferred_username"`
		Session           string `json:"sid"`
		Events            any    `json:"events"`
	}
	if err := token.Claims(&claims); err != nil {
		return session.Vouched{}, ErrIDTokenInvalid.Wrap(err)
	}
	switch {
	case token.Subject == "":
		return session.Vouched{}, invalid("it has no subject")
	case claims.Events != nil:
		return session.Vouched{}, invalid("it tells of an event, as a logout token does")
	}
	name := claims.Name
	if strings.TrimSpace(name) == "" {
		name = claims.PreferredUsername
	}
	return session.Vouched{Session: claims.Session, Login: user.Login{
		Issuer: token.Issuer, Subject: token.Subject, Email: claims.Email, EmailVerified: claims.EmailVerified, DisplayName: name,
	}}, nil
}

// provider is one provider, looked up when it is first needed.
type provider struct {
	Provider
	client *http.Client

	mu     sync.Mutex
	found  *oidc.Provider
	keys   oidc.KeySet
	failed time.Time
}

// lookAgain is how soon a provider that did not answer is asked again.
const lookAgain = time.Second

// lookUp returns the provider's discovery, fetched once.
func (p *provider) lookUp(ctx context.Context, now time.Time) (*oidc.Provider, oidc.KeySet, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil {
		return p.found, p.keys, nil
	}
	if since := now.Sub(p.failed); since >= 0 && since < lookAgain {
		return nil, nil, ErrProviderUnavailable.Wrap(errors.New("it did not answer a moment ago"))
	}
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.Issuer)
	if err != nil {
		p.failed = now
		return nil, nil, ErrProviderUnavailable.Wrap(err)
	}
	var endpoints struct {
		Keys string `json:"jwks_uri"`
	}
	if err := found.Claims(&endpoints); err != nil || endpoints.Keys == "" {
		return nil, nil, ErrProviderUnavailable.Wrap(errors.New("its discovery names no keys"))
	}
	p.found = found
	p.keys = oidc.NewRemoteKeySet(oidc.ClientContext(context.WithoutCancel(ctx), p.client), endpoints.Keys)
	return p.found, p.keys, nil
}

func (p *provider) verify(ctx context.Context, raw string, clock clock.Clock) (*oidc.IDToken, error) {
	found, keys, err := p.lookUp(ctx, clock.Now())
	if err != nil {
		return nil, err
	}
	var discovery struct {
		Algorithms []string `json:"id_token_signing_alg_values_supported"`
	}
	if err := found.Claims(&discovery); err != nil {
		return nil, ErrProviderUnavailable.Wrap(err)
	}
	watched := &watchedKeys{KeySet: keys}
	verifier := oidc.NewVerifier(p.Issuer, watched, &oidc.Config{
		ClientID: p.ClientID, SupportedSigningAlgs: asymmetric(discovery.Algorithms), Now: clock.Now,
	})
	token, err := verifier.Verify(ctx, raw)
	switch {
	case watched.unreachable != nil:
		return nil, ErrProviderUnavailable.Wrap(watched.unreachable)
	case err != nil:
		return nil, ErrIDTokenInvalid.Wrap(err)
	// go-oidc is content with being one of several audiences; then somebody else could
	// have been given this token. (Some providers add their own name; those say azp.)
	case len(token.Audience) != 1 && !p.authorized(token):
		return nil, invalid("it is for others too")
	default:
		return token, nil
	}
}

// authorized reports whether the token says that it was issued to us.
func (p *provider) authorized(token *oidc.IDToken) bool {
	var claims struct {
		AuthorizedParty string `json:"azp"`
	}
	return token.Claims(&claims) == nil && claims.AuthorizedParty == p.ClientID
}

// asymmetric leaves out what is no signature, whatever a provider says it supports.
func asymmetric(algorithms []string) []string {
	var kept []string
	for _, alg := range algorithms {
		if alg != "none" && !strings.HasPrefix(alg, "HS") {
			kept = append(kept, alg)
		}
	}
	return kept
}

// watchedKeys remembers that the keys could not be fetched, which go-oidc only says in the
// text of its error.
type watchedKeys struct {
	oidc.KeySet
	unreachable error
}

// VerifySignature verifies, and remembers.
func (k *watchedKeys) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := k.KeySet.VerifySignature(ctx, jwt)
	if err != nil && strings.HasPrefix(err.Error(), "fetching keys") {
		k.unreachable = err
	}
	return payload, err
}

func invalid(why string) error { return ErrIDTokenInvalid.Wrap(fmt.Errorf("oidc: %s", why)) }
