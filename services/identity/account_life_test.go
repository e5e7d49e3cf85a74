package identity_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/primecloud/primecloud/pkg/event/envelope"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/testkit"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	"github.com/primecloud/primecloud/services/identity"
)

// operated runs a platform with an operator of each role: olga, sam and bill.
func operated(t *testing.T, settings ...func(*identity.Config)) *world {
	t.Helper()
	return newWorldWith(t, testkit.SharedDex(t, dexConfig()), append(settings, func(c *identity.Config) {
		c.Operators = []string{"admin=olga@example.com", "support=sam@example.com", "billing=bill@example.com"}
	})...)
}

// platform returns a context with an operator's token for the platform.
func (p person) platform() context.Context {
	p.w.t.Helper()
	exchanged, err := p.w.gateway().ExchangeSession(testkit.Context(p.w.t), &identityv1.ExchangeSessionRequest{SessionSecret: p.secret, Platform: true})
	if err != nil {
		p.w.t.Fatal(err)
	}
	return rpc.WithBearer(testkit.Context(p.w.t), exchanged.GetAccessToken())
}

const (
	active    = identityv1.AccountState_ACCOUNT_STATE_ACTIVE
	pending   = identityv1.AccountState_ACCOUNT_STATE_PENDING
	suspended = identityv1.AccountState_ACCOUNT_STATE_SUSPENDED
	closing   = identityv1.AccountState_ACCOUNT_STATE_CLOSING
	closed    = identityv1.AccountState_ACCOUNT_STATE_CLOSED
)

func TestAn_account_that_needs_approval_waits_in_the_queue_and_can_only_be_read(t *testing.T) {
	t.Parallel() // it waits most of its time
	w := operated(t, func(c *identity.Config) { c.AccountApproval = "manual"; c.AccountTrial = 24 * time.Hour })
	anna, olga := w.login("anna"), w.login("olga")
	acme, other := anna.account("Acme"), anna.account("Other")
	if acme.GetState() != pending || acme.GetTrialEndTime() != nil {
		t.Fatalf("it begins as %v", acme)
	}
	_, err := w.gateway().UpdateAccount(anna.in(acme.GetId()), &identityv1.UpdateAccountRequest{AccountId: acme.GetId(), Account: &identityv1.Account{DisplayName: "x"}})
	wants(t, err, "ACCOUNT_PENDING")
	queue, err := w.gateway().ListPlatformAccounts(olga.platform(), &identityv1.ListPlatformAccountsRequest{State: pending, PageSize: 1})
	if err != nil || len(queue.GetAccounts()) != 1 || queue.GetAccounts()[0].GetId() != other.GetId() {
		t.Fatalf("the queue is %v, %v", queue, err)
	}
	rest, err := w.gateway().ListPlatformAccounts(olga.platform(), &identityv1.ListPlatformAccountsRequest{State: pending, PageSize: 1, PageToken: queue.GetNextPageToken()})
	if err != nil || len(rest.GetAccounts()) != 1 || rest.GetAccounts()[0].GetId() != acme.GetId() {
		t.Fatalf("the rest of the queue is %v, %v", rest, err)
	}
	approved, err := w.gateway().ApprovePlatformAccount(olga.platform(), &identityv1.ApprovePlatformAccountRequest{AccountId: acme.GetId(), Reason: "checked", Etag: acme.GetEtag()})
	if a := approved.GetAccount(); err != nil || a.GetState() != active || a.GetLastStateChange().GetReason() != "checked" ||
		a.GetLastStateChange().GetActorId() != olga.id || a.GetLastStateChange().GetActorKind() != "operator" || a.GetTrialEndTime() == nil {
		t.Fatalf("approved it is %v, %v", approved, err)
	}
	_, err = w.gateway().ApprovePlatformAccount(olga.platform(), &identityv1.ApprovePlatformAccountRequest{AccountId: acme.GetId(), Reason: "again"})
	wants(t, err, "ACCOUNT_STATE_INVALID")
	rejected, err := w.gateway().RejectPlatformAccount(olga.platform(), &identityv1.RejectPlatformAccountRequest{AccountId: other.GetId(), Reason: "no such company"})
	if err != nil || rejected.GetAccount().GetState() != closed {
		t.Errorf("rejected it is %v, %v", rejected, err)
	}
	_, err = w.gateway().UpdateAccount(anna.in(other.GetId()), &identityv1.UpdateAccountRequest{AccountId: other.GetId(), Account: &identityv1.Account{DisplayName: "x"}})
	wants(t, err, "ACCOUNT_CLOSED")
}

