package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/pkg/access"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/idempotency"
	"github.com/primecloud/primecloud/pkg/revoke"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/token"
	optionsv1 "github.com/primecloud/primecloud/proto/gen/primecloud/options/v1"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// fails makes GetBucket fail with err.
func fails(w *world, err error) {
	w.buckets.get = func(context.Context, *storagev1.GetBucketRequest) (*storagev1.GetBucketResponse, error) {
		return nil, err
	}
}

func TestErrors_cross_the_wire_whole(t *testing.T) {
	w := start(t)
	sent := errs.New(errs.FailedPrecondition, "BUCKET_NOT_EMPTY", "the bucket holds 3 objects; delete them first").
		With("bucket", "b").With("objects", "3").WithRetryAfter(1500 * time.Millisecond).
		WithViolation(errs.Violation{Field: "bucket", Rule: "EMPTY", Description: "must be empty"}).
		Wrap(errors.New("a secret of the database"))
	fails(w, fmt.Errorf("use case: %w", sent))
	both(t, w, "", func(t *testing.T, conn grpc.ClientConnInterface) {
		w.lines.all(t)
		err := getBucket(header("x-request-id", "req-7")(as(t, "owner")), conn)
		got := wants(t, err, errs.FailedPrecondition, "BUCKET_NOT_EMPTY")
		if got.Message() != sent.Message() || got.Metadata()["objects"] != "3" || got.Metadata()["bucket"] != "b" ||
			got.RetryAfter() != sent.RetryAfter() || len(got.Violations()) != 1 || got.Violations()[0] != sent.Violations()[0] {
			t.Fatalf("got %+v", got)
		}
		if status.Code(err) != codes.FailedPrecondition {
			t.Fatalf("as a gRPC error it is %s", status.Code(err))
		}
		s := status.Convert(err)
		if strings.Contains(s.String(), "secret") {
			t.Fatalf("the cause is shown: %v", s)
		}
		var info *errdetails.ErrorInfo
		var request *errdetails.RequestInfo
		for _, d := range s.Details() {
			switch d := d.(type) {
			case *errdetails.ErrorInfo:
				info = d
			case *errdetails.RequestInfo:
				request = d
			}
		}
		if info.GetDomain() != "primecloud.storage" || request.GetRequestId() != "req-7" {
			t.Fatalf("details are %v", s.Details())
		}
		logged := w.lines.all(t)
		if len(logged) != 1 || !strings.Contains(fmt.Sprint(logged[0]["error"]), "a secret of the database") || logged[0]["reason"] != "BUCKET_NOT_EMPTY" ||
			logged[0]["level"] != "INFO" {
			t.Fatalf("logged %v", logged)
		}
	})
}

func TestErrors_that_quote_what_is_no_text_keep_their_details(t *testing.T) {
	sent := errs.New(errs.InvalidArgument, "REQUEST_INVALID", "there is no \xff").With("name", "\xff").
		WithViolation(errs.Violation{Field: "\xff", Rule: "UNKNOWN_FIELD", Description: "drop \xff"})
	got := wants(t, rpc.FromStatus(rpc.ToStatus(sent, "primecloud.storage", "req-1").Err()), errs.InvalidArgument, "REQUEST_INVALID")
	if got.Message() != "there is no \uFFFD" || got.Metadata()["name"] != "\uFFFD" ||
		len(got.Violations()) != 1 || got.Violations()[0] != (errs.Violation{Field: "\uFFFD", Rule: "UNKNOWN_FIELD", Description: "drop \uFFFD"}) {
		t.Errorf("got %+v", got)
	}
}

