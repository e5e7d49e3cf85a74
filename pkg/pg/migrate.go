package pg

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"regexp"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/primecloud/primecloud/pkg/config"
)

//go:embed mechanisms/*.sql
var mechanisms embed.FS

// MigrationSet is a folder of goose migrations, numbered from one, with a version table of
// its own (`goose_<name>`). Migrations are forward-only and compatible with the binary
// before them, since replicas of both run side by side during a rollout.
type MigrationSet struct {
	// Name is lower-case letters and underscores.
	Name string
	// FS holds the *.sql files at its root.
	FS fs.FS
}

// Mechanisms is the set of the shared mechanisms' tables; Migrate runs it by itself.
func Mechanisms() MigrationSet {
	sub, err := fs.Sub(mechanisms, "mechanisms")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return MigrationSet{Name: "mechanisms", FS: sub}
}

// MigrateConfig says what to migrate.
type MigrateConfig struct {
	// Schema is the service's schema, named by its noun.
	Schema string
	// AppRole is the serving role, `<noun>_app` when empty.
	AppRole string
	// Sets run after the mechanisms and River, in order.
	Sets []MigrationSet
	// Logger tells of each migration; nil for silence.
	Logger *slog.Logger
}

var identifier = regexp.MustCompile(`^[a-z][a-z_]{0,40}$`)

// Migrate brings the schema up to date, as its owner, and grants the serving role what it
// needs: every new table's DML and nothing else. A migration may revoke some of that again
// (an append-only table), since grants are given when a table is made and never repeated.
//
// It runs in the system scope, because row-level security binds the owner too. One advisory
// lock for the schema makes concurrent calls wait for each other. Afterwards it fails
// unless every table with an account_id has row-level security enabled and forced.
func Migrate(ctx context.Context, ownerURL config.Secret, cfg MigrateConfig) error {
	if cfg.AppRole == "" {
		cfg.AppRole = cfg.Schema + "_app"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if !identifier.MatchString(cfg.Schema) || !identifier.MatchString(cfg.AppRole) {
		return fmt.Errorf("schema %q and role %q must be lower-case letters and underscores", cfg.Schema, cfg.AppRole)
	}
	pool, err := ownerPool(ctx, ownerURL, cfg.Schema)
	if err != nil {
		return err
	}
	defer pool.Close()
	db := stdlib.OpenDBFromPool(pool)
	defer func() { _ = db.Close() }()
	return locked(ctx, db, cfg.Schema, func() error { return migrate(ctx, db, pool, cfg) })
}

// ownerPool connects as the owner, in the schema and in the system scope.
func ownerPool(ctx context.Context, ownerURL config.Secret, schema string) (*pgxpool.Pool, error) {
	c, err := pgxpool.ParseConfig(ownerURL.Reveal())
	if err != nil {
		return nil, errors.New("the owner's database URL is malformed")
	}
	c.MaxConns = 3
	parameters := c.ConnConfig.RuntimeParams
	parameters["search_path"] = schema
	parameters["timezone"] = "UTC"
	parameters["app.scope"] = "system"
	parameters["application_name"] = "migrate"
	// A migration that waits for a lock holds up everybody behind it: rather fail.
	parameters["lock_timeout"] = "10000"
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("open the owner's pool: %w", err)
	}
	return pool, nil
}

// locked runs f while it holds the schema's advisory lock. The lock is polled for, since a
// session that waits in the server keeps CREATE INDEX CONCURRENTLY from ending.
func locked(ctx context.Context, db *sql.DB, schema string, f func() error) (err error) {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte("primecloud.migrate." + schema))
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(int64(hash.Sum32())), lock.WithLockTimeout(1, 300))
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("reach the database: %w", err)
	}
	defer func() { _ = conn.Close() }()
	if err := locker.SessionLock(ctx, conn); err != nil {
		return fmt.Errorf("wait for another migration of schema %s: %w", schema, err)
	}
	defer func() { err = errors.Join(err, locker.SessionUnlock(context.WithoutCancel(ctx), conn)) }()
	return f()
}

