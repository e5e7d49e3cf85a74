package identity_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/primecloud/primecloud/pkg/bus"
	"github.com/primecloud/primecloud/pkg/event"
	"github.com/primecloud/primecloud/pkg/event/envelope"
	"github.com/primecloud/primecloud/pkg/revoke"
	"github.com/primecloud/primecloud/pkg/testkit"
	auditv1 "github.com/primecloud/primecloud/proto/gen/primecloud/audit/v1"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	optionsv1 "github.com/primecloud/primecloud/proto/gen/primecloud/options/v1"
)

// trail lists the whole audit trail of an account, oldest first, as "action outcome".
func (p person) trail(accountID string) ([]*auditv1.AuditEntry, []string, error) {
	var entries []*auditv1.AuditEntry
	request := &auditv1.ListAuditEntriesRequest{AccountId: accountID, PageSize: 2}
	for {
		page, err := p.w.gateway().ListAuditEntries(p.in(accountID), request)
		if err != nil {
			return nil, nil, err
		}
		entries = append(entries, page.GetAuditEntries()...)
		if request.PageToken = page.GetNextPageToken(); request.GetPageToken() == "" {
			break
		}
	}
	slices.Reverse(entries)
	var actions []string
	for _, e := range entries {
		actions = append(actions, e.GetAction()+" "+strings.TrimPrefix(e.GetOutcome().String(), "OUTCOME_"))
	}
	return entries, actions, nil
}

// eventually waits until the trail of the account is as wanted.
func (p person) eventually(accountID string, want ...string) []*auditv1.AuditEntry {
	p.w.t.Helper()
	var entries []*auditv1.AuditEntry
	testkit.Eventually(p.w.t, 20*time.Second, func() error {
		got, actions, err := p.trail(accountID)
		if err != nil {
			return err
		}
		if entries = got; !slices.Equal(actions, want) {
			return fmt.Errorf("the trail has %v, want %v", actions, want)
		}
		return nil
	})
	return entries
}

