// Package pgreconcile keeps managed resources in the service's own schema (table
// managed_resource). It owns the lease: claimed, renewed and released by compare-and-set
// on owner and fencing number, by our clock and never the server's.
package pgreconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/reconcile"
)

// Store implements reconcile.Store, and what a service does in transactions of its own.
type Store struct {
	db    *pg.DB
	clock clock.Clock
}

// New returns a store.
func New(db *pg.DB, clock clock.Clock) *Store { return &Store{db: db, clock: clock} }

var _ reconcile.Store = (*Store)(nil)

const touch = `-- name: TouchResource :one
insert into managed_resource as m (kind, id, account_id, backend, generation, due_at, updated_at)
values ($1, $2, $3, $4, 1, $5, $6)
on conflict (kind, id) do update set generation = m.generation + 1, backend = excluded.backend,
    due_at = excluded.due_at, failures = 0, updated_at = excluded.updated_at
returning generation`

// Touch records that something else is wanted of a resource from now on: it makes the
// resource known or raises its generation, which is returned, and sets when it is due.
// It belongs in the transaction that changes the spec.
func (s *Store) Touch(ctx context.Context, q pg.Querier, ref reconcile.Ref, backend string, dueAt time.Time) (int64, error) {
	var generation int64
	err := q.QueryRow(ctx, touch, ref.Kind, ref.ID, ref.AccountID, backend, dueAt.UTC(), s.clock.Now()).Scan(&generation)
	if err != nil {
		return 0, fmt.Errorf("touch %s %s: %w", ref.Kind, ref.ID, err)
	}
	return generation, nil
}

// WakeAt makes a resource due at a moment, unless it is due earlier already. Nothing else
// is wanted of it than before, so its generation stays. It reports whether it is known.
func (s *Store) WakeAt(ctx context.Context, q pg.Querier, ref reconcile.Ref, at time.Time) (bool, error) {
	tag, err := q.Exec(ctx, `-- name: WakeResource :execrows
		update managed_resource set due_at = least(due_at, $3), updated_at = $4 where kind = $1 and id = $2`,
		ref.Kind, ref.ID, at.UTC(), s.clock.Now())
	if err != nil {
		return false, fmt.Errorf("wake %s %s: %w", ref.Kind, ref.ID, err)
	}
	return tag.RowsAffected() == 1, nil
}

// Forget removes a resource that is gone from its backend, if the lease still holds.
func (s *Store) Forget(ctx context.Context, q pg.Querier, lease reconcile.Lease) (bool, error) {
	tag, err := q.Exec(ctx, `-- name: ForgetResource :execrows
		delete from managed_resource where kind = $1 and id = $2 and lease_owner = $3 and fence = $4`,
		lease.Kind, lease.ID, lease.Owner, lease.Fence)
	if err != nil {
		return false, fmt.Errorf("forget %s %s: %w", lease.Kind, lease.ID, err)
	}
	return tag.RowsAffected() == 1, nil
}

const due = `-- name: DueResources :many
select kind, id, account_id from managed_resource
where (due_at <= $1 and lease_until is null) or lease_until <= $1
order by coalesce(due_at, lease_until) limit $2`

// Due returns resources that are due and not leased, the longest due first.
func (s *Store) Due(ctx context.Context, limit int) ([]reconcile.Ref, error) {
	rows, err := s.db.Read(pg.System("sweep for due resources")).Query(ctx, due, s.clock.Now(), limit)
	if err != nil {
		return nil, fmt.Errorf("look for due resources: %w", err)
	}
	refs, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (reconcile.Ref, error) {
		var ref reconcile.Ref
		return ref, row.Scan(&ref.Kind, &ref.ID, &ref.AccountID)
	})
	if err != nil {
		return nil, fmt.Errorf("look for due resources: %w", err)
	}
	return refs, nil
}

// State is what is recorded of a resource, for showing it.
type State struct {
	Generation, Observed int64
	Failures             int
	// DueAt is nil when nothing is planned.
	DueAt      *time.Time
	Conditions []reconcile.Condition
}

// Get returns what is recorded of a resource that the scope may see.
func (s *Store) Get(ctx context.Context, q pg.Querier, kind, id string) (State, bool, error) {
	var state State
	err := q.QueryRow(ctx, `-- name: GetResourceState :one
		select generation, observed_generation, failures, due_at, conditions from managed_resource where kind = $1 and id = $2`,
		kind, id).Scan(&state.Generation, &state.Observed, &state.Failures, &state.DueAt, &state.Conditions)
	if pg.NoRows(err) {
		return State{}, false, nil
	}
	if err != nil {
		return State{}, false, fmt.Errorf("get the state of %s %s: %w", kind, id, err)
	}
	return state, true, nil
}
