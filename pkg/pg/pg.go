// Package pg is the way to PostgreSQL: a pool, a scope that every statement must name,
// transactions, migrations, and the tables of the shared mechanisms.
//
// It guarantees that no statement runs without a Scope. Row-level security does the rest:
// in the scope of an account only that account's rows exist, whatever the statement says,
// and a statement that got here without a scope would see no tenant's rows at all.
// It guarantees that a transaction's function may run several times (serialization
// failures, deadlocks and a lost connection before the commit are tried again), and that
// an error tells whether the outcome is known.
//
// It does not know any business table, and it does not translate errors of constraints:
// the store that owns a constraint does, with IsUnique.
package pg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/port"
)

// Config says how to reach the database. Only URL must be set.
type Config struct {
	// URL is the connection string of the serving role (`<noun>_app`).
	URL config.Secret
	// MaxConns bounds the pool; 16 when zero.
	MaxConns int32
	// ConnectTimeout bounds one attempt to connect; 3 s when zero.
	ConnectTimeout time.Duration
	// AcquireTimeout bounds the wait for a connection, so that a database that hangs is
	// told apart from a slow call; 5 s when zero.
	AcquireTimeout time.Duration
	// StatementTimeout ends a statement on the server; 30 s when zero, none when negative.
	StatementTimeout time.Duration
	// IdleInTransactionTimeout ends a transaction on the server that says nothing for so
	// long, so that a process that froze or lost its network gives its locks back; 5 s when
	// zero. Transactions make no call but to the database, so none of ours waits as long.
	IdleInTransactionTimeout time.Duration
	// CommitTimeout bounds a commit, which the caller's cancellation does not reach; 5 s
	// when zero.
	CommitTimeout time.Duration
	// ApplicationName shows in pg_stat_activity.
	ApplicationName string
}

// Deps is what the process lends. Nil fields are replaced by ones that do nothing.
type Deps struct {
	Tracer trace.TracerProvider
	Meter  metric.MeterProvider
	Logger *slog.Logger
	// Around stands around every commit, as "postgres.commit".
	Around port.Around
}

// DB is a pool of connections of one serving role.
type DB struct {
	pool   *pgxpool.Pool
	config Config
	deps   Deps
	tracer trace.Tracer
	// trouble is when a connection was last found dead, in nanoseconds: for a while after
	// it idle connections are checked before use, so that a restarted server costs one
	// failed statement and not one per connection.
	trouble atomic.Int64
	metrics metric.Registration
}

// instrumentation names this package in traces and metrics.
const instrumentation = "github.com/primecloud/primecloud/pkg/pg"

// troubled is how long connections stay under suspicion after one was found dead.
const troubled = 3 * time.Second

// Open connects, checks that the server answers, and that the role is one that row-level
// security binds: a superuser or a role with BYPASSRLS is refused.
func Open(ctx context.Context, cfg Config, deps Deps) (*DB, error) {
	db := &DB{config: withDefaults(cfg), deps: completeDeps(deps)}
	db.tracer = db.deps.Tracer.Tracer(instrumentation)
	poolConfig, err := db.poolConfig()
	if err != nil {
		return nil, err
	}
	if db.pool, err = pgxpool.NewWithConfig(ctx, poolConfig); err != nil {
		return nil, fmt.Errorf("open the database pool: %w", err)
	}
	if err := db.checkRole(ctx); err != nil {
		db.pool.Close()
		return nil, err
	}
	if err := db.observe(); err != nil {
		db.pool.Close()
		return nil, err
	}
	return db, nil
}

func withDefaults(c Config) Config {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&c.ConnectTimeout, 3*time.Second)
	set(&c.AcquireTimeout, 5*time.Second)
	set(&c.StatementTimeout, 30*time.Second)
	set(&c.CommitTimeout, 5*time.Second)
	set(&c.IdleInTransactionTimeout, 5*time.Second)
	if c.MaxConns == 0 {
		c.MaxConns = 16
	}
	return c
}

