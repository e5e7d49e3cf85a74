package servers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// superuser is the role initdb creates.
const superuser = "postgres"

// ClusterLocale are the arguments of initdb that decide how text is stored and sorted. Every
// way of running PostgreSQL for the suite uses them: sorting must not depend on the machine.
func ClusterLocale() []string {
	return []string{"--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"}
}

// PostgresConfig says how to run PostgreSQL.
type PostgresConfig struct {
	// Dir holds data and log.
	Dir string
	// Port is where to listen on 127.0.0.1; 0 takes a free one. Setting is named when it is taken.
	Port    int
	Setting string
	// Password of the superuser, asked of every role. Empty: nobody needs one (tests). It is
	// fixed when the data is first made.
	Password string
	// Volatile gives up durability against a crash of the machine, for tests: nothing is synced.
	// A crash of the server itself loses nothing either way.
	Volatile bool
	// Settings are added to postgresql.conf's, such as "max_connections": "400".
	Settings map[string]string
}

// Postgres is a running PostgreSQL.
type Postgres struct {
	*Server
	password string
}

// StartPostgres starts PostgreSQL, making its data first if there is none. Started by root
// it runs as an unprivileged user, since it refuses to be root.
func StartPostgres(ctx context.Context, cfg PostgresConfig) (*Postgres, error) {
	paths, err := install(ctx, nil, namePostgres)
	if err != nil {
		return nil, err
	}
	home := paths[0]
	if err := folder(cfg.Dir); err != nil {
		return nil, err
	}
	who, err := unprivileged(home, cfg.Dir)
	if err != nil {
		return nil, err
	}
	env := []string{"LD_LIBRARY_PATH=" + filepath.Join(home, "lib"), "LC_ALL=C", "TZ=UTC"}
	data := filepath.Join(cfg.Dir, "data")
	if err := initialise(ctx, command{
		name: "initdb", path: filepath.Join(home, "bin", "initdb"), env: env, dir: cfg.Dir, owner: who, orphaned: syscall.SIGKILL,
	}, data, cfg.Password); err != nil {
		return nil, err
	}
	port, err := choosePort(ctx, namePostgres, cfg.Port, cfg.Setting)
	if err != nil {
		return nil, err
	}
	p := &Postgres{password: cfg.Password}
	p.Server = &Server{
		name: namePostgres, port: port, setting: cfg.Setting,
		cmd: command{
			path: filepath.Join(home, "bin", "postgres"), args: postgresArguments(cfg, data, port), env: env, dir: cfg.Dir, owner: who,
			// Not SIGKILL for an orphan: its children would outlive it for a moment, and recovery takes time.
			stop: syscall.SIGINT, orphaned: syscall.SIGINT,
		},
		probe: p.ping,
		again: []string{"shared memory block", `lock file "postmaster.pid" already exists`},
	}
	if err := begin(ctx, p.Server); err != nil {
		return nil, err
	}
	return p, nil
}

func postgresArguments(cfg PostgresConfig, data string, port int) []string {
	settings := map[string]string{
		"listen_addresses":        loopback,
		"unix_socket_directories": "",
		"max_connections":         "300",
		"shared_buffers":          "256MB",
		"timezone":                "UTC",
		"log_timezone":            "UTC",
	}
	if cfg.Volatile {
		maps.Copy(settings, map[string]string{
			// Not synchronous_commit: without it even a killed server loses what it confirmed.
			"fsync": "off", "full_page_writes": "off", "max_wal_size": "4GB", "checkpoint_timeout": "1h",
		})
	}
	maps.Copy(settings, cfg.Settings)
	args := []string{"-D", data, "-p", strconv.Itoa(port)}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// initialise makes the data folder, whole or not at all: initdb removes what it began when
// it fails, and the folder gets its name last.
func initialise(ctx context.Context, c command, data, password string) error {
	if _, err := os.Stat(data); err == nil {
		return nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("look for the data of PostgreSQL: %w", err)
	}
	making := data + ".new"
	if err := os.RemoveAll(making); err != nil {
		return fmt.Errorf("make the data of PostgreSQL: %w", err)
	}
	if err := os.Mkdir(making, 0o700); err != nil {
		return fmt.Errorf("make the data of PostgreSQL: %w", err)
	}
	args := append([]string{"-D", making, "-U", superuser, "--no-sync", "--no-instructions"}, ClusterLocale()...)
	if password == "" {
		args = append(args, "--auth=trust")
	} else {
		// The file must be readable by the other user, and nobody else.
		file := making + ".password"
		if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
			return fmt.Errorf("make the data of PostgreSQL: %w", err)
		}
		defer func() { _ = os.Remove(file) }()
		if err := c.owner.own(file); err != nil {
			return err
		}
		args = append(args, "--auth=scram-sha-256", "--pwfile="+file)
	}
	if err := c.owner.own(making); err != nil {
		return err
	}
	c.args = args
	if err := runOnce(ctx, c); err != nil {
		return fmt.Errorf("make the data of PostgreSQL: %w", err)
	}
	if err := os.Rename(making, data); err != nil {
		return fmt.Errorf("make the data of PostgreSQL: %w", err)
	}
	return nil
}

// runOnce runs a command to its end.
func runOnce(ctx context.Context, c command) error {
	p, err := launch(ctx, c)
	if err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		return errors.Join(ctx.Err(), p.kill())
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w\n%s", c.name, p.err, p.tail())
	}
	return nil
}

func (p *Postgres) ping(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.DSN(superuser, p.password, "postgres"))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	return conn.Ping(ctx)
}

// DSN returns the address of a database for a role.
func (p *Postgres) DSN(role, password, database string) string {
	u := url.URL{Scheme: "postgres", Host: p.Address(), Path: "/" + database, RawQuery: "sslmode=disable"}
	u.User = url.User(role)
	if password != "" {
		u.User = url.UserPassword(role, password)
	}
	return u.String()
}

// SuperuserDSN returns the address of a database for the superuser.
func (p *Postgres) SuperuserDSN(database string) string {
	return p.DSN(superuser, p.password, database)
}

// StopImmediate ends PostgreSQL without a checkpoint, as `pg_ctl stop -m immediate` does: every
// connection breaks, the next Start recovers from the log.
func (p *Postgres) StopImmediate(ctx context.Context) error {
	return p.with(func(run *process) error { return run.finish(ctx, syscall.SIGQUIT) })
}
