package pg

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// TxOptions are the exceptions to what InTx does by itself.
type TxOptions struct {
	// Isolation is READ COMMITTED when empty.
	Isolation pgx.TxIsoLevel
	// ReadOnly lets the server refuse writes.
	ReadOnly bool
}

// txTries is how often a transaction's function runs at most.
const txTries = 4

// InTx runs fn in a transaction in the scope and commits when fn returns nil. Begin and
// scope travel with the first statement, so they cost no round trip of their own.
//
// fn may run several times: a serialization failure, a deadlock or a connection lost
// before the commit starts it again, so it keeps its hands off everything but tx. A panic
// in fn rolls back and goes on. The commit runs through Around as "postgres.commit" and
// out of reach of the caller's cancellation; when its outcome is unknown the error is
// ErrOutcomeUnknown, and fn does not run again.
func (db *DB) InTx(ctx context.Context, scope Scope, fn func(ctx context.Context, tx *Tx) error) error {
	return db.InTxWith(ctx, scope, TxOptions{}, fn)
}

// InTxWith is InTx with options.
func (db *DB) InTxWith(ctx context.Context, scope Scope, o TxOptions, fn func(ctx context.Context, tx *Tx) error) error {
	account, name, err := scope.settings()
	if err != nil {
		return err
	}
	options := pgx.TxOptions{IsoLevel: o.Isolation}
	if o.ReadOnly {
		options.AccessMode = pgx.ReadOnly
	}
	for try := 1; ; try++ {
		tx := &Tx{db: db, options: options, account: account, scope: name}
		err := tx.run(ctx, fn)
		if err == nil || ctx.Err() != nil || !mayRunAgain(err, try) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(try) * (2*time.Millisecond + rand.N(8*time.Millisecond))):
		}
	}
}

// mayRunAgain tells whether a transaction that failed on this try may start again.
func mayRunAgain(err error, try int) bool {
	if errors.Is(err, ErrOutcomeUnknown) || try >= txTries {
		return false
	}
	var server *pgconn.PgError
	if errors.As(err, &server) && isRetriable(server.Code) {
		return true
	}
	// One more try on a fresh connection; a database that is down is the caller's matter.
	return IsUnavailable(err) && try == 1
}

// Tx is a transaction in a scope. It implements Querier. It belongs to one goroutine and
// ends with the function it was given to.
type Tx struct {
	db             *DB
	options        pgx.TxOptions
	account, scope string
	conn           *pgxpool.Conn
	tx             pgx.Tx
	// later are statements that were put off.
	later []*pgx.QueuedQuery
}

const setScope = `select set_config('app.account_id', $1, true), set_config('app.scope', $2, true)`

func (tx *Tx) run(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) (err error) {
	committed := false
	defer func() {
		if !committed {
			tx.rollback(ctx)
		}
		if tx.conn != nil {
			tx.conn.Release()
		}
	}()
	if err := fn(ctx, tx); err != nil {
		return err
	}
	if err := tx.flush(ctx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	committed = true
	return tx.commit(ctx)
}

func (tx *Tx) commit(ctx context.Context) error {
	if tx.tx == nil {
		return nil
	}
	return tx.db.deps.Around(ctx, "postgres.commit", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tx.db.config.CommitTimeout)
		defer cancel()
		return tx.db.notice(ctx, commitOutcome(ctx, tx.tx.Commit(ctx)))
	})
}

// rollback ends the transaction; when it cannot, the connection is closed and the server
// rolls back by itself.
func (tx *Tx) rollback(ctx context.Context) {
	if tx.tx == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tx.db.config.CommitTimeout)
	defer cancel()
	if err := tx.tx.Rollback(ctx); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
		_ = tx.conn.Conn().Close(ctx)
	}
}

// ended gives the error of a statement its kind.
func (tx *Tx) ended(ctx context.Context) func(error) error {
	return func(err error) error { return tx.db.notice(ctx, err) }
}

// finished also ends the batch that a statement came in.
func (tx *Tx) finished(ctx context.Context, results pgx.BatchResults) func(error) error {
	return func(err error) error {
		if closing := results.Close(); err == nil {
			err = closing
		}
		return tx.db.notice(ctx, err)
	}
}

