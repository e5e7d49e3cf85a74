package pg

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/primecloud/primecloud/pkg/config"
)

// Noun is one service's share of the database.
type Noun struct {
	// Noun names the schema and, with `_owner` and `_app`, the two roles.
	Noun string
	// OwnerPassword is for `<noun>_owner`, which migrates.
	OwnerPassword config.Secret
	// AppPassword is for `<noun>_app`, which serves.
	AppPassword config.Secret
}

// Bootstrap makes each noun's roles and schema in the database that superuserURL names,
// and closes the database to everybody else. It may run again: passwords are set anew,
// nothing is removed. Calls at the same time wait for each other.
func Bootstrap(ctx context.Context, superuserURL config.Secret, nouns []Noun) error {
	c, err := pgx.ParseConfig(superuserURL.Reveal())
	if err != nil {
		return errors.New("the superuser's database URL is malformed")
	}
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return fmt.Errorf("reach the database: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		database := pgx.Identifier{c.Database}.Sanitize()
		for _, statement := range []string{
			`select pg_advisory_xact_lock(hashtext('primecloud.bootstrap'))`,
			"revoke all on schema public from public",
			"revoke all on database " + database + " from public",
		} {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		for _, noun := range nouns {
			if err := bootstrapNoun(ctx, tx, noun, database); err != nil {
				return fmt.Errorf("bootstrap %s: %w", noun.Noun, err)
			}
		}
		return nil
	})
}

func bootstrapNoun(ctx context.Context, tx pgx.Tx, noun Noun, database string) error {
	if !identifier.MatchString(noun.Noun) {
		return errors.New("a noun is lower-case letters and underscores")
	}
	owner, app, schema := noun.Noun+"_owner", noun.Noun+"_app", pgx.Identifier{noun.Noun}.Sanitize()
	for role, password := range map[string]config.Secret{owner: noun.OwnerPassword, app: noun.AppPassword} {
		if err := ensureRole(ctx, tx, role, password); err != nil {
			return err
		}
	}
	for _, statement := range []string{
		"grant connect on database " + database + " to " + owner + ", " + app,
		"create schema if not exists " + schema + " authorization " + owner,
		"alter role " + owner + " set search_path = " + schema,
		"alter role " + app + " set search_path = " + schema,
		"grant usage on schema " + schema + " to " + app,
	} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// ensureRole makes a role that may log in and nothing more. The password is quoted by the
// server and never part of an error.
func ensureRole(ctx context.Context, tx pgx.Tx, role string, password config.Secret) error {
	if password == "" {
		return fmt.Errorf("role %s needs a password", role)
	}
	var exists bool
	err := tx.QueryRow(ctx, `select exists (select from pg_roles where rolname = $1)`, role).Scan(&exists)
	if err != nil {
		return err
	}
	verb := "create"
	if exists {
		verb = "alter"
	}
	var statement string
	err = tx.QueryRow(ctx, `select format('%s role %I with login nosuperuser nobypassrls nocreatedb nocreaterole password %L',
		$1::text, $2::text, $3::text)`, verb, role, password.Reveal()).Scan(&statement)
	if err != nil {
		return fmt.Errorf("prepare role %s: %w", role, err)
	}
	if _, err := tx.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s role %s failed", verb, role)
	}
	return nil
}