func TestA_suspension_ends_tokens_of_the_account_at_once_and_is_seen_by_the_tenant(t *testing.T) {
	w := operated(t)
	anna, olga := w.login("anna"), w.login("olga")
	acme := anna.account("Acme")
	before := anna.in(acme.GetId())
	request := &identityv1.SuspendPlatformAccountRequest{AccountId: acme.GetId(), Reason: "unpaid since August"}
	keyed := rpc.WithIdempotencyKey(olga.platform(), "k1")
	stopped, err := w.gateway().SuspendPlatformAccount(keyed, request)
	if err != nil || stopped.GetAccount().GetState() != suspended {
		t.Fatalf("suspended it is %v, %v", stopped, err)
	}
	if again, err := w.gateway().SuspendPlatformAccount(keyed, request); err != nil || !proto.Equal(again, stopped) {
		t.Errorf("again gave %v, %v", again, err)
	}
	_, err = w.gateway().GetAccount(before, &identityv1.GetAccountRequest{AccountId: acme.GetId()})
	wants(t, err, "TOKEN_REVOKED")
	got, err := w.gateway().GetAccount(anna.in(acme.GetId()), &identityv1.GetAccountRequest{AccountId: acme.GetId()})
	if err != nil || got.GetAccount().GetLastStateChange().GetReason() != "unpaid since August" {
		t.Errorf("the tenant sees %v, %v", got, err)
	}
	_, err = w.gateway().CreateApiKey(anna.in(acme.GetId()), keyFor(acme.GetId(), "account.read"))
	wants(t, err, "ACCOUNT_SUSPENDED")
	_, err = w.gateway().SuspendPlatformAccount(olga.platform(), &identityv1.SuspendPlatformAccountRequest{AccountId: acme.GetId(), Reason: " \t"})
	wants(t, err, "STATE_REASON_INVALID")
	if _, err := w.gateway().RestorePlatformAccount(olga.platform(), &identityv1.RestorePlatformAccountRequest{AccountId: acme.GetId(), Reason: "paid"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.gateway().CreateApiKey(anna.in(acme.GetId()), keyFor(acme.GetId(), "account.read")); err != nil {
		t.Errorf("restored it refuses: %v", err)
	}
	entries := anna.eventually(acme.GetId(), "account.create SUCCEEDED", "account.suspend SUCCEEDED", "account.get DENIED", "api_key.create DENIED", "account.restore SUCCEEDED", "api_key.create SUCCEEDED")
	if actor := entries[1].GetActor(); actor.GetKind() != "operator" || actor.GetId() != olga.id || actor.GetRole() != "platform_admin" {
		t.Errorf("the trail says %v did it", actor)
	}
}

func TestA_trial_and_a_retention_period_end_by_the_clock(t *testing.T) {
	t.Parallel() // it waits most of its time
	w := operated(t, func(c *identity.Config) { c.AccountTrial = time.Hour; c.AccountRetention = 2 * time.Hour })
	anna := w.login("anna")
	acme := anna.account("Acme")
	state := func(want identityv1.AccountState) *identityv1.Account {
		t.Helper()
		// Upkeep looks at the clock when it starts.
		w.stop()
		w.start()
		var last *identityv1.Account
		testkit.Eventually(t, 20*time.Second, func() error {
			got, err := w.gateway().GetPlatformAccount(w.login("olga").platform(), &identityv1.GetPlatformAccountRequest{AccountId: acme.GetId()})
			if last = got.GetAccount(); err == nil && last.GetState() != want {
				return fmt.Errorf("it is %s, want %s", last.GetState(), want)
			}
			return err
		})
		return last
	}
	state(active)
	w.clock.advance(61 * time.Minute)
	if stopped := state(suspended); stopped.GetLastStateChange().GetActorKind() != "system" || !strings.Contains(stopped.GetLastStateChange().GetReason(), "trial") {
		t.Errorf("it was stopped by %v", stopped.GetLastStateChange())
	}
	olga := w.login("olga")
	_, err := w.gateway().SetPlatformAccountTrial(olga.platform(), &identityv1.SetPlatformAccountTrialRequest{AccountId: acme.GetId(), TrialEndTime: timestamppb.New(w.clock.Now().Add(-time.Hour))})
	wants(t, err, "TRIAL_INVALID")
	if _, err := w.gateway().RestorePlatformAccount(olga.platform(), &identityv1.RestorePlatformAccountRequest{AccountId: acme.GetId(), Reason: "ordered"}); err != nil {
		t.Fatal(err)
	}
	if running := state(active); running.GetTrialEndTime() != nil {
		t.Errorf("restored it has a trial until %v", running.GetTrialEndTime())
	}
	anna = w.login("anna")
	leaving, err := w.gateway().CloseAccount(anna.in(acme.GetId()), &identityv1.CloseAccountRequest{AccountId: acme.GetId()})
	if err != nil || leaving.GetAccount().GetState() != closing || leaving.GetAccount().GetCloseTime().AsTime().Before(w.clock.Now().Add(119*time.Minute)) {
		t.Fatalf("closing it is %v, %v", leaving, err)
	}
	_, err = w.gateway().UpdateAccount(anna.in(acme.GetId()), &identityv1.UpdateAccountRequest{AccountId: acme.GetId(), Account: &identityv1.Account{DisplayName: "x"}})
	wants(t, err, "ACCOUNT_CLOSING")
	back, err := w.gateway().ReopenAccount(anna.in(acme.GetId()), &identityv1.ReopenAccountRequest{AccountId: acme.GetId(), Reason: "changed my mind"})
	if err != nil || back.GetAccount().GetState() != active {
		t.Fatalf("reopened it is %v, %v", back, err)
	}
	if _, err := w.gateway().CloseAccount(anna.in(acme.GetId()), &identityv1.CloseAccountRequest{AccountId: acme.GetId()}); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(121 * time.Minute)
	state(closed)
	anna = w.login("anna")
	_, err = w.gateway().ReopenAccount(anna.in(acme.GetId()), &identityv1.ReopenAccountRequest{AccountId: acme.GetId()})
	wants(t, err, "ACCOUNT_STATE_INVALID")
}

func TestA_closing_by_the_platform_is_not_the_owners_to_take_back(t *testing.T) {
	w := operated(t)
	anna, olga := w.login("anna"), w.login("olga")
	acme := anna.account("Acme").GetId()
	if _, err := w.gateway().ClosePlatformAccount(olga.platform(), &identityv1.ClosePlatformAccountRequest{AccountId: acme, Reason: "fraud"}); err != nil {
		t.Fatal(err)
	}
	_, err := w.gateway().ReopenAccount(anna.in(acme), &identityv1.ReopenAccountRequest{AccountId: acme})
	wants(t, err, "CLOSED_BY_PLATFORM")
	back, err := w.gateway().ReopenPlatformAccount(olga.platform(), &identityv1.ReopenPlatformAccountRequest{AccountId: acme, Reason: "it was none"})
	if err != nil || back.GetAccount().GetState() != active {
		t.Errorf("reopened it is %v, %v", back, err)
	}
}

func TestSlugs_are_made_chosen_and_nobody_elses(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	first, second := anna.account("Ação Ltda"), anna.account("Ação Ltda")
	if first.GetSlug() != "acao-ltda" || !strings.HasPrefix(second.GetSlug(), "acao-ltda-") {
		t.Errorf("the slugs are %q and %q", first.GetSlug(), second.GetSlug())
	}
	_, err := w.gateway().CreateAccount(anna.in(""), &identityv1.CreateAccountRequest{DisplayName: "Third", Slug: "acao-ltda"})
	wants(t, err, "SLUG_TAKEN")
	_, err = w.gateway().CreateAccount(anna.in(""), &identityv1.CreateAccountRequest{DisplayName: "Third", Slug: "Not-a-slug"})
	wants(t, err, "SLUG_INVALID")
	update := func(slug string) (*identityv1.Account, error) {
		got, err := w.gateway().UpdateAccount(anna.in(second.GetId()), &identityv1.UpdateAccountRequest{AccountId: second.GetId(), Account: &identityv1.Account{Slug: slug}})
		return got.GetAccount(), err
	}
	_, err = update("acao-ltda")
	wants(t, err, "SLUG_TAKEN")
	if got, err := update("acao-2"); err != nil || got.GetSlug() != "acao-2" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestOperators_do_what_their_role_says_and_others_nothing(t *testing.T) {
	w := operated(t)
	anna, olga, sam, bill := w.login("anna"), w.login("olga"), w.login("sam"), w.login("bill")
	acme := anna.account("Acme_1%")
	_, err := w.gateway().ExchangeSession(testkit.Context(t), &identityv1.ExchangeSessionRequest{SessionSecret: anna.secret, Platform: true})
	wants(t, err, "NOT_AN_OPERATOR")
	_, err = w.gateway().ExchangeSession(testkit.Context(t), &identityv1.ExchangeSessionRequest{SessionSecret: olga.secret, Platform: true, AccountId: acme.GetId()})
	wants(t, err, "NOT_AN_OPERATOR")
	_, err = w.gateway().ListPlatformAccounts(anna.in(acme.GetId()), &identityv1.ListPlatformAccountsRequest{})
	wants(t, err, "CALLER_NOT_ALLOWED")
	_, err = w.gateway().SuspendPlatformAccount(sam.platform(), &identityv1.SuspendPlatformAccountRequest{AccountId: acme.GetId(), Reason: "r"})
	wants(t, err, "ROLE_NOT_ALLOWED")
	_, err = w.gateway().ClosePlatformAccount(bill.platform(), &identityv1.ClosePlatformAccountRequest{AccountId: acme.GetId(), Reason: "r"})
	wants(t, err, "ROLE_NOT_ALLOWED")
	testkit.Eventually(t, 20*time.Second, func() error {
		n := w.rows(`select count(*) from identity.audit_entry where account_id = '' and outcome = 'DENIED' and actor_kind = 'operator' and actor_id in ($1, $2)`, sam.id, bill.id)
		if n != 2 {
			return fmt.Errorf("%d refused calls of operators have a name", n)
		}
		return nil
	})
	for query, want := range map[string]int{"ACME_1": 1, "acme_1%": 1, "%": 0, "acme%": 0, "_": 0, acme.GetId(): 1, acme.GetSlug(): 1, "": 1, "x": 0} {
		found, err := w.gateway().ListPlatformAccounts(sam.platform(), &identityv1.ListPlatformAccountsRequest{Query: query})
		if err != nil || len(found.GetAccounts()) != want {
			t.Errorf("%q found %v, %v, want %d", query, found, err, want)
		}
	}
	_, err = w.gateway().GetAccount(olga.platform(), &identityv1.GetAccountRequest{AccountId: acme.GetId()})
	wants(t, err, "NOT_FOUND")
	_, err = w.gateway().GetPlatformAccount(olga.platform(), &identityv1.GetPlatformAccountRequest{AccountId: "acc_nothing"})
	wants(t, err, "ACCOUNT_NOT_FOUND")
	if _, err := w.gateway().ListAccounts(olga.platform(), &identityv1.ListAccountsRequest{}); err != nil {
		t.Errorf("an operator is a person too: %v", err)
	}
}

func TestAn_operator_acts_in_an_account_visibly_for_a_reason_and_a_limited_time(t *testing.T) {
	t.Parallel() // it waits most of its time
	w := operated(t)
	anna, olga, sam := w.login("anna"), w.login("olga"), w.login("sam")
	acme := anna.account("Acme")
	into := func(p person) error {
		_, err := w.gateway().ExchangeSession(testkit.Context(t), &identityv1.ExchangeSessionRequest{SessionSecret: p.secret, AccountId: acme.GetId()})
		return err
	}
	wants(t, into(olga), "ACCOUNT_NOT_FOUND")
	_, err := w.gateway().CreateOperatorAccess(olga.platform(), &identityv1.CreateOperatorAccessRequest{AccountId: acme.GetId(), Reason: "\n"})
	wants(t, err, "STATE_REASON_INVALID")
	_, err = w.gateway().CreateOperatorAccess(olga.platform(), &identityv1.CreateOperatorAccessRequest{AccountId: "acc_nothing", Reason: "r"})
	wants(t, err, "ACCOUNT_NOT_FOUND")
	opened, err := w.gateway().CreateOperatorAccess(olga.platform(), &identityv1.CreateOperatorAccessRequest{AccountId: acme.GetId(), Reason: "ticket 4711"})
	if err != nil {
		t.Fatal(err)
	}
	wants(t, into(sam), "ACCOUNT_NOT_FOUND")
	inside := olga.in(acme.GetId())
	if _, err := w.gateway().UpdateAccount(inside, &identityv1.UpdateAccountRequest{AccountId: acme.GetId(), Account: &identityv1.Account{DisplayName: "Acme 2"}}); err != nil {
		t.Fatal(err)
	}
	_, err = w.gateway().CloseAccount(inside, &identityv1.CloseAccountRequest{AccountId: acme.GetId()})
	wants(t, err, "ROLE_NOT_ALLOWED")
	_, err = w.gateway().CreateApiKey(inside, keyFor(acme.GetId(), "account.read"))
	wants(t, err, "MEMBERS_ONLY")
	if _, err := w.gateway().GetAccountProfile(inside, &identityv1.GetAccountProfileRequest{AccountId: acme.GetId()}); err != nil {
		t.Fatal(err)
	}
	entries := anna.eventually(acme.GetId(), "account.create SUCCEEDED", "operator_access.create SUCCEEDED", "account.update SUCCEEDED", "account.close DENIED",
		"api_key.create DENIED", "account_profile.get SUCCEEDED")
	if e := entries[2]; e.GetActor().GetKind() != "operator" || e.GetActor().GetId() != olga.id || e.GetActor().GetRole() != "admin" {
		t.Errorf("the trail says %v did it", e.GetActor())
	}
	if reason := entries[1].GetAfter().GetFields()["reason"].GetStringValue(); reason != "ticket 4711" {
		t.Errorf("the trail gives %q as the reason", reason)
	}
	listed, err := w.gateway().ListOperatorAccesses(anna.in(acme.GetId()), &identityv1.ListOperatorAccessesRequest{AccountId: acme.GetId()})
	if err != nil || len(listed.GetOperatorAccesses()) != 1 || !proto.Equal(listed.GetOperatorAccesses()[0], opened.GetOperatorAccess()) {
		t.Errorf("the tenant sees %v, %v", listed, err)
	}
	_, err = w.gateway().EndOperatorAccess(sam.platform(), &identityv1.EndOperatorAccessRequest{AccountId: acme.GetId(), OperatorAccessId: opened.GetOperatorAccess().GetId()})
	wants(t, err, "OPERATOR_ACCESS_NOT_FOUND")
	for range 2 {
		ended, err := w.gateway().EndOperatorAccess(olga.platform(), &identityv1.EndOperatorAccessRequest{AccountId: acme.GetId(), OperatorAccessId: opened.GetOperatorAccess().GetId()})
		if err != nil || ended.GetOperatorAccess().GetEndTime() == nil {
			t.Fatalf("ended it is %v, %v", ended, err)
		}
	}
	_, err = w.gateway().GetAccount(inside, &identityv1.GetAccountRequest{AccountId: acme.GetId()})
	wants(t, err, "TOKEN_REVOKED")
	wants(t, into(olga), "ACCOUNT_NOT_FOUND")
	if _, err := w.gateway().CreateOperatorAccess(sam.platform(), &identityv1.CreateOperatorAccessRequest{AccountId: acme.GetId(), Reason: "look"}); err != nil {
		t.Fatal(err)
	}
	_, err = w.gateway().UpdateAccount(sam.in(acme.GetId()), &identityv1.UpdateAccountRequest{AccountId: acme.GetId(), Account: &identityv1.Account{DisplayName: "x"}})
	wants(t, err, "ROLE_NOT_ALLOWED")
	w.clock.advance(61 * time.Minute)
	wants(t, into(sam), "ACCOUNT_NOT_FOUND")
}

func TestThe_steps_of_a_life_are_events_with_the_state_in_them(t *testing.T) {
	w := operated(t)
	anna, olga := w.login("anna"), w.login("olga")
	acme := anna.account("Acme")
	if _, err := w.gateway().SuspendPlatformAccount(olga.platform(), &identityv1.SuspendPlatformAccountRequest{AccountId: acme.GetId(), Reason: "r"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.gateway().RestorePlatformAccount(olga.platform(), &identityv1.RestorePlatformAccountRequest{AccountId: acme.GetId(), Reason: "r"}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"primecloud.identity.account.created.v1 1 ACCOUNT_STATE_ACTIVE",
		"primecloud.identity.account.suspended.v1 2 ACCOUNT_STATE_SUSPENDED",
		"primecloud.identity.account.restored.v1 3 ACCOUNT_STATE_ACTIVE",
	}
	stream, err := w.broker("test").Stream(testkit.Context(t), "IDENTITY")
	if err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 20*time.Second, func() error {
		info, err := stream.Info(testkit.Context(t))
		if err != nil {
			return err
		}
		var got []string
		for sequence := info.State.FirstSeq; sequence <= info.State.LastSeq; sequence++ {
			message, err := stream.GetMsg(testkit.Context(t), sequence)
			if err != nil {
				return err
			}
			e, err := envelope.Decode(message.Data)
			if err != nil {
				return err
			}
			if e.Aggregate.Kind != "account" {
				continue
			}
			var payload identityv1.AccountChanged
			if err := proto.Unmarshal(e.Payload, &payload); err != nil {
				return err
			}
			got = append(got, fmt.Sprintf("%s %d %s", e.Type, e.Aggregate.Version, payload.GetAccount().GetState()))
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("published were %v, want %v", got, want)
		}
		return nil
	})
}
