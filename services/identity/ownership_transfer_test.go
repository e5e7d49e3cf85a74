package identity_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/primecloud/primecloud/pkg/rpc"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	optionsv1 "github.com/primecloud/primecloud/proto/gen/primecloud/options/v1"
)

// transfers is the gateway's client of ownership transfers.
func (w *world) transfers() identityv1.OwnershipTransferServiceClient {
	w.gateway()
	return identityv1.NewOwnershipTransferServiceClient(w.conn)
}

// propose proposes to hand the account over.
func (p person) propose(accountID, to string, keep bool) (*identityv1.OwnershipTransfer, error) {
	p.w.t.Helper()
	answer, err := p.w.transfers().CreateOwnershipTransfer(p.in(accountID), &identityv1.CreateOwnershipTransferRequest{
		AccountId: accountID, ToUserId: to, KeepOwnership: keep,
	})
	return answer.GetOwnershipTransfer(), err
}

// proposed proposes it where that must succeed.
func (p person) proposed(accountID, to string, keep bool) *identityv1.OwnershipTransfer {
	p.w.t.Helper()
	o, err := p.propose(accountID, to, keep)
	if err != nil {
		p.w.t.Fatal(err)
	}
	return o
}

func (w *world) confirm(ctx context.Context, o *identityv1.OwnershipTransfer) (*identityv1.OwnershipTransfer, error) {
	answer, err := w.transfers().ConfirmOwnershipTransfer(ctx, &identityv1.ConfirmOwnershipTransferRequest{
		AccountId: o.GetAccountId(), OwnershipTransferId: o.GetId(),
	})
	return answer.GetOwnershipTransfer(), err
}

func (w *world) decline(ctx context.Context, o *identityv1.OwnershipTransfer) (*identityv1.OwnershipTransfer, error) {
	answer, err := w.transfers().DeclineOwnershipTransfer(ctx, &identityv1.DeclineOwnershipTransferRequest{
		AccountId: o.GetAccountId(), OwnershipTransferId: o.GetId(),
	})
	return answer.GetOwnershipTransfer(), err
}

func (w *world) cancel(ctx context.Context, o *identityv1.OwnershipTransfer) (*identityv1.OwnershipTransfer, error) {
	answer, err := w.transfers().CancelOwnershipTransfer(ctx, &identityv1.CancelOwnershipTransferRequest{
		AccountId: o.GetAccountId(), OwnershipTransferId: o.GetId(),
	})
	return answer.GetOwnershipTransfer(), err
}

// has fails the test unless the person has the role in the account.
func (p person) has(accountID, role string) {
	p.w.t.Helper()
	if n := p.w.rows(`select count(*) from identity.membership where account_id = $1 and user_id = $2 and role = $3`, accountID, p.id, role); n != 1 {
		p.w.t.Errorf("%s is no %s", p.id, role)
	}
}

func TestAn_account_is_handed_over_once_the_new_owner_confirms(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	acme := anna.account("Acme").GetId()
	anna.add(acme, bert.id, optionsv1.Role_ROLE_VIEWER)
	ctx := rpc.WithIdempotencyKey(anna.in(acme), "k1")
	request := &identityv1.CreateOwnershipTransferRequest{AccountId: acme, ToUserId: bert.id}
	made, err := w.transfers().CreateOwnershipTransfer(ctx, request)
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.transfers().CreateOwnershipTransfer(ctx, request)
	if err != nil || !proto.Equal(again, made) {
		t.Errorf("the same call again: %v, %v", again, err)
	}
	o := made.GetOwnershipTransfer()
	if o.GetState() != identityv1.OwnershipTransferState_OWNERSHIP_TRANSFER_STATE_PENDING ||
		o.GetExpireTime().AsTime().Sub(o.GetCreateTime().AsTime()) != 7*24*time.Hour {
		t.Errorf("proposed %v", o)
	}
	anna.has(acme, "owner")
	bert.has(acme, "viewer")
	got, err := w.transfers().GetOwnershipTransfer(bert.in(acme), &identityv1.GetOwnershipTransferRequest{AccountId: acme, OwnershipTransferId: o.GetId()})
	if err != nil || !proto.Equal(got.GetOwnershipTransfer(), o) {
		t.Errorf("bert sees %v, %v", got, err)
	}
	asOwner, asViewer := anna.in(acme), bert.in(acme)
	confirmed, err := w.confirm(asViewer, o)
	if err != nil || confirmed.GetState() != identityv1.OwnershipTransferState_OWNERSHIP_TRANSFER_STATE_CONFIRMED || confirmed.GetEndTime() == nil {
		t.Fatalf("confirming gave %v, %v", confirmed, err)
	}
	anna.has(acme, "admin")
	bert.has(acme, "owner")
	for _, ctx := range []context.Context{asOwner, asViewer} {
		_, err := w.gateway().GetAccount(ctx, &identityv1.GetAccountRequest{AccountId: acme})
		wants(t, err, "TOKEN_REVOKED")
	}
	if again, err := w.confirm(bert.in(acme), o); err != nil || !proto.Equal(again, confirmed) {
		t.Errorf("confirming again: %v, %v", again, err)
	}
	entries := bert.eventually(acme, "account.create SUCCEEDED", "membership.create SUCCEEDED", "ownership_transfer.create SUCCEEDED",
		"membership.update SUCCEEDED", "membership.update SUCCEEDED", "ownership_transfer.confirm SUCCEEDED",
		"account.get DENIED", "account.get DENIED")
	if e := entries[5]; e.GetActor().GetId() != bert.id || e.GetBefore().AsMap()["state"] != "pending" || e.GetAfter().AsMap()["state"] != "confirmed" {
		t.Errorf("the trail says %v", e)
	}
	if n := w.rows(`select count(distinct version) from identity.membership where account_id = $1`, acme); n != 2 {
		t.Error("two memberships have one version")
	}
	var told identityv1.OwnershipTransferChanged
	w.told("ownership_transfer.confirmed", &told)
	if !proto.Equal(told.GetOwnershipTransfer(), confirmed) {
		t.Errorf("the event says %v", &told)
	}
}

