// Package environment starts what the suite needs around it on one machine: PostgreSQL
// with a schema per service, NATS with a user per service, MinIO behind its door, and Dex
// with a demo login. It owns the folder they live in, the secrets made for them, and the
// local certificate authority.
//
// It guarantees that a second start finds the data and secrets of the first, and that
// everything it started has ended when Close returns. It knows no service's code.
package environment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/pki"
	"github.com/primecloud/primecloud/pkg/servers"
)

// Database is the one database; each service has a schema of its own in it.
const Database = "primecloud"

// Region is the region that S3 signatures name.
const Region = "local"

// S3Domain is the host name below which buckets are hosts of their own in the local stack,
// for those whose resolver leads *.localhost to this machine.
const S3Domain = "s3.localhost"

// MinIOAdmin is MinIO's administrator.
const MinIOAdmin = "primecloud-root"

// Client is the gateway's client id at Dex.
const Client = "primecloud"

// Ports says where the servers listen; 0 takes a free port.
type Ports struct {
	// Postgres is PostgreSQL's port.
	Postgres int `env:"PRIMECLOUD_STACK_POSTGRES_PORT" default:"15432" doc:"Port of PostgreSQL on 127.0.0.1."`
	// NATS is the port of NATS.
	NATS int `env:"PRIMECLOUD_STACK_NATS_PORT" default:"14222" doc:"Port of NATS on 127.0.0.1."`
	// MinIO is MinIO's own port, behind the door.
	MinIO int `env:"PRIMECLOUD_STACK_MINIO_PORT" default:"19000" doc:"Port of MinIO itself on 127.0.0.1, the internal address."`
	// Door is the public S3 port.
	Door int `env:"PRIMECLOUD_STACK_S3_PORT" default:"9000" doc:"Port of the S3 door on 127.0.0.1, the public address."`
	// Dex is the login provider's port.
	Dex int `env:"PRIMECLOUD_STACK_DEX_PORT" default:"5556" doc:"Port of Dex, the login provider, on 127.0.0.1."`
}

// Config says where the environment lives.
type Config struct {
	// Dir holds data, secrets and logs.
	Dir string
	// Ports are where the servers listen.
	Ports Ports
	// Callback is where Dex may send a login back to.
	Callback string
	// Nouns are the services that need a schema.
	Nouns []string
	// NATSUsers are the services' accounts at the broker, without passwords.
	NATSUsers []servers.NATSUser
	// Audit is where MinIO tells of each request; nowhere when empty.
	Audit string
	// Volatile gives up durability against a crash of the machine, for tests.
	Volatile bool
	// Progress is told what takes time; nil tells nobody.
	Progress io.Writer
}

// Environment is what runs around the suite.
type Environment struct {
	// Secrets are what was made at the first start.
	Secrets *Secrets
	// Postgres, NATS, MinIO, Door and Dex are the servers.
	Postgres *servers.Postgres
	// NATS is the broker.
	NATS *servers.NATS
	// MinIO is the backend, on its internal address.
	MinIO *servers.MinIO
	// Door is the public S3 address.
	Door *servers.Door
	// Dex is the login provider.
	Dex *servers.Dex
	// Authority issues the certificates that processes know each other by.
	Authority *pki.Authority

	cfg Config
}

// Person is somebody who can log in at the local Dex.
type Person struct {
	// Email is the login, Password goes with it.
	Email, Password string
	// Name is shown.
	Name string
}

// Operator is the address of the platform's administrator in the local stack.
const Operator = "operator@primecloud.example"

// People are the logins of the local stack. Their passwords are public on purpose: Dex
// listens on loopback alone.
func People() []Person {
	return []Person{
		{Email: "demo@primecloud.example", Password: "demo", Name: "Demo Person"},
		{Email: "other@primecloud.example", Password: "other", Name: "Other Person"},
		{Email: "guest@primecloud.example", Password: "guest", Name: "Guest Person"},
		{Email: Operator, Password: "operator", Name: "Platform Operator"},
	}
}

// Logins are the people as Dex is told of them.
func Logins() []servers.DexUser {
	var logins []servers.DexUser
	for i, p := range People() {
		logins = append(logins, servers.DexUser{Email: p.Email, Password: p.Password, UserID: strconv.Itoa(i + 1), Username: p.Name})
	}
	return logins
}

// Start starts everything, side by side, and returns when all of it answers.
func Start(ctx context.Context, cfg Config) (*Environment, error) {
	if cfg.Progress == nil {
		cfg.Progress = io.Discard
	}
	if err := servers.Install(ctx, cfg.Progress); err != nil {
		return nil, err
	}
	secrets, err := OpenSecrets(cfg.Dir)
	if err != nil {
		return nil, err
	}
	authority, err := pki.OpenAuthority(filepath.Join(cfg.Dir, "pki"), clock.System())
	if err != nil {
		return nil, err
	}
	e := &Environment{Secrets: secrets, Authority: authority, cfg: cfg}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return e.startPostgres(groupCtx) })
	group.Go(func() error { return e.startNATS(groupCtx) })
	group.Go(func() error { return e.startMinIO(groupCtx) })
	group.Go(func() error { return e.startDex(groupCtx) })
	if err := group.Wait(); err != nil {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		return nil, errors.Join(err, e.Close(closing))
	}
	return e, nil
}

