package environment_test

import (
	"context"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"

	"github.com/primecloud/primecloud/deploy/stack/environment"
	"github.com/primecloud/primecloud/pkg/servers"
)

func configuration(dir string) environment.Config {
	everything := []string{">"}
	return environment.Config{
		Dir: dir, Nouns: []string{"identity", "storage"}, Callback: "http://127.0.0.1:1/auth/callback", Volatile: true,
		NATSUsers: []servers.NATSUser{{Name: "identity", Publish: everything, Subscribe: everything}},
	}
}

func start(t *testing.T, dir string) *environment.Environment {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	e, err := environment.Start(ctx, configuration(dir))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func stop(t *testing.T, e *environment.Environment) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := e.Close(ctx); err != nil {
		t.Error(err)
	}
}

// home is a folder that an unprivileged PostgreSQL can reach, which t.TempDir is not for root.
func home(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "primecloud-environment-") //nolint:usetesting // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestASecondStartFindsTheDataAndSecretsOfTheFirst(t *testing.T) {
	dir := home(t)
	first := start(t, dir)
	owner := connect(t, first.OwnerDSN("storage"))
	if _, err := owner.Exec(t.Context(), "CREATE TABLE storage.kept (word text); INSERT INTO storage.kept VALUES ('still here')"); err != nil {
		t.Fatal(err)
	}
	_ = owner.Close(t.Context())
	stop(t, first)

	second := start(t, dir)
	defer stop(t, second)
	var word string
	if err := connect(t, second.OwnerDSN("storage")).QueryRow(t.Context(), "SELECT word FROM storage.kept").Scan(&word); err != nil || word != "still here" {
		t.Errorf("read %q back: %v", word, err)
	}
	keyset, err := second.Keyset("storage")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := second.Keyset("storage"); err != nil || again != keyset {
		t.Errorf("the keyset moved from %s to %s: %v", keyset, again, err)
	}
	t.Run("a service cannot reach another's schema", func(t *testing.T) {
		app := connect(t, second.AppDSN("identity"))
		if err := app.QueryRow(t.Context(), "SELECT word FROM storage.kept").Scan(&word); err == nil {
			t.Error("identity reads storage's table")
		}
	})
	t.Run("the broker wants the password", func(t *testing.T) {
		connection, err := nats.Connect(second.NATS.URL(), nats.UserInfo("identity", second.NATSPassword("identity")))
		if err != nil {
			t.Fatal(err)
		}
		connection.Close()
		if connection, err = nats.Connect(second.NATS.URL(), nats.UserInfo("identity", "wrong")); err == nil {
			connection.Close()
			t.Error("a wrong password is accepted")
		}
	})
	t.Run("the door hides what is MinIO's own", func(t *testing.T) {
		response, err := http.Get(second.Door.Endpoint() + "/minio/admin/v3/info")
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusNotFound {
			t.Errorf("HTTP %d", response.StatusCode)
		}
	})
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}
