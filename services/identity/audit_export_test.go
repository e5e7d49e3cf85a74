package identity_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/primecloud/primecloud/pkg/testkit"
	auditv1 "github.com/primecloud/primecloud/proto/gen/primecloud/audit/v1"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	optionsv1 "github.com/primecloud/primecloud/proto/gen/primecloud/options/v1"
	"github.com/primecloud/primecloud/services/identity"
)

// export downloads the account's trail.
func (w *world) export(ctx context.Context, r *auditv1.ExportAuditEntriesRequest) ([]byte, error) {
	w.t.Helper()
	stream, err := w.gateway().ExportAuditEntries(ctx, r)
	if err != nil {
		return nil, err
	}
	var file bytes.Buffer
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return file.Bytes(), nil
		}
		if err != nil {
			return file.Bytes(), err
		}
		file.Write(part.GetData())
	}
}

// trusted keeps the public keys in a file, as a third party does.
func (w *world) trusted() string {
	w.t.Helper()
	keys, err := w.gateway().GetAuditKeySet(testkit.Context(w.t), &auditv1.GetAuditKeySetRequest{})
	if err != nil || len(keys.GetKeys()) != 1 {
		w.t.Fatalf("%d keys, %v", len(keys.GetKeys()), err)
	}
	raw, err := protojson.Marshal(keys)
	if err != nil {
		w.t.Fatal(err)
	}
	name := filepath.Join(w.t.TempDir(), "keys.json")
	if err := os.WriteFile(name, raw, 0o600); err != nil {
		w.t.Fatal(err)
	}
	return name
}

// verifyTrail is `identity audit verify`.
func (w *world) verifyTrail(c identity.TrailCheck) (string, error) {
	var out bytes.Buffer
	err := identity.VerifyTrail(testkit.Context(w.t), w.database.AppURL, c, &out)
	return out.String(), err
}

func TestAnExportVerifiesOfflineAndIsInTheTrailItself(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	acme := anna.account("Acme").GetId()
	anna.eventually(acme, "account.create SUCCEEDED")
	check := identity.TrailCheck{Keys: w.trusted()}
	for _, format := range []auditv1.ExportAuditEntriesRequest_Format{
		auditv1.ExportAuditEntriesRequest_FORMAT_UNSPECIFIED, auditv1.ExportAuditEntriesRequest_FORMAT_CSV,
	} {
		file, err := w.export(anna.in(acme), &auditv1.ExportAuditEntriesRequest{AccountId: acme, Format: format})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := identity.VerifyExport(bytes.NewReader(file), check, &out); err != nil || !strings.Contains(out.String(), acme) {
			t.Errorf("%s: %v, %s", format, err, out.String())
		}
		if err := identity.VerifyExport(bytes.NewReader(file[:len(file)-1]), check, io.Discard); err == nil {
			t.Errorf("%s: a file without its tail verifies", format)
		}
	}
	entries := anna.eventually(acme, "account.create SUCCEEDED", "audit_entries.export STARTED", "audit_entries.export SUCCEEDED",
		"audit_entries.export STARTED", "audit_entries.export SUCCEEDED")
	if e := entries[1]; e.GetActor().GetId() != anna.id || e.GetMethod() != auditv1.AuditService_ExportAuditEntries_FullMethodName ||
		e.GetSeverity() != auditv1.AuditEntry_SEVERITY_NOTICE || e.GetRequestId() == "" {
		t.Errorf("the entry says %v", e)
	}
	for i, e := range entries {
		if e.GetSequence() != int64(i+1) || len(e.GetHash()) != 64 || e.GetAppendTime() == nil {
			t.Errorf("entry %d has the place %d, %s", i, e.GetSequence(), e.GetHash())
		}
	}
	t.Run("with a program of a third party", func(t *testing.T) {
		file, err := w.export(anna.in(acme), &auditv1.ExportAuditEntriesRequest{AccountId: acme, AfterSequence: 1})
		if err != nil {
			t.Fatal(err)
		}
		document, err := os.ReadFile("../../docs/audit.md")
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(document), "```python\n")
		program, _, found := strings.Cut(rest, "```")
		python, err := exec.LookPath("python3")
		if !found || err != nil {
			t.Fatalf("the program of the document cannot run: %v", err)
		}
		run := func(file []byte) error {
			name := filepath.Join(t.TempDir(), "export.jsonl")
			if err := os.WriteFile(name, file, 0o600); err != nil {
				return err
			}
			return exec.CommandContext(testkit.Context(t), python, "-c", program, name).Run()
		}
		if err := run(file); err != nil {
			t.Errorf("it does not verify: %v", err)
		}
		if err := run(bytes.Replace(file, []byte("NOTICE"), []byte("notice"), 1)); err == nil {
			t.Error("a changed file verifies")
		}
	})
	t.Run("but not beyond its end, nor for others", func(t *testing.T) {
		_, err := w.export(anna.in(acme), &auditv1.ExportAuditEntriesRequest{AccountId: acme, AfterSequence: 1000})
		wants(t, err, "SEQUENCE_INVALID")
		bert := w.login("bert")
		theirs := bert.account("Theirs").GetId()
		_, err = w.export(bert.in(theirs), &auditv1.ExportAuditEntriesRequest{AccountId: acme})
		wants(t, err, "NOT_FOUND")
		if _, err := w.gateway().CreateMembership(anna.in(acme), &identityv1.CreateMembershipRequest{AccountId: acme, UserId: bert.id, Role: optionsv1.Role_ROLE_VIEWER}); err != nil {
			t.Fatal(err)
		}
		_, err = w.export(bert.in(acme), &auditv1.ExportAuditEntriesRequest{AccountId: acme})
		wants(t, err, "ROLE_NOT_ALLOWED")
	})
}

