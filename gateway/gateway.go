// Package gateway is the door of the REST edge: it turns REST into gRPC and a browser's
// login into access tokens. See README.md for what it owns and guarantees.
package gateway

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/primecloud/primecloud/gateway/internal/admission"
	"github.com/primecloud/primecloud/gateway/internal/clientaddr"
	"github.com/primecloud/primecloud/gateway/internal/csrf"
	"github.com/primecloud/primecloud/gateway/internal/docs"
	"github.com/primecloud/primecloud/gateway/internal/edge"
	"github.com/primecloud/primecloud/gateway/internal/link"
	"github.com/primecloud/primecloud/gateway/internal/login"
	"github.com/primecloud/primecloud/gateway/internal/oauth"
	"github.com/primecloud/primecloud/gateway/internal/ratelimit"
	"github.com/primecloud/primecloud/gateway/internal/secure"
	"github.com/primecloud/primecloud/gateway/internal/session"
	"github.com/primecloud/primecloud/gateway/internal/trail"
	"github.com/primecloud/primecloud/pkg/admin"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/lifecycle"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/provider"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/token"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	"github.com/primecloud/primecloud/proto/openapi"
)

// Name is the process's long name.
const Name = "gateway"

// Deps is what the process lends.
type Deps struct {
	// Telemetry is where traces, metrics and logs go.
	Telemetry *observe.Telemetry
	// Clock tells the time.
	Clock clock.Clock
	// Listener is where the REST server listens; nil listens at Config.Listen.
	Listener net.Listener
	// Identity and Storage are the services, over a wire or in process. They must know
	// the caller as "gateway". The process closes them after Run.
	Identity, Storage grpc.ClientConnInterface
}

// Gateway is the running gateway. Make it with New, then Run it once.
type Gateway struct {
	config  Config
	deps    Deps
	keys    *token.RemoteKeys
	login   *login.Login
	handler *handler
	server  *http.Server
}

// New builds the gateway. It asks nobody: services and the login provider may be away.
func New(ctx context.Context, c Config, d Deps) (*Gateway, error) {
	g := &Gateway{config: c, deps: d}
	proxies, err := c.proxies()
	if err != nil {
		return nil, err
	}
	csrfKey, stateKey, linkKey, err := keysOf(c)
	if err != nil {
		return nil, err
	}
	guard, err := csrf.New(csrfKey, append([]string{c.origin()}, c.CORSOrigins...))
	if err != nil {
		return nil, fmt.Errorf("PRIMECLOUD_GATEWAY_CORS_ORIGINS: %w", err)
	}
	cookies := session.Cookies{Secure: c.https()}
	tokens := session.NewTokens(login.Exchange(d.Identity), d.Clock)
	providers, err := loginProviders(c)
	if err != nil {
		return nil, err
	}
	g.login, err = login.New(login.Config{
		Providers: providers, PublicURL: c.origin(), Key: stateKey,
		Cookies: cookies, Tokens: tokens, Guard: guard, Identity: d.Identity, Clock: d.Clock,
	})
	if err != nil {
		return nil, err
	}
	subject, err := g.subjects()
	if err != nil {
		return nil, err
	}
	h := &handler{
		clock: d.Clock, addresses: clientaddr.New(proxies), headers: secure.NewHeaders(c.https()), cors: secure.NewCORS(c.CORSOrigins),
		login: g.login, loginLimit: ratelimit.New("login", c.LoginRateLimit), logoutLimit: ratelimit.New("logout", c.RateLimit), timeout: c.Timeout,
	}
	h.admission = admission.New(admission.Config{
		Subject: subject, Cookies: cookies, Tokens: tokens, Guard: guard,
		Limiter: ratelimit.New("default", c.RateLimit), Clock: d.Clock,
	})
	h.edge, err = edge.New(ctx, edge.Config{Identity: d.Identity, Storage: d.Storage, BodyLimit: c.BodyLimit, Timeout: c.Timeout})
	if err != nil {
		return nil, err
	}
	h.oauth, err = oauth.New(oauth.Config{PublicURL: c.origin(), Scopes: h.edge.Scopes(), Identity: d.Identity, Clock: d.Clock})
	if err != nil {
		return nil, err
	}
	h.links, err = link.New(link.Config{Key: linkKey, Secure: c.https(), Storage: d.Storage, Clock: d.Clock})
	if err != nil {
		return nil, err
	}
	h.linkLimit = ratelimit.New("share", c.ShareRateLimit)
	if h.docs, err = docs.New(openapi.JSON); err != nil {
		return nil, err
	}
	if h.trail, err = trail.New(d.Telemetry); err != nil {
		return nil, err
	}
	h.health = admin.Handler(g.health(nil))
	g.handler = h
	return g, g.serve()
}

