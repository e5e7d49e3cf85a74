package postgres

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres/db"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/standing"
)

// Standings keeps how accounts stand.
type Standings struct{ *base }

// In is the transaction of somebody else, such as a consumer of events.
func (s *Standings) In(tx *pg.Tx) standing.Tx {
	return (&transaction{base: s.base, tx: tx, q: db.New(tx)}).standing()
}

// Of returns how the account stands.
func (s *Standings) Of(ctx context.Context, accountID string) (standing.Standing, error) {
	return standingOf(ctx, s.readIn(accountID), accountID)
}

func (t *transaction) standing() standing.Tx {
	return standing.Tx{Standings: standingRows{t}, Record: record{t}}
}

func standingOf(ctx context.Context, q *db.Queries, accountID string) (standing.Standing, error) {
	row, err := q.GetStanding(ctx, accountID)
	if pg.NoRows(err) {
		return standing.Standing{AccountID: accountID}, nil
	}
	return standing.Standing{
		AccountID: accountID, State: row.State, Version: row.Version, WritesStopped: row.WritesStopped,
	}, err
}

// standingRows implements standing.Rows.
type standingRows struct{ *transaction }

var (
	_ standing.Rows = standingRows{}
	_ standing.Ends = standingRows{}
)

// Find returns the account's standing, and locks it.
func (r standingRows) Find(ctx context.Context, accountID string) (standing.Standing, error) {
	if err := r.q.NoteStanding(ctx, db.NoteStandingParams{AccountID: accountID, ChangedAt: r.Clock.Now()}); err != nil {
		return standing.Standing{}, err
	}
	row, err := r.q.LockStanding(ctx, accountID)
	return standing.Standing{
		AccountID: row.AccountID, State: row.State, Version: row.Version, WritesStopped: row.WritesStopped,
	}, err
}

// Ended says whether the account was closed for good.
func (r standingRows) Ended(ctx context.Context, accountID string) (bool, error) {
	stands, err := standingOf(ctx, r.q, accountID)
	return stands.State == standing.Closed, err
}

// Save writes it.
func (r standingRows) Save(ctx context.Context, s standing.Standing, at time.Time) error {
	return r.q.SaveStanding(ctx, db.SaveStandingParams{
		AccountID: s.AccountID, State: s.State, Version: s.Version, WritesStopped: s.WritesStopped, ChangedAt: at,
	})
}

// TouchAccess raises the generation of the account's identities, and of its buckets of which
// something is public. The sweep sees to them.
func (r standingRows) TouchAccess(ctx context.Context, accountID string, due time.Time) error {
	rows, err := r.q.PrincipalsOf(ctx, accountID)
	if err != nil {
		return err
	}
	for _, row := range rows {
		ref := reconcile.Ref{Kind: principal.Kind, ID: row.ID, AccountID: accountID}
		if _, err := r.resources.Touch(ctx, r.tx, ref, row.Backend, due); err != nil {
			return err
		}
	}
	buckets, err := r.q.PublicBuckets(ctx, accountID)
	if err != nil {
		return err
	}
	for _, row := range buckets {
		ref := reconcile.Ref{Kind: bucket.Kind, ID: row.ID, AccountID: accountID}
		if _, err := r.resources.Touch(ctx, r.tx, ref, row.Backend, due); err != nil {
			return err
		}
	}
	return nil
}