func TestA_proposer_may_stay_an_owner(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	acme := anna.account("Acme").GetId()
	anna.add(acme, bert.id, optionsv1.Role_ROLE_ADMIN)
	o, err := anna.propose(acme, bert.id, true)
	if err != nil {
		t.Fatal(err)
	}
	asAnna := anna.in(acme)
	if _, err := w.confirm(bert.in(acme), o); err != nil {
		t.Fatal(err)
	}
	anna.has(acme, "owner")
	bert.has(acme, "owner")
	if _, err := w.gateway().GetAccount(asAnna, &identityv1.GetAccountRequest{AccountId: acme}); err != nil {
		t.Errorf("whose role stays keeps their token: %v", err)
	}
}

func TestOnly_an_owner_proposes_and_only_a_member_who_could_become_one(t *testing.T) {
	w := newWorld(t)
	anna, bert, cleo := w.login("anna"), w.login("bert"), w.login("cleo")
	acme, theirs := anna.account("Acme").GetId(), cleo.account("Theirs").GetId()
	propose := func(p person, to string) error {
		_, err := p.propose(acme, to, false)
		return err
	}
	wants(t, propose(anna, bert.id), "MEMBERSHIP_NOT_FOUND")
	wants(t, propose(anna, "usr_none"), "MEMBERSHIP_NOT_FOUND")
	wants(t, propose(anna, anna.id), "OWNERSHIP_TRANSFER_TARGET_INVALID")
	anna.add(acme, bert.id, optionsv1.Role_ROLE_EXTERNAL)
	wants(t, propose(anna, bert.id), "OWNERSHIP_TRANSFER_TARGET_INVALID")
	if _, err := w.gateway().UpdateMembership(anna.in(acme), &identityv1.UpdateMembershipRequest{AccountId: acme, UserId: bert.id, Role: optionsv1.Role_ROLE_ADMIN}); err != nil {
		t.Fatal(err)
	}
	wants(t, propose(bert, anna.id), "ROLE_NOT_ALLOWED")
	wants(t, propose(bert, bert.id), "ROLE_NOT_ALLOWED")
	anna.add(acme, cleo.id, optionsv1.Role_ROLE_OWNER)
	wants(t, propose(anna, cleo.id), "OWNERSHIP_TRANSFER_TARGET_INVALID")
	o, err := anna.propose(acme, bert.id, false)
	if err != nil {
		t.Fatal(err)
	}
	wants(t, propose(cleo, bert.id), "OWNERSHIP_TRANSFER_EXISTS")
	_, err = w.confirm(anna.in(acme), o)
	wants(t, err, "OWNERSHIP_TRANSFER_NOT_YOURS")
	_, err = w.decline(cleo.in(acme), o)
	wants(t, err, "OWNERSHIP_TRANSFER_NOT_YOURS")
	_, err = w.cancel(bert.in(acme), o)
	wants(t, err, "ROLE_NOT_ALLOWED")
	_, err = w.confirm(cleo.in(theirs), &identityv1.OwnershipTransfer{AccountId: theirs, Id: o.GetId()})
	wants(t, err, "OWNERSHIP_TRANSFER_NOT_FOUND")
	_, err = w.confirm(cleo.in(theirs), o)
	wants(t, err, "NOT_FOUND")
	// A key is no person, and owns nothing.
	created, err := w.gateway().CreateApiKey(anna.in(acme), keyFor(acme, "account.read"))
	if err != nil {
		t.Fatal(err)
	}
	asMachine, err := w.machine(created.GetSecret())
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.confirm(asMachine, o)
	wants(t, err, "CALLER_NOT_ALLOWED")
}

