package testkit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/servers"
)

// password is every role's; the server listens on loopback and asks nobody for it.
const password = "test"

// Cluster is the PostgreSQL server of the test process.
type Cluster struct {
	*servers.Postgres
	admin *pgxpool.Pool
	// making makes templates one at a time: roles are the cluster's.
	making    sync.Mutex
	templates map[string]string
	numbers   atomic.Int64
}

// Database is one test's own database, with the roles of one noun or of several.
type Database struct {
	Cluster *Cluster
	// Name of the database.
	Name string
	// OwnerURL is that of `<noun>_owner`, AppURL that of `<noun>_app`.
	OwnerURL, AppURL config.Secret
	// SuperuserURL is for looking behind the scenes, where row-level security shows all.
	SuperuserURL config.Secret
}

var cluster = sync.OnceValues(func() (*Cluster, error) {
	dir, err := shared.folder("postgres")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	c, err := startCluster(ctx, dir)
	if err != nil {
		return nil, err
	}
	shared.onStop(func(context.Context) error { return c.Kill() })
	shared.onStop(func(context.Context) error { c.admin.Close(); return nil })
	return c, nil
})

// Postgres returns the process's server, and starts it the first time.
func Postgres(t testing.TB) *Cluster {
	t.Helper()
	c, err := cluster()
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	return c
}

// NewPostgres starts a server for this test alone, which may stop, pause or kill it.
func NewPostgres(t testing.TB) *Cluster {
	t.Helper()
	c, err := startCluster(Context(t), folder(t))
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	t.Cleanup(func() {
		c.admin.Close()
		kill(t, c.Server)
	})
	return c
}

func startCluster(ctx context.Context, dir string) (*Cluster, error) {
	server, err := servers.StartPostgres(ctx, servers.PostgresConfig{Dir: dir, Volatile: true, Settings: map[string]string{
		"max_connections": "400",
	}})
	if err != nil {
		return nil, err
	}
	admin, err := pgxpool.New(ctx, server.SuperuserDSN("postgres"))
	if err != nil {
		return nil, err
	}
	return &Cluster{Postgres: server, admin: admin, templates: map[string]string{}}, nil
}

// NewDatabase gives the test a database in which the noun is migrated: the mechanisms,
// River's tables and the given sets. It is a copy of a template made once per process, and
// goes away with the test.
func NewDatabase(t testing.TB, noun string, sets ...pg.MigrationSet) Database {
	t.Helper()
	return Postgres(t).NewDatabase(t, noun, sets...)
}

// NewDatabase is the function of that name on this server.
func (c *Cluster) NewDatabase(t testing.TB, noun string, sets ...pg.MigrationSet) Database {
	t.Helper()
	ctx := Context(t)
	template, err := c.template(ctx, noun, sets)
	if err != nil {
		t.Fatalf("make the template of %s: %v", noun, err)
	}
	name := "t" + strconv.FormatInt(c.numbers.Add(1), 10) + "_" + noun
	owner, app := noun+"_owner", noun+"_app"
	for _, statement := range []string{
		"create database " + name + " template " + template,
		// A copy does not inherit who may connect.
		"revoke all on database " + name + " from public",
		"grant connect on database " + name + " to " + owner + ", " + app,
	} {
		if _, err := c.admin.Exec(ctx, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	t.Cleanup(func() { c.drop(t, name) })
	return Database{
		Cluster: c, Name: name,
		OwnerURL:     config.Secret(c.DSN(owner, password, name)),
		AppURL:       config.Secret(c.DSN(app, password, name)),
		SuperuserURL: config.Secret(c.SuperuserDSN(name)),
	}
}

// template returns the database that new ones are copied from, for this noun and content.
func (c *Cluster) template(ctx context.Context, noun string, sets []pg.MigrationSet) (string, error) {
	key, err := contentKey(noun, sets)
	if err != nil {
		return "", err
	}
	c.making.Lock()
	defer c.making.Unlock()
	if name, ok := c.templates[key]; ok {
		return name, nil
	}
	name := "template_" + key
	if _, err := c.admin.Exec(ctx, "create database "+name); err != nil {
		return "", err
	}
	nouns := []pg.Noun{{Noun: noun, OwnerPassword: password, AppPassword: password}}
	if err := pg.Bootstrap(ctx, config.Secret(c.SuperuserDSN(name)), nouns); err != nil {
		return "", err
	}
	owner := config.Secret(c.DSN(noun+"_owner", password, name))
	if err := pg.Migrate(ctx, owner, pg.MigrateConfig{Schema: noun, Sets: sets}); err != nil {
		return "", err
	}
	c.templates[key] = name
	return name, nil
}

func contentKey(noun string, sets []pg.MigrationSet) (string, error) {
	hash := sha256.New()
	for _, set := range append([]pg.MigrationSet{{Name: noun, FS: pg.Mechanisms().FS}}, sets...) {
		fmt.Fprintf(hash, "set %s\n", set.Name)
		err := fs.WalkDir(set.FS, ".", func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := fs.ReadFile(set.FS, path)
			fmt.Fprintf(hash, "file %s %d\n%s", path, len(text), text)
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return noun + "_" + hex.EncodeToString(hash.Sum(nil)[:8]), nil
}

// EmptyDatabase gives the test a database without anything in it, for what bootstraps and
// migrates by itself. AppURL and OwnerURL are empty.
func EmptyDatabase(t testing.TB) Database {
	t.Helper()
	c := Postgres(t)
	name := "e" + strconv.FormatInt(c.numbers.Add(1), 10)
	if _, err := c.admin.Exec(Context(t), "create database "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.drop(t, name) })
	return Database{Cluster: c, Name: name, SuperuserURL: config.Secret(c.SuperuserDSN(name))}
}

func (c *Cluster) drop(t testing.TB, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := c.admin.Exec(ctx, "drop database if exists "+name+" with (force)"); err != nil {
		t.Logf("the database %s stays behind: %v", name, err)
	}
}

// Open returns a pool of the serving role that ends with the test.
func (d Database) Open(t testing.TB, deps pg.Deps) *pg.DB {
	t.Helper()
	db, err := pg.Open(Context(t), pg.Config{URL: d.AppURL, ApplicationName: t.Name()}, deps)
	if err != nil {
		t.Fatalf("open the database: %v", err)
	}
	t.Cleanup(db.Close)
	return db
}

// Superuser returns a connection that sees everything.
func (d Database) Superuser(t testing.TB) *pgx.Conn { return connect(t, d.SuperuserURL) }

// Owner returns a connection of the owner.
func (d Database) Owner(t testing.TB) *pgx.Conn { return connect(t, d.OwnerURL) }

func connect(t testing.TB, url config.Secret) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(Context(t), url.Reveal())
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// DB is NewDatabase and Open in one, for a test that needs no more.
func DB(t testing.TB, noun string, sets ...pg.MigrationSet) *pg.DB {
	t.Helper()
	return NewDatabase(t, noun, sets...).Open(t, pg.Deps{Logger: Logger(t)})
}
