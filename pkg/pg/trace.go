package pg

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// startSpan begins a span for a statement, if the call it belongs to is sampled at all;
// otherwise nil. A statement on its own makes no trace.
func (db *DB) startSpan(ctx context.Context, sql string) trace.Span {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return nil
	}
	name := statementName(sql)
	_, span := db.tracer.Start(ctx, "postgres."+name, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("db.system.name", "postgresql"), attribute.String("db.query.summary", name)))
	return span
}

func endSpan(span trace.Span, err error) {
	if span == nil {
		return
	}
	if err != nil && !NoRows(err) {
		// The server's text may quote values; its kind says enough here.
		span.SetStatus(codes.Error, "statement failed")
	}
	span.End()
}

// statementName returns sqlc's name of the statement ("-- name: GetBucket :one"), or its
// first word. Never the text itself, which might hold a value.
func statementName(sql string) string {
	if rest, ok := strings.CutPrefix(sql, "-- name: "); ok {
		if name, _, ok := strings.Cut(rest, " "); ok {
			return name
		}
	}
	word, _, _ := strings.Cut(strings.TrimSpace(sql), " ")
	if len(word) > 16 {
		return "statement"
	}
	return strings.ToLower(word)
}

// traced ends a span together with the rows it belongs to.
func traced(span trace.Span, finish func(error) error) func(error) error {
	if span == nil {
		return finish
	}
	ended := false
	return func(err error) error {
		err = finish(err)
		if !ended {
			ended = true
			endSpan(span, err)
		}
		return err
	}
}

var _ pgx.Rows = (*rows)(nil)