func (e *Environment) startPostgres(ctx context.Context) error {
	var err error
	e.Postgres, err = servers.StartPostgres(ctx, servers.PostgresConfig{
		Dir: filepath.Join(e.cfg.Dir, "postgres"), Port: e.cfg.Ports.Postgres, Setting: "PRIMECLOUD_STACK_POSTGRES_PORT",
		Password: e.Secrets.Get("postgres"), Volatile: e.cfg.Volatile,
		Settings: map[string]string{"max_connections": "200"},
	})
	if err != nil {
		return err
	}
	return Bootstrap(ctx, e.Postgres.SuperuserDSN, Shares(e.cfg.Nouns, e.Secrets.Get))
}

// OwnerDSN is how `migrate` of a service connects.
func (e *Environment) OwnerDSN(noun string) string {
	return e.Postgres.DSN(noun+"_owner", e.Secrets.Get(noun+"-owner"), Database)
}

// AppDSN is how `serve` of a service connects.
func (e *Environment) AppDSN(noun string) string {
	return e.Postgres.DSN(noun+"_app", e.Secrets.Get(noun+"-app"), Database)
}

func (e *Environment) startNATS(ctx context.Context) error {
	users := make([]servers.NATSUser, 0, len(e.cfg.NATSUsers))
	for _, user := range e.cfg.NATSUsers {
		user.Password = e.NATSPassword(user.Name)
		users = append(users, user)
	}
	var err error
	e.NATS, err = servers.StartNATS(ctx, servers.NATSConfig{
		Dir: filepath.Join(e.cfg.Dir, "nats"), Port: e.cfg.Ports.NATS, Setting: "PRIMECLOUD_STACK_NATS_PORT", Users: users,
	})
	return err
}

// NATSPassword is the password of a service at the broker.
func (e *Environment) NATSPassword(user string) string { return e.Secrets.Get("nats-" + user) }

func (e *Environment) startMinIO(ctx context.Context) error {
	var err error
	// Uploads in parts are kept as long as storage's default rule says.
	env := []string{"MINIO_API_STALE_UPLOADS_EXPIRY=168h"}
	if e.cfg.Audit != "" {
		env = append(env,
			"MINIO_AUDIT_WEBHOOK_ENABLE_PRIMECLOUD=on", "MINIO_AUDIT_WEBHOOK_ENDPOINT_PRIMECLOUD="+e.cfg.Audit,
			"MINIO_AUDIT_WEBHOOK_AUTH_TOKEN_PRIMECLOUD="+e.AuditToken(),
		)
	}
	e.MinIO, err = servers.StartMinIO(ctx, servers.MinIOConfig{
		Env: env,
		Dir: filepath.Join(e.cfg.Dir, "minio"), Port: e.cfg.Ports.MinIO, Setting: "PRIMECLOUD_STACK_MINIO_PORT",
		RootUser: MinIOAdmin, RootPassword: e.Secrets.Get("minio-root"), Region: Region, Domain: S3Domain,
	})
	if err != nil {
		return err
	}
	e.Door, err = servers.StartDoor(ctx, servers.DoorConfig{
		Dir: filepath.Join(e.cfg.Dir, "door"), Port: e.cfg.Ports.Door, Setting: "PRIMECLOUD_STACK_S3_PORT", Upstream: e.MinIO.Address(),
	})
	return err
}

// AuditToken is what MinIO shows where it tells of requests.
func (e *Environment) AuditToken() string { return e.Secrets.Get("storage-audit") }

// MinIOAdmin is MinIO's administrator with the password.
func (e *Environment) MinIOAdmin() (user, password string) {
	return MinIOAdmin, e.Secrets.Get("minio-root")
}

func (e *Environment) startDex(ctx context.Context) error {
	cfg := servers.DexConfig{
		Dir: filepath.Join(e.cfg.Dir, "dex"), Port: e.cfg.Ports.Dex, Setting: "PRIMECLOUD_STACK_DEX_PORT",
		ClientID: Client, ClientSecret: e.Secrets.Get("dex-client"), RedirectURLs: []string{e.cfg.Callback}, Users: Logins(),
	}
	var err error
	e.Dex, err = servers.StartDex(ctx, cfg)
	return err
}

// Keyset returns the file with the keys that a service seals its secrets with, made at
// the first call.
func (e *Environment) Keyset(noun string) (string, error) { return e.Secrets.Keyset(noun) }

// Close stops everything that was started, the door before what is behind it.
func (e *Environment) Close(ctx context.Context) error {
	var failed []error
	stop := func(s *servers.Server) {
		if err := s.Stop(ctx); err != nil {
			failed = append(failed, fmt.Errorf("stop %s: %w", s.Name(), err))
		}
	}
	if e.Door != nil {
		stop(e.Door.Server)
	}
	if e.Dex != nil {
		stop(e.Dex.Server)
	}
	if e.MinIO != nil {
		stop(e.MinIO.Server)
	}
	if e.NATS != nil {
		stop(e.NATS.Server)
	}
	if e.Postgres != nil {
		stop(e.Postgres.Server)
	}
	return errors.Join(failed...)
}
