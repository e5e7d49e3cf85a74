// Package pgoperation keeps operations in the service's own schema (table operation). It
// owns the compare-and-set that ends an operation, and what an idempotency key means in
// the database. Time always comes from the caller, never from the server.
package pgoperation

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/idempotency"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/pg"
)

const insert = `-- name: BeginOperation :execrows
insert into operation (id, account_id, resource_kind, resource_id, method, principal, idempotency_key, request_hash,
    state, generation, previous, progress_total, progress_unit, created_at, expires_at, ended_at)
values ($1, $2, $3, $4, $5, $6, nullif($7, ''), $8, $15, $9, $10, $11, $12, $13, $14, $16)
on conflict do nothing`

// Once records the operation of a change that is complete with its transaction: as SUCCEEDED,
// since nobody ever sees it otherwise. It needs an idempotency key. What an earlier call with
// the key has done is found instead, as Replay finds it; the errors are those of Begin.
func Once(ctx context.Context, tx pg.Querier, o operation.Operation, key idempotency.Key) (earlier operation.Operation, found bool, err error) {
	o.State = operation.Succeeded
	if o.ExpiresAt.IsZero() {
		o.ExpiresAt = o.CreatedAt.Add(operation.Window)
	}
	if began, err := begin(ctx, tx, o); err != nil || began {
		return operation.Operation{}, false, err
	}
	if earlier, found, err = Replay(ctx, tx, key, o.CreatedAt); err != nil || found {
		return earlier, found, err
	}
	return operation.Operation{}, false, Begin(ctx, tx, o)
}

// Begin records an operation as TRYING, in the transaction that changes the desired state.
// It returns operation.ErrInProgress when another one is open on the resource,
// idempotency.ErrInProgress when a call with the same key has just begun or ended, and
// idempotency.ErrReused when the key belongs to another request.
func Begin(ctx context.Context, tx pg.Querier, o operation.Operation) error {
	if o.ExpiresAt.IsZero() {
		o.ExpiresAt = o.CreatedAt.Add(operation.Window)
	}
	for range 3 {
		began, err := begin(ctx, tx, o)
		if err != nil {
			return err
		}
		if began {
			return nil
		}
		if err := explain(ctx, tx, o); err != nil {
			return err
		}
		// What stood in the way has just ended or expired, or is out of sight.
	}
	if o.IdempotencyKey == "" {
		return operation.ErrInProgress
	}
	// The key is there and cannot be seen: the same caller used it in another account.
	return idempotency.ErrReused
}

func begin(ctx context.Context, tx pg.Querier, o operation.Operation) (bool, error) {
	state, ended := operation.Trying, (*time.Time)(nil)
	if o.State == operation.Succeeded {
		at := o.CreatedAt.UTC()
		state, ended = operation.Succeeded, &at
	}
	tag, err := tx.Exec(ctx, insert, o.ID, o.AccountID, o.Resource.Kind, o.Resource.ID, o.Method, o.Principal,
		o.IdempotencyKey, o.RequestHash, o.Generation, o.Previous, o.Progress.Total, o.Progress.Unit,
		o.CreatedAt.UTC(), o.ExpiresAt.UTC(), string(state), ended)
	if err != nil {
		return false, fmt.Errorf("begin operation %s: %w", o.ID, err)
	}
	return tag.RowsAffected() == 1, nil
}

const forget = `-- name: ForgetKey :execrows
update operation set idempotency_key = null
where principal = $1 and method = $2 and idempotency_key = $3 and state <> 'TRYING' and expires_at <= $4`

// explain says why Begin found its place taken; nil means that nothing is seen there (any more).
func explain(ctx context.Context, tx pg.Querier, o operation.Operation) error {
	var open bool
	err := tx.QueryRow(ctx, `select exists (select from operation where resource_kind = $1 and resource_id = $2 and state = 'TRYING')`,
		o.Resource.Kind, o.Resource.ID).Scan(&open)
	if err != nil {
		return fmt.Errorf("begin operation %s: %w", o.ID, err)
	}
	if o.IdempotencyKey == "" {
		if open {
			return operation.ErrInProgress
		}
		return nil
	}
	if _, err := tx.Exec(ctx, forget, o.Principal, o.Method, o.IdempotencyKey, o.CreatedAt.UTC()); err != nil {
		return fmt.Errorf("begin operation %s: %w", o.ID, err)
	}
	var hash []byte
	err = tx.QueryRow(ctx, `select request_hash from operation
		where principal = $1 and method = $2 and idempotency_key = $3 and state in ('TRYING', 'SUCCEEDED')`,
		o.Principal, o.Method, o.IdempotencyKey).Scan(&hash)
	switch {
	case err == nil && bytes.Equal(hash, o.RequestHash):
		return idempotency.ErrInProgress
	case err == nil:
		return idempotency.ErrReused
	case !pg.NoRows(err):
		return fmt.Errorf("begin operation %s: %w", o.ID, err)
	case open:
		return operation.ErrInProgress
	default:
		return nil
	}
}

// Replay looks for what an idempotency key has already done. A success with the same
// request is found; with another request it is ErrReused; a call that still runs is
// ErrInProgress. An abandoned operation is not found, since the same key starts again.
// Without a key nothing is found. Now decides whether the key is still remembered.
func Replay(ctx context.Context, q pg.Querier, key idempotency.Key, now time.Time) (operation.Operation, bool, error) {
	if key.Value == "" {
		return operation.Operation{}, false, nil
	}
	o, err := scan(q.QueryRow(ctx, `-- name: ReplayOperation :one
		select `+columns+` from operation
		where principal = $1 and method = $2 and idempotency_key = $3 and state in ('TRYING', 'SUCCEEDED')
		  and (state = 'TRYING' or expires_at > $4)`,
		key.Principal, key.Method, key.Value, now.UTC()))
	switch {
	case pg.NoRows(err):
		return operation.Operation{}, false, nil
	case err != nil:
		return operation.Operation{}, false, fmt.Errorf("replay an idempotency key: %w", err)
	case !bytes.Equal(o.RequestHash, key.RequestHash[:]):
		return operation.Operation{}, false, idempotency.ErrReused
	case o.State == operation.Trying:
		return operation.Operation{}, false, idempotency.ErrInProgress
	default:
		return o, true, nil
	}
}

// errNotFound hides whether an operation is absent or another account's.
var errNotFound = errs.New(errs.NotFound, "NOT_FOUND", "no such operation")