func TestAnchorsOutsideTheDatabaseTellOfATailThatWasCutOff(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.config.AuditAnchors = filepath.Join(t.TempDir(), "anchors")
	w.start()
	anna := w.login("anna")
	acme := anna.account("Acme").GetId()
	anna.eventually(acme, "account.create SUCCEEDED")
	check := identity.TrailCheck{Anchors: w.config.AuditAnchors}
	if _, err := w.verifyTrail(check); err != nil {
		t.Fatal(err)
	}
	w.stop()
	w.clock.advance(2 * time.Hour)
	w.start() // a round of upkeep, which writes the next anchor
	testkit.Eventually(t, 20*time.Second, func() error {
		out, err := w.verifyTrail(check)
		if err == nil && !strings.Contains(out, "agree at 1 places") && !strings.Contains(out, "agree at 2 places") {
			err = errors.New(out)
		}
		return err
	})
	// Somebody with all rights on the database takes the account's whole chain away, and leaves no trace in it.
	w.stop()
	w.behind(`delete from identity.audit_entry where account_id = $1`, acme)
	w.behind(`delete from identity.audit_head where account_id = $1`, acme)
	if _, err := w.verifyTrail(check); err == nil || !strings.Contains(err.Error(), acme) {
		t.Errorf("with anchors: %v", err)
	}
	if out, err := w.verifyTrail(identity.TrailCheck{}); err != nil || !strings.Contains(out, "give -anchors") && !strings.Contains(out, "Give -anchors") {
		t.Errorf("without anchors nobody can know, and the command says so: %s, %v", out, err)
	}
}

func TestAChangedEntryIsFoundByTheVerifyCommand(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	acme := anna.account("Acme").GetId()
	anna.eventually(acme, "account.create SUCCEEDED")
	if out, err := w.verifyTrail(identity.TrailCheck{Keys: w.trusted()}); err != nil || !strings.Contains(out, "are whole") {
		t.Fatalf("%s, %v", out, err)
	}
	w.behind(`update identity.audit_entry set actor_id = 'usr_somebody' where account_id = $1`, acme)
	if _, err := w.verifyTrail(identity.TrailCheck{Keys: w.trusted()}); err == nil || !strings.Contains(err.Error(), "was changed") {
		t.Errorf("a changed entry: %v", err)
	}
	file, err := w.export(anna.in(acme), &auditv1.ExportAuditEntriesRequest{AccountId: acme})
	if err != nil {
		t.Fatal(err)
	}
	if err := identity.VerifyExport(bytes.NewReader(file), identity.TrailCheck{Keys: w.trusted()}, io.Discard); err == nil {
		t.Error("an export with a changed entry verifies")
	}
}

