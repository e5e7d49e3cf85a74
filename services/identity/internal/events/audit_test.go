package events_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/event"
	"github.com/primecloud/primecloud/pkg/event/envelope"
	auditv1 "github.com/primecloud/primecloud/proto/gen/primecloud/audit/v1"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	"github.com/primecloud/primecloud/services/identity/internal/account"
	"github.com/primecloud/primecloud/services/identity/internal/apikey"
	"github.com/primecloud/primecloud/services/identity/internal/audittrail"
	"github.com/primecloud/primecloud/services/identity/internal/events"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
	"github.com/primecloud/primecloud/services/identity/internal/user"
)

// heap is an appender in memory.
type heap struct{ entries []audittrail.Entry }

func (h *heap) AppendEntries(_ context.Context, entries []audittrail.Entry) error {
	h.entries = append(h.entries, entries...)
	return nil
}

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func carrying(payload []byte) event.Event {
	return event.Event{
		ID: "evt_1", Type: "primecloud.storage.audit.recorded.v1", AccountID: "acc_1", Time: now,
		Aggregate: event.Aggregate{Kind: "audit_entry", ID: "aud_1", Version: 1}, PayloadType: "primecloud.audit.v1.AuditRecorded", Payload: payload,
	}
}

func TestRecordAudit_keeps_everything_that_the_entry_says(t *testing.T) {
	after, err := structpb.NewStruct(map[string]any{"quota_bytes": "10", "versioned": true})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := proto.Marshal(&auditv1.AuditRecorded{AuditEntry: &auditv1.AuditEntry{
		Id: "aud_1", AccountId: "acc_1", Time: timestamppb.New(now), Service: "storage-provisioning", Action: "bucket.create",
		Severity: auditv1.AuditEntry_SEVERITY_WARNING, Outcome: auditv1.AuditEntry_OUTCOME_DENIED, Reason: "ROLE_NOT_ALLOWED",
		Actor:  &auditv1.AuditEntry_Actor{Kind: "person", Id: "usr_1", Role: "viewer", Address: "192.0.2.1", SessionId: "ses_1"},
		Target: &auditv1.AuditEntry_Target{Kind: "bucket", Id: "bkt_1", DisplayName: "acme"}, RequestId: "req_1", TraceId: "t", Method: "/m", After: after,
	}})
	if err != nil {
		t.Fatal(err)
	}
	kept := &heap{}
	if err := events.RecordAudit(t.Context(), kept, carrying(payload)); err != nil || len(kept.entries) != 1 {
		t.Fatalf("kept %d, %v", len(kept.entries), err)
	}
	got := kept.entries[0]
	var described map[string]any
	if err := json.Unmarshal(got.After, &described); err != nil || described["quota_bytes"] != "10" || described["versioned"] != true {
		t.Errorf("after is %s, %v", got.After, err)
	}
	got.After = nil
	want := audittrail.Entry{
		EventID: "evt_1", ID: "aud_1", AccountID: "acc_1", Time: now, Service: "storage-provisioning", Method: "/m", Action: "bucket.create",
		Severity: "WARNING", Outcome: "DENIED", Reason: "ROLE_NOT_ALLOWED",
		Actor:  audittrail.Actor{Kind: "person", ID: "usr_1", Role: "viewer", Address: "192.0.2.1", SessionID: "ses_1"},
		Target: audittrail.Target{Kind: "bucket", ID: "bkt_1", Name: "acme"}, RequestID: "req_1", TraceID: "t",
	}
	if text, wanted := mustJSON(t, got), mustJSON(t, want); text != wanted {
		t.Errorf("kept %s, want %s", text, wanted)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRecordAudit_refuses_what_is_no_entry_or_lies_about_its_account(t *testing.T) {
	other, err := proto.Marshal(&auditv1.AuditRecorded{AuditEntry: &auditv1.AuditEntry{Id: "aud_1", AccountId: "acc_2"}})
	if err != nil {
		t.Fatal(err)
	}
	wrong := carrying(nil)
	wrong.PayloadType = "primecloud.identity.v1.UserChanged"
	for name, e := range map[string]event.Event{"another account": carrying(other), "nonsense": carrying([]byte("nonsense")), "another payload": wrong, "nothing": carrying(nil)} {
		kept := &heap{}
		if err := events.RecordAudit(t.Context(), kept, e); err == nil || len(kept.entries) != 0 {
			t.Errorf("%s is kept", name)
		}
	}
}

func FuzzRecordAudit_keeps_only_whole_entries_of_the_right_account(f *testing.F) {
	whole, err := proto.Marshal(&auditv1.AuditRecorded{AuditEntry: &auditv1.AuditEntry{
		Id: "aud_1", AccountId: "acc_1", Time: timestamppb.New(now), Service: "s", Action: "a.b", Outcome: auditv1.AuditEntry_OUTCOME_DENIED,
		Actor: &auditv1.AuditEntry_Actor{Kind: "person"},
	}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Fuzz(func(t *testing.T, payload []byte) {
		kept := &heap{}
		if err := events.RecordAudit(t.Context(), kept, carrying(payload)); err != nil {
			return
		}
		if e := kept.entries[0]; e.AccountID != "acc_1" || e.ID == "" || e.Action == "" || e.Time.IsZero() {
			t.Errorf("kept %+v", e)
		}
	})
}

func TestEncoder_knows_every_concept_and_shows_no_secret(t *testing.T) {
	encode := events.Encoder(clock.NewManual(now))
	for verb, snapshot := range map[string]any{
		"account.created":    account.Account{ID: "acc_1", DisplayName: "Acme"},
		"membership.updated": membership.Membership{AccountID: "acc_1", UserID: "usr_1", Role: membership.Owner},
		"user.created":       user.User{ID: "usr_1"},
		"api_key.revoked":    apikey.Key{ID: "apk_1", AccountID: "acc_1"},
	} {
		kind, past, _ := strings.Cut(verb, ".")
		e, err := encode(t.Context(), unit.Change{Kind: kind, Verb: past, AccountID: "acc_1", ID: "x", Version: 3, Snapshot: snapshot})
		if err != nil {
			t.Errorf("%s: %v", verb, err)
			continue
		}
		raw, err := envelope.Encode(e)
		if err != nil || e.Type != "primecloud.identity."+verb+".v1" || e.Aggregate.Version != 3 || len(raw) == 0 {
			t.Errorf("%s gave %+v, %v", verb, e, err)
		}
	}
	if _, err := encode(t.Context(), unit.Change{Kind: "x", Verb: "y", ID: "z", Snapshot: 1}); err == nil {
		t.Error("an unknown concept gave an event")
	}
	// The contract itself has no field for a secret; this fails when somebody adds one.
	fields := (&identityv1.ApiKey{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		if name := string(fields.Get(i).Name()); strings.Contains(name, "secret") || strings.Contains(name, "hash") {
			t.Errorf("an event of an API key would show %s", name)
		}
	}
}
