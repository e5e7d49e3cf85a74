// Package postgres keeps storage's rows: it implements the stores of the concepts over one
// schema, with a type per concept and one transaction that serves them all.
//
// It guarantees what package change asks for: audit entry, event, operation, wake-up and
// lease of a change commit with it or not at all. Tenant rows are reached in the scope of
// their account; what must see beyond one says so by a system scope with its reason.
// Secrets and key ids leave this package opened and are stored sealed, each for its place.
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
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/pkg/reconcile/pgreconcile"
	"github.com/primecloud/primecloud/pkg/seal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/lastuse"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres/db"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

// Schema is the noun's schema.
const Schema = "storage"

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations is the set of storage's own tables.
func Migrations() pg.MigrationSet {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return pg.MigrationSet{Name: "storage", FS: sub}
}

// Config is what stores are made of.
type Config struct {
	// DB is the pool of the serving role.
	DB *pg.DB
	// Clock tells the time.
	Clock clock.Clock
	// Owner names this process in leases.
	Owner string
	// Sealer seals secrets.
	Sealer *seal.Sealer
	// Lookup hashes access key ids.
	Lookup lastuse.Lookup
	// Record writes an audit entry in the transaction.
	Record func(ctx context.Context, q pg.Querier, e audit.Entry) error
	// Encode makes the event of a change.
	Encode func(ctx context.Context, e change.Event) (event.Event, error)
	// WakeUp puts a wake-up job for a resource into the transaction.
	WakeUp func(ctx context.Context, tx *pg.Tx, ref reconcile.Ref, at time.Time) error
	// Committed is called after a commit that left events to relay.
	Committed func()
}

// Stores are the stores of all concepts.
type Stores struct {
	Buckets     *Buckets
	Principals  *Principals
	AccessKeys  *AccessKeys
	Strays      *Strays
	Grants      *Grants
	Purges      *Purges
	Removals    *Removals
	Quotas      *Quotas
	Usages      *Usages
	Standings   *Standings
	Shares      *Shares
	Favourites  *Favourites
	Trail       *Trail
	Drifts      *Drifts
	Operations  *Operations
	Connections *Connections
	Uses        *Uses
	// Resources are the managed resources, for the reconciler.
	Resources *pgreconcile.Store
	// Leases takes leases for this process.
	Leases *Leases

	base *base
}

// New returns the stores.
func New(c Config) *Stores {
	b := &base{Config: c, resources: pgreconcile.New(c.DB, c.Clock)}
	return &Stores{
		Buckets: &Buckets{b}, Principals: &Principals{b}, AccessKeys: &AccessKeys{b}, Grants: &Grants{b}, Trail: &Trail{b},
		Standings: &Standings{b}, Purges: &Purges{b}, Removals: &Removals{b}, Quotas: &Quotas{b}, Usages: &Usages{b},
		Shares: &Shares{b}, Favourites: &Favourites{b}, Connections: &Connections{b}, Uses: &Uses{b}, Strays: &Strays{b},
		Drifts: &Drifts{b}, Operations: &Operations{b},
		Resources: b.resources, Leases: &Leases{b}, base: b,
	}
}

// base is what all stores share.
type base struct {
	Config
	resources *pgreconcile.Store
}

// in runs fn in a transaction in the scope, and tells of the commit.
func (b *base) in(ctx context.Context, scope pg.Scope, fn func(context.Context, *transaction) error) error {
	var last *transaction
	err := b.DB.InTx(ctx, scope, func(ctx context.Context, tx *pg.Tx) error {
		last = &transaction{base: b, tx: tx, q: db.New(tx)}
		return fn(ctx, last)
	})
	if err == nil && last != nil && last.told {
		b.Committed()
	}
	return err
}

// inAccount runs fn in a transaction that sees nothing but the account.
func (b *base) inAccount(ctx context.Context, accountID string, fn func(context.Context, *transaction) error) error {
	return b.in(ctx, pg.Account(accountID), fn)
}

func (b *base) readIn(accountID string) *db.Queries { return db.New(b.DB.Read(pg.Account(accountID))) }

// Leases implements change.Leases.
type Leases struct{ *base }

var _ change.Leases = (*Leases)(nil)

// Claim takes the lease for this process.
func (l *Leases) Claim(ctx context.Context, ref reconcile.Ref, ttl time.Duration) (reconcile.Lease, bool, error) {
	return l.resources.Claim(ctx, l.Owner, ref, ttl)
}

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

// WakeAll makes every managed resource due now that nobody has looked at since a moment, for
// a pass over everything: all but what a pass over its backend compares.
func (s *Stores) WakeAll(ctx context.Context, since time.Time) error {
	return s.base.in(ctx, pg.System("pass over everything"), func(ctx context.Context, t *transaction) error {
		now := t.Clock.Now()
		_, err := t.q.WakeAllResources(ctx, db.WakeAllResourcesParams{At: &now, Since: since})
		return err
	})
}

// WakeIdentities makes all identities and keys of a backend due that nobody looked at since.
func (s *Stores) WakeIdentities(ctx context.Context, backend string, since time.Time) error {
	return s.base.in(ctx, pg.System("pass over a backend"), func(ctx context.Context, t *transaction) error {
		now := t.Clock.Now()
		return t.q.WakeBackend(ctx, db.WakeBackendParams{
			At: &now, Kinds: []string{principal.Kind, accesskey.Kind}, Backend: backend, Since: since,
		})
	})
}

// Wake makes resources of a kind due now.
func (s *Stores) Wake(ctx context.Context, kind string, ids []string) error {
	return s.base.in(ctx, pg.System("pass over a backend"), func(ctx context.Context, t *transaction) error {
		now := t.Clock.Now()
		return t.q.WakeResources(ctx, db.WakeResourcesParams{At: &now, Kind: kind, Ids: ids})
	})
}
