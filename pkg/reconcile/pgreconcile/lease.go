package pgreconcile

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/reconcile"
)

// A claim takes the resource off the list of what is due; should its owner die, the end of
// the lease brings it back. Whatever is due at the release is a wake-up that came meanwhile.
const claim = `-- name: ClaimResource :one
update managed_resource set lease_owner = $3, lease_until = $4, fence = fence + 1, due_at = null, updated_at = $5
where kind = $1 and id = $2 and (lease_until is null or lease_until <= $5)
returning account_id, backend, fence, generation, observed_generation, failures, conditions`

// Claim takes the lease in a transaction of its own. It fails with false when somebody
// holds the lease, or the resource is not known.
func (s *Store) Claim(ctx context.Context, owner string, ref reconcile.Ref, ttl time.Duration) (lease reconcile.Lease, ok bool, err error) {
	err = s.db.InTx(ctx, scope(ref), func(ctx context.Context, tx *pg.Tx) error {
		lease, ok, err = s.ClaimIn(ctx, tx, owner, ref, ttl)
		return err
	})
	return lease, ok && err == nil, err
}

// ClaimIn is Claim in the caller's transaction: the lease exists once that has committed.
// A call that changes the spec and wants to act on it itself claims right after Touch.
func (s *Store) ClaimIn(ctx context.Context, q pg.Querier, owner string, ref reconcile.Ref, ttl time.Duration) (reconcile.Lease, bool, error) {
	now := s.clock.Now()
	lease := reconcile.Lease{Ref: ref, Owner: owner, Until: now.Add(ttl)}
	err := q.QueryRow(ctx, claim, ref.Kind, ref.ID, owner, lease.Until, now).Scan(&lease.AccountID, &lease.Backend,
		&lease.Fence, &lease.Generation, &lease.Observed, &lease.Failures, &lease.Conditions)
	if pg.NoRows(err) {
		return reconcile.Lease{}, false, nil
	}
	if err != nil {
		return reconcile.Lease{}, false, fmt.Errorf("claim %s %s: %w", ref.Kind, ref.ID, err)
	}
	return lease, true, nil
}

const renew = `-- name: RenewLease :execrows
update managed_resource set lease_until = $5
where kind = $1 and id = $2 and lease_owner = $3 and fence = $4`

// Renew makes the lease last for ttl from now; false when it had been lost.
func (s *Store) Renew(ctx context.Context, lease reconcile.Lease, ttl time.Duration) (reconcile.Lease, bool, error) {
	until := s.clock.Now().Add(ttl)
	var held bool
	err := s.db.InTx(ctx, scope(lease.Ref), func(ctx context.Context, tx *pg.Tx) error {
		tag, err := tx.Exec(ctx, renew, lease.Kind, lease.ID, lease.Owner, lease.Fence, until)
		held = tag.RowsAffected() == 1
		return err
	})
	if err != nil {
		return lease, false, fmt.Errorf("renew the lease of %s %s: %w", lease.Kind, lease.ID, err)
	}
	if held {
		lease.Until = until
	}
	return lease, held, nil
}

const release = `-- name: ReleaseLease :execrows
update managed_resource set lease_owner = null, lease_until = null,
    due_at = least(due_at, $5),
    observed_generation = case when $6::bigint > 0 then $6 else observed_generation end,
    failures = $7, conditions = coalesce($8, conditions), updated_at = $9
where kind = $1 and id = $2 and lease_owner = $3 and fence = $4`

// Release gives the lease back in a transaction of its own; false when it had been lost,
// and then nothing is recorded.
func (s *Store) Release(ctx context.Context, lease reconcile.Lease, next reconcile.Next) (held bool, err error) {
	err = s.db.InTx(ctx, scope(lease.Ref), func(ctx context.Context, tx *pg.Tx) error {
		held, err = s.ReleaseIn(ctx, tx, lease, next)
		return err
	})
	return held && err == nil, err
}

// ReleaseIn is Release in the caller's transaction, together with what the attempt changed
// in the service's own tables. On false the caller must roll back: another owner acts.
func (s *Store) ReleaseIn(ctx context.Context, q pg.Querier, lease reconcile.Lease, next reconcile.Next) (bool, error) {
	var conditions []byte
	if next.Conditions != nil {
		var err error
		if conditions, err = json.Marshal(next.Conditions); err != nil {
			return false, fmt.Errorf("encode conditions of %s %s: %w", lease.Kind, lease.ID, err)
		}
	}
	tag, err := q.Exec(ctx, release, lease.Kind, lease.ID, lease.Owner, lease.Fence,
		next.DueAt, next.Observed, next.Failures, conditions, s.clock.Now())
	if err != nil {
		return false, fmt.Errorf("release %s %s: %w", lease.Kind, lease.ID, err)
	}
	return tag.RowsAffected() == 1, nil
}

// scope is the resource's account; what belongs to no account is the platform's.
func scope(ref reconcile.Ref) pg.Scope {
	if ref.AccountID == "" {
		return pg.System("resource of the platform")
	}
	return pg.Account(ref.AccountID)
}
