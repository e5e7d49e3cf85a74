package pgoperation

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/pg"
)

const columns = `id, account_id, resource_kind, resource_id, method, principal, coalesce(idempotency_key, ''), request_hash,
    state, generation, previous, result, progress_done, progress_total, progress_unit,
    failure_kind, failure_reason, failure_message, created_at, ended_at, expires_at`

func scan(row pgx.Row) (operation.Operation, error) {
	var o operation.Operation
	var kind string
	var ended *time.Time
	err := row.Scan(&o.ID, &o.AccountID, &o.Resource.Kind, &o.Resource.ID, &o.Method, &o.Principal, &o.IdempotencyKey, &o.RequestHash,
		&o.State, &o.Generation, &o.Previous, &o.Result, &o.Progress.Done, &o.Progress.Total, &o.Progress.Unit,
		&kind, &o.Failure.Reason, &o.Failure.Message, &o.CreatedAt, &ended, &o.ExpiresAt)
	if ended != nil {
		o.EndedAt = ended.UTC()
	}
	o.CreatedAt, o.ExpiresAt = o.CreatedAt.UTC(), o.ExpiresAt.UTC()
	o.Failure.Kind = kindOf(kind)
	return o, err
}

func kindOf(name string) errs.Kind {
	for kind := errs.Internal; kind <= errs.Unknown; kind++ {
		if kind.String() == name {
			return kind
		}
	}
	return errs.Internal
}

// Get returns an operation that the scope may see, or NOT_FOUND.
func Get(ctx context.Context, q pg.Querier, id string) (operation.Operation, error) {
	o, err := scan(q.QueryRow(ctx, `-- name: GetOperation :one
		select `+columns+` from operation where id = $1`, id))
	if pg.NoRows(err) {
		return operation.Operation{}, errNotFound
	}
	if err != nil {
		return operation.Operation{}, fmt.Errorf("get operation %s: %w", id, err)
	}
	return o, nil
}

// Open returns the operation that is open on a resource, if there is one.
func Open(ctx context.Context, q pg.Querier, r operation.Resource) (operation.Operation, bool, error) {
	o, err := scan(q.QueryRow(ctx, `-- name: OpenOperation :one
		select `+columns+` from operation where resource_kind = $1 and resource_id = $2 and state = 'TRYING'`, r.Kind, r.ID))
	if pg.NoRows(err) {
		return operation.Operation{}, false, nil
	}
	if err != nil {
		return operation.Operation{}, false, fmt.Errorf("look for an open operation on %s %s: %w", r.Kind, r.ID, err)
	}
	return o, true, nil
}

// Page asks for one page of an account's operations, newest first.
type Page struct {
	AccountID string
	// Resource narrows the list; its zero value does not, and an empty ID means all of the kind.
	Resource operation.Resource
	// Before is the last id of the page before; empty for the first page.
	Before string
	// Limit is how many at most.
	Limit int
}

// List returns a page of operations.
func List(ctx context.Context, q pg.Querier, p Page) ([]operation.Operation, error) {
	rows, err := q.Query(ctx, `-- name: ListOperations :many
		select `+columns+` from operation
		where account_id = $1
		  and ($2 = '' or resource_kind = $2) and ($3 = '' or resource_id = $3)
		  and ($4 = '' or id < $4)
		order by id desc limit $5`, p.AccountID, p.Resource.Kind, p.Resource.ID, p.Before, p.Limit)
	if err != nil {
		return nil, fmt.Errorf("list operations: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (operation.Operation, error) { return scan(row) })
	if err != nil {
		return nil, fmt.Errorf("list operations: %w", err)
	}
	return list, nil
}
