package environment

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/pg"
)

// duplicateDatabase is the SQLSTATE of a database that exists.
const duplicateDatabase = "42P04"

// Bootstrap makes the one database, and in it each noun's schema and two roles, unless
// they are there. dsn is how the superuser connects to a database of the server.
func Bootstrap(ctx context.Context, dsn func(database string) string, nouns []pg.Noun) error {
	if err := createDatabase(ctx, dsn("postgres")); err != nil {
		return fmt.Errorf("create the database: %w", err)
	}
	return pg.Bootstrap(ctx, config.Secret(dsn(Database)), nouns)
}

// Shares are the services' shares of the database; get returns a secret by its name.
func Shares(nouns []string, get func(secret string) string) []pg.Noun {
	shares := make([]pg.Noun, 0, len(nouns))
	for _, noun := range nouns {
		shares = append(shares, pg.Noun{
			Noun: noun, OwnerPassword: config.Secret(get(noun + "-owner")), AppPassword: config.Secret(get(noun + "-app")),
		})
	}
	return shares
}

func createDatabase(ctx context.Context, superuserURL string) error {
	conn, err := pgx.Connect(ctx, superuserURL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{Database}.Sanitize())
	var failed *pgconn.PgError
	if errors.As(err, &failed) && failed.Code == duplicateDatabase {
		return nil
	}
	return err
}
