package pg

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// Querier runs statements in a scope. It is what sqlc's generated code takes.
type Querier interface {
	// Exec runs a statement and returns how many rows it touched.
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	// Query runs a statement; the rows must be closed or read to their end.
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	// QueryRow runs a statement; the row must be scanned.
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// rows are the rows of the last statement of a batch: they end the batch, and whatever
// was borrowed for it, when they are closed.
type rows struct {
	pgx.Rows
	// finish ends the batch and gives the error its kind. It may be called again.
	finish func(error) error
	err    error
}

// Close ends the rows and what was borrowed for them.
func (r *rows) Close() {
	r.Rows.Close()
	r.err = r.finish(r.Rows.Err())
}

// Next moves on, and closes the rows after the last one.
func (r *rows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

// Err returns what went wrong, if the rows are closed.
func (r *rows) Err() error {
	if r.err != nil {
		return r.err
	}
	return r.Rows.Err()
}

// row is the one row of the last statement of a batch.
type row struct {
	pgx.Row
	finish func(error) error
}

// Scan reads the row and ends what was borrowed for it.
func (r row) Scan(dest ...any) error { return r.finish(r.Row.Scan(dest...)) }

// failed is a row, or no rows, of a statement that never ran.
type failed struct{ err error }

func (f failed) Scan(...any) error                            { return f.err }
func (f failed) Close()                                       {}
func (f failed) Err() error                                   { return f.err }
func (f failed) CommandTag() pgconn.CommandTag                { return pgconn.CommandTag{} }
func (f failed) FieldDescriptions() []pgconn.FieldDescription { return nil }
func (f failed) Next() bool                                   { return false }
func (f failed) Values() ([]any, error)                       { return nil, f.err }
func (f failed) RawValues() [][]byte                          { return nil }
func (f failed) Conn() *pgx.Conn                              { return nil }
func (f failed) TypeMap() *pgtype.Map                         { return pgtype.NewMap() }

// failedBatch is a batch that never ran.
type failedBatch struct{ err error }

func (f failedBatch) Exec() (pgconn.CommandTag, error) { return pgconn.CommandTag{}, f.err }
func (f failedBatch) Query() (pgx.Rows, error)         { return failed(f), f.err }
func (f failedBatch) QueryRow() pgx.Row                { return failed(f) }
func (f failedBatch) Close() error                     { return f.err }
func (f failedBatch) Tx() pgx.Tx                       { return nil }
