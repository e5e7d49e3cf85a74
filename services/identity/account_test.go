package identity_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/testkit"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	optionsv1 "github.com/primecloud/primecloud/proto/gen/primecloud/options/v1"
)

func TestAn_account_belongs_to_whoever_made_it_and_is_absent_for_others(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	acme := anna.account("Acme")
	got, err := w.gateway().GetAccount(anna.in(acme.GetId()), &identityv1.GetAccountRequest{AccountId: acme.GetId()})
	if err != nil || !proto.Equal(got.GetAccount(), acme) {
		t.Errorf("got %v, %v, made %v", got, err, acme)
	}
	me, err := w.gateway().GetCurrentUser(anna.in(""), &identityv1.GetCurrentUserRequest{})
	if err != nil || len(me.GetAccounts()) != 1 || me.GetAccounts()[0].GetRole() != optionsv1.Role_ROLE_OWNER {
		t.Errorf("I am %v, %v", me, err)
	}
	_, err = w.gateway().ExchangeSession(testkit.Context(t), &identityv1.ExchangeSessionRequest{SessionSecret: bert.secret, AccountId: acme.GetId()})
	wants(t, err, "ACCOUNT_NOT_FOUND")
	theirs := bert.account("Theirs")
	_, err = w.gateway().GetAccount(bert.in(theirs.GetId()), &identityv1.GetAccountRequest{AccountId: acme.GetId()})
	wants(t, err, "NOT_FOUND")
	_, err = w.gateway().GetAccount(anna.in(""), &identityv1.GetAccountRequest{AccountId: acme.GetId()})
	wants(t, err, "NOT_FOUND")
}

func TestCalls_with_a_key_are_one_call(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	create := func(key, name string) (*identityv1.Account, error) {
		created, err := w.gateway().CreateAccount(rpc.WithIdempotencyKey(anna.in(""), key), &identityv1.CreateAccountRequest{DisplayName: name})
		return created.GetAccount(), err
	}
	first, err := create("k1", "Acme")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := create("k1", "Acme"); err != nil || !proto.Equal(again, first) {
		t.Errorf("again gave %v, %v", again, err)
	}
	_, err = create("k1", "Other")
	wants(t, err, "IDEMPOTENCY_KEY_REUSED")
	_, err = create("not visible", "Other")
	wants(t, err, "IDEMPOTENCY_KEY_INVALID")
	inAcme := anna.in(first.GetId())
	bert := w.login("bert")
	t.Run("an update", func(t *testing.T) {
		ctx := rpc.WithIdempotencyKey(inAcme, "k2")
		request := &identityv1.UpdateAccountRequest{AccountId: first.GetId(), Account: &identityv1.Account{DisplayName: "Acme 2"}, Etag: first.GetEtag()}
		updated, err := w.gateway().UpdateAccount(ctx, request)
		if err != nil {
			t.Fatal(err)
		}
		// The etag is stale by now, but it is the same call.
		if again, err := w.gateway().UpdateAccount(ctx, request); err != nil || !proto.Equal(again, updated) {
			t.Errorf("again gave %v, %v", again, err)
		}
	})
	t.Run("a membership, made and removed", func(t *testing.T) {
		ctx := rpc.WithIdempotencyKey(inAcme, "k3")
		for range 2 {
			made, err := w.gateway().CreateMembership(ctx, &identityv1.CreateMembershipRequest{
				AccountId: first.GetId(), UserId: bert.id, Role: optionsv1.Role_ROLE_VIEWER,
			})
			if err != nil || made.GetMembership().GetDisplayName() != "bert" {
				t.Fatalf("got %v, %v", made, err)
			}
		}
		for range 2 {
			_, err := w.gateway().DeleteMembership(ctx, &identityv1.DeleteMembershipRequest{AccountId: first.GetId(), UserId: bert.id})
			if err != nil {
				t.Fatal(err)
			}
		}
		_, err := w.gateway().DeleteMembership(inAcme, &identityv1.DeleteMembershipRequest{AccountId: first.GetId(), UserId: bert.id})
		wants(t, err, "MEMBERSHIP_NOT_FOUND")
	})
}