// Exec runs a statement and returns how many rows it touched.
func (tx *Tx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	span := tx.db.startSpan(ctx, sql)
	if tx.plain() {
		tag, err := tx.tx.Exec(ctx, sql, args...)
		return tag, traced(span, tx.ended(ctx))(err)
	}
	results, err := tx.together(ctx, func(b *pgx.Batch) { b.Queue(sql, args...) })
	if err != nil {
		endSpan(span, err)
		return pgconn.CommandTag{}, err
	}
	tag, err := results.Exec()
	return tag, traced(span, tx.finished(ctx, results))(err)
}

// Query runs a statement; the rows must be closed or read to their end before the next one.
func (tx *Tx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	span := tx.db.startSpan(ctx, sql)
	if tx.plain() {
		inner, err := tx.tx.Query(ctx, sql, args...)
		finish := traced(span, tx.ended(ctx))
		if err != nil {
			err = finish(err)
			return failed{err}, err
		}
		return &rows{Rows: inner, finish: finish}, nil
	}
	results, err := tx.together(ctx, func(b *pgx.Batch) { b.Queue(sql, args...) })
	if err != nil {
		endSpan(span, err)
		return failed{err}, err
	}
	finish := traced(span, tx.finished(ctx, results))
	inner, err := results.Query()
	if err != nil {
		err = finish(err)
		return failed{err}, err
	}
	return &rows{Rows: inner, finish: finish}, nil
}

// QueryRow runs a statement; the row must be scanned before the next one.
func (tx *Tx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	span := tx.db.startSpan(ctx, sql)
	if tx.plain() {
		return row{Row: tx.tx.QueryRow(ctx, sql, args...), finish: traced(span, tx.ended(ctx))}
	}
	results, err := tx.together(ctx, func(b *pgx.Batch) { b.Queue(sql, args...) })
	if err != nil {
		endSpan(span, err)
		return failed{err}
	}
	return row{Row: results.QueryRow(), finish: traced(span, tx.finished(ctx, results))}
}

// SendBatch runs several statements in one round trip; the results must be closed.
func (tx *Tx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if tx.plain() {
		return batchResults{tx.tx.SendBatch(ctx, b), tx.ended(ctx)}
	}
	results, err := tx.together(ctx, func(all *pgx.Batch) {
		all.QueuedQueries = append(all.QueuedQueries, b.QueuedQueries...)
	})
	if err != nil {
		return failedBatch{err}
	}
	return batchResults{results, tx.ended(ctx)}
}

// batchResults gives the errors of a batch their kind.
type batchResults struct {
	pgx.BatchResults
	ended func(error) error
}

// Exec reads the result of the next statement.
func (b batchResults) Exec() (pgconn.CommandTag, error) {
	tag, err := b.BatchResults.Exec()
	return tag, b.ended(err)
}

// Query reads the rows of the next statement.
func (b batchResults) Query() (pgx.Rows, error) {
	inner, err := b.BatchResults.Query()
	if err != nil {
		err = b.ended(err)
		return failed{err}, err
	}
	return &rows{Rows: inner, finish: b.ended}, nil
}

// QueryRow reads the one row of the next statement.
func (b batchResults) QueryRow() pgx.Row { return row{b.BatchResults.QueryRow(), b.ended} }

// Close ends the batch and returns its first error.
func (b batchResults) Close() error { return b.ended(b.BatchResults.Close()) }

// Tx returns nil: the transaction ends with the function it was given to.
func (b batchResults) Tx() pgx.Tx { return nil }

// Raw returns the transaction as pgx knows it, for libraries that take one (River). Its
// Commit and Rollback are not the caller's: InTx ends the transaction.
func (tx *Tx) Raw(ctx context.Context) (pgx.Tx, error) {
	if !tx.plain() {
		if err := tx.send(ctx); err != nil {
			return nil, err
		}
	}
	return guarded{tx.tx}, nil
}

// guarded is a transaction that its user cannot end.
type guarded struct{ pgx.Tx }

var errNotYours = errors.New("pg: InTx ends the transaction")

// Commit is refused.
func (guarded) Commit(context.Context) error { return errNotYours }

// Rollback is refused.
func (guarded) Rollback(context.Context) error { return errNotYours }
