// Package storage is the door of the storage-provisioning service: tenants' buckets and
// keys on S3 backends. See README.md for what it owns and guarantees.
package storage

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc"

	"github.com/primecloud/primecloud/pkg/admin"
	"github.com/primecloud/primecloud/pkg/audit/auditlog"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/lifecycle"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/page"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/port"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/seal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/backend"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/connection"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/drift"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/events"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/favourite"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grpcapi"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/lastuse"
	rules "github.com/primecloud/primecloud/services/storage-provisioning/internal/lifecycle"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/minio"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/operationview"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/purge"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/quota"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/removal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/session"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/share"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/standing"
)

// Name is the process's long name.
const Name = "storage-provisioning"

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
	// IdentityTLS is how it speaks to identity; nil is plain text.
	IdentityTLS *tls.Config
	// Identity is a connection to identity in the same process; nil dials Config.IdentityTarget.
	Identity grpc.ClientConnInterface
	// Around stands around every call through a port and every commit; nil is nothing.
	Around port.Around
}

// Service is the running service. Make it with New, then Run it once.
type Service struct {
	config   Config
	deps     Deps
	db       *pg.DB
	stores   *postgres.Stores
	log      *auditlog.Log
	backends *backend.Registry
	use      grpcapi.UseCases
	// standings is what follows from events of accounts.
	standings *standing.Service
	server    *rpc.Server
	trust     *trust
	bg        *background
	uses      *lastuse.Service
}

// lookup hashes access key ids under the secret that all replicas share.
func (s *Service) lookup() lastuse.Lookup {
	return lastuse.NewLookup([]byte(s.config.PageKey.Reveal()))
}

// New connects to the database and builds the service. It needs neither NATS, nor
// identity, nor any backend.
func New(ctx context.Context, c Config, d Deps) (*Service, error) {
	if d.Around == nil {
		d.Around = port.Plain
	}
	s := &Service{config: c, deps: d, backends: &backend.Registry{}}
	var err error
	s.db, err = pg.Open(ctx, pg.Config{URL: c.DatabaseURL, MaxConns: int32(c.DatabaseConns), ApplicationName: Name}, pg.Deps{
		Tracer: d.Telemetry.Tracer, Meter: d.Telemetry.Meter, Logger: d.Telemetry.Logger, Around: d.Around,
	})
	if err != nil {
		return nil, err
	}
	if err := s.build(ctx); err != nil {
		s.db.Close()
		return nil, err
	}
	return s, nil
}

// build makes stores, use cases and the server, from the bottom up.
func (s *Service) build(ctx context.Context) error {
	c, d := s.config, s.deps
	sealer, err := seal.Keyset{File: c.SealKeyset}.Sealer()
	if err != nil {
		return err
	}
	owner := id.New("prc", d.Clock.Now())
	s.log = auditlog.New(Name, events.Noun, d.Clock, d.Telemetry.Logger)
	s.stores = postgres.New(postgres.Config{
		DB: s.db, Clock: d.Clock, Owner: owner, Sealer: sealer, Lookup: s.lookup(), Record: s.log.Record, Encode: events.Encoder(d.Clock, Name),
		WakeUp: func(ctx context.Context, tx *pg.Tx, ref reconcile.Ref, at time.Time) error {
			return s.bg.wakeUp(ctx, tx, ref, at)
		},
		Committed: func() { s.bg.relay.Nudge() },
	})
	if err := s.connectBackends(); err != nil {
		return err
	}
	if err := s.useCases(); err != nil {
		return err
	}
	if s.trust, err = newTrust(s); err != nil {
		return err
	}
	s.use.Fresh = s.trust.view.RequireFresh
	if s.bg, err = newBackground(ctx, s, owner); err != nil {
		return err
	}
	s.server, err = rpc.NewServer(rpc.ServerConfig{
		Service: Name, Noun: events.Noun, Listener: d.Listener, TLS: d.TLS, Authenticate: s.trust.authenticate,
		TrustedForwarders: []string{"gateway"}, OnRefusal: s.bg.refusals.Refused,
		OnOperatorCall: s.bg.refusals.Operated,
	}, rpc.Deps{Logger: d.Telemetry.Logger, Tracer: d.Telemetry.Tracer, Meter: d.Telemetry.Meter})
	if err != nil {
		return err
	}
	s.Register(s.server)
	return s.server.Check()
}

