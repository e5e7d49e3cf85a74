package pg

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Later puts a statement off until the next one, or the commit: it runs right before it and
// costs no round trip of its own. It is for statements whose result nobody looks at and that
// do not fail unless something is broken: its error is that of what it travels with.
func (tx *Tx) Later(sql string, args ...any) {
	tx.later = append(tx.later, &pgx.QueuedQuery{SQL: sql, Arguments: args})
}

// plain reports whether a statement may travel alone: the transaction has begun, and nothing
// was put off.
func (tx *Tx) plain() bool { return tx.tx != nil && len(tx.later) == 0 }

// together sends statements in one round trip with what must go before them: the beginning of
// the transaction, and what was put off. On success the batch's next result is the first of
// theirs.
func (tx *Tx) together(ctx context.Context, queue func(*pgx.Batch)) (pgx.BatchResults, error) {
	var batch pgx.Batch
	begins := tx.tx == nil
	if begins {
		if err := tx.borrow(ctx); err != nil {
			return nil, err
		}
		batch.BeginTx(tx.options)
		batch.Queue(setScope, tx.account, tx.scope)
	}
	batch.QueuedQueries = append(batch.QueuedQueries, tx.later...)
	before := len(batch.QueuedQueries)
	tx.later = nil
	queue(&batch)
	results := tx.conn.SendBatch(ctx, &batch)
	if begins {
		// From here on there is something to roll back, whatever becomes of the batch.
		tx.tx = results.Tx()
	}
	for range before {
		if _, err := results.Exec(); err != nil {
			_ = results.Close()
			return nil, tx.db.notice(ctx, err)
		}
	}
	return results, nil
}

// borrow takes a connection, unless the transaction has one.
func (tx *Tx) borrow(ctx context.Context) error {
	if tx.conn != nil {
		return nil
	}
	conn, err := tx.db.acquire(ctx)
	if err == nil {
		tx.conn = conn
	}
	return err
}

// flush runs what was put off and has found nothing to travel with.
func (tx *Tx) flush(ctx context.Context) error {
	if len(tx.later) == 0 {
		return nil
	}
	return tx.send(ctx)
}

// send sends what must go before a statement without one.
func (tx *Tx) send(ctx context.Context) error {
	results, err := tx.together(ctx, func(*pgx.Batch) {})
	if err != nil {
		return err
	}
	return tx.db.notice(ctx, results.Close())
}