func TestEveryChange_is_in_the_audit_trail_with_who_did_it(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	acme := anna.account("Acme").GetId()
	ctx := anna.in(acme)
	if _, err := w.gateway().UpdateAccount(ctx, &identityv1.UpdateAccountRequest{AccountId: acme, Account: &identityv1.Account{DisplayName: "Acme 2"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.gateway().CreateMembership(ctx, &identityv1.CreateMembershipRequest{AccountId: acme, UserId: bert.id, Role: optionsv1.Role_ROLE_VIEWER}); err != nil {
		t.Fatal(err)
	}
	key, err := w.gateway().CreateApiKey(ctx, keyFor(acme, "account.read"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.gateway().RevokeApiKey(ctx, &identityv1.RevokeApiKeyRequest{AccountId: acme, ApiKeyId: key.GetApiKey().GetId()}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.gateway().DeleteMembership(ctx, &identityv1.DeleteMembershipRequest{AccountId: acme, UserId: bert.id}); err != nil {
		t.Fatal(err)
	}
	entries := anna.eventually(acme, "account.create SUCCEEDED", "account.update SUCCEEDED", "membership.create SUCCEEDED",
		"api_key.create SUCCEEDED", "api_key.revoke SUCCEEDED", "membership.delete SUCCEEDED")
	for _, e := range entries {
		if e.GetActor().GetId() != anna.id || e.GetActor().GetKind() != "person" || e.GetService() != "identity" ||
			e.GetRequestId() == "" || !strings.HasPrefix(e.GetMethod(), "/primecloud.identity.v1.") || e.GetAccountId() != acme {
			t.Errorf("the entry says %v", e)
		}
		if strings.Contains(e.String(), key.GetSecret()) {
			t.Error("an entry shows the secret of a key")
		}
	}
	if update := entries[1]; update.GetBefore().AsMap()["display_name"] != "Acme" || update.GetAfter().AsMap()["display_name"] != "Acme 2" {
		t.Errorf("the update shows %v and %v", update.GetBefore(), update.GetAfter())
	}
	t.Run("and can be narrowed", func(t *testing.T) {
		for name, r := range map[string]*auditv1.ListAuditEntriesRequest{
			"by action": {Action: "account.update"}, "by target": {TargetId: key.GetApiKey().GetId()}, "by actor": {ActorId: anna.id},
			"by nothing that is there": {ActorId: "usr_none"}, "by a period": {EndTime: entries[2].GetTime()},
		} {
			want := map[string]int{"by action": 1, "by target": 2, "by actor": 6, "by nothing that is there": 0, "by a period": 2}[name]
			r.AccountId = acme
			page, err := w.gateway().ListAuditEntries(ctx, r)
			if err != nil || len(page.GetAuditEntries()) != want {
				t.Errorf("%s gave %d entries, %v", name, len(page.GetAuditEntries()), err)
			}
		}
		_, err := w.gateway().ListAuditEntries(ctx, &auditv1.ListAuditEntriesRequest{
			AccountId: acme, StartTime: timestamppb.Now(), EndTime: timestamppb.New(time.Now().Add(-time.Hour)),
		})
		wants(t, err, "PERIOD_INVALID")
		page, err := w.gateway().ListAuditEntries(ctx, &auditv1.ListAuditEntriesRequest{AccountId: acme, PageSize: 1})
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.gateway().ListAuditEntries(ctx, &auditv1.ListAuditEntriesRequest{AccountId: acme, PageToken: page.GetNextPageToken(), Action: "account.update"})
		wants(t, err, "PAGE_TOKEN_INVALID")
	})
	t.Run("but not by a member without the right, nor from another account", func(t *testing.T) {
		theirs := bert.account("Theirs").GetId()
		_, err := w.gateway().ListAuditEntries(bert.in(theirs), &auditv1.ListAuditEntriesRequest{AccountId: acme})
		wants(t, err, "NOT_FOUND")
	})
}

func TestNothing_is_lost_while_NATS_is_down_or_when_its_store_is_gone(t *testing.T) {
	t.Parallel() // it waits most of its time
	w := newWorld(t)
	anna := w.login("anna")
	acme := anna.account("Acme").GetId()
	anna.eventually(acme, "account.create SUCCEEDED")
	if err := w.nats.Kill(); err != nil {
		t.Fatal(err)
	}
	rename := func(name string) {
		t.Helper()
		ctx := anna.in(acme)
		if _, err := w.gateway().UpdateAccount(ctx, &identityv1.UpdateAccountRequest{AccountId: acme, Account: &identityv1.Account{DisplayName: name}}); err != nil {
			t.Fatal(err)
		}
	}
	rename("while it was down")
	if _, actions, err := anna.trail(acme); err != nil || len(actions) != 1 {
		t.Errorf("the trail has %v, %v", actions, err)
	}
	if err := w.nats.Start(testkit.Context(t)); err != nil {
		t.Fatal(err)
	}
	anna.eventually(acme, "account.create SUCCEEDED", "account.update SUCCEEDED")
	if err := w.nats.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(w.nats.Store); err != nil {
		t.Fatal(err)
	}
	rename("while its store was lost")
	if err := w.nats.Start(testkit.Context(t)); err != nil {
		t.Fatal(err)
	}
	// The first two come again and are known.
	anna.eventually(acme, "account.create SUCCEEDED", "account.update SUCCEEDED", "account.update SUCCEEDED")
	if n := w.rows(`select count(*) from identity.dead_letter`); n != 0 {
		t.Errorf("%d events were given up", n)
	}
}

// watch returns what other services see of revocations.
func (w *world) watch() *revoke.View {
	w.t.Helper()
	js := w.broker("test")
	service := clientsOf(w.dial("storage-provisioning"))
	view := revoke.NewView(revoke.Config{Clock: w.clock, Fetch: func(ctx context.Context) (revoke.Snapshot, error) {
		answer, err := service.GetRevocationSnapshot(ctx, &identityv1.GetRevocationSnapshotRequest{})
		snapshot := revoke.Snapshot{Epoch: answer.GetEpoch()}
		for _, e := range answer.GetRevocations() {
			kind := strings.ToLower(strings.TrimPrefix(e.GetKind().String(), "REVOCATION_KIND_"))
			snapshot.Entries = append(snapshot.Entries, revoke.Entry{
				Epoch: e.GetEpoch(), Kind: revoke.Kind(kind), Subject: e.GetSubject(), ExpiresAt: e.GetExpireTime().AsTime(),
			})
		}
		return snapshot, err
	}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- view.Run(ctx, js) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
	return view
}

func TestRevocations_reach_other_services_through_NATS(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	view := w.watch()
	testkit.Eventually(t, 10*time.Second, func() error { return view.RequireFresh(testkit.Context(t)) })
	for logout := range 3 {
		if _, err := w.gateway().DeleteSession(testkit.Context(t), &identityv1.DeleteSessionRequest{SessionSecret: anna.secret}); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, 5*time.Second, func() error {
			if got := view.Epoch(); got != int64(logout+1) {
				return fmt.Errorf("the view is at epoch %d after logout %d", got, logout+1)
			}
			return nil
		})
		anna = w.login("anna")
	}
}

func TestEvents_tell_of_accounts_as_they_are(t *testing.T) {
	w := newWorld(t)
	acme := w.login("anna").account("Acme")
	js := w.broker("test")
	testkit.Eventually(t, 10*time.Second, func() error {
		stream, err := js.Stream(testkit.Context(t), "IDENTITY")
		if err != nil {
			return err
		}
		msg, err := stream.GetLastMsgForSubject(testkit.Context(t), "primecloud.identity.account.created.v1")
		if err != nil {
			return err
		}
		e, err := envelope.Decode(msg.Data)
		if err != nil {
			return err
		}
		var payload identityv1.AccountChanged
		if err := proto.Unmarshal(e.Payload, &payload); err != nil {
			return err
		}
		if e.AccountID != acme.GetId() || e.Aggregate.Version != 1 || payload.GetAccount().GetDisplayName() != "Acme" {
			return errors.New("the event says " + payload.String())
		}
		return nil
	})
}

// ofStorage is an event of storage-provisioning that brings an audit entry.
func ofStorage(t *testing.T, id, about string, entry *auditv1.AuditEntry) []byte {
	t.Helper()
	payload, err := proto.Marshal(&auditv1.AuditRecorded{AuditEntry: entry})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := envelope.Encode(event.Event{
		ID: id, Type: "primecloud.storage.audit.recorded.v1", AccountID: about, Time: entry.GetTime().AsTime(),
		Aggregate:   event.Aggregate{Kind: "audit_entry", ID: entry.GetId(), Version: 1},
		PayloadType: "primecloud.audit.v1.AuditRecorded", Payload: payload,
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestAudit_entries_of_other_services_are_stored_once_and_lies_are_put_aside(t *testing.T) {
	t.Parallel() // it waits most of its time
	w := newWorld(t)
	anna := w.login("anna")
	acme, other := anna.account("Acme").GetId(), anna.account("Other").GetId()
	anna.eventually(acme, "account.create SUCCEEDED")
	js := w.broker("test")
	if _, err := bus.EnsureStream(testkit.Context(t), js, "storage"); err != nil {
		t.Fatal(err)
	}
	publish := func(raw []byte) {
		t.Helper()
		if _, err := js.Publish(testkit.Context(t), "primecloud.storage.audit.recorded.v1", raw); err != nil {
			t.Fatal(err)
		}
	}
	entry := &auditv1.AuditEntry{
		Id: "aud_1", AccountId: acme, Time: timestamppb.New(time.Now().Add(time.Second)), Service: "storage-provisioning",
		Action: "bucket.create", Outcome: auditv1.AuditEntry_OUTCOME_FAILED, Actor: &auditv1.AuditEntry_Actor{Kind: "person", Id: anna.id},
	}
	genuine := ofStorage(t, "evt_1", acme, entry)
	// Without a message id JetStream takes the copy, so the consumer must know it.
	publish(genuine)
	publish(genuine)
	publish(ofStorage(t, "evt_2", other, entry))
	publish([]byte("nonsense"))
	anna.eventually(acme, "account.create SUCCEEDED", "bucket.create FAILED")
	testkit.Eventually(t, 20*time.Second, func() error {
		if n := w.rows(`select count(*) from identity.dead_letter`); n != 2 {
			return fmt.Errorf("%d events were put aside", n)
		}
		return nil
	})
	if _, actions, err := anna.trail(other); err != nil || !slices.Equal(actions, []string{"account.create SUCCEEDED"}) {
		t.Errorf("the other account's trail has %v, %v", actions, err)
	}
	// A refused message is never acknowledged.
	brief, cancel := context.WithTimeout(testkit.Context(t), time.Second)
	defer cancel()
	if _, err := w.broker("identity").Publish(brief, "primecloud.storage.audit.recorded.v1", genuine); err == nil {
		t.Error("identity may speak for storage")
	}
}

func TestRefused_calls_are_in_the_trail_of_the_callers_account_and_others_are_counted(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	acme, theirs := anna.account("Acme").GetId(), bert.account("Theirs").GetId()
	if _, err := w.gateway().CreateMembership(anna.in(acme), &identityv1.CreateMembershipRequest{AccountId: acme, UserId: bert.id, Role: optionsv1.Role_ROLE_ADMIN}); err != nil {
		t.Fatal(err)
	}
	asAdmin := bert.in(acme)
	_, err := w.gateway().GetAccount(asAdmin, &identityv1.GetAccountRequest{AccountId: theirs})
	wants(t, err, "NOT_FOUND")
	_, err = w.gateway().DeleteMembership(asAdmin, &identityv1.DeleteMembershipRequest{AccountId: acme, UserId: anna.id})
	wants(t, err, "ROLE_TOO_HIGH")
	// What PostgreSQL cannot keep must not keep an attempt out of the trail.
	_, err = w.gateway().GetAccount(asAdmin, &identityv1.GetAccountRequest{AccountId: "acc_\x00"})
	wants(t, err, "NOT_FOUND")
	entries := anna.eventually(acme, "account.create SUCCEEDED", "membership.create SUCCEEDED", "account.get DENIED", "membership.delete DENIED",
		"account.get DENIED")
	if e := entries[2]; e.GetReason() != "NOT_FOUND" || e.GetActor().GetId() != bert.id || e.GetTarget().GetId() != theirs ||
		e.GetSeverity() != auditv1.AuditEntry_SEVERITY_WARNING {
		t.Errorf("the entry says %v", e)
	}
	bert.eventually(theirs, "account.create SUCCEEDED")
	for range 3 {
		_, err := w.machine("nonsense")
		wants(t, err, "API_KEY_INVALID")
	}
	w.stop() // writes what is counted
	if n := w.rows(`select sum(count)::int from identity.refusal_count where reason = 'API_KEY_INVALID' and address = '127.0.0.1'`); n != 3 {
		t.Errorf("%d bad keys were counted", n)
	}
}