// connectBackends makes the adapter of each configured backend.
func (s *Service) connectBackends() error {
	configured, err := s.config.backends()
	if err != nil {
		return err
	}
	for _, b := range configured {
		adapter, err := minio.New(minio.Config{
			Endpoint: b.Endpoint, PublicEndpoint: b.PublicEndpoint, Region: b.Region,
			AdminKey: b.AdminUser, AdminSecret: b.AdminPassword, CallTimeout: s.config.Attempt, Around: s.deps.Around,
		})
		if err != nil {
			return err
		}
		public := b.PublicEndpoint
		if public == "" {
			public = b.Endpoint
		}
		if err := s.backends.Add(backend.Backend{Name: b.Name, Endpoint: public, Region: b.Region}, backend.Ports{
			Reader: adapter, Writer: adapter, Settings: adapter, Features: adapter, Contents: adapter, Purges: adapter,
			Users: adapter, Keys: adapter, Strays: adapter, Removals: adapter, Signer: adapter, Meter: adapter, Shared: adapter, Issuer: adapter, Prober: adapter,
			Objects: object.Ports{Store: adapter, Uploads: adapter, Forms: adapter},
		}); err != nil {
			return err
		}
	}
	return nil
}

// useCases makes the use cases of every concept.
func (s *Service) useCases() error {
	d := s.deps
	pages, err := page.NewCodec([]byte(s.config.PageKey.Reveal()))
	if err != nil {
		return err
	}
	wake := func(ref reconcile.Ref) { s.bg.loop.Wake(ref) }
	runner := change.NewRunner(d.Clock, s.stores.Leases, change.Limits{Attempt: s.config.Attempt})
	principals := principal.NewService(principal.Deps{
		Store: s.stores.Principals, Backends: s.backends, Policies: policy.Documents{}, Leases: s.stores.Leases, Clock: d.Clock,
	})
	declared, err := declared()
	if err != nil {
		return err
	}
	gate := grant.NewGate(s.stores.Grants)
	grants := grant.NewService(grant.Deps{Store: s.stores.Grants, Pages: pages, Clock: d.Clock, Declared: declared})
	s.standings = standing.NewService(d.Clock)
	quotas := quota.NewService(quota.Deps{
		Store: s.stores.Quotas, Measures: s.stores.Usages, Meters: s.backends, Standing: s.standings, Access: principals,
		Pages: pages, Clock: d.Clock, Logger: d.Telemetry.Logger, Settings: s.config.quotaSettings(),
	})
	buckets := bucket.NewService(bucket.Deps{
		Store: s.stores.Buckets, Inventory: s.stores.Buckets, Backends: s.backends, Principals: principals,
		Gate: gate, Quota: quotas, Runner: runner, Pages: pages, Clock: d.Clock, SettleAfter: s.config.Settle, Wake: wake,
		Trash: s.stores.Buckets, UndoFor: s.config.UndoDelete, Grants: grants,
	})
	keys := accesskey.NewService(accesskey.Deps{
		Store: s.stores.AccessKeys, Inventory: s.stores.Strays, Hash: s.lookup().Of, Backends: s.backends, Principals: principals, Quota: quotas,
		Runner: runner, Pages: pages, Clock: d.Clock, Wake: wake,
	})
	s.uses = lastuse.NewService(s.lookup(), lastuse.Deps{Store: s.stores.Uses, Keys: keys, Clock: d.Clock, Logger: d.Telemetry.Logger})
	purges := purge.NewService(purge.Deps{
		Store: s.stores.Purges, Buckets: buckets, Backends: s.backends, Principals: principals, Pages: pages, Clock: d.Clock,
		Grace: s.config.PurgeGrace, Retry: s.config.PurgeRetry, Wake: wake,
	})
	s.use = grpcapi.UseCases{
		Buckets: buckets,
		Purges:  purges, Removals: s.removals(pages, purges, keys, principals),
		AccessKeys:  keys,
		Sessions:    session.NewService(session.Deps{Buckets: s.stores.Buckets, Principals: principals, Backends: s.backends, Gate: gate, Trail: s.stores.Trail}),
		Uses:        s.uses,
		Connections: connection.NewService(connection.Deps{Backends: s.backends, Record: s.stores.Connections, Clock: d.Clock}),
		Objects:     object.NewService(object.Deps{Buckets: s.stores.Buckets, Principals: principals, Backends: s.backends, Gate: gate, Quota: quotas, Trail: s.stores.Trail, Pages: pages, Clock: d.Clock}),
		Quotas:      quotas,
		Grants:      grants,
		Principals:  principals,
		Operations:  operationview.NewService(s.stores.Operations, pages),
		Drifts:      drift.NewService(drift.Deps{Store: s.stores.Drifts, Pages: pages, Clock: d.Clock, Wake: wake}),
		Backends:    s.backends,
		Shares: share.NewService(share.Deps{
			Store: s.stores.Shares, Buckets: s.stores.Buckets, Principals: principals, Standings: s.stores.Standings,
			Backends: s.backends, Gate: gate, Quota: quotas, Pages: pages, Clock: d.Clock,
		}),
		Favourites: favourite.NewService(favourite.Deps{Store: s.stores.Favourites, Gate: gate, Pages: pages, Clock: d.Clock}),
	}
	s.use.Lifecycle = rules.NewService(rules.Deps{
		Buckets: s.use.Buckets, Backends: s.backends, Inventory: s.stores.Buckets, Trail: s.stores.Trail, Clock: d.Clock,
	})
	return nil
}

