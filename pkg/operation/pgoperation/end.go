package pgoperation

import (
	"context"
	"fmt"
	"time"

	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/pg"
)

const end = `-- name: EndOperation :execrows
update operation set state = $2, failure_kind = $3, failure_reason = $4, failure_message = $5,
    result = coalesce($6, result), ended_at = $7
where id = $1 and state = 'TRYING'`

// End ends an operation, if nobody has before: won says whether this call did. Whoever
// loses must look at how it ended and go by that.
func End(ctx context.Context, q pg.Querier, id string, outcome operation.Outcome) (won bool, err error) {
	if outcome.State != operation.Succeeded && outcome.State != operation.Abandoned {
		return false, fmt.Errorf("an operation cannot end as %q", outcome.State)
	}
	if outcome.At.IsZero() {
		return false, fmt.Errorf("end operation %s: without a time", id)
	}
	kind := ""
	if outcome.State == operation.Abandoned {
		kind = outcome.Failure.Kind.String()
	}
	tag, err := q.Exec(ctx, end, id, string(outcome.State), kind, outcome.Failure.Reason,
		outcome.Failure.Message, outcome.Result, outcome.At.UTC())
	if err != nil {
		return false, fmt.Errorf("end operation %s: %w", id, err)
	}
	return tag.RowsAffected() == 1, nil
}

// Progress records how far an open operation is; one that has ended is left alone.
func Progress(ctx context.Context, q pg.Querier, id string, p operation.Progress) error {
	_, err := q.Exec(ctx, `-- name: ProgressOperation :exec
		update operation set progress_done = $2, progress_total = $3, progress_unit = $4 where id = $1 and state = 'TRYING'`,
		id, p.Done, p.Total, p.Unit)
	if err != nil {
		return fmt.Errorf("record progress of operation %s: %w", id, err)
	}
	return nil
}

// Sweep removes operations that ended before the given moment and whose keys are no longer
// remembered, at most limit of them, and returns how many. It needs the system scope.
func Sweep(ctx context.Context, q pg.Querier, endedBefore, now time.Time, limit int) (int64, error) {
	tag, err := q.Exec(ctx, `-- name: SweepOperations :execrows
		delete from operation where id in (
			select id from operation where ended_at < $1 and expires_at < $2 order by ended_at limit $3)`,
		endedBefore.UTC(), now.UTC(), limit)
	if err != nil {
		return 0, fmt.Errorf("sweep operations: %w", err)
	}
	return tag.RowsAffected(), nil
}
