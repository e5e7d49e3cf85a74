// Package identity is the door of the identity service: who calls, and what they may do.
// See README.md for what it owns and guarantees.
package identity

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/primecloud/primecloud/pkg/admin"
	"github.com/primecloud/primecloud/pkg/audit/auditlog"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/lifecycle"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/page"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/port"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/provider"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/seal"
	"github.com/primecloud/primecloud/services/identity/internal/accesstoken"
	"github.com/primecloud/primecloud/services/identity/internal/account"
	"github.com/primecloud/primecloud/services/identity/internal/apikey"
	"github.com/primecloud/primecloud/services/identity/internal/audittrail"
	"github.com/primecloud/primecloud/services/identity/internal/effective"
	"github.com/primecloud/primecloud/services/identity/internal/events"
	"github.com/primecloud/primecloud/services/identity/internal/grpcapi"
	"github.com/primecloud/primecloud/services/identity/internal/invitation"
	"github.com/primecloud/primecloud/services/identity/internal/linkedlogin"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
	"github.com/primecloud/primecloud/services/identity/internal/oidc"
	"github.com/primecloud/primecloud/services/identity/internal/operator"
	"github.com/primecloud/primecloud/services/identity/internal/ownership"
	"github.com/primecloud/primecloud/services/identity/internal/postgres"
	"github.com/primecloud/primecloud/services/identity/internal/profile"
	"github.com/primecloud/primecloud/services/identity/internal/session"
	"github.com/primecloud/primecloud/services/identity/internal/user"
)

// Name is the process's long name.
const Name = "identity"

// Deps is what the process lends.
type Deps struct {
	// Telemetry is where traces, metrics and logs go.
	Telemetry *observe.Telemetry
	// Clock tells the time.
	Clock clock.Clock
	// Listener is where the gRPC server listens; nil serves in-process callers alone.
	Listener net.Listener
	// TLS is how it speaks, made by package pki; nil is plain text, where no caller has a name.
	TLS *tls.Config
	// Around stands around every call through a port and every commit; nil is nothing.
	Around port.Around
}

// Service is the running service. Make it with New, then Run it once.
type Service struct {
	config Config
	deps   Deps
	db     *pg.DB
	stores *postgres.Stores
	use    grpcapi.UseCases
	trail  trail
	log    *auditlog.Log
	server *rpc.Server
	bus    *background
}

// New connects to the database, takes the signing keys into use and builds the service. It
// needs neither NATS nor the login provider.
func New(ctx context.Context, c Config, d Deps) (*Service, error) {
	if d.Around == nil {
		d.Around = port.Plain
	}
	s := &Service{config: c, deps: d, log: auditlog.New(Name, events.Noun, d.Clock, d.Telemetry.Logger)}
	var err error
	s.db, err = pg.Open(ctx, pg.Config{URL: c.DatabaseURL, MaxConns: int32(c.DatabaseConns), ApplicationName: Name}, pg.Deps{
		Tracer: d.Telemetry.Tracer, Meter: d.Telemetry.Meter, Logger: d.Telemetry.Logger, Around: d.Around,
	})
	if err != nil {
		return nil, err
	}
	if err := s.build(ctx); err != nil {
		if s.bus != nil {
			s.bus.conn.Close()
		}
		s.db.Close()
		return nil, err
	}
	return s, nil
}

// build makes stores, use cases and the server, from the bottom up.
func (s *Service) build(ctx context.Context) error {
	c, d := s.config, s.deps
	s.stores = postgres.New(postgres.Config{
		DB: s.db, Clock: d.Clock, Record: s.log.Record, Encode: events.Encoder(d.Clock),
		Committed: func(revoked bool) { s.bus.committed(revoked) },
	})
	sealer, err := seal.Keyset{File: c.SealKeyset}.Sealer()
	if err != nil {
		return err
	}
	names := accesstoken.Names{Issuer: c.TokenIssuer, Audience: c.TokenAudience}
	keys, err := accesstoken.NewKeyring(accesstoken.KeyringConfig{
		Store: s.stores.SigningKeys, Sealer: sealer, Clock: d.Clock,
		Schedule: accesstoken.Schedule{SignFor: c.KeySignsFor, PublishAhead: c.KeyAhead},
	})
	if err != nil {
		return err
	}
	minter, err := accesstoken.NewMinter(keys, d.Clock, names, c.TokenLifetime)
	if err != nil {
		return err
	}
	authenticator, err := accesstoken.NewAuthenticator(keys, s.stores.Revocations, d.Clock, names)
	if err != nil {
		return err
	}
	if err := s.useCases(keys, minter, sealer); err != nil {
		return err
	}
	if s.bus, err = newBackground(ctx, s); err != nil {
		return err
	}
	s.server, err = rpc.NewServer(rpc.ServerConfig{
		Service: Name, Noun: events.Noun, Listener: d.Listener, TLS: d.TLS, Authenticate: authenticator.Authenticate,
		TrustedForwarders: []string{"gateway"}, OnRefusal: s.refused,
		OnOperatorCall: s.bus.refusals.Operated,
	}, rpc.Deps{Logger: d.Telemetry.Logger, Tracer: d.Telemetry.Tracer, Meter: d.Telemetry.Meter})
	if err != nil {
		return err
	}
	s.Register(s.server)
	if err := s.server.Check(); err != nil {
		return err
	}
	// Last, for they write: a service that is not configured well changes nothing.
	return errors.Join(keys.Rotate(ctx), s.use.AuditKeys.Load(ctx))
}