func TestUpdate_changes_what_the_mask_names_of_the_version_that_was_seen(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	acme := anna.account("Acme")
	ctx := anna.in(acme.GetId())
	update := func(etag string, change *identityv1.Account, mask ...string) (*identityv1.Account, error) {
		r := &identityv1.UpdateAccountRequest{AccountId: acme.GetId(), Account: change, Etag: etag}
		if mask != nil {
			r.UpdateMask = &fieldmaskpb.FieldMask{Paths: mask}
		}
		updated, err := w.gateway().UpdateAccount(ctx, r)
		return updated.GetAccount(), err
	}
	second, err := update(acme.GetEtag(), &identityv1.Account{DisplayName: "Acme 2", CustomerReference: "r"}, "customer_reference")
	if err != nil || second.GetDisplayName() != "Acme" || second.GetCustomerReference() != "r" || second.GetEtag() == acme.GetEtag() {
		t.Fatalf("got %v, %v", second, err)
	}
	_, err = update(acme.GetEtag(), &identityv1.Account{DisplayName: "Acme 3"}, "display_name")
	wants(t, err, "ETAG_MISMATCH")
	for _, mask := range [][]string{nil, {"display_name", "etag"}} {
		_, err = update("", &identityv1.Account{DisplayName: "Acme 3", Etag: acme.GetEtag()}, mask...)
		wants(t, err, "ETAG_MISMATCH")
	}
	same, err := update(second.GetEtag(), &identityv1.Account{DisplayName: "Acme"}, "display_name")
	if err != nil || !proto.Equal(same, second) {
		t.Errorf("nothing to change gave %v, %v", same, err)
	}
	cleared, err := update("", &identityv1.Account{}, "customer_reference")
	if err != nil || cleared.GetCustomerReference() != "" {
		t.Errorf("clearing gave %v, %v", cleared, err)
	}
	_, err = update("", &identityv1.Account{State: identityv1.AccountState_ACCOUNT_STATE_SUSPENDED}, "state")
	wants(t, err, "FIELD_NOT_UPDATABLE")
	_, err = update("", &identityv1.Account{DisplayName: " "}, "display_name")
	wants(t, err, "DISPLAY_NAME_INVALID")
	_, err = update("", nil)
	wants(t, err, "REQUEST_INVALID")
}

func TestLists_go_on_where_they_ended_and_take_no_other_lists_token(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	var made []string
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		made = append(made, anna.account(name).GetId())
	}
	ctx := anna.in("")
	var seen []string
	request := &identityv1.ListAccountsRequest{PageSize: 2}
	for {
		page, err := w.gateway().ListAccounts(ctx, request)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page.GetAccounts() {
			seen = append(seen, a.GetId())
		}
		if request.PageToken = page.GetNextPageToken(); request.GetPageToken() == "" {
			break
		}
	}
	slices.Sort(made)
	if !slices.Equal(seen, made) {
		t.Errorf("listed %v, made %v", seen, made)
	}
	page, err := w.gateway().ListAccounts(ctx, &identityv1.ListAccountsRequest{PageSize: 2})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.gateway().ListAccounts(bert.in(""), &identityv1.ListAccountsRequest{PageToken: page.GetNextPageToken()})
	wants(t, err, "PAGE_TOKEN_INVALID")
	_, err = w.gateway().ListSessions(ctx, &identityv1.ListSessionsRequest{PageToken: page.GetNextPageToken()})
	wants(t, err, "PAGE_TOKEN_INVALID")
	_, err = w.gateway().ListAccounts(ctx, &identityv1.ListAccountsRequest{PageToken: "x" + page.GetNextPageToken()})
	wants(t, err, "PAGE_TOKEN_INVALID")
	_, err = w.gateway().ListAccounts(ctx, &identityv1.ListAccountsRequest{PageSize: -1})
	wants(t, err, "REQUEST_INVALID")
}

