package identity_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/primecloud/primecloud/pkg/event/envelope"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/testkit"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	optionsv1 "github.com/primecloud/primecloud/proto/gen/primecloud/options/v1"
)

// invitations is the gateway's client of invitations.
func (w *world) invitations() identityv1.InvitationServiceClient {
	w.gateway()
	return identityv1.NewInvitationServiceClient(w.conn)
}

// notifier is the notifier's client of invitations.
func (w *world) notifier() identityv1.InvitationServiceClient {
	return identityv1.NewInvitationServiceClient(w.dial("notifier"))
}

// invite invites an address into the account, as the person.
func (p person) invite(accountID, email string, role optionsv1.Role, grants ...*identityv1.BucketGrant) *identityv1.Invitation {
	p.w.t.Helper()
	made, err := p.w.invitations().CreateInvitation(p.in(accountID), &identityv1.CreateInvitationRequest{
		AccountId: accountID, Email: email, Role: role, Grants: grants,
	})
	if err != nil {
		p.w.t.Fatal(err)
	}
	return made.GetInvitation()
}

// mint gets the token of the invitation's last sending, as the notifier does.
func (w *world) mint(i *identityv1.Invitation) string {
	w.t.Helper()
	minted, err := w.notifier().MintInvitationToken(testkit.Context(w.t), &identityv1.MintInvitationTokenRequest{
		AccountId: i.GetAccountId(), InvitationId: i.GetId(), Delivery: i.GetDelivery(),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return minted.GetToken()
}

// accept shows a token as the person.
func (p person) accept(token string) (*identityv1.Membership, error) {
	p.w.t.Helper()
	answer, err := p.w.invitations().AcceptInvitation(p.in(""), &identityv1.AcceptInvitationRequest{Token: token})
	return answer.GetMembership(), err
}

// add makes somebody a member directly.
func (p person) add(accountID, userID string, role optionsv1.Role) {
	p.w.t.Helper()
	if _, err := p.w.gateway().CreateMembership(p.in(accountID), &identityv1.CreateMembershipRequest{
		AccountId: accountID, UserId: userID, Role: role,
	}); err != nil {
		p.w.t.Fatal(err)
	}
}

// later moves the clock on, and all logins with it: at the provider it is still now.
func (w *world) later(d time.Duration) {
	w.t.Helper()
	w.clock.advance(d)
	w.rows(`with moved as (update identity.session set last_use_time = last_use_time + $1::interval, expire_time = expire_time + $1::interval returning 1)
		select count(*) from moved`, fmt.Sprintf("%d seconds", int64(d/time.Second)))
}

// told waits for the last event of a type and returns its raw form and its payload.
func (w *world) told(eventType string, into proto.Message) []byte {
	w.t.Helper()
	js := w.broker("test")
	var raw []byte
	testkit.Eventually(w.t, 20*time.Second, func() error {
		stream, err := js.Stream(testkit.Context(w.t), "IDENTITY")
		if err != nil {
			return err
		}
		msg, err := stream.GetLastMsgForSubject(testkit.Context(w.t), "primecloud.identity."+eventType+".v1")
		if err != nil {
			return fmt.Errorf("%s: %w", eventType, err)
		}
		e, err := envelope.Decode(msg.Data)
		if err != nil {
			return err
		}
		raw = msg.Data
		return proto.Unmarshal(e.Payload, into)
	})
	return raw
}

func TestAn_invited_person_becomes_a_member_with_the_token_from_the_e_mail(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	acme := anna.account("Acme").GetId()
	made := anna.invite(acme, "Bert@Example.com", optionsv1.Role_ROLE_DEVELOPER)
	if made.GetState() != identityv1.InvitationState_INVITATION_STATE_PENDING || made.GetDelivery() != 1 || made.GetInviterId() != anna.id ||
		made.GetExpireTime().AsTime().Sub(made.GetCreateTime().AsTime()) != 7*24*time.Hour {
		t.Errorf("made %v", made)
	}
	got, err := w.invitations().GetInvitation(anna.in(acme), &identityv1.GetInvitationRequest{AccountId: acme, InvitationId: made.GetId()})
	if err != nil || !proto.Equal(got.GetInvitation(), made) {
		t.Errorf("got %v, %v", got, err)
	}
	var created identityv1.InvitationChanged
	w.told("invitation.created", &created)
	token := w.mint(created.GetInvitation())
	bert := w.login("bert")
	received, err := w.invitations().ListReceivedInvitations(bert.in(""), &identityv1.ListReceivedInvitationsRequest{})
	if err != nil || len(received.GetInvitations()) != 1 || received.GetInvitations()[0].GetAccountDisplayName() != "Acme" {
		t.Errorf("bert was sent %v, %v", received, err)
	}
	preview, err := w.invitations().PreviewInvitation(bert.in(""), &identityv1.PreviewInvitationRequest{Token: token})
	if err != nil || !proto.Equal(preview.GetInvitation(), received.GetInvitations()[0]) ||
		preview.GetInvitation().GetInviterDisplayName() != "anna" || preview.GetInvitation().GetRole() != optionsv1.Role_ROLE_DEVELOPER {
		t.Errorf("the preview is %v, %v", preview, err)
	}
	member, err := bert.accept(token)
	if err != nil || member.GetUserId() != bert.id || member.GetAccountId() != acme || member.GetRole() != optionsv1.Role_ROLE_DEVELOPER {
		t.Fatalf("accepting gave %v, %v", member, err)
	}
	if again, err := bert.accept(token); err != nil || !proto.Equal(again, member) {
		t.Errorf("again gave %v, %v", again, err)
	}
	if _, err := w.gateway().GetAccount(bert.in(acme), &identityv1.GetAccountRequest{AccountId: acme}); err != nil {
		t.Errorf("as a member: %v", err)
	}
	var accepted identityv1.InvitationChanged
	raw := w.told("invitation.accepted", &accepted)
	if accepted.GetInvitation().GetAcceptUserId() != bert.id || accepted.GetInvitation().GetEndTime() == nil {
		t.Errorf("the event says %v", &accepted)
	}
	entries := anna.eventually(acme, "account.create SUCCEEDED", "invitation.create SUCCEEDED", "invitation.mint SUCCEEDED",
		"membership.create SUCCEEDED", "invitation.accept SUCCEEDED")
	if e := entries[2]; e.GetActor().GetKind() != "service" || e.GetActor().GetId() != "notifier" {
		t.Errorf("the token was made by %v", e.GetActor())
	}
	for _, e := range entries {
		if strings.Contains(e.String(), token) || strings.Contains(string(raw), token) {
			t.Error("the token is shown")
		}
	}
	if n := w.rows(`select count(*) from identity.outbox where position($1::bytea in payload) > 0`, []byte(token[4:])); n != 0 {
		t.Error("the token is in an event")
	}
	list, err := w.invitations().ListReceivedInvitations(bert.in(""), &identityv1.ListReceivedInvitationsRequest{})
	if err != nil || len(list.GetInvitations()) != 0 {
		t.Errorf("bert is still sent %v, %v", list, err)
	}
}

func TestGrants_of_an_external_person_reach_storage_with_the_acceptance(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	acme := anna.account("Acme").GetId()
	grant := &identityv1.BucketGrant{BucketId: "bkt_1", AccessLevel: "read"}
	made := anna.invite(acme, "bert@example.com", optionsv1.Role_ROLE_EXTERNAL, grant)
	if _, err := bert.accept(w.mint(made)); err != nil {
		t.Fatal(err)
	}
	var accepted identityv1.InvitationChanged
	w.told("invitation.accepted", &accepted)
	i := accepted.GetInvitation()
	if len(i.GetGrants()) != 1 || !proto.Equal(i.GetGrants()[0], grant) || i.GetAcceptUserId() != bert.id || i.GetInviterId() != anna.id ||
		i.GetRole() != optionsv1.Role_ROLE_EXTERNAL || i.GetState() != identityv1.InvitationState_INVITATION_STATE_ACCEPTED {
		t.Errorf("storage is told %v", i)
	}
	// By this storage knows which membership the grants are for.
	if n := w.rows(`select version from identity.membership where account_id = $1 and user_id = $2`, acme, bert.id); accepted.GetMembershipVersion() != int64(n) || n == 0 {
		t.Errorf("they are for version %d of the membership, which is %d", accepted.GetMembershipVersion(), n)
	}
	_, err := w.invitations().ListInvitations(bert.in(acme), &identityv1.ListInvitationsRequest{AccountId: acme})
	wants(t, err, "ROLE_NOT_ALLOWED")
}

func TestOnly_the_notifier_gets_tokens(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	acme := anna.account("Acme").GetId()
	made := anna.invite(acme, "bert@example.com", optionsv1.Role_ROLE_VIEWER)
	request := &identityv1.MintInvitationTokenRequest{AccountId: acme, InvitationId: made.GetId(), Delivery: 1}
	for _, peer := range []string{"", "gateway", "storage-provisioning", "billing"} {
		for who, ctx := range map[string]context.Context{"as itself": testkit.Context(t), "for an owner": anna.in(acme)} {
			_, err := identityv1.NewInvitationServiceClient(w.dial(peer)).MintInvitationToken(ctx, request)
			if err == nil {
				t.Errorf("%q gets a token %s", peer, who)
			}
			wants(t, err, "CALLER_NOT_ALLOWED")
		}
	}
	mint := func(change func(*identityv1.MintInvitationTokenRequest)) error {
		other := proto.CloneOf(request)
		change(other)
		_, err := w.notifier().MintInvitationToken(testkit.Context(t), other)
		return err
	}
	wants(t, mint(func(r *identityv1.MintInvitationTokenRequest) { r.InvitationId = "inv_none" }), "INVITATION_NOT_FOUND")
	wants(t, mint(func(r *identityv1.MintInvitationTokenRequest) { r.AccountId = "acc_none" }), "INVITATION_NOT_FOUND")
	wants(t, mint(func(r *identityv1.MintInvitationTokenRequest) { r.AccountId = anna.account("Other").GetId() }), "INVITATION_NOT_FOUND")
	wants(t, mint(func(r *identityv1.MintInvitationTokenRequest) { r.Delivery = 2 }), "INVITATION_NOT_FOUND")
	if _, err := w.invitations().RevokeInvitation(anna.in(acme), &identityv1.RevokeInvitationRequest{AccountId: acme, InvitationId: made.GetId()}); err != nil {
		t.Fatal(err)
	}
	wants(t, mint(func(*identityv1.MintInvitationTokenRequest) {}), "INVITATION_CLOSED")
	if n := w.rows(`select count(*) from identity.invitation where token_hash is not null`); n != 0 {
		t.Errorf("%d tokens are out", n)
	}
}

func TestSending_again_ends_the_token_before_and_begins_seven_new_days(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	acme := anna.account("Acme").GetId()
	made := anna.invite(acme, "bert@example.com", optionsv1.Role_ROLE_VIEWER)
	first := w.mint(made)
	resend := func() (*identityv1.Invitation, error) {
		answer, err := w.invitations().ResendInvitation(rpc.WithIdempotencyKey(anna.in(acme), "k1"),
			&identityv1.ResendInvitationRequest{AccountId: acme, InvitationId: made.GetId()})
		return answer.GetInvitation(), err
	}
	sent, err := resend()
	if err != nil || sent.GetDelivery() != 2 || !sent.GetExpireTime().AsTime().After(made.GetExpireTime().AsTime()) {
		t.Fatalf("sent again: %v, %v", sent, err)
	}
	if again, err := resend(); err != nil || again.GetDelivery() != 2 {
		t.Errorf("the same call again: %v, %v", again, err)
	}
	_, err = bert.accept(first)
	wants(t, err, "INVITATION_INVALID")
	_, err = w.notifier().MintInvitationToken(testkit.Context(t), &identityv1.MintInvitationTokenRequest{
		AccountId: acme, InvitationId: made.GetId(), Delivery: 1,
	})
	wants(t, err, "INVITATION_SUPERSEDED")
	second, third := w.mint(sent), w.mint(sent)
	_, err = bert.accept(second)
	wants(t, err, "INVITATION_INVALID")
	w.later(7*24*time.Hour + time.Minute)
	_, err = bert.accept(third)
	wants(t, err, "INVITATION_INVALID")
	got, err := w.invitations().GetInvitation(anna.in(acme), &identityv1.GetInvitationRequest{AccountId: acme, InvitationId: made.GetId()})
	if err != nil || got.GetInvitation().GetState() != identityv1.InvitationState_INVITATION_STATE_EXPIRED {
		t.Errorf("after seven days: %v, %v", got, err)
	}
	late, err := w.invitations().ResendInvitation(anna.in(acme), &identityv1.ResendInvitationRequest{AccountId: acme, InvitationId: made.GetId()})
	if err != nil || late.GetInvitation().GetDelivery() != 3 || late.GetInvitation().GetState() != identityv1.InvitationState_INVITATION_STATE_PENDING {
		t.Fatalf("an expired one, sent again: %v, %v", late, err)
	}
	var resent identityv1.InvitationChanged
	testkit.Eventually(t, 20*time.Second, func() error {
		if w.told("invitation.resent", &resent); resent.GetInvitation().GetDelivery() != 3 {
			return fmt.Errorf("the event says %v", &resent)
		}
		return nil
	})
	if _, err := bert.accept(w.mint(late.GetInvitation())); err != nil {
		t.Errorf("the last token: %v", err)
	}
}

func TestAn_invitation_that_ended_stays_so(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	acme := anna.account("Acme").GetId()
	revoke := func(i *identityv1.Invitation) (*identityv1.Invitation, error) {
		answer, err := w.invitations().RevokeInvitation(anna.in(acme), &identityv1.RevokeInvitationRequest{AccountId: acme, InvitationId: i.GetId()})
		return answer.GetInvitation(), err
	}
	resend := func(i *identityv1.Invitation) error {
		_, err := w.invitations().ResendInvitation(anna.in(acme), &identityv1.ResendInvitationRequest{AccountId: acme, InvitationId: i.GetId()})
		return err
	}
	revoked := anna.invite(acme, "bert@example.com", optionsv1.Role_ROLE_VIEWER)
	token := w.mint(revoked)
	for range 2 {
		if got, err := revoke(revoked); err != nil || got.GetState() != identityv1.InvitationState_INVITATION_STATE_REVOKED {
			t.Fatalf("revoking gave %v, %v", got, err)
		}
	}
	_, err := bert.accept(token)
	wants(t, err, "INVITATION_INVALID")
	wants(t, resend(revoked), "INVITATION_CLOSED")

	declined := anna.invite(acme, "bert@example.com", optionsv1.Role_ROLE_VIEWER)
	token = w.mint(declined)
	if _, err := w.invitations().DeclineInvitation(bert.in(""), &identityv1.DeclineInvitationRequest{Token: token}); err != nil {
		t.Fatal(err)
	}
	_, err = bert.accept(token)
	wants(t, err, "INVITATION_INVALID")
	wants(t, resend(declined), "INVITATION_CLOSED")
	_, err = revoke(declined)
	wants(t, err, "INVITATION_CLOSED")

	accepted := anna.invite(acme, "bert@example.com", optionsv1.Role_ROLE_VIEWER)
	token = w.mint(accepted)
	if _, err := bert.accept(token); err != nil {
		t.Fatal(err)
	}
	_, err = revoke(accepted)
	wants(t, err, "INVITATION_CLOSED")
	wants(t, resend(accepted), "INVITATION_CLOSED")
	_, err = w.invitations().DeclineInvitation(bert.in(""), &identityv1.DeclineInvitationRequest{Token: token})
	wants(t, err, "INVITATION_INVALID")
	// Whoever was removed does not come back with a used token.
	if _, err := w.gateway().DeleteMembership(anna.in(acme), &identityv1.DeleteMembershipRequest{AccountId: acme, UserId: bert.id}); err != nil {
		t.Fatal(err)
	}
	_, err = bert.accept(token)
	wants(t, err, "INVITATION_INVALID")
	wants(t, resend(accepted), "INVITATION_CLOSED")
	list, err := w.invitations().ListInvitations(anna.in(acme), &identityv1.ListInvitationsRequest{AccountId: acme, PageSize: 2})
	if err != nil || len(list.GetInvitations()) != 2 || list.GetInvitations()[0].GetId() != revoked.GetId() || list.GetNextPageToken() == "" {
		t.Errorf("listed %v, %v", list, err)
	}
}

func TestInvitations_are_swept_a_month_after_their_end(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	acme := anna.account("Acme").GetId()
	anna.invite(acme, "bert@example.com", optionsv1.Role_ROLE_VIEWER)
	w.stop()
	w.clock.advance(36 * 24 * time.Hour)
	w.start()
	testkit.Eventually(t, 10*time.Second, func() error {
		if n := w.rows(`select count(*) from identity.invitation_mail`); n != 0 {
			return fmt.Errorf("%d e-mails are still counted", n)
		}
		return nil
	})
	if n := w.rows(`select count(*) from identity.invitation`); n != 1 {
		t.Errorf("%d invitations are left before their time", n)
	}
	w.stop()
	w.clock.advance(2 * 24 * time.Hour)
	w.start()
	testkit.Eventually(t, 10*time.Second, func() error {
		if n := w.rows(`select count(*) from identity.invitation`); n != 0 {
			return fmt.Errorf("%d invitations are left", n)
		}
		return nil
	})
}