// refused records a refused call. That of a genuine API key is an entry in the trail of its
// account, with the reason that its caller is not told.
func (s *Service) refused(ctx context.Context, method string, request proto.Message, err error) {
	if r, genuine := apikey.RefusalOf(err, principal.FromContext(ctx)); genuine {
		ctx, err = principal.NewContext(ctx, r.Caller), r.Why
	}
	s.bus.refusals.Refused(ctx, method, request, err)
}

// useCases makes the use cases of every concept.
func (s *Service) useCases(keys *accesstoken.Keyring, minter *accesstoken.Minter, sealer *seal.Sealer) error {
	c, d := s.config, s.deps
	providers, err := loginProviders(c)
	if err != nil {
		return err
	}
	verifier, err := oidc.New(oidc.Config{
		Providers: providers, Clock: d.Clock, Around: d.Around, GroupsClaim: c.OperatorClaim,
	})
	if err != nil {
		return err
	}
	roster, err := operator.NewRoster(c.OIDCIssuer.String(), c.Operators, c.OperatorGroups)
	if err != nil {
		return fmt.Errorf("PRIMECLOUD_IDENTITY_OPERATORS or PRIMECLOUD_IDENTITY_OPERATOR_GROUPS: %w", err)
	}
	pages, err := page.NewCodec([]byte(c.PageKey.Reveal()))
	if err != nil {
		return err
	}
	table, err := contract()
	if err != nil {
		return err
	}
	s.trail = s.newTrail(sealer)
	limits := session.Limits{Idle: c.SessionIdle, Absolute: c.SessionAbsolute}
	sessions := session.New(session.Config{Store: s.stores.Sessions, Provider: verifier, Minter: minter, Clock: d.Clock, Limits: limits, Roster: roster})
	s.use = grpcapi.UseCases{
		Users: user.New(s.stores.Users),
		Accounts: account.New(account.Config{Store: s.stores.Accounts, Clock: d.Clock, Policy: account.Policy{
			Approval: c.AccountApproval == approvalManual, Trial: c.AccountTrial, Retention: c.AccountRetention,
		}}),
		Accesses:    operator.New(s.stores.Accesses, d.Clock),
		Effective:   effective.New(s.stores.Standings, table, d.Clock),
		Profiles:    profile.New(s.stores.Profiles, d.Clock),
		Memberships: membership.New(s.stores.Memberships, d.Clock),
		Invitations: invitation.New(s.stores.Invitations, d.Clock),
		Transfers:   ownership.New(s.stores.Transfers, d.Clock),
		Sessions:    sessions,
		Limits:      limits,
		Links:       linkedlogin.New(linkedlogin.Config{Store: s.stores.Logins, Sessions: sessions, Provider: verifier, Clock: d.Clock}),
		APIKeys: apikey.New(apikey.Config{
			Store: s.stores.APIKeys, Sealer: sealer, Minter: minter, Clock: d.Clock, Scopes: table.Scopes(),
		}),
		Keys:        keys,
		Revocations: s.stores.Revocations,
		AuditTrail:  audittrail.New(s.stores.AuditTrail),
		AuditExport: s.trail.export,
		AuditKeys:   s.trail.keys,
		Pages:       pages,
	}
	return nil
}

// loginProviders returns the provider of the settings and those of the file.
func loginProviders(c Config) ([]oidc.Provider, error) {
	list := []oidc.Provider{{Issuer: c.OIDCIssuer.String(), ClientID: c.OIDCClientID, InternalURL: c.OIDCInternalURL.String()}}
	further, err := provider.Read(c.OIDCProviders, c.OIDCIssuer.String())
	if err != nil {
		return nil, fmt.Errorf("PRIMECLOUD_IDENTITY_OIDC_PROVIDERS: %w", err)
	}
	for _, p := range further {
		list = append(list, oidc.Provider{Issuer: p.Issuer, ClientID: p.ClientID, InternalURL: p.InternalURL})
	}
	return list, nil
}

// Register puts identity's services on a server.
func (s *Service) Register(server grpc.ServiceRegistrar) { grpcapi.Register(server, s.use) }

// Channel returns a connection for a caller in the same process, who is known as peer.
func (s *Service) Channel(peer string) grpc.ClientConnInterface { return s.server.Channel(peer) }

// Ready reports whether the service can do its own work: its database answers, and it has
// a key to sign with.
func (s *Service) Ready(ctx context.Context) error {
	if !s.use.Keys.Ready() {
		return errors.New("there is no signing key")
	}
	return s.db.Ping(ctx)
}

// Run serves until ctx is done, then drains: first the calls, then what they left to do.
func (s *Service) Run(ctx context.Context) error {
	group := lifecycle.New(s.deps.Telemetry.Logger)
	group.Add(lifecycle.Component{Name: "database", Stop: func(context.Context) error { s.db.Close(); return nil }})
	group.Add(s.bus.components()...)
	group.Add(s.upkeep())
	group.Add(admin.Component(admin.Config{
		Listen: s.config.AdminListen, Metrics: s.deps.Telemetry.Metrics, Ready: s.Ready,
		Details: s.bus.details(), Logger: s.deps.Telemetry.Logger,
	}))
	server := s.server.Component()
	server.StopWithin = s.config.Drain
	group.Add(server)
	return group.Run(ctx)
}

// Migrate brings the schema up to date, as its owner.
func Migrate(ctx context.Context, c Config, logger *slog.Logger) error {
	if c.DatabaseOwnerURL == "" {
		return fmt.Errorf("set PRIMECLOUD_IDENTITY_DATABASE_OWNER_URL to migrate")
	}
	return pg.Migrate(ctx, c.DatabaseOwnerURL, pg.MigrateConfig{
		Schema: postgres.Schema, Sets: []pg.MigrationSet{postgres.Migrations()}, Logger: logger,
	})
}
