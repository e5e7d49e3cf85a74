package pg_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const addDrift = `insert into drift (id, account_id, resource_kind, resource_id, kind, detected_at) values ($1, $2, 'bucket', $1, 'MISSING', now())`

// withDrift gives two accounts a row each.
func withDrift(t *testing.T) *pg.DB {
	t.Helper()
	db := testkit.DB(t, "storage")
	err := db.InTx(testkit.Context(t), pg.System("test"), func(ctx context.Context, tx *pg.Tx) error {
		_, err1 := tx.Exec(ctx, addDrift, "d1", "acc_1")
		_, err2 := tx.Exec(ctx, addDrift, "d2", "acc_2")
		return errors.Join(err1, err2)
	})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func ids(t *testing.T, q pg.Querier) string {
	t.Helper()
	rows, err := q.Query(testkit.Context(t), "select id from drift order by id")
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, " ")
}

func TestRead_sees_what_its_scope_may(t *testing.T) {
	db := withDrift(t)
	for name, tt := range map[string]struct {
		scope pg.Scope
		want  string
	}{
		"an account its own":             {pg.Account("acc_1"), "d1"},
		"another account its own":        {pg.Account("acc_2"), "d2"},
		"an account without rows none":   {pg.Account("acc_3"), ""},
		"an id that is a pattern none":   {pg.Account("%"), ""},
		"the system scope all":           {pg.System("test"), "d1 d2"},
		"an id that says system nothing": {pg.Account("system"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ids(t, db.Read(tt.scope)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	t.Run("the bare pool nothing, even after others used its connections", func(t *testing.T) {
		var n int
		if err := db.Unscoped().QueryRow(testkit.Context(t), "select count(*) from drift").Scan(&n); err != nil || n != 0 {
			t.Errorf("saw %d rows, %v", n, err)
		}
	})
}

func TestStatements_without_a_scope_are_refused(t *testing.T) {
	db := withDrift(t)
	ctx := testkit.Context(t)
	for name, scope := range map[string]pg.Scope{
		"the zero scope": {}, "an empty account": pg.Account(""), "no reason": pg.System(""),
	} {
		t.Run(name, func(t *testing.T) {
			q := db.Read(scope)
			var id string
			if err := q.QueryRow(ctx, "select id from drift").Scan(&id); err == nil {
				t.Errorf("QueryRow gave %q", id)
			}
			if _, err := q.Query(ctx, "select id from drift"); err == nil {
				t.Error("Query ran")
			}
			if _, err := q.Exec(ctx, "select 1"); err == nil {
				t.Error("Exec ran")
			}
			if err := db.InTx(ctx, scope, func(context.Context, *pg.Tx) error { return nil }); err == nil {
				t.Error("InTx ran")
			}
		})
	}
}

func TestRead_gives_back_its_connection_however_the_statement_ends(t *testing.T) {
	db := withDrift(t)
	ctx := testkit.Context(t)
	q := db.Read(pg.System("test"))
	for name, use := range map[string]func() error{
		"a row is scanned": func() error {
			var id string
			return q.QueryRow(ctx, "select id from drift where id = $1", "d1").Scan(&id)
		},
		"there is no row": func() error {
			var id string
			err := q.QueryRow(ctx, "select id from drift where id = 'none'").Scan(&id)
			if !pg.NoRows(err) {
				return errors.Join(errors.New("not told that there is no row"), err)
			}
			return nil
		},
		"rows are left unread": func() error {
			rows, err := q.Query(ctx, "select generate_series(1, 100000)")
			if err != nil || !rows.Next() {
				return errors.Join(errors.New("no rows"), err)
			}
			rows.Close()
			return rows.Err()
		},
		"rows are read to the end and never closed": func() error {
			rows, err := q.Query(ctx, "select id from drift")
			if err != nil {
				return err
			}
			for rows.Next() {
			}
			return rows.Err()
		},
		"the statement is no SQL": func() error {
			if _, err := q.Query(ctx, "selec 1"); err == nil {
				return errors.New("it ran")
			}
			return nil
		},
		"the statement fails on the way": func() error {
			rows, err := q.Query(ctx, "select 1 / (3 - n) from generate_series(1, 5) n")
			if err == nil {
				for rows.Next() {
				}
				err = rows.Err()
			}
			if err == nil {
				return errors.New("no error")
			}
			return nil
		},
		"a value does not fit": func() error {
			var n int
			if err := q.QueryRow(ctx, "select id from drift").Scan(&n); err == nil {
				return errors.New("no error")
			}
			return nil
		},
		"it only counts": func() error {
			tag, err := q.Exec(ctx, "select id from drift")
			if tag.RowsAffected() != 2 {
				return errors.Join(errors.New(tag.String()), err)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			for range 3 {
				if err := use(); err != nil {
					t.Fatal(err)
				}
			}
			if used := db.Unscoped().Stat().AcquiredConns(); used != 0 {
				t.Errorf("%d connections are not given back", used)
			}
		})
	}
}

func TestRead_refuses_to_write(t *testing.T) {
	db := withDrift(t)
	if _, err := db.Read(pg.Account("acc_1")).Exec(testkit.Context(t), "delete from drift"); err == nil {
		t.Error("the delete ran")
	}
	if got := ids(t, db.Read(pg.System("test"))); got != "d1 d2" {
		t.Errorf("left are %q", got)
	}
}

func TestOpen_refuses_a_role_that_row_level_security_does_not_bind(t *testing.T) {
	d := testkit.NewDatabase(t, "storage")
	db, err := pg.Open(testkit.Context(t), pg.Config{URL: d.SuperuserURL}, pg.Deps{})
	if err == nil {
		db.Close()
		t.Fatal("a superuser may serve")
	}
	if !strings.Contains(err.Error(), "row-level security") {
		t.Errorf("the error does not say why: %v", err)
	}
}

func TestOpen_says_nothing_of_the_password_in_a_malformed_url(t *testing.T) {
	_, err := pg.Open(testkit.Context(t), pg.Config{URL: "postgres://u:hunter2@[bad/x"}, pg.Deps{})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}
