package pg

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"github.com/primecloud/primecloud/pkg/errs"
)

// ErrUnavailable is returned while the database cannot be reached or is overloaded.
// Nothing of the call has been committed.
var ErrUnavailable = errs.New(errs.Unavailable, "DATABASE_UNAVAILABLE",
	"the service's database cannot be reached; try again in a moment").WithRetryAfter(time.Second)

// ErrOutcomeUnknown is returned when the connection was lost during a commit.
var ErrOutcomeUnknown = errs.New(errs.Unknown, "OUTCOME_UNKNOWN",
	"whether it was done could not be recorded; retry with the same idempotency key to learn which it was").
	WithRetryAfter(time.Second)

func unavailable(cause error) error { return ErrUnavailable.Wrap(cause) }

// NoRows reports whether err says that a query found nothing.
func NoRows(err error) bool { return errors.Is(err, pgx.ErrNoRows) }

// IsUnique reports whether err is a violation of the named unique index or constraint;
// an empty name stands for any.
func IsUnique(err error, constraint string) bool { return violates(err, "23505", constraint) }

// IsForeignKey reports whether err is a violation of the named foreign key; an empty name
// stands for any.
func IsForeignKey(err error, constraint string) bool { return violates(err, "23503", constraint) }

// IsCheck reports whether err is a violation of the named check; an empty name stands for any.
func IsCheck(err error, constraint string) bool { return violates(err, "23514", constraint) }

// IsDefect reports whether the database refused a statement for what it is and not for its
// data: a right, a column, a function that says no. That is a fault of ours, which goes away
// with a deployment, and not of whoever gave the data.
func IsDefect(err error) bool {
	var e *pgconn.PgError
	// Class 22 is data that cannot be, 23 data that breaks a constraint.
	return errors.As(err, &e) && !strings.HasPrefix(e.Code, "22") && !strings.HasPrefix(e.Code, "23")
}

// IsUnavailable reports whether err says that the database could not be reached.
func IsUnavailable(err error) bool { return errors.Is(err, ErrUnavailable) }

func violates(err error, code, constraint string) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == code && (constraint == "" || e.ConstraintName == constraint)
}

// classify gives trouble with the connection or the server its kind; every other error is
// returned as it is, for the store that asked.
func classify(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if _, done := errs.As(err); done {
		return err
	}
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return classifyServer(server, err)
	}
	// The caller's own deadline or cancellation is no fault of the database.
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), err)
	}
	if isConnectionTrouble(err) {
		return unavailable(err)
	}
	return err
}

func classifyServer(server *pgconn.PgError, err error) error {
	switch code := server.Code; {
	case code == "22021", code == "22P05": // text that PostgreSQL cannot keep, plain or in JSON: protobuf and JSON allow U+0000, it does not
		return errs.New(errs.InvalidArgument, "REQUEST_INVALID", "text must not contain the character U+0000").Wrap(err)
	case code == "57014": // the statement timeout, as a cancellation is the caller's context
		return errs.New(errs.DeadlineExceeded, "DEADLINE_EXCEEDED", "the database took too long; retry later").Wrap(err)
	case givenUp(code), isRetriable(code), code == "55P03": // still so after all tries; a lock that is not to be had
		return unavailable(err)
	case strings.HasPrefix(code, "08"), strings.HasPrefix(code, "53"), strings.HasPrefix(code, "57P"), code == "25006":
		return unavailable(err)
	default:
		return err
	}
}

// isRetriable tells whether the transaction was a victim of others, and may just run again.
func isRetriable(code string) bool { return code == "40001" || code == "40P01" }

// givenUp tells whether the server rolled the transaction back because nothing was heard of
// it for too long: it was gone before the statement or the commit that learns of it.
func givenUp(code string) bool { return code == "25P03" || code == "25P04" }

func isConnectionTrouble(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, puddle.ErrClosedPool) || pgconn.SafeToRetry(err)
}

// commitOutcome classifies the error of a commit: only an answer of the server, or the
// certainty that it was never asked, says that the transaction is gone.
func commitOutcome(ctx context.Context, err error) error {
	var server *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrTxCommitRollback):
		return errors.Join(errors.New("the transaction had failed before its commit: an error of a statement was dropped"), err)
	case pgconn.SafeToRetry(err), errors.As(err, &server) && givenUp(server.Code):
		return unavailable(err)
	case errors.As(err, &server) && !fatal(server) &&
		!strings.HasPrefix(server.Code, "08") && !strings.HasPrefix(server.Code, "57P") && server.Code != "40003":
		return classify(ctx, err)
	default:
		return ErrOutcomeUnknown.Wrap(err)
	}
}

// fatal tells whether the server ended the connection with this error.
func fatal(e *pgconn.PgError) bool {
	return e.SeverityUnlocalized == "FATAL" || e.SeverityUnlocalized == "PANIC"
}