// loginProviders returns the provider of the settings and those of the file.
func loginProviders(c Config) ([]login.Provider, error) {
	list := []login.Provider{{
		ID: provider.Default, DisplayName: c.OIDCDisplayName, Issuer: c.OIDCIssuer, InternalURL: c.OIDCInternalURL,
		ClientID: c.OIDCClientID, ClientSecret: c.OIDCClientSecret, Scopes: c.OIDCScopes,
	}}
	further, err := provider.Read(c.OIDCProviders, c.OIDCIssuer.String())
	if err != nil {
		return nil, fmt.Errorf("PRIMECLOUD_GATEWAY_OIDC_PROVIDERS: %w", err)
	}
	for _, p := range further {
		secret, err := p.Secret()
		if err != nil {
			return nil, fmt.Errorf("PRIMECLOUD_GATEWAY_OIDC_PROVIDERS: %w", err)
		}
		one := login.Provider{ID: p.ID, DisplayName: p.DisplayName, ClientID: p.ClientID, ClientSecret: secret, Scopes: p.Scopes}
		// The file was held against the rules: these are URLs.
		issuer, err1 := url.Parse(p.Issuer)
		internal, err2 := url.Parse(p.InternalURL)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		one.Issuer, one.InternalURL = *issuer, *internal
		list = append(list, one)
	}
	return list, nil
}

// keysOf derives the keys of the CSRF tokens, the login cookies and the cookies of public
// links from the configured one.
func keysOf(c Config) (csrfKey, stateKey, linkKey []byte, err error) {
	secret := []byte(c.CookieKey.Reveal())
	csrfKey, err = hkdf.Key(sha256.New, secret, nil, "primecloud gateway csrf", 32)
	if err != nil {
		return nil, nil, nil, err
	}
	stateKey, err = hkdf.Key(sha256.New, secret, nil, "primecloud gateway login state", 32)
	if err != nil {
		return nil, nil, nil, err
	}
	linkKey, err = hkdf.Key(sha256.New, secret, nil, "primecloud gateway public link", 32)
	return csrfKey, stateKey, linkKey, err
}

