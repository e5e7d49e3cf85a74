package handout_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/primecloud/primecloud/deploy/stack/environment"
	"github.com/primecloud/primecloud/deploy/stack/handout"
	"github.com/primecloud/primecloud/pkg/servers"
)

func TestServicesReachTheDatabaseWithTheAddressesTheyAreHanded(t *testing.T) {
	c := configuration(t)
	secrets, err := environment.OpenSecrets(c.Vault)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "primecloud-handout-") //nolint:usetesting // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	server, err := servers.StartPostgres(t.Context(), servers.PostgresConfig{Dir: dir, Password: secrets.Get("postgres"), Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	c.Postgres, c.Passwords = server.Address(), filepath.Join(c.Dir, "database")
	if err := handout.Write(c); err != nil {
		t.Fatal(err)
	}
	for range 2 { // it may run again
		if err := handout.Database(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	for file, role := range map[string]string{
		"identity/" + handout.DatabaseURL:                  "identity_app",
		"identity-migrate/" + handout.OwnerURL:             "identity_owner",
		"storage-provisioning/" + handout.DatabaseURL:      "storage_app",
		"storage-provisioning-migrate/" + handout.OwnerURL: "storage_owner",
	} {
		t.Run(role, func(t *testing.T) {
			address, err := os.ReadFile(filepath.Join(c.Dir, file))
			if err != nil {
				t.Fatal(err)
			}
			conn, err := pgx.Connect(t.Context(), string(address))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
			var who, schema string
			if err := conn.QueryRow(t.Context(), "SELECT current_user, current_schema()").Scan(&who, &schema); err != nil || who != role || schema+"_owner" != role && schema+"_app" != role {
				t.Errorf("it is %s in schema %s: %v", who, schema, err)
			}
		})
	}
}