func TestErrors_that_nobody_classified_show_nothing(t *testing.T) {
	w := start(t)
	for name, unknown := range map[string]error{
		"an error":                errors.New("dsn=postgres://user:hunter2@db"),
		"a status by hand":        status.Error(codes.NotFound, "hunter2"),
		"a classified defect":     errs.New(errs.Internal, "INTERNAL", "hunter2"),
		"a defect with no reason": errs.New(errs.Internal, "", "hunter2"),
	} {
		fails(w, unknown)
		t.Run(name, func(t *testing.T) {
			both(t, w, "", func(t *testing.T, conn grpc.ClientConnInterface) {
				w.lines.all(t)
				got := wants(t, getBucket(as(t, "owner"), conn), errs.Internal, "INTERNAL")
				if strings.Contains(got.Error(), "hunter2") || !strings.Contains(got.Message(), "request id") {
					t.Fatalf("shown: %v", got)
				}
				logged := w.lines.all(t)
				if len(logged) != 1 || logged[0]["level"] != "ERROR" || !strings.Contains(fmt.Sprint(logged[0]["error"]), "hunter2") {
					t.Fatalf("logged %v", logged)
				}
			})
		})
	}
}

func TestPanic_is_an_internal_error_and_the_server_goes_on(t *testing.T) {
	w := start(t)
	w.buckets.get = func(_ context.Context, r *storagev1.GetBucketRequest) (*storagev1.GetBucketResponse, error) {
		panic("hunter2 " + r.GetBucket())
	}
	both(t, w, "", func(t *testing.T, conn grpc.ClientConnInterface) {
		w.lines.all(t)
		got := wants(t, getBucket(as(t, "owner"), conn), errs.Internal, "INTERNAL")
		if strings.Contains(got.Error(), "hunter2") {
			t.Fatalf("shown: %v", got)
		}
		logged := w.lines.all(t)
		if len(logged) != 1 || !strings.Contains(fmt.Sprint(logged[0]["error"]), "panic: hunter2 b") ||
			!strings.Contains(fmt.Sprint(logged[0]["stack"]), "status_test.go") {
			t.Fatalf("logged %v", logged)
		}
		_, err := storagev1.NewBucketServiceClient(conn).CreateBucket(as(t, "owner"), &storagev1.CreateBucketRequest{AccountId: mine, Name: "b"})
		if err != nil {
			t.Fatalf("the next call: %v", err)
		}
	})
}

func TestContextErrors_are_the_callers(t *testing.T) {
	w := start(t)
	for name, c := range map[string]struct {
		err    error
		kind   errs.Kind
		reason string
	}{
		"a deadline":     {fmt.Errorf("query: %w", context.DeadlineExceeded), errs.DeadlineExceeded, "DEADLINE_EXCEEDED"},
		"a cancellation": {fmt.Errorf("query: %w", context.Canceled), errs.Canceled, "CANCELED"},
	} {
		fails(w, c.err)
		both(t, w, "", func(t *testing.T, conn grpc.ClientConnInterface) {
			if got := wants(t, getBucket(as(t, "owner"), conn), c.kind, c.reason); strings.Contains(got.Message(), "query") {
				t.Errorf("%s: shown %v", name, got)
			}
		})
	}
}

