package identity_test

import (
	"context"
	"sync"
	"testing"

	"github.com/primecloud/primecloud/pkg/testkit"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	optionsv1 "github.com/primecloud/primecloud/proto/gen/primecloud/options/v1"
)

func (w *world) leave(ctx context.Context, accountID string) error {
	_, err := w.gateway().LeaveAccount(ctx, &identityv1.LeaveAccountRequest{AccountId: accountID})
	return err
}

func TestWhoever_leaves_an_account_is_out_at_once(t *testing.T) {
	w := newWorld(t)
	anna, bert, cleo := w.login("anna"), w.login("bert"), w.login("cleo")
	acme := anna.account("Acme").GetId()
	anna.add(acme, bert.id, optionsv1.Role_ROLE_EXTERNAL)
	inAcme, another := bert.in(acme), bert.in(acme)
	if err := w.leave(inAcme, acme); err != nil {
		t.Fatal(err)
	}
	for _, ctx := range []context.Context{inAcme, another} {
		_, err := w.gateway().GetAccount(ctx, &identityv1.GetAccountRequest{AccountId: acme})
		wants(t, err, "TOKEN_REVOKED")
		wants(t, w.leave(ctx, acme), "TOKEN_REVOKED")
	}
	_, err := w.gateway().ExchangeSession(testkit.Context(t), &identityv1.ExchangeSessionRequest{SessionSecret: bert.secret, AccountId: acme})
	wants(t, err, "ACCOUNT_NOT_FOUND")
	list, err := w.gateway().ListAccounts(bert.in(""), &identityv1.ListAccountsRequest{})
	if err != nil || len(list.GetAccounts()) != 0 {
		t.Errorf("bert still has %v, %v", list, err)
	}
	entries := anna.eventually(acme, "account.create SUCCEEDED", "membership.create SUCCEEDED", "membership.leave SUCCEEDED",
		"account.get DENIED", "account.leave DENIED", "account.get DENIED", "account.leave DENIED")
	if e := entries[2]; e.GetActor().GetId() != bert.id || e.GetTarget().GetId() != bert.id || e.GetBefore().AsMap()["role"] != "external" {
		t.Errorf("the trail says %v", e)
	}
	var deleted identityv1.MembershipChanged
	w.told("membership.deleted", &deleted)
	if deleted.GetMembership().GetUserId() != bert.id {
		t.Errorf("the event says %v", &deleted)
	}
	// Nobody is made to leave an account of others by a token of their own.
	theirs := cleo.account("Theirs").GetId()
	wants(t, w.leave(cleo.in(theirs), acme), "NOT_FOUND")
	wants(t, w.leave(cleo.in(""), acme), "NOT_FOUND")
}

func TestThe_last_owner_does_not_leave(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	acme := anna.account("Acme").GetId()
	anna.add(acme, bert.id, optionsv1.Role_ROLE_ADMIN)
	wants(t, w.leave(anna.in(acme), acme), "LAST_OWNER")
	w.behind(`update identity.account set state = 'suspended' where id = $1`, acme)
	wants(t, w.leave(anna.in(acme), acme), "LAST_OWNER")
	if err := w.leave(bert.in(acme), acme); err != nil {
		t.Errorf("somebody else, of a suspended account: %v", err)
	}
}

func TestTwo_owners_who_leave_at_once_leave_one(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	for range 4 {
		acme := anna.account("Acme").GetId()
		anna.add(acme, bert.id, optionsv1.Role_ROLE_OWNER)
		contexts, outcomes := []context.Context{anna.in(acme), bert.in(acme)}, make([]error, 2)
		var group sync.WaitGroup
		for i, ctx := range contexts {
			group.Go(func() { outcomes[i] = w.leave(ctx, acme) })
		}
		group.Wait()
		refused := outcomes[0]
		if refused == nil {
			refused = outcomes[1]
		}
		if (outcomes[0] == nil) == (outcomes[1] == nil) {
			t.Fatalf("the two ended as %v", outcomes)
		}
		wants(t, refused, "LAST_OWNER")
		if n := w.rows(`select count(*) from identity.membership where account_id = $1 and role = 'owner'`, acme); n != 1 {
			t.Fatalf("%d owners", n)
		}
	}
}

func TestOne_owner_who_leaves_while_another_is_removed_leaves_one(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	acme := anna.account("Acme").GetId()
	anna.add(acme, bert.id, optionsv1.Role_ROLE_OWNER)
	asAnna, asBert := anna.in(acme), bert.in(acme)
	var left, removed error
	var group sync.WaitGroup
	group.Go(func() { left = w.leave(asAnna, acme) })
	group.Go(func() {
		_, removed = w.gateway().UpdateMembership(asBert, &identityv1.UpdateMembershipRequest{AccountId: acme, UserId: bert.id, Role: optionsv1.Role_ROLE_ADMIN})
	})
	group.Wait()
	if owners := w.rows(`select count(*) from identity.membership where account_id = $1 and role = 'owner'`, acme); owners != 1 || (left == nil) == (removed == nil) {
		t.Errorf("leaving %v, stepping down %v, %d owners", left, removed, owners)
	}
}

func TestA_personal_key_ends_with_whoever_leaves_and_falls_with_whoever_hands_over(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	acme := anna.account("Acme").GetId()
	anna.add(acme, bert.id, optionsv1.Role_ROLE_ADMIN)
	hers, his := anna.personalKey(acme, "account.read"), bert.personalKey(acme, "account.read")
	before, err := w.machine(hers.GetSecret())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.confirm(bert.in(acme), anna.proposed(acme, bert.id, false)); err != nil {
		t.Fatal(err)
	}
	wants(t, w.sees(before, acme), "TOKEN_REVOKED")
	asAdmin, err := w.machine(hers.GetSecret())
	if err != nil {
		t.Fatalf("the key of somebody who is a member still: %v", err)
	}
	asOwner, err := w.machine(his.GetSecret())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.leave(anna.in(acme), acme); err != nil {
		t.Fatal(err)
	}
	wants(t, w.sees(asAdmin, acme), "TOKEN_REVOKED")
	_, err = w.machine(hers.GetSecret())
	wants(t, err, "API_KEY_INVALID")
	if err := w.sees(asOwner, acme); err != nil {
		t.Errorf("the other one's: %v", err)
	}
}
