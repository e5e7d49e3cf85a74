package auditlog_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/audit/auditlog"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/event/envelope"
	"github.com/primecloud/primecloud/pkg/idempotency"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/testkit"
	auditv1 "github.com/primecloud/primecloud/proto/gen/primecloud/audit/v1"
)

func TestMain(m *testing.M) { testkit.Main(m) }

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// person is the context of a call as the interceptors leave it.
func person(ctx context.Context) context.Context {
	ctx = principal.NewContext(ctx, principal.Principal{
		Kind: principal.Person, ID: "usr_1", AccountID: "acc_1", Role: "admin", SessionID: "ses_1", Address: "192.0.2.7:4711",
	})
	ctx = idempotency.NewContext(ctx, idempotency.Key{Method: "/primecloud.storage.v1.BucketService/CreateBucket"})
	ctx = observe.WithRequestID(ctx, "req_1")
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
	}))
}

// entries returns what is in the outbox.
func entries(t *testing.T, db *pg.DB) []*auditv1.AuditEntry {
	t.Helper()
	rows, err := db.Read(pg.System("test")).Query(testkit.Context(t), "select payload from outbox order by seq")
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*auditv1.AuditEntry, error) {
		var raw []byte
		if err := row.Scan(&raw); err != nil {
			return nil, err
		}
		e, err := envelope.Decode(raw)
		if err != nil {
			return nil, err
		}
		if e.Type != "primecloud.storage.audit.recorded.v1" || e.PayloadType != "primecloud.audit.v1.AuditRecorded" {
			return nil, fmt.Errorf("event %+v", e)
		}
		var recorded auditv1.AuditRecorded
		err = proto.Unmarshal(e.Payload, &recorded)
		return recorded.GetAuditEntry(), err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func record(ctx context.Context, log *auditlog.Log, db *pg.DB, e audit.Entry) error {
	return db.InTx(ctx, pg.Account("acc_1"), func(ctx context.Context, tx *pg.Tx) error { return log.Record(ctx, tx, e) })
}

func TestRecord_takes_who_and_how_from_the_context(t *testing.T) {
	db := testkit.DB(t, "storage")
	log := auditlog.New("storage-provisioning", "storage", clock.NewManual(noon), testkit.Logger(t))
	err := record(person(testkit.Context(t)), log, db, audit.Entry{
		Action: "bucket.create", AccountID: "acc_1", Target: audit.Target{Kind: "bucket", ID: "bkt_1", Name: "photos"},
		After: map[string]any{"quota_bytes": "100", "versioning": true, "rules": []string{"a", "b"}, "labels": map[string]string{"x": "y"}, "count": 3},
	})
	if err != nil {
		t.Fatal(err)
	}
	list := entries(t, db)
	if len(list) != 1 {
		t.Fatalf("%d entries", len(list))
	}
	got := list[0]
	if !strings.HasPrefix(got.GetId(), "aud_") {
		t.Errorf("id %q", got.GetId())
	}
	got.Id = ""
	want := &auditv1.AuditEntry{}
	if err := protojson.Unmarshal([]byte(`{
		"accountId": "acc_1", "time": "2026-11-23T12:00:00Z", "service": "storage-provisioning", "action": "bucket.create",
		"severity": "SEVERITY_INFO", "outcome": "OUTCOME_SUCCEEDED",
		"actor": {"kind": "person", "id": "usr_1", "role": "admin", "address": "192.0.2.7:4711", "sessionId": "ses_1"},
		"target": {"kind": "bucket", "id": "bkt_1", "displayName": "photos"},
		"requestId": "req_1", "traceId": "01000000000000000000000000000000",
		"after": {"quota_bytes": "100", "versioning": true, "rules": ["a", "b"], "labels": {"x": "y"}, "count": 3},
		"method": "/primecloud.storage.v1.BucketService/CreateBucket"}`), want); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestRecord_names_the_service_for_background_work_and_warns_of_failures(t *testing.T) {
	db := testkit.DB(t, "storage")
	log := auditlog.New("storage-provisioning", "storage", clock.NewManual(noon), nil)
	err := record(testkit.Context(t), log, db, audit.Entry{Action: "bucket.repair", AccountID: "acc_1", Outcome: audit.Failed})
	if err != nil {
		t.Fatal(err)
	}
	got := entries(t, db)[0]
	if a := got.GetActor(); a.GetKind() != "system" || a.GetId() != "storage-provisioning" || got.GetSeverity() != auditv1.AuditEntry_SEVERITY_WARNING {
		t.Errorf("got %v", got)
	}
}

func TestRecord_drops_what_looks_like_a_secret_and_says_so(t *testing.T) {
	db := testkit.DB(t, "storage")
	var logged bytes.Buffer
	log := auditlog.New("storage-provisioning", "storage", clock.NewManual(noon), slog.New(slog.NewTextHandler(&logged, nil)))
	err := record(testkit.Context(t), log, db, audit.Entry{
		Action: "access_key.create", AccountID: "acc_1",
		Before: map[string]any{"Password": "hunter2"},
		After: map[string]any{
			"name": "ci", "secret_key": "hunter2", "accessKeyId": "hunter2", "api-token": "hunter2",
			"spec": map[string]any{"scope": "read", "credentials": []string{"hunter2"}},
			"list": []any{map[string]any{"id": "a", "private_key": "hunter2"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := entries(t, db)[0]
	text := protojson.Format(got)
	if strings.Contains(text, "hunter2") || strings.Contains(logged.String(), "hunter2") {
		t.Errorf("a secret got out:\n%s\n%s", text, logged.String())
	}
	for _, kept := range []string{"ci", "scope", `"a"`} {
		if !strings.Contains(text, kept) {
			t.Errorf("%s is lost:\n%s", kept, text)
		}
	}
	for _, named := range []string{"level=ERROR", "secret_key", "accessKeyId", "spec.credentials", "list.private_key", "Password"} {
		if !strings.Contains(logged.String(), named) {
			t.Errorf("the log does not name %s:\n%s", named, logged.String())
		}
	}
}

func TestRecord_keeps_no_text_that_the_trail_could_not_be_given(t *testing.T) {
	db := testkit.DB(t, "storage")
	log := auditlog.New("storage-provisioning", "storage", clock.NewManual(noon), nil)
	err := record(person(testkit.Context(t)), log, db, audit.Entry{
		Action: "bucket.get", AccountID: "acc_1", Target: audit.Target{Kind: "bucket", ID: "a\x00b", Name: "c\xffd"},
		After: map[string]any{"rules": []string{"e\x00f"}, "labels": map[string]string{"g\x00": "h\xff"}, "list": []any{"i\x00"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := entries(t, db)[0]
	if got.GetTarget().GetId() != "a\uFFFDb" || got.GetTarget().GetDisplayName() != "c\uFFFDd" {
		t.Errorf("the target is %v", got.GetTarget())
	}
	want := map[string]any{"rules": []any{"e\uFFFDf"}, "labels": map[string]any{"g\uFFFD": "h\uFFFD"}, "list": []any{"i\uFFFD"}}
	if after := got.GetAfter().AsMap(); !reflect.DeepEqual(after, want) {
		t.Errorf("after is %q", after)
	}
}

func TestRecord_refuses_what_is_no_entry(t *testing.T) {
	db := testkit.DB(t, "storage")
	log := auditlog.New("storage-provisioning", "storage", clock.NewManual(noon), nil)
	for name, e := range map[string]audit.Entry{
		"no action":                {AccountID: "acc_1"},
		"another account":          {Action: "bucket.create", AccountID: "acc_2"},
		"a value that is not JSON": {Action: "bucket.create", AccountID: "acc_1", After: map[string]any{"at": noon}},
	} {
		if err := record(testkit.Context(t), log, db, e); err == nil {
			t.Errorf("%s was recorded", name)
		}
	}
}

var (
	denied  = errs.New(errs.PermissionDenied, "ROLE_NOT_ALLOWED", "no")
	noLogin = errs.New(errs.Unauthenticated, "LOGIN_REQUIRED", "no")
)

const method = "/primecloud.audit.v1.AuditService/ListAuditEntries"

func TestRefusals(t *testing.T) {
	db := testkit.DB(t, "storage")
	moving := clock.NewManual(noon)
	log := auditlog.New("storage-provisioning", "storage", moving, testkit.Logger(t))
	refusals, err := auditlog.NewRefusals(log, db, auditlog.RefusalDeps{Logger: testkit.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(testkit.Context(t))
	done := make(chan error, 1)
	go func() { done <- refusals.Run(ctx) }()

	// With a login: entries in the caller's own account, up to a rate.
	member := principal.NewContext(ctx, principal.Principal{Kind: principal.Person, ID: "usr_1", AccountID: "acc_1", Address: "192.0.2.7:1"})
	for range 50 {
		refusals.Refused(member, method, &auditv1.ListAuditEntriesRequest{AccountId: "acc_2"}, denied)
	}
	// Without one: counted.
	for n := range 30 {
		address := []string{"192.0.2.8:1", "[2001:db8::1]:5", "[2001:db8::2]:5"}[n%3]
		stranger := principal.NewContext(ctx, principal.Principal{Kind: principal.Anonymous, Address: address})
		refusals.Refused(stranger, method, nil, noLogin)
	}
	testkit.Eventually(t, 10*time.Second, func() error {
		if n := len(entries(t, db)); n != 20 {
			return fmt.Errorf("%d entries", n)
		}
		return nil
	})
	got := entries(t, db)[0]
	if got.GetAction() != "audit_entries.list" || got.GetOutcome() != auditv1.AuditEntry_OUTCOME_DENIED || got.GetReason() != "ROLE_NOT_ALLOWED" ||
		got.GetAccountId() != "acc_1" || got.GetTarget().GetId() != "acc_2" || got.GetMethod() != method || got.GetActor().GetId() != "usr_1" {
		t.Errorf("got %v", got)
	}
	counts := func() string {
		var text string
		err := db.Read(pg.System("test")).QueryRow(testkit.Context(t), `select coalesce(string_agg(reason || ' ' || address || ' ' || count, ', ' order by address), '')
			from refusal_count where minute = $1 and service = 'storage-provisioning' and method = $2`, noon, method).Scan(&text)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	const want = "ROLE_NOT_ALLOWED 192.0.2.7 30, LOGIN_REQUIRED 192.0.2.8 10, LOGIN_REQUIRED 2001:db8::/64 20"
	testkit.Eventually(t, 10*time.Second, func() error {
		moving.Advance(10 * time.Second)
		if got := counts(); got != want {
			return fmt.Errorf("counts are %q", got)
		}
		return nil
	})
	// What is left at the end is written.
	last := principal.NewContext(ctx, principal.Principal{Kind: principal.Anonymous, Address: "198.51.100.1:1"})
	refusals.Refused(last, method, nil, noLogin)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	var n int
	if err := db.Read(pg.System("test")).QueryRow(testkit.Context(t), "select count from refusal_count where address = '198.51.100.1'").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
}

func TestRefusals_from_everywhere_do_not_fill_the_database(t *testing.T) {
	db := testkit.DB(t, "storage")
	moving := clock.NewManual(noon)
	refusals, err := auditlog.NewRefusals(auditlog.New("storage-provisioning", "storage", moving, nil), db, auditlog.RefusalDeps{Logger: testkit.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(testkit.Context(t))
	done := make(chan error, 1)
	go func() { done <- refusals.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	const flood, flushes = 1000, 3
	for round := range flushes {
		for n := range flood {
			address := fmt.Sprintf("[2001:db8:%x:%x::1]:5", round, n)
			refusals.Refused(principal.NewContext(ctx, principal.Principal{Kind: principal.Anonymous, Address: address}), method, nil, noLogin)
		}
		testkit.Eventually(t, 10*time.Second, func() error {
			moving.Advance(time.Second)
			var rows, counted int
			err := db.Read(pg.System("test")).QueryRow(testkit.Context(t), `select coalesce(max(rows), 0), coalesce(sum(counted), 0)
				from (select count(*) as rows, sum(count) as counted from refusal_count group by minute) as a_minute`).Scan(&rows, &counted)
			if err != nil {
				return err
			}
			if want := flood * (round + 1); counted != want {
				return fmt.Errorf("%d of %d are counted", counted, want)
			}
			if rows > 501 {
				t.Fatalf("%d rows in a minute after %d refusals", rows, counted)
			}
			return nil
		})
	}
}