func migrate(ctx context.Context, db *sql.DB, pool *pgxpool.Pool, cfg MigrateConfig) error {
	if err := prepareSchema(ctx, db, cfg); err != nil {
		return err
	}
	if err := up(ctx, db, cfg, Mechanisms()); err != nil {
		return err
	}
	river, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: cfg.Schema, Logger: quiet(cfg.Logger)})
	if err != nil {
		return fmt.Errorf("prepare River's migrations: %w", err)
	}
	if _, err := river.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate River's tables: %w", err)
	}
	for _, set := range cfg.Sets {
		if err := up(ctx, db, cfg, set); err != nil {
			return err
		}
	}
	return checkTenancy(ctx, db, cfg.Schema)
}

// quiet drops what River tells of each of its migrations, unless debugging.
func quiet(logger *slog.Logger) *slog.Logger {
	if logger.Enabled(context.Background(), slog.LevelDebug) {
		return logger
	}
	return slog.New(slog.DiscardHandler)
}

// prepareSchema makes the schema if it is not there, and says what the serving role will
// get of everything made in it from now on.
func prepareSchema(ctx context.Context, db *sql.DB, cfg MigrateConfig) error {
	var exists bool
	err := db.QueryRowContext(ctx, `select exists (select from pg_namespace where nspname = $1)`, cfg.Schema).Scan(&exists)
	if err != nil {
		return fmt.Errorf("look for schema %s: %w", cfg.Schema, err)
	}
	schema, app := pgx.Identifier{cfg.Schema}.Sanitize(), pgx.Identifier{cfg.AppRole}.Sanitize()
	var statements []string
	if !exists {
		statements = append(statements, "create schema "+schema)
	}
	statements = append(statements,
		"grant usage on schema "+schema+" to "+app,
		"alter default privileges in schema "+schema+" grant select, insert, update, delete on tables to "+app,
		"alter default privileges in schema "+schema+" grant usage, select on sequences to "+app,
	)
	for _, statement := range statements {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

func up(ctx context.Context, db *sql.DB, cfg MigrateConfig, set MigrationSet) error {
	if !identifier.MatchString(set.Name) {
		return fmt.Errorf("migration set %q must be lower-case letters and underscores", set.Name)
	}
	table := "goose_" + set.Name
	provider, err := goose.NewProvider(goose.DialectPostgres, db, set.FS,
		goose.WithTableName(table), goose.WithDisableGlobalRegistry(true), goose.WithSlog(quiet(cfg.Logger)))
	if err != nil {
		return fmt.Errorf("read the migrations %s: %w", set.Name, err)
	}
	results, err := provider.Up(ctx)
	for _, r := range results {
		cfg.Logger.InfoContext(ctx, "migrated", "schema", cfg.Schema, "set", set.Name,
			"version", r.Source.Version, "file", r.Source.Path, "duration_us", r.Duration.Microseconds())
	}
	var partial *goose.PartialError
	if errors.As(err, &partial) && partial.Failed != nil {
		return fmt.Errorf("migrate %s of schema %s: %s: %w", set.Name, cfg.Schema, partial.Failed.Source.Path, err)
	}
	if err != nil {
		return fmt.Errorf("migrate %s of schema %s: %w", set.Name, cfg.Schema, err)
	}
	// The serving role may read how far the schema is, and not pretend.
	revoke := fmt.Sprintf("revoke insert, update, delete on %s from %s",
		pgx.Identifier{cfg.Schema, table}.Sanitize(), pgx.Identifier{cfg.AppRole}.Sanitize())
	if _, err := db.ExecContext(ctx, revoke); err != nil {
		return fmt.Errorf("%s: %w", revoke, err)
	}
	return nil
}

// checkTenancy finds tables that hold tenants' rows and are not closed by row-level security.
func checkTenancy(ctx context.Context, db *sql.DB, schema string) error {
	const open = `
		select coalesce(string_agg(c.relname, ', ' order by c.relname), '')
		from pg_class c
		join pg_namespace n on n.oid = c.relnamespace
		join pg_attribute a on a.attrelid = c.oid and a.attname = 'account_id' and not a.attisdropped
		where n.nspname = $1 and c.relkind in ('r', 'p') and not (c.relrowsecurity and c.relforcerowsecurity)`
	var tables string
	if err := db.QueryRowContext(ctx, open, schema).Scan(&tables); err != nil {
		return fmt.Errorf("check row-level security of schema %s: %w", schema, err)
	}
	if tables != "" {
		return fmt.Errorf("schema %s: tables with an account_id must have row-level security enabled and forced: %s", schema, tables)
	}
	return nil
}