func completeDeps(d Deps) Deps {
	if d.Tracer == nil {
		d.Tracer = tracenoop.NewTracerProvider()
	}
	if d.Meter == nil {
		d.Meter = metricnoop.NewMeterProvider()
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if d.Around == nil {
		d.Around = port.Plain
	}
	return d
}

func (db *DB) poolConfig() (*pgxpool.Config, error) {
	c, err := pgxpool.ParseConfig(db.config.URL.Reveal())
	if err != nil {
		// The parser's own text may hold the password.
		return nil, errors.New("the database URL is malformed")
	}
	c.MaxConns = db.config.MaxConns
	c.MinIdleConns = 1
	c.MaxConnLifetime = 30 * time.Minute
	c.MaxConnLifetimeJitter = 5 * time.Minute
	c.HealthCheckPeriod = 15 * time.Second
	c.ConnConfig.ConnectTimeout = db.config.ConnectTimeout
	c.ShouldPing = func(_ context.Context, p pgxpool.ShouldPingParams) bool {
		return p.IdleDuration > time.Second || time.Now().UnixNano()-db.trouble.Load() < int64(troubled)
	}
	parameters := c.ConnConfig.RuntimeParams
	parameters["timezone"] = "UTC"
	if db.config.ApplicationName != "" {
		parameters["application_name"] = db.config.ApplicationName
	}
	if db.config.StatementTimeout > 0 {
		parameters["statement_timeout"] = fmt.Sprint(db.config.StatementTimeout.Milliseconds())
	}
	parameters["idle_in_transaction_session_timeout"] = fmt.Sprint(db.config.IdleInTransactionTimeout.Milliseconds())
	return c, nil
}

func (db *DB) checkRole(ctx context.Context) error {
	var name string
	var unbound bool
	conn, err := db.acquire(ctx)
	if err != nil {
		return fmt.Errorf("reach the database: %w", err)
	}
	defer conn.Release()
	err = conn.QueryRow(ctx, `select rolname, rolsuper or rolbypassrls from pg_roles where rolname = current_user`).
		Scan(&name, &unbound)
	if err != nil {
		return fmt.Errorf("reach the database: %w", classify(ctx, err))
	}
	if unbound {
		return fmt.Errorf("role %s is not bound by row-level security; serve with a role that owns nothing", name)
	}
	return nil
}

// observe publishes the pool's state as metrics.
func (db *DB) observe() error {
	meter := db.deps.Meter.Meter(instrumentation)
	connections, err1 := meter.Int64ObservableGauge("postgres.pool.connections",
		metric.WithDescription("connections by state"))
	waits, err2 := meter.Int64ObservableCounter("postgres.pool.waits",
		metric.WithDescription("times that a call waited for a connection"))
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	used := metric.WithAttributes(attribute.String("state", "used"))
	idle := metric.WithAttributes(attribute.String("state", "idle"))
	limit := metric.WithAttributes(attribute.String("state", "max"))
	var err error
	db.metrics, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := db.pool.Stat()
		o.ObserveInt64(connections, int64(s.AcquiredConns()), used)
		o.ObserveInt64(connections, int64(s.IdleConns()), idle)
		o.ObserveInt64(connections, int64(s.MaxConns()), limit)
		o.ObserveInt64(waits, s.EmptyAcquireCount())
		return nil
	}, connections, waits)
	return err
}

// Ping reports whether the database answers: what /readyz asks.
func (db *DB) Ping(ctx context.Context) error {
	conn, err := db.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	return db.notice(ctx, conn.Ping(ctx))
}

// Close ends the pool. It waits for connections that are in use.
func (db *DB) Close() {
	_ = db.metrics.Unregister()
	db.pool.Close()
}

// Unscoped returns the pool itself, for machinery that keeps its own tables without
// tenants (River) and for benchmarks. Tenants' rows do not exist there: row-level security
// shows nothing to a statement without a scope.
func (db *DB) Unscoped() *pgxpool.Pool { return db.pool }

// acquire takes a connection, within the acquire timeout.
func (db *DB) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	limited, cancel := context.WithTimeout(ctx, db.config.AcquireTimeout)
	defer cancel()
	conn, err := db.pool.Acquire(limited)
	if err == nil {
		return conn, nil
	}
	if ctx.Err() == nil && limited.Err() != nil {
		return nil, unavailable(err)
	}
	return nil, db.notice(ctx, err)
}

// notice classifies an error, and remembers that connections may be dead.
func (db *DB) notice(ctx context.Context, err error) error {
	if err == nil || errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	classified := classify(ctx, err)
	if IsUnavailable(classified) {
		db.trouble.Store(time.Now().UnixNano())
	}
	return classified
}
