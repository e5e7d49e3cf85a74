package postgres

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/pkg/seal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres/db"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

// Principals implements principal.Store.
type Principals struct{ *base }

var _ principal.Store = (*Principals)(nil)

// InPrincipal runs fn in the scope of the account.
func (s *Principals) InPrincipal(ctx context.Context, accountID string, fn func(context.Context, principal.Tx) error) error {
	return s.inAccount(ctx, accountID, func(ctx context.Context, t *transaction) error {
		return fn(ctx, principal.Tx{Tx: t.change(), Drifts: driftRows{t}, Principals: principalRows{t}})
	})
}

// Find returns the account's identity on a backend.
func (s *Principals) Find(ctx context.Context, accountID, backend string) (principal.Principal, bool, error) {
	row, err := s.readIn(accountID).FindPrincipal(ctx, db.FindPrincipalParams{AccountID: accountID, Backend: backend})
	return s.open(ctx, db.LoadPrincipalRow(row), err)
}

// Load returns an identity and what it is to reach. The generation is read first: what is
// wanted is then at least as new.
func (s *Principals) Load(ctx context.Context, ref reconcile.Ref) (principal.Principal, principal.Reach, bool, error) {
	q := s.readIn(ref.AccountID)
	row, err := q.LoadPrincipal(ctx, ref.ID)
	p, ok, err := s.open(ctx, row, err)
	if err != nil || !ok {
		return p, principal.Reach{}, ok, err
	}
	stands, err := standingOf(ctx, q, p.AccountID)
	reach := principal.Reach{ReadOnly: stands.WritesStopped}
	if err != nil || stands.Stopped() {
		return p, reach, true, err
	}
	reach.Buckets, err = q.ReachableBuckets(ctx, db.ReachableBucketsParams{AccountID: p.AccountID, Backend: p.Backend})
	return p, reach, true, err
}

// OnBackend returns a page of the identities on a backend.
func (s *Principals) OnBackend(ctx context.Context, backend, after string, limit int) ([]reconcile.Ref, error) {
	rows, err := db.New(s.DB.Read(pg.System("pass over a backend"))).PrincipalsOnBackend(ctx, db.PrincipalsOnBackendParams{
		Backend: backend, After: after, Count: int32(limit), //nolint:gosec // a page
	})
	refs := make([]reconcile.Ref, len(rows))
	for i, r := range rows {
		refs[i] = reconcile.Ref{Kind: principal.Kind, ID: r.ID, AccountID: r.AccountID}
	}
	return refs, err
}

// principalRows implements principal.Rows.
type principalRows struct{ *transaction }

// Apply records the hash of the policy that the backend has, and when to look again.
func (r principalRows) Apply(ctx context.Context, id, hash string, settleAt time.Time) error {
	return r.q.ApplyPrincipal(ctx, db.ApplyPrincipalParams{ID: id, Applied: hash, SettleAt: orNull(settleAt)})
}

// Remove removes an identity.
func (r principalRows) Remove(ctx context.Context, id string) error {
	return r.q.RemovePrincipal(ctx, id)
}

// sealed is one column of an identity: where it is stored, and its value in the clear.
type sealed struct {
	column string
	bytes  *[]byte
	text   *string
}

func sealedColumns(r *db.Principal, p *principal.Principal) []sealed {
	return []sealed{
		{"user_name", &r.UserName, &p.User},
		{"user_secret", &r.UserSecret, &p.UserSecret},
		{"reader_key", &r.ReaderKey, &p.ReaderKey},
		{"reader_secret", &r.ReaderSecret, &p.ReaderSecret},
	}
}

func (b *base) sealPrincipal(ctx context.Context, p principal.Principal) (db.Principal, error) {
	row := db.Principal{ID: p.ID, AccountID: p.AccountID, Backend: p.Backend, CreatedAt: p.CreatedAt}
	for _, c := range sealedColumns(&row, &p) {
		var err error
		place := seal.Context{Tenant: p.AccountID, Table: "principal", Column: c.column, Row: p.ID}
		if *c.bytes, err = b.Sealer.Seal(ctx, []byte(*c.text), place); err != nil {
			return db.Principal{}, err
		}
	}
	return row, nil
}

func (t *transaction) insertPrincipal(ctx context.Context, p principal.Principal) error {
	row, err := t.sealPrincipal(ctx, p)
	if err != nil {
		return err
	}
	_, err = t.q.InsertPrincipal(ctx, db.InsertPrincipalParams{
		ID: row.ID, AccountID: row.AccountID, Backend: row.Backend, UserName: row.UserName, UserSecret: row.UserSecret,
		ReaderKey: row.ReaderKey, ReaderSecret: row.ReaderSecret, CreatedAt: row.CreatedAt,
	})
	return err
}

// open returns an identity with its secrets in the clear.
func (b *base) open(ctx context.Context, row db.LoadPrincipalRow, err error) (principal.Principal, bool, error) {
	if pg.NoRows(err) {
		return principal.Principal{}, false, nil
	}
	if err != nil {
		return principal.Principal{}, false, err
	}
	r := row.Principal
	p := principal.Principal{
		ID: r.ID, AccountID: r.AccountID, Backend: r.Backend, Applied: r.Applied, SettleAt: orZero(r.SettleAt),
		Generation: row.Generation, Observed: row.Observed, CreatedAt: r.CreatedAt.UTC(),
	}
	for _, c := range sealedColumns(&r, &p) {
		place := seal.Context{Tenant: p.AccountID, Table: "principal", Column: c.column, Row: p.ID}
		plain, err := b.Sealer.Open(ctx, *c.bytes, place)
		if err != nil {
			return principal.Principal{}, false, err
		}
		*c.text = string(plain)
	}
	return p, true, nil
}
