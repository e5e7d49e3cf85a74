package pg

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace"
)

// setRead and the statement behind it travel together and make one implicit transaction:
// the scope ends with it, and a statement that writes is refused by the server.
const setRead = `select set_config('app.account_id', $1, true), set_config('app.scope', $2, true),` +
	` set_config('transaction_read_only', 'on', true)`

// Read returns a Querier whose statements each run in an implicit, read-only transaction
// in the scope, in one round trip. What it changes must go through InTx: a write here is
// refused by the server.
//
// A statement that meets a dead connection is tried again on a fresh one, unseen.
func (db *DB) Read(scope Scope) Querier { return reader{db, scope} }

type reader struct {
	db    *DB
	scope Scope
}

// readTries is how many connections a statement may find dead before it fails.
const readTries = 3

// borrowed is one statement under way: its connection, its batch, its span.
type borrowed struct {
	ctx  context.Context
	db   *DB
	conn *pgxpool.Conn
	pgx.BatchResults
	span trace.Span
}

// send runs the statement. On success the batch's next result is the statement's.
func (r reader) send(ctx context.Context, sql string, args []any) (*borrowed, error) {
	account, scope, err := r.scope.settings()
	if err != nil {
		return nil, err
	}
	span := r.db.startSpan(ctx, sql)
	for try := 1; ; try++ {
		conn, err := r.db.acquire(ctx)
		if err == nil {
			batch := pgx.Batch{QueuedQueries: make([]*pgx.QueuedQuery, 0, 2)}
			batch.Queue(setRead, account, scope)
			batch.Queue(sql, args...)
			results := conn.SendBatch(ctx, &batch)
			if _, err = results.Exec(); err == nil {
				return &borrowed{ctx: ctx, db: r.db, conn: conn, BatchResults: results, span: span}, nil
			}
			_ = results.Close()
			conn.Release()
			err = r.db.notice(ctx, err)
		}
		if try == readTries || !IsUnavailable(err) || ctx.Err() != nil {
			endSpan(span, err)
			return nil, err
		}
	}
}

// finish ends the batch and gives the connection back; err is the statement's own error.
func (b *borrowed) finish(err error) error {
	if b.conn == nil {
		return err
	}
	if closing := b.BatchResults.Close(); err == nil {
		err = closing
	}
	b.conn.Release()
	b.conn = nil
	err = b.db.notice(b.ctx, err)
	endSpan(b.span, err)
	return err
}

// Exec runs a statement for its count; one that writes is refused.
func (r reader) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	b, err := r.send(ctx, sql, args)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := b.BatchResults.Exec()
	return tag, b.finish(err)
}

// Query runs a statement.
func (r reader) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	b, err := r.send(ctx, sql, args)
	if err != nil {
		return failed{err}, err
	}
	inner, err := b.BatchResults.Query()
	if err != nil {
		err = b.finish(err)
		return failed{err}, err
	}
	return &rows{Rows: inner, finish: b.finish}, nil
}

// QueryRow runs a statement that gives one row.
func (r reader) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	b, err := r.send(ctx, sql, args)
	if err != nil {
		return failed{err}
	}
	return row{Row: b.BatchResults.QueryRow(), finish: b.finish}
}