func TestA_transfer_that_ended_stays_so(t *testing.T) {
	w := newWorld(t)
	anna, bert, cleo := w.login("anna"), w.login("bert"), w.login("cleo")
	acme := anna.account("Acme").GetId()
	anna.add(acme, bert.id, optionsv1.Role_ROLE_DEVELOPER)
	anna.add(acme, cleo.id, optionsv1.Role_ROLE_OWNER)
	closed := func(o *identityv1.OwnershipTransfer, state identityv1.OwnershipTransferState) {
		t.Helper()
		_, err := w.confirm(bert.in(acme), o)
		wants(t, err, "OWNERSHIP_TRANSFER_CLOSED")
		got, err := w.transfers().GetOwnershipTransfer(anna.in(acme), &identityv1.GetOwnershipTransferRequest{AccountId: acme, OwnershipTransferId: o.GetId()})
		if err != nil || got.GetOwnershipTransfer().GetState() != state {
			t.Errorf("it is %v, %v", got, err)
		}
		bert.has(acme, "developer")
	}
	canceled := anna.proposed(acme, bert.id, false)
	// Another owner may: one whose proposer is gone must not stand in the way.
	for range 2 {
		if _, err := w.cancel(cleo.in(acme), canceled); err != nil {
			t.Fatal(err)
		}
	}
	closed(canceled, identityv1.OwnershipTransferState_OWNERSHIP_TRANSFER_STATE_CANCELED)
	declined := anna.proposed(acme, bert.id, false)
	for range 2 {
		if _, err := w.decline(bert.in(acme), declined); err != nil {
			t.Fatal(err)
		}
	}
	closed(declined, identityv1.OwnershipTransferState_OWNERSHIP_TRANSFER_STATE_DECLINED)
	_, err := w.cancel(anna.in(acme), declined)
	wants(t, err, "OWNERSHIP_TRANSFER_CLOSED")
	expired := anna.proposed(acme, bert.id, false)
	w.later(7*24*time.Hour + time.Minute)
	closed(expired, identityv1.OwnershipTransferState_OWNERSHIP_TRANSFER_STATE_EXPIRED)
	last := cleo.proposed(acme, bert.id, false)
	// Its proposer steps down: nobody gives what they have no more.
	if _, err := w.gateway().UpdateMembership(cleo.in(acme), &identityv1.UpdateMembershipRequest{AccountId: acme, UserId: cleo.id, Role: optionsv1.Role_ROLE_ADMIN}); err != nil {
		t.Fatal(err)
	}
	_, err = w.confirm(bert.in(acme), last)
	wants(t, err, "OWNERSHIP_TRANSFER_CLOSED")
	if err := w.leave(cleo.in(acme), acme); err != nil {
		t.Fatal(err)
	}
	_, err = w.confirm(bert.in(acme), last)
	wants(t, err, "OWNERSHIP_TRANSFER_CLOSED")
	bert.has(acme, "developer")
	list, err := w.transfers().ListOwnershipTransfers(anna.in(acme), &identityv1.ListOwnershipTransfersRequest{AccountId: acme})
	var listed []string
	for _, o := range list.GetOwnershipTransfers() {
		listed = append(listed, o.GetId())
	}
	if err != nil || !slices.Equal(listed, []string{canceled.GetId(), declined.GetId(), expired.GetId(), last.GetId()}) {
		t.Errorf("listed %v, %v", listed, err)
	}
}

func TestA_confirmation_and_a_cancellation_at_once_leave_one_outcome(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	for range 4 {
		acme := anna.account("Acme").GetId()
		anna.add(acme, bert.id, optionsv1.Role_ROLE_ADMIN)
		o := anna.proposed(acme, bert.id, false)
		asAnna, asBert, onPhone := anna.in(acme), bert.in(acme), bert.in(acme)
		var confirmed, canceled, left error
		var group sync.WaitGroup
		group.Go(func() { _, confirmed = w.confirm(asBert, o) })
		group.Go(func() { _, canceled = w.cancel(asAnna, o) })
		group.Go(func() { left = w.leave(onPhone, acme) })
		group.Wait()
		owners := w.rows(`select count(*) from identity.membership where account_id = $1 and role = 'owner'`, acme)
		if owners != 1 || confirmed == nil && canceled == nil || confirmed != nil && canceled != nil {
			t.Fatalf("confirming %v, canceling %v, leaving %v, %d owners", confirmed, canceled, left, owners)
		}
		if confirmed == nil {
			bert.has(acme, "owner")
			anna.has(acme, "admin")
		} else {
			anna.has(acme, "owner")
		}
	}
}

func TestAn_owner_who_leaves_while_their_transfer_is_confirmed_leaves_an_owner(t *testing.T) {
	w := newWorld(t)
	anna, bert, cleo := w.login("anna"), w.login("bert"), w.login("cleo")
	for range 4 {
		acme := anna.account("Acme").GetId()
		anna.add(acme, bert.id, optionsv1.Role_ROLE_ADMIN)
		anna.add(acme, cleo.id, optionsv1.Role_ROLE_OWNER)
		o := anna.proposed(acme, bert.id, false)
		asAnna, asBert, asCleo := anna.in(acme), bert.in(acme), cleo.in(acme)
		var group sync.WaitGroup
		group.Go(func() { _ = w.leave(asAnna, acme) })
		group.Go(func() { _, _ = w.confirm(asBert, o) })
		group.Go(func() { _ = w.leave(asCleo, acme) })
		group.Wait()
		if owners := w.rows(`select count(*) from identity.membership where account_id = $1 and role = 'owner'`, acme); owners == 0 {
			t.Fatal("the account has no owner")
		}
	}
}
