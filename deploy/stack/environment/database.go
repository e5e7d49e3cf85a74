package environment

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// duplicateDatabase is the SQLSTATE of a database that exists.
const duplicateDatabase = "42P04"

// createDatabase makes the one database unless it is there.
func (e *Environment) createDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, e.Postgres.SuperuserDSN("postgres"))
	if err != nil {
		return fmt.Errorf("create the database: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{Database}.Sanitize())
	var failed *pgconn.PgError
	if errors.As(err, &failed) && failed.Code == duplicateDatabase {
		return nil
	}
	if err != nil {
		return fmt.Errorf("create the database: %w", err)
	}
	return nil
}