// subjects returns the function that names the caller of an access token.
func (g *Gateway) subjects() (func(context.Context, string) (string, bool), error) {
	client := identityv1.NewTokenServiceClient(g.deps.Identity)
	g.keys = token.NewRemoteKeys(token.RemoteKeysConfig{
		Clock: g.deps.Clock, Logger: g.deps.Telemetry.Logger,
		Fetch: func(ctx context.Context) ([]token.PublicKey, error) {
			set, err := client.GetKeySet(ctx, &identityv1.GetKeySetRequest{})
			if err != nil {
				return nil, err
			}
			var keys []token.PublicKey
			for _, k := range set.GetKeys() {
				key, err := token.NewPublicKey(k.GetKid(), k.GetX())
				if err != nil {
					return nil, err
				}
				keys = append(keys, key)
			}
			return keys, nil
		},
	})
	verifier, err := token.NewVerifier(token.VerifierConfig{
		Issuer: g.config.TokenIssuer, Audience: g.config.TokenAudience, Clock: g.deps.Clock, Keys: g.keys,
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, bearer string) (string, bool) {
		claims, err := verifier.Verify(ctx, bearer)
		if err != nil {
			return "", false
		}
		return string(claims.Kind) + ":" + claims.Subject, true
	}, nil
}

// health describes the gateway to whoever keeps it running. It needs nobody else to be
// ready: what is away fails only the requests that need it.
func (g *Gateway) health(metrics http.Handler) admin.Config {
	return admin.Config{
		Metrics: metrics, Logger: g.deps.Telemetry.Logger,
		Ready: func(context.Context) error {
			if g.handler.draining.Load() {
				return errs.New(errs.Unavailable, "DEPENDENCY_UNAVAILABLE", "the gateway is stopping")
			}
			return nil
		},
		Details: map[string]func(context.Context) error{
			"identity":             g.held(alive(g.deps.Identity)),
			"storage-provisioning": g.held(alive(g.deps.Storage)),
			"oidc":                 g.held(g.login.Ready),
		},
	}
}

// held answers with what was found within the last second: anybody may ask the gateway
// whether it is ready, and that must cost its dependencies little.
func (g *Gateway) held(ask func(context.Context) error) func(context.Context) error {
	var mu sync.Mutex
	var at time.Time
	var found error
	return func(ctx context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		if now := g.deps.Clock.Now(); at.IsZero() || now.Sub(at) >= time.Second {
			found = ask(ctx)
			at = g.deps.Clock.Now()
		}
		if errors.Is(found, context.Canceled) {
			at = time.Time{} // that was whoever asked, and says nothing of the dependency
		}
		return found
	}
}

// alive asks a service for its health.
func alive(conn grpc.ClientConnInterface) func(context.Context) error {
	client := healthv1.NewHealthClient(conn)
	return func(ctx context.Context) error {
		answer, err := client.Check(ctx, &healthv1.HealthCheckRequest{})
		if err != nil {
			return rpc.FromStatus(err)
		}
		if answer.GetStatus() != healthv1.HealthCheckResponse_SERVING {
			return errs.New(errs.Unavailable, "DEPENDENCY_UNAVAILABLE", "the service says that it is "+answer.GetStatus().String())
		}
		return nil
	}
}

// The limits of a connection. A request as a whole is limited by Config.Timeout.
const (
	headerWithin   = 10 * time.Second
	idleWithin     = 2 * time.Minute
	maxHeaderBytes = 32 << 10
)

// serve makes the HTTP server.
func (g *Gateway) serve() error {
	g.server = &http.Server{
		Handler: g.handler, ReadHeaderTimeout: headerWithin, IdleTimeout: idleWithin, MaxHeaderBytes: maxHeaderBytes,
		ReadTimeout: g.config.Timeout + headerWithin, WriteTimeout: g.config.Timeout + headerWithin,
		ErrorLog: slog.NewLogLogger(g.deps.Telemetry.Logger.Handler(), slog.LevelDebug),
	}
	if g.config.TLSCert == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(g.config.TLSCert, g.config.TLSKey)
	if err != nil {
		return fmt.Errorf("PRIMECLOUD_GATEWAY_TLS_CERT: %w", err)
	}
	g.server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	return nil
}

// Handler returns the REST surface, for a caller that has a server of its own.
func (g *Gateway) Handler() http.Handler { return g.handler }

// Run serves until ctx is done, then drains.
func (g *Gateway) Run(ctx context.Context) error {
	health := g.health(g.deps.Telemetry.Metrics)
	health.Listen = g.config.AdminListen
	group := lifecycle.New(g.deps.Telemetry.Logger)
	group.Add(
		lifecycle.Component{Name: "keys", Run: g.keys.Run},
		admin.Component(health),
		lifecycle.Component{Name: "rest", Start: g.listen, Run: g.run, Stop: g.stop, StopWithin: g.config.Drain},
	)
	return group.Run(ctx)
}

func (g *Gateway) listen(ctx context.Context) (err error) {
	if g.deps.Listener == nil {
		g.deps.Listener, err = new(net.ListenConfig).Listen(ctx, "tcp", g.config.Listen)
	}
	return err
}

func (g *Gateway) run(ctx context.Context) (err error) {
	if g.server.TLSConfig != nil {
		err = g.server.ServeTLS(g.deps.Listener, "", "")
	} else {
		err = g.server.Serve(g.deps.Listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		<-ctx.Done()
		return nil
	}
	return err
}

func (g *Gateway) stop(ctx context.Context) error {
	g.handler.draining.Store(true)
	return g.server.Shutdown(ctx)
}
