package servers_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/primecloud/primecloud/pkg/servers"
)

// stopping stops a server at the end of a test, and fails the test if it has to be killed.
func stopping(t *testing.T, s *servers.Server) {
	t.Helper()
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Errorf("stop %s: %v", s.Name(), err)
		}
	})
}

func query(t *testing.T, dsn, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	var got string
	if err := conn.QueryRow(t.Context(), sql).Scan(&got); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return got
}

func run(t *testing.T, dsn, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func TestPostgres_keeps_its_rows_through_every_way_of_ending(t *testing.T) {
	p, err := servers.StartPostgres(t.Context(), servers.PostgresConfig{Dir: t.TempDir(), Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	stopping(t, p.Server)
	dsn := p.SuperuserDSN("postgres")
	run(t, dsn, "CREATE TABLE ending (how text)")

	endings := []struct {
		name string
		end  func() error
	}{
		{"stop", func() error { return p.Stop(t.Context()) }},
		{"stop at once", func() error { return p.StopImmediate(t.Context()) }},
		{"kill", p.Kill},
	}
	for _, ending := range endings {
		run(t, dsn, "INSERT INTO ending VALUES ('"+ending.name+"')")
		if err := ending.end(); err != nil {
			t.Fatalf("%s: %v", ending.name, err)
		}
		select {
		case <-p.Done():
		default:
			t.Fatalf("after %s the server is not done", ending.name)
		}
		if p.Ended() == nil {
			t.Errorf("after %s the server does not say how it ended", ending.name)
		}
		if err := p.Start(t.Context()); err != nil {
			t.Fatalf("start after %s: %v", ending.name, err)
		}
		got := query(t, dsn, "SELECT how FROM ending ORDER BY ctid DESC LIMIT 1")
		if got != ending.name {
			t.Errorf("after %s the last row is %q", ending.name, got)
		}
	}
	if got := query(t, dsn, "SELECT datcollate || ' ' || datlocale FROM pg_database WHERE datname = 'postgres'"); got != "C C.UTF-8" {
		t.Errorf("collation and locale are %q: they must not depend on the machine", got)
	}
}

func TestPostgres_asks_for_the_password_it_was_given(t *testing.T) {
	p, err := servers.StartPostgres(t.Context(), servers.PostgresConfig{Dir: t.TempDir(), Volatile: true, Password: "of the superuser"})
	if err != nil {
		t.Fatal(err)
	}
	stopping(t, p.Server)
	if got := query(t, p.SuperuserDSN("postgres"), "SELECT current_user::text"); got != "postgres" {
		t.Errorf("current_user = %q", got)
	}
	if conn, err := pgx.Connect(t.Context(), p.DSN("postgres", "another", "postgres")); err == nil {
		_ = conn.Close(t.Context())
		t.Error("another password was let in")
	}
}

func TestPostgres_runs_in_a_folder_that_is_closed_to_others(t *testing.T) {
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	p, err := servers.StartPostgres(t.Context(), servers.PostgresConfig{Dir: filepath.Join(closed, "postgres"), Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	stopping(t, p.Server)
	if got := query(t, p.SuperuserDSN("postgres"), "SHOW fsync"); got != "off" {
		t.Errorf("fsync = %q in a volatile server", got)
	}
}

func TestPostgres_names_the_taken_port_and_its_setting(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	port := l.Addr().(*net.TCPAddr).Port
	_, err = servers.StartPostgres(t.Context(), servers.PostgresConfig{Dir: t.TempDir(), Port: port, Setting: "PRIMECLOUD_STACK_POSTGRES_PORT"})
	var taken *servers.PortTakenError
	if !errors.As(err, &taken) {
		t.Fatalf("the error is %v", err)
	}
	if taken.Port != port || taken.Setting != "PRIMECLOUD_STACK_POSTGRES_PORT" {
		t.Errorf("the error names %+v", taken)
	}
}

func TestPostgres_says_why_it_does_not_start(t *testing.T) {
	_, err := servers.StartPostgres(t.Context(), servers.PostgresConfig{
		Dir: t.TempDir(), Settings: map[string]string{"no_such_setting": "1"},
	})
	if err == nil {
		t.Fatal("it started with a setting that does not exist")
	}
	if want := `unrecognized configuration parameter "no_such_setting"`; !strings.Contains(err.Error(), want) {
		t.Errorf("the error lacks %q:\n%v", want, err)
	}
}

func TestServer_answers_nothing_while_paused(t *testing.T) {
	p, err := servers.StartPostgres(t.Context(), servers.PostgresConfig{Dir: t.TempDir(), Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	stopping(t, p.Server)
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if conn, err := pgx.Connect(ctx, p.SuperuserDSN("postgres")); err == nil {
		_ = conn.Close(t.Context())
		t.Error("a paused server let somebody in")
	}
	if err := p.Resume(); err != nil {
		t.Fatal(err)
	}
	if got := query(t, p.SuperuserDSN("postgres"), "SELECT 'here'"); got != "here" {
		t.Errorf("after resuming it answers %q", got)
	}
	// Stopping a paused server must work too: the cleanup does it.
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
}