func TestTheRetentionDropsWholeMonthsAndTheRestVerifies(t *testing.T) {
	w := newWorld(t)
	w.stop()
	// The provider does not know of the test's clock, so that there is one login for all of it.
	w.config.SessionIdle, w.config.SessionAbsolute = 100*24*time.Hour, 200*24*time.Hour
	// The database drops nothing that is young by its own clock, so that this begins in the past, with a key of then.
	w.clock.advance(-70 * 24 * time.Hour)
	w.behind(`delete from identity.signing_key`)
	w.start()
	anna := w.login("anna")
	acme := anna.account("Acme").GetId()
	anna.eventually(acme, "account.create SUCCEEDED")
	w.stop()
	w.config.AuditRetention = 1
	w.clock.advance(70 * 24 * time.Hour)
	w.start()
	testkit.Eventually(t, 20*time.Second, func() error {
		if n := w.rows(`select count(*) from identity.audit_checkpoint where account_id = $1`, acme); n != 1 {
			return fmt.Errorf("%d checkpoints", n)
		}
		return nil
	})
	if _, err := w.gateway().UpdateAccount(anna.in(acme), &identityv1.UpdateAccountRequest{AccountId: acme, Account: &identityv1.Account{DisplayName: "Acme 2"}}); err != nil {
		t.Fatal(err)
	}
	anna.eventually(acme, "account.update SUCCEEDED")
	check := identity.TrailCheck{Keys: w.trusted()}
	if out, err := w.verifyTrail(check); err != nil || strings.Contains(out, " 0 begin at a checkpoint") {
		t.Errorf("%s, %v", out, err)
	}
	file, err := w.export(anna.in(acme), &auditv1.ExportAuditEntriesRequest{AccountId: acme})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := identity.VerifyExport(bytes.NewReader(file), check, &out); err != nil || !strings.Contains(out.String(), "were dropped up to") {
		t.Errorf("%s, %v", out.String(), err)
	}
}

func TestTheTrailIsFilteredByAllThatAnEntrySays(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	acme := anna.account("Acme").GetId()
	ctx := anna.in(acme)
	if _, err := w.gateway().CreateApiKey(ctx, keyFor(acme, "account.read")); err != nil {
		t.Fatal(err)
	}
	_, err := w.gateway().GetAccount(ctx, &identityv1.GetAccountRequest{AccountId: "acc_none"})
	wants(t, err, "NOT_FOUND")
	anna.eventually(acme, "account.create SUCCEEDED", "api_key.create SUCCEEDED", "account.get DENIED")
	for name, c := range map[string]struct {
		r    *auditv1.ListAuditEntriesRequest
		want []string
	}{
		"actor kind":    {&auditv1.ListAuditEntriesRequest{ActorKind: "person"}, []string{"account.get", "api_key.create", "account.create"}},
		"another kind":  {&auditv1.ListAuditEntriesRequest{ActorKind: "machine"}, nil},
		"prefix":        {&auditv1.ListAuditEntriesRequest{ActionPrefix: "account."}, []string{"account.get", "account.create"}},
		"no pattern":    {&auditv1.ListAuditEntriesRequest{ActionPrefix: "acc%"}, nil},
		"outcome":       {&auditv1.ListAuditEntriesRequest{Outcome: auditv1.AuditEntry_OUTCOME_DENIED}, []string{"account.get"}},
		"target kind":   {&auditv1.ListAuditEntriesRequest{TargetKind: "api_key"}, []string{"api_key.create"}},
		"severity":      {&auditv1.ListAuditEntriesRequest{MinSeverity: auditv1.AuditEntry_SEVERITY_WARNING}, []string{"account.get"}},
		"any severity":  {&auditv1.ListAuditEntriesRequest{MinSeverity: auditv1.AuditEntry_SEVERITY_INFO}, []string{"account.get", "api_key.create", "account.create"}},
		"service":       {&auditv1.ListAuditEntriesRequest{Service: "storage-provisioning"}, nil},
		"several":       {&auditv1.ListAuditEntriesRequest{Service: "identity", ActorId: anna.id, Outcome: auditv1.AuditEntry_OUTCOME_SUCCEEDED, ActionPrefix: "api"}, []string{"api_key.create"}},
		"other address": {&auditv1.ListAuditEntriesRequest{Address: "203.0.113.9"}, nil},
	} {
		c.r.AccountId = acme
		page, err := w.gateway().ListAuditEntries(ctx, c.r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, e := range page.GetAuditEntries() {
			got = append(got, e.GetAction())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: listed %v, want %v", name, got, c.want)
		}
	}
	page, err := w.gateway().ListAuditEntries(ctx, &auditv1.ListAuditEntriesRequest{AccountId: acme, PageSize: 1, MinSeverity: auditv1.AuditEntry_SEVERITY_NOTICE})
	if err != nil || page.GetNextPageToken() == "" {
		t.Fatalf("%v, %v", page, err)
	}
	_, err = w.gateway().ListAuditEntries(ctx, &auditv1.ListAuditEntriesRequest{AccountId: acme, PageToken: page.GetNextPageToken(), MinSeverity: auditv1.AuditEntry_SEVERITY_WARNING})
	wants(t, err, "PAGE_TOKEN_INVALID")
}