// removals makes the use cases of removals.
func (s *Service) removals(
	pages *page.Codec, purges *purge.Service, keys *accesskey.Service, principals *principal.Service,
) *removal.Service {
	return removal.NewService(removal.Deps{
		Store: s.stores.Removals, Purges: purges, Keys: keyDeleter{keys}, Identities: principals, Pages: pages,
		Clock: s.deps.Clock, Wake: func(ref reconcile.Ref) { s.bg.loop.Wake(ref) },
	})
}

// keyDeleter deletes access keys for removals.
type keyDeleter struct{ keys *accesskey.Service }

// DeleteKey deletes a key, whatever its owner has last seen of it.
func (d keyDeleter) DeleteKey(ctx context.Context, accountID, id string) error {
	_, err := d.keys.Delete(ctx, accountID, id, "")
	return err
}

// Register puts storage's services on a server.
func (s *Service) Register(server grpc.ServiceRegistrar) { grpcapi.Register(server, s.use) }

// Channel returns a connection for a caller in the same process, who is known as peer.
func (s *Service) Channel(peer string) grpc.ClientConnInterface { return s.server.Channel(peer) }

// Ready reports whether the service can do its own work: its database answers, and it can
// verify tokens.
func (s *Service) Ready(ctx context.Context) error {
	if !s.trust.keys.Ready() {
		return errors.New("there are no keys to verify tokens with yet")
	}
	return s.db.Ping(ctx)
}

// Run serves until ctx is done, then drains: first the calls, then what they left to do.
func (s *Service) Run(ctx context.Context) error {
	group := lifecycle.New(s.deps.Telemetry.Logger)
	group.Add(lifecycle.Component{Name: "database", Stop: func(context.Context) error { s.db.Close(); return nil }})
	group.Add(s.bg.components()...)
	group.Add(admin.Component(admin.Config{
		Listen: s.config.AdminListen, Metrics: s.deps.Telemetry.Metrics, Ready: s.Ready,
		Details: s.bg.details(), Logger: s.deps.Telemetry.Logger,
	}))
	server := s.server.Component()
	server.StopWithin = s.config.Drain
	group.Add(server)
	return group.Run(ctx)
}

// Migrate brings the schema up to date, as its owner.
func Migrate(ctx context.Context, c Config, logger *slog.Logger) error {
	if c.DatabaseOwnerURL == "" {
		return errors.New("set PRIMECLOUD_STORAGE_DATABASE_OWNER_URL to migrate")
	}
	return pg.Migrate(ctx, c.DatabaseOwnerURL, pg.MigrateConfig{
		Schema: postgres.Schema, Sets: []pg.MigrationSet{postgres.Migrations()}, Logger: logger,
	})
}
