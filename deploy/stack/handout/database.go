package handout

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/primecloud/primecloud/deploy/stack/environment"
	"github.com/primecloud/primecloud/deploy/stack/settings"
)

// Database makes the database with its roles and schemas, with the passwords that were
// handed out for it. It may run again and then sets passwords anew.
func Database(ctx context.Context, c Config) error {
	passwords := map[string]string{}
	entries, err := os.ReadDir(c.Passwords)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(c.Passwords, entry.Name()))
		if err != nil {
			return err
		}
		passwords[entry.Name()] = string(raw)
	}
	shares := environment.Shares(settings.Nouns(), func(secret string) string { return passwords[secret] })
	err = environment.Bootstrap(ctx, func(database string) string {
		u := url.URL{
			Scheme: "postgres", User: url.UserPassword("postgres", passwords[Superuser]), Host: c.Postgres,
			Path: "/" + database, RawQuery: "sslmode=disable",
		}
		return u.String()
	}, shares)
	if err != nil {
		return fmt.Errorf("bootstrap PostgreSQL at %s: %w", c.Postgres, err)
	}
	return nil
}
