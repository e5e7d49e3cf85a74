// Package postgres keeps identity's rows: it implements the stores of the concepts over
// one schema, with a type per concept and one transaction that serves them all.
//
// It guarantees what package unit promises: the audit entry, the event, the revocation and
// the idempotency record of a change commit with it or not at all. Tenant rows are reached
// in the scope of their account; what must see beyond one (a login, an exchange, a
// person's accounts) says so by a system scope with its reason.
package postgres

import (
	"context"
	"embed"
	"io/fs"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/event"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/services/identity/internal/postgres/db"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
)

// Schema is the noun's schema.
const Schema = "identity"

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations is the set of identity's own tables.
func Migrations() pg.MigrationSet {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return pg.MigrationSet{Name: "identity", FS: sub}
}

// Config is what stores are made of.
type Config struct {
	// DB is the pool of the serving role.
	DB *pg.DB
	// Clock tells the time.
	Clock clock.Clock
	// Record writes an audit entry in the transaction.
	Record func(ctx context.Context, q pg.Querier, e audit.Entry) error
	// Encode makes the event of a change.
	Encode func(ctx context.Context, c unit.Change) (event.Event, error)
	// Committed is called after a commit that left events to relay, and says whether it
	// left a revocation too.
	Committed func(revoked bool)
}

// Stores are the stores of all concepts.
type Stores struct {
	Users       *Users
	Accounts    *Accounts
	Profiles    *Profiles
	Accesses    *Accesses
	Standings   *Standings
	Memberships *Memberships
	Invitations *Invitations
	Transfers   *Transfers
	Sessions    *Sessions
	Logins      *LinkedLogins
	APIKeys     *APIKeys
	SigningKeys *SigningKeys
	Revocations *Revocations
	AuditTrail  *AuditTrail
	AuditChain  *AuditChain
}

// New returns the stores.
func New(c Config) *Stores {
	b := &base{c}
	return &Stores{
		Users: &Users{b}, Accounts: &Accounts{b}, Profiles: &Profiles{b}, Accesses: &Accesses{b}, Standings: &Standings{b}, Memberships: &Memberships{b},
		Invitations: &Invitations{b}, Transfers: &Transfers{b}, Sessions: &Sessions{b}, Logins: &LinkedLogins{b},
		APIKeys: &APIKeys{b}, SigningKeys: &SigningKeys{b}, Revocations: &Revocations{b}, AuditTrail: &AuditTrail{b},
		AuditChain: &AuditChain{b},
	}
}

// base is what all stores share.
type base struct{ Config }

// inAccount runs fn in a transaction that sees nothing but the account.
func (b *base) inAccount(ctx context.Context, accountID string, fn func(context.Context, *transaction) error) error {
	return b.in(ctx, pg.Account(accountID), fn)
}

// in runs fn in a transaction in the scope, and tells of the commit.
func (b *base) in(ctx context.Context, scope pg.Scope, fn func(context.Context, *transaction) error) error {
	var last *transaction
	err := b.DB.InTx(ctx, scope, func(ctx context.Context, tx *pg.Tx) error {
		last = &transaction{base: b, tx: tx, q: db.New(tx)}
		return fn(ctx, last)
	})
	if err == nil && last != nil && last.told {
		b.Committed(last.revoked)
	}
	return err
}

func (b *base) read(reason string) *db.Queries { return db.New(b.DB.Read(pg.System(reason))) }

func (b *base) readIn(accountID string) *db.Queries { return db.New(b.DB.Read(pg.Account(accountID))) }

// orNull returns nil for the zero time.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// orZero returns the zero time for null.
func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// textOrNull returns nil for the empty string.
func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// orEmpty returns "" for null.
func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// notFound replaces "no rows" by the concept's own refusal.
func notFound(err, refusal error) error {
	if pg.NoRows(err) {
		return refusal
	}
	return err
}