func TestFromStatus_of_a_dead_server_is_unavailable_without_its_address(t *testing.T) {
	w := start(t)
	conn, err := rpc.Dial(rpc.ClientConfig{Target: "127.0.0.1:1", Service: "gateway"}, rpc.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	err = getBucket(as(t, "owner"), conn)
	got := wants(t, err, errs.Unavailable, "DEPENDENCY_UNAVAILABLE")
	if strings.Contains(got.Message(), "127.0.0.1") || got.Unwrap() == nil || status.Code(err) != codes.Unavailable {
		t.Fatalf("got %v", got)
	}
	t.Run("and stays so when it is passed on", func(t *testing.T) {
		fails(w, err)
		wants(t, getBucket(as(t, "owner"), w.dial(t, "")), errs.Unavailable, "DEPENDENCY_UNAVAILABLE")
	})
}

func TestToStatus_keeps_the_domain_of_an_error_that_is_passed_on(t *testing.T) {
	there := rpc.ToStatus(errs.New(errs.NotFound, "USER_NOT_FOUND", "no such user"), rpc.Domain("identity"), "req_1")
	domain := func(err error) string {
		for _, d := range rpc.ToStatus(err, rpc.Domain("storage"), "req_2").Details() {
			if info, ok := d.(*errdetails.ErrorInfo); ok {
				return info.GetDomain() + "/" + info.GetReason()
			}
		}
		return ""
	}
	came := rpc.FromStatus(there.Err())
	if got := domain(came); got != "primecloud.identity/USER_NOT_FOUND" {
		t.Errorf("passed on as it came: %s", got)
	}
	if got := domain(fmt.Errorf("asking identity: %w", came)); got != "primecloud.identity/USER_NOT_FOUND" {
		t.Errorf("passed on wrapped: %s", got)
	}
	if got := domain(errs.New(errs.Internal, "INTERNAL", "").Wrap(came)); got != "primecloud.storage/INTERNAL" {
		t.Errorf("classified anew: %s", got)
	}
}

func TestFromStatus_inverts_ToStatus(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		kind := errs.Kind(rapid.IntRange(int(errs.InvalidArgument), int(errs.Unknown)).Draw(r, "kind"))
		sent := errs.New(kind, rapid.StringMatching(`[A-Z][A-Z_]{2,20}`).Draw(r, "reason"), rapid.String().Draw(r, "message"))
		for range rapid.IntRange(0, 3).Draw(r, "metadata") {
			sent = sent.With(rapid.StringMatching(`[a-z]{1,5}`).Draw(r, "key"), rapid.String().Draw(r, "value"))
		}
		got, ok := errs.As(rpc.FromStatus(rpc.ToStatus(sent, "primecloud.storage", "r").Err()))
		if !ok || !got.Is(sent) || got.Message() != sent.Message() || len(got.Metadata()) != len(sent.Metadata()) {
			r.Fatalf("sent %v, got %v", sent, got)
		}
		for key, value := range sent.Metadata() {
			if got.Metadata()[key] != value {
				r.Fatalf("metadata %q is %q, sent %q", key, got.Metadata()[key], value)
			}
		}
	})
}

func TestFromStatus_of_a_foreign_status_gives_a_reason_of_the_contract(t *testing.T) {
	if rpc.FromStatus(nil) != nil || rpc.ToStatus(nil, "d", "r") != nil {
		t.Fatal("no error became one")
	}
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		e, ok := errs.As(rpc.FromStatus(status.Error(code, "10.0.0.1 said hunter2")))
		if !ok || strings.Contains(e.Message(), "hunter2") {
			t.Errorf("%s became %v", code, e)
			continue
		}
		if _, known := optionsv1.ErrorReason_value["ERROR_REASON_"+e.Reason()]; !known {
			t.Errorf("%s got reason %q, which the contract does not have", code, e.Reason())
		}
		if code == codes.Unavailable && e.Kind() != errs.Unavailable {
			t.Errorf("Unavailable became %s", e.Kind())
		}
	}
}

func TestReasons_of_the_mechanisms_are_in_the_contract(t *testing.T) {
	for _, err := range []error{
		access.ErrAccountSuspended, access.ErrCallerNotAllowed, access.ErrLoginRequired, access.ErrNotFound, access.ErrRoleNotAllowed,
		access.ErrScopeMissing, token.ErrExpired, token.ErrInvalid, token.ErrNotReady, revoke.ErrRevoked,
		revoke.NewView(revoke.Config{Clock: clock.System()}).RequireFresh(t.Context()),
		idempotency.ErrInProgress, idempotency.ErrInvalid, idempotency.ErrReused,
	} {
		if _, known := optionsv1.ErrorReason_value["ERROR_REASON_"+errs.ReasonOf(err)]; !known {
			t.Errorf("%v: the contract has no such reason", err)
		}
	}
}
