package pg_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/testkit"
)

// rowOf gives one row of each mechanism table with an account_id, for the account $1.
var rowOf = map[string]string{
	"outbox": `insert into outbox (id, type, account_id, aggregate_kind, aggregate_id, aggregate_version, payload, created_at)
		values ('x' || $1, 't', $1, 'k', 'i', 1, '', now())`,
	"operation": `insert into operation (id, account_id, resource_kind, resource_id, method, principal, state, generation, created_at, expires_at)
		values ('x' || $1, $1, 'k', 'i' || $1, 'm', 'p', 'TRYING', 1, now(), now())`,
	"managed_resource": `insert into managed_resource (kind, id, account_id, backend, generation, updated_at)
		values ('k', 'i' || $1, $1, 'b', 1, now())`,
	"drift": `insert into drift (id, account_id, resource_kind, resource_id, kind, detected_at)
		values ('x' || $1, $1, 'k', 'i' || $1, 'EXTRA', now())`,
}

func tenantTables(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	rows, err := conn.Query(testkit.Context(t), `select table_name from information_schema.columns
		where table_schema = 'storage' and column_name = 'account_id' order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

func TestMechanism_tables_keep_accounts_apart(t *testing.T) {
	d := testkit.NewDatabase(t, "storage")
	db, owner, superuser := d.Open(t, pg.Deps{}), d.Owner(t), d.Superuser(t)
	ctx := testkit.Context(t)
	tables := tenantTables(t, superuser)
	if len(tables) != len(rowOf) {
		t.Fatalf("tables with an account_id are %v; give each one a row in this test", tables)
	}
	count := func(q pg.Querier, table string) (n int) {
		if err := q.QueryRow(ctx, "select count(*) from storage."+table).Scan(&n); err != nil {
			t.Errorf("count %s: %v", table, err)
		}
		return n
	}
	for _, table := range tables {
		t.Run(table, func(t *testing.T) {
			for _, account := range []string{"acc_1", "acc_2"} {
				if err := db.InTx(ctx, pg.Account(account), func(ctx context.Context, tx *pg.Tx) error {
					_, err := tx.Exec(ctx, rowOf[table], account)
					return err
				}); err != nil {
					t.Fatal(err)
				}
			}
			for name, tt := range map[string]struct {
				got, want int
			}{
				"its own account":           {count(db.Read(pg.Account("acc_1")), table), 1},
				"a strange account":         {count(db.Read(pg.Account("acc_3")), table), 0},
				"the system":                {count(db.Read(pg.System("test")), table), 2},
				"the pool without a scope":  {count(db.Unscoped(), table), 0},
				"the owner without a scope": {count(owner, table), 0},
				"the superuser":             {count(superuser, table), 2},
			} {
				if tt.got != tt.want {
					t.Errorf("%s sees %d rows, want %d", name, tt.got, tt.want)
				}
			}
			err := db.InTx(ctx, pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) error {
				if _, err := tx.Exec(ctx, rowOf[table], "acc_9"); err == nil {
					return errors.New("a row of another account was written")
				}
				return errors.New("as it should be")
			})
			if err == nil || err.Error() != "as it should be" {
				t.Error(err)
			}
			for verb, statement := range map[string]string{
				"moved":   "update storage." + table + " set account_id = 'acc_1' where account_id = 'acc_2'",
				"removed": "delete from storage." + table + " where account_id = 'acc_2'",
			} {
				if err := db.InTx(ctx, pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) error {
					tag, err := tx.Exec(ctx, statement)
					if tag.RowsAffected() != 0 {
						return fmt.Errorf("another account's row was %s", verb)
					}
					return err
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestServing_role_can_do_nothing_but_read_and_write_rows(t *testing.T) {
	d := testkit.NewDatabase(t, "storage")
	db := d.Open(t, pg.Deps{})
	for name, statement := range map[string]string{
		"create a table":             "create table storage.mine (id int)",
		"create a table in public":   "create table public.mine (id int)",
		"create a schema":            "create schema mine",
		"create a temporary table":   "create temporary table mine (id int)",
		"alter a table":              "alter table drift add column mine int",
		"switch off the row policy":  "alter table drift disable row level security",
		"drop the policy":            "drop policy tenant on drift",
		"empty a table at once":      "truncate drift",
		"pretend a migration":        "insert into goose_mechanisms (version_id, is_applied) values (999, true)",
		"become the owner":           "set role storage_owner",
		"turn row security off":      "set row_security = off; select * from drift",
		"grant itself to somebody":   "grant storage_app to storage_owner",
		"read a file of the server":  "select pg_read_file('/etc/passwd')",
		"own what it is not given":   "alter table drift owner to storage_app",
		"make a function of its own": "create function storage.f() returns int language sql as 'select 1'",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := db.Unscoped().Exec(testkit.Context(t), statement); err == nil {
				t.Error("it may")
			}
		})
	}
}

func TestSchemas_of_other_nouns_are_closed(t *testing.T) {
	d := testkit.EmptyDatabase(t)
	ctx := testkit.Context(t)
	nouns := []pg.Noun{
		{Noun: "storage", OwnerPassword: "a", AppPassword: "b"},
		{Noun: "identity", OwnerPassword: "c", AppPassword: "d"},
	}
	for range 2 { // it may run again
		if err := pg.Bootstrap(ctx, d.SuperuserURL, nouns); err != nil {
			t.Fatal(err)
		}
	}
	for _, noun := range []string{"storage", "identity"} {
		if err := pg.Migrate(ctx, config.Secret(d.Cluster.DSN(noun+"_owner", "", d.Name)), pg.MigrateConfig{Schema: noun}); err != nil {
			t.Fatal(err)
		}
	}
	for _, role := range []string{"identity_app", "identity_owner"} {
		conn, err := pgx.Connect(ctx, d.Cluster.DSN(role, "", d.Name))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		if _, err := conn.Exec(ctx, "select from storage.outbox"); err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("%s reads storage's outbox: %v", role, err)
		}
		if _, err := conn.Exec(ctx, "select from outbox"); err != nil {
			t.Errorf("%s cannot read its own outbox: %v", role, err)
		}
	}
}

func TestMigrate(t *testing.T) {
	bootstrapped := func(t *testing.T) config.Secret {
		t.Helper()
		d := testkit.EmptyDatabase(t)
		if err := pg.Bootstrap(testkit.Context(t), d.SuperuserURL, []pg.Noun{{Noun: "storage", OwnerPassword: "a", AppPassword: "b"}}); err != nil {
			t.Fatal(err)
		}
		return config.Secret(d.Cluster.DSN("storage_owner", "", d.Name))
	}
	set := func(sql string) pg.MigrationSet {
		return pg.MigrationSet{Name: "service", FS: fstest.MapFS{"00001_service.sql": {Data: []byte("-- +goose Up\n" + sql)}}}
	}
	t.Run("concurrent calls wait for each other and a later one changes nothing", func(t *testing.T) {
		url := bootstrapped(t)
		var calls sync.WaitGroup
		failures := make([]error, 3)
		for i := range failures {
			calls.Go(func() {
				failures[i] = pg.Migrate(testkit.Context(t), url, pg.MigrateConfig{Schema: "storage", Sets: []pg.MigrationSet{set("create table thing (id text primary key);")}})
			})
		}
		calls.Wait()
		if err := errors.Join(failures...); err != nil {
			t.Error(err)
		}
	})
	t.Run("a tenant's table without row-level security is refused", func(t *testing.T) {
		err := pg.Migrate(testkit.Context(t), bootstrapped(t), pg.MigrateConfig{
			Schema: "storage",
			Sets:   []pg.MigrationSet{set("create table bucket (id text primary key, account_id text not null);\nalter table bucket enable row level security;")},
		})
		if err == nil || !strings.Contains(err.Error(), "bucket") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("what a migration revokes stays revoked", func(t *testing.T) {
		url := bootstrapped(t)
		cfg := pg.MigrateConfig{Schema: "storage", Sets: []pg.MigrationSet{
			set("create table trail (id text primary key);\nrevoke update, delete on trail from storage_app;"),
		}}
		for range 2 {
			if err := pg.Migrate(testkit.Context(t), url, cfg); err != nil {
				t.Fatal(err)
			}
		}
		conn, err := pgx.Connect(testkit.Context(t), url.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(testkit.Context(t))
		var read, remove bool
		err = conn.QueryRow(testkit.Context(t), `select has_table_privilege('storage_app', 'trail', 'insert'), has_table_privilege('storage_app', 'trail', 'delete')`).
			Scan(&read, &remove)
		if err != nil || !read || remove {
			t.Errorf("insert %t, delete %t, %v", read, remove, err)
		}
	})
	t.Run("a broken migration is an error that names it", func(t *testing.T) {
		err := pg.Migrate(testkit.Context(t), bootstrapped(t), pg.MigrateConfig{Schema: "storage", Sets: []pg.MigrationSet{set("create tabel x;")}})
		if err == nil || !strings.Contains(err.Error(), "00001_service.sql") {
			t.Errorf("got %v", err)
		}
	})
}