func TestA_changed_role_holds_at_once(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	acme := anna.account("Acme").GetId()
	member, err := w.gateway().CreateMembership(anna.in(acme), &identityv1.CreateMembershipRequest{
		AccountId: acme, UserId: bert.id, Role: optionsv1.Role_ROLE_ADMIN,
	})
	if err != nil {
		t.Fatal(err)
	}
	asAdmin := bert.in(acme)
	_, err = w.gateway().UpdateMembership(asAdmin, &identityv1.UpdateMembershipRequest{AccountId: acme, UserId: bert.id, Role: optionsv1.Role_ROLE_OWNER})
	wants(t, err, "ROLE_TOO_HIGH")
	_, err = w.gateway().DeleteMembership(asAdmin, &identityv1.DeleteMembershipRequest{AccountId: acme, UserId: anna.id})
	wants(t, err, "ROLE_TOO_HIGH")
	_, err = w.gateway().UpdateMembership(anna.in(acme), &identityv1.UpdateMembershipRequest{
		AccountId: acme, UserId: bert.id, Role: optionsv1.Role_ROLE_VIEWER, Etag: "stale",
	})
	wants(t, err, "ETAG_MISMATCH")
	if _, err = w.gateway().UpdateMembership(anna.in(acme), &identityv1.UpdateMembershipRequest{
		AccountId: acme, UserId: bert.id, Role: optionsv1.Role_ROLE_VIEWER, Etag: member.GetMembership().GetEtag(),
	}); err != nil {
		t.Fatal(err)
	}
	list := &identityv1.ListMembershipsRequest{AccountId: acme}
	_, err = w.gateway().ListMemberships(asAdmin, list)
	wants(t, err, "TOKEN_REVOKED")
	members, err := w.gateway().ListMemberships(bert.in(acme), list)
	if err != nil || len(members.GetMemberships()) != 2 || members.GetMemberships()[1].GetRole() != optionsv1.Role_ROLE_VIEWER {
		t.Errorf("as a viewer: %v, %v", members, err)
	}
	_, err = w.gateway().CreateMembership(bert.in(acme), &identityv1.CreateMembershipRequest{
		AccountId: acme, UserId: bert.id, Role: optionsv1.Role_ROLE_VIEWER,
	})
	wants(t, err, "ROLE_NOT_ALLOWED")
}

func TestTwo_owners_who_step_down_at_once_leave_one(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	acme := anna.account("Acme").GetId()
	if _, err := w.gateway().CreateMembership(anna.in(acme), &identityv1.CreateMembershipRequest{
		AccountId: acme, UserId: bert.id, Role: optionsv1.Role_ROLE_OWNER,
	}); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	contexts, outcomes := []context.Context{anna.in(acme), bert.in(acme)}, make([]error, 2)
	for i, p := range []person{anna, bert} {
		group.Go(func() {
			_, outcomes[i] = w.gateway().DeleteMembership(contexts[i], &identityv1.DeleteMembershipRequest{AccountId: acme, UserId: p.id})
		})
	}
	group.Wait()
	refused := outcomes[0]
	if refused == nil {
		refused = outcomes[1]
	}
	if (outcomes[0] == nil) == (outcomes[1] == nil) || errs.ReasonOf(refused) != "LAST_OWNER" {
		t.Errorf("the two ended as %v", outcomes)
	}
}

func TestA_suspended_account_can_be_looked_at_and_not_changed(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	acme := anna.account("Acme").GetId()
	w.behind(`update identity.account set state = 'suspended' where id = $1`, acme)
	ctx := anna.in(acme)
	got, err := w.gateway().GetAccount(ctx, &identityv1.GetAccountRequest{AccountId: acme})
	if err != nil || got.GetAccount().GetState() != identityv1.AccountState_ACCOUNT_STATE_SUSPENDED {
		t.Errorf("looking at it: %v, %v", got, err)
	}
	_, err = w.gateway().CreateApiKey(ctx, keyFor(acme, "account.read"))
	wants(t, err, "ACCOUNT_SUSPENDED")
	_, err = w.gateway().UpdateAccount(ctx, &identityv1.UpdateAccountRequest{AccountId: acme, Account: &identityv1.Account{DisplayName: "x"}})
	wants(t, err, "ACCOUNT_SUSPENDED")
}
