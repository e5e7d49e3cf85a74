package errs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
)

var errTaken = errs.New(errs.AlreadyExists, "BUCKET_NAME_TAKEN", "choose another name").With("field", "name")

func TestWith_never_changes_the_error_it_refines(t *testing.T) {
	before := fmt.Sprintf("%+v %v", errTaken.Metadata(), errTaken)
	refined := errTaken.With("bucket", "acme").WithMessage("the name %q is taken", "acme").
		WithViolation(errs.Violation{Field: "name"}).WithRetryAfter(time.Second).Wrap(io.EOF)
	first, second := refined.WithViolation(errs.Violation{Field: "a"}), refined.WithViolation(errs.Violation{Field: "b"})
	refined.Metadata()["bucket"] = "changed"
	refined.Violations()[0].Field = "changed"
	if after := fmt.Sprintf("%+v %v", errTaken.Metadata(), errTaken); after != before || len(errTaken.Violations()) != 0 || errTaken.RetryAfter() != 0 {
		t.Errorf("the original became %s", after)
	}
	if refined.Metadata()["bucket"] != "acme" || refined.Metadata()["field"] != "name" || refined.Violations()[0].Field != "name" {
		t.Errorf("the refined one was changed from outside: %+v %+v", refined.Metadata(), refined.Violations())
	}
	if first.Violations()[1].Field != "a" || second.Violations()[1].Field != "b" {
		t.Error("two refinements share their violations")
	}
	if refined.RetryAfter() != time.Second || refined.Message() != `the name "acme" is taken` {
		t.Errorf("refined to %v", refined)
	}
}

func TestIs_matches_kind_and_reason_through_wrapping(t *testing.T) {
	wrapped := fmt.Errorf("create: %w", errTaken.With("bucket", "acme").Wrap(io.EOF))
	if !errors.Is(wrapped, errTaken) || !errors.Is(wrapped, io.EOF) {
		t.Errorf("%v does not match", wrapped)
	}
	for _, other := range []*errs.Error{
		errs.New(errs.AlreadyExists, "OTHER", ""), errs.New(errs.Aborted, errTaken.Reason(), ""),
	} {
		if errors.Is(wrapped, other) {
			t.Errorf("matches %v", other)
		}
	}
}

func TestError_shows_the_cause_to_the_log_and_not_to_the_caller(t *testing.T) {
	err := errTaken.Wrap(errors.New("duplicate key"))
	if got := err.Error(); got != "ALREADY_EXISTS BUCKET_NAME_TAKEN: choose another name: duplicate key" {
		t.Errorf("the log shows %q", got)
	}
	if strings.Contains(err.Message(), "duplicate") {
		t.Errorf("the caller is shown %q", err.Message())
	}
}

func TestKindOf_classifies_every_error(t *testing.T) {
	for _, tt := range []struct {
		err       error
		kind      errs.Kind
		reason    string
		retriable bool
	}{
		{fmt.Errorf("x: %w", errTaken), errs.AlreadyExists, "BUCKET_NAME_TAKEN", false},
		{errors.Join(io.EOF, errTaken), errs.AlreadyExists, "BUCKET_NAME_TAKEN", false},
		{errs.New(errs.Unavailable, "X", "").Wrap(context.Canceled), errs.Unavailable, "X", true},
		{fmt.Errorf("x: %w", context.DeadlineExceeded), errs.DeadlineExceeded, "", true},
		{context.Canceled, errs.Canceled, "", true},
		{io.EOF, errs.Internal, "", true},
		{errs.Newf(errs.InvalidArgument, "X", "%d", 1), errs.InvalidArgument, "X", false},
	} {
		if errs.KindOf(tt.err) != tt.kind || errs.ReasonOf(tt.err) != tt.reason || errs.Retriable(tt.err) != tt.retriable {
			t.Errorf("%v is %s %q, retriable %t", tt.err, errs.KindOf(tt.err), errs.ReasonOf(tt.err), errs.Retriable(tt.err))
		}
	}
	if _, ok := errs.As(nil); ok {
		t.Error("nil is classified")
	}
}

func TestKind_has_a_name_of_its_own(t *testing.T) {
	seen := map[string]bool{}
	for kind := errs.Internal; kind <= errs.Unknown; kind++ {
		name := kind.String()
		if name == "" || name != strings.ToUpper(name) || seen[name] {
			t.Errorf("kind %d is called %q", kind, name)
		}
		seen[name] = true
	}
}
