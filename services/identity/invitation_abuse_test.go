package identity_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	optionsv1 "github.com/primecloud/primecloud/proto/gen/primecloud/options/v1"
)

// guess returns a token that was never given out.
func guess() string {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails
	return "pci_" + base64.RawURLEncoding.EncodeToString(raw[:])
}

// sameRefusal fails the test unless each call was refused for the same reason, in the same
// words and with the same details but for the request's id.
func sameRefusal(t *testing.T, reason string, refused map[string]error) {
	t.Helper()
	first := ""
	for name, err := range refused {
		wants(t, err, reason)
		told := status.Convert(err).Proto()
		var details []string
		for _, d := range told.GetDetails() {
			if !strings.HasSuffix(d.GetTypeUrl(), "RequestInfo") {
				details = append(details, d.String())
			}
		}
		text := told.GetMessage() + strings.Join(details, " ")
		if first == "" {
			first = text
		}
		if text != first {
			t.Errorf("%s is told apart:\n%s\n%s", name, text, first)
		}
	}
}

func TestWhoever_shows_a_token_that_is_not_theirs_learns_nothing_of_why(t *testing.T) {
	w := newWorld(t)
	anna, bert, cleo := w.login("anna"), w.login("bert"), w.login("cleo")
	acme := anna.account("Acme").GetId()
	made := anna.invite(acme, "bert@example.com", optionsv1.Role_ROLE_ADMIN)
	token := w.mint(made)
	calls := map[string]func(context.Context, string) error{
		"accept": func(ctx context.Context, token string) error {
			_, err := w.invitations().AcceptInvitation(ctx, &identityv1.AcceptInvitationRequest{Token: token})
			return err
		},
		"preview": func(ctx context.Context, token string) error {
			_, err := w.invitations().PreviewInvitation(ctx, &identityv1.PreviewInvitationRequest{Token: token})
			return err
		},
		"decline": func(ctx context.Context, token string) error {
			_, err := w.invitations().DeclineInvitation(ctx, &identityv1.DeclineInvitationRequest{Token: token})
			return err
		},
	}
	asBert, asCleo, asAnna := bert.in(""), cleo.in(""), anna.in("")
	for name, call := range calls {
		refused := map[string]error{
			"a stranger": call(asCleo, token), "whoever invited": call(asAnna, token), "malformed": call(asBert, "nonsense"),
			"mistyped": call(asBert, token[:46]+string(token[46]^1)), "guessed": call(asBert, guess()), "the hash of it": call(asBert, token[:4]),
		}
		w.behind(`update identity.users set email_verified = false where id = $1`, bert.id)
		refused["unverified"] = call(asBert, token)
		w.behind(`update identity.users set email = 'berta@example.com', email_verified = true where id = $1`, bert.id)
		refused["another address since"] = call(asBert, token)
		w.behind(`update identity.users set email = 'bert@example.com' where id = $1`, bert.id)
		sameRefusal(t, "INVITATION_INVALID", refused)
		t.Log(name)
	}
	if n := w.rows(`select count(*) from identity.membership where account_id = $1`, acme); n != 1 {
		t.Errorf("%d members", n)
	}
	if _, err := bert.accept(token); err != nil {
		t.Errorf("after all of that: %v", err)
	}
	t.Run("nor with one that was used", func(t *testing.T) {
		w.behind(`update identity.users set email = 'bert@example.com' where id = $1`, cleo.id)
		sameRefusal(t, "INVITATION_INVALID", map[string]error{
			"by somebody else of that address": calls["accept"](asCleo, token), "guessed": calls["accept"](asCleo, guess()),
			"to look at": calls["preview"](asBert, token), "to decline": calls["decline"](asBert, token),
		})
	})
}

func TestTokens_are_not_found_by_guessing(t *testing.T) {
	t.Parallel() // it waits most of its time
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	acme := anna.account("Acme").GetId()
	token := w.mint(anna.invite(acme, "bert@example.com", optionsv1.Role_ROLE_ADMIN))
	ctx := bert.in("")
	for range 200 {
		_, err := w.invitations().AcceptInvitation(ctx, &identityv1.AcceptInvitationRequest{Token: guess()})
		wants(t, err, "INVITATION_INVALID")
	}
	// Nor does an invitation that waits for its e-mail have one that could be guessed as nothing.
	anna.invite(acme, "cleo@example.com", optionsv1.Role_ROLE_ADMIN)
	for _, empty := range []string{"", "pci_", "pci_" + strings.Repeat("A", 43)} {
		if _, err := w.login("cleo").accept(empty); err == nil {
			t.Errorf("%q opens an invitation", empty)
		}
	}
	if _, err := bert.accept(token); err != nil {
		t.Errorf("the true one after all the guesses: %v", err)
	}
}

func TestAn_address_that_only_looks_the_same_takes_nothing_over(t *testing.T) {
	w := newWorld(t)
	anna, cleo := w.login("anna"), w.login("cleo")
	acme := anna.account("Acme").GetId()
	token := w.mint(anna.invite(acme, "kim@example.com", optionsv1.Role_ROLE_ADMIN))
	for _, address := range []string{"\u212Aim@example.com", "k\u0131m@example.com", "kim@example.com.", " kim@example.com", "kim@example.com\x00", "\"kim\"@example.com"} {
		if strings.Contains(address, "\x00") {
			continue // PostgreSQL keeps none, and a login's are dropped
		}
		w.behind(`update identity.users set email = $2, email_verified = true where id = $1`, cleo.id, address)
		_, err := cleo.accept(token)
		wants(t, err, "INVITATION_INVALID")
		list, err := w.invitations().ListReceivedInvitations(cleo.in(""), &identityv1.ListReceivedInvitationsRequest{})
		if err != nil || len(list.GetInvitations()) != 0 {
			t.Errorf("%q is shown %v, %v", address, list, err)
		}
	}
	w.behind(`update identity.users set email = 'KIM@Example.com' where id = $1`, cleo.id)
	if _, err := cleo.accept(token); err != nil {
		t.Errorf("the same address in capitals: %v", err)
	}
}

func TestAn_invitation_accepted_twice_at_once_makes_one_member(t *testing.T) {
	w := newWorld(t)
	anna, bert, cleo := w.login("anna"), w.login("bert"), w.login("cleo")
	acme := anna.account("Acme").GetId()
	// Two people of two providers, who both have the address verified.
	w.behind(`update identity.users set email = 'bert@example.com' where id = $1`, cleo.id)
	token := w.mint(anna.invite(acme, "bert@example.com", optionsv1.Role_ROLE_VIEWER))
	contexts := []context.Context{bert.in(""), cleo.in(""), bert.in(""), cleo.in("")}
	answers, outcomes := make([]*identityv1.AcceptInvitationResponse, 4), make([]error, 4)
	var group sync.WaitGroup
	for n, ctx := range contexts {
		group.Go(func() {
			answers[n], outcomes[n] = w.invitations().AcceptInvitation(ctx, &identityv1.AcceptInvitationRequest{Token: token})
		})
	}
	group.Wait()
	if (outcomes[0] == nil) != (outcomes[2] == nil) || (outcomes[1] == nil) != (outcomes[3] == nil) || (outcomes[0] == nil) == (outcomes[1] == nil) {
		t.Fatalf("the four ended as %v", outcomes)
	}
	for n, err := range outcomes {
		if err != nil {
			wants(t, err, "INVITATION_INVALID")
		} else if !proto.Equal(answers[n], answers[(n+2)%4]) {
			t.Errorf("the same person has %v and %v", answers[n], answers[(n+2)%4])
		}
	}
	if n := w.rows(`select count(*) from identity.membership where account_id = $1`, acme); n != 2 {
		t.Errorf("%d members", n)
	}
}

func TestAnswers_and_a_revocation_at_once_leave_one_outcome(t *testing.T) {
	t.Parallel() // it waits most of its time
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	acme := anna.account("Acme").GetId()
	asAnna, asBert := anna.in(acme), bert.in("")
	for range 4 {
		made := anna.invite(acme, "bert@example.com", optionsv1.Role_ROLE_VIEWER)
		token := w.mint(made)
		var accepted, declined, revoked error
		var group sync.WaitGroup
		group.Go(func() {
			_, accepted = w.invitations().AcceptInvitation(asBert, &identityv1.AcceptInvitationRequest{Token: token})
		})
		group.Go(func() {
			_, declined = w.invitations().DeclineInvitation(asBert, &identityv1.DeclineInvitationRequest{Token: token})
		})
		group.Go(func() {
			_, revoked = w.invitations().RevokeInvitation(asAnna, &identityv1.RevokeInvitationRequest{AccountId: acme, InvitationId: made.GetId()})
		})
		group.Wait()
		done := 0
		for _, err := range []error{accepted, declined, revoked} {
			if err == nil {
				done++
			}
		}
		members := w.rows(`select count(*) from identity.membership where account_id = $1`, acme)
		if done != 1 || (accepted == nil) != (members == 2) {
			t.Fatalf("accepting %v, declining %v, revoking %v; %d members", accepted, declined, revoked, members)
		}
		if accepted == nil {
			return
		}
	}
}

func TestNobody_invites_above_themselves_nor_through_somebody_who_fell(t *testing.T) {
	w := newWorld(t)
	anna, bert, cleo := w.login("anna"), w.login("bert"), w.login("cleo")
	acme := anna.account("Acme").GetId()
	anna.add(acme, bert.id, optionsv1.Role_ROLE_ADMIN)
	create := func(p person, role optionsv1.Role) error {
		_, err := w.invitations().CreateInvitation(p.in(acme), &identityv1.CreateInvitationRequest{AccountId: acme, Email: "x@example.com", Role: role})
		return err
	}
	wants(t, create(bert, optionsv1.Role_ROLE_OWNER), "ROLE_TOO_HIGH")
	wants(t, create(bert, optionsv1.Role_ROLE_PLATFORM_ADMIN), "REQUEST_INVALID")
	wants(t, create(bert, optionsv1.Role_ROLE_UNSPECIFIED), "REQUEST_INVALID")
	owners := anna.invite(acme, "y@example.com", optionsv1.Role_ROLE_OWNER)
	_, err := w.invitations().ResendInvitation(bert.in(acme), &identityv1.ResendInvitationRequest{AccountId: acme, InvitationId: owners.GetId()})
	wants(t, err, "ROLE_TOO_HIGH")
	_, err = w.invitations().RevokeInvitation(bert.in(acme), &identityv1.RevokeInvitationRequest{AccountId: acme, InvitationId: owners.GetId()})
	wants(t, err, "ROLE_TOO_HIGH")

	made := bert.invite(acme, "cleo@example.com", optionsv1.Role_ROLE_ADMIN)
	token := w.mint(made)
	role := func(role optionsv1.Role) {
		t.Helper()
		if _, err := w.gateway().UpdateMembership(anna.in(acme), &identityv1.UpdateMembershipRequest{AccountId: acme, UserId: bert.id, Role: role}); err != nil {
			t.Fatal(err)
		}
	}
	role(optionsv1.Role_ROLE_VIEWER)
	wants(t, create(bert, optionsv1.Role_ROLE_EXTERNAL), "ROLE_NOT_ALLOWED")
	_, err = cleo.accept(token)
	wants(t, err, "INVITATION_INVALID")
	_, err = w.notifier().MintInvitationToken(testkit.Context(t), &identityv1.MintInvitationTokenRequest{AccountId: acme, InvitationId: made.GetId(), Delivery: 1})
	wants(t, err, "INVITATION_CLOSED")
	if _, err := w.gateway().DeleteMembership(anna.in(acme), &identityv1.DeleteMembershipRequest{AccountId: acme, UserId: bert.id}); err != nil {
		t.Fatal(err)
	}
	_, err = cleo.accept(token)
	wants(t, err, "INVITATION_INVALID")
	// An owner who sends it again answers for it from then on.
	sent, err := w.invitations().ResendInvitation(anna.in(acme), &identityv1.ResendInvitationRequest{AccountId: acme, InvitationId: made.GetId()})
	if err != nil || sent.GetInvitation().GetInviterId() != anna.id {
		t.Fatalf("sent again: %v, %v", sent, err)
	}
	if member, err := cleo.accept(w.mint(sent.GetInvitation())); err != nil || member.GetRole() != optionsv1.Role_ROLE_ADMIN {
		t.Errorf("accepting gave %v, %v", member, err)
	}
}

func TestInvitations_that_should_not_be_are_refused(t *testing.T) {
	w := newWorld(t)
	anna, bert, cleo := w.login("anna"), w.login("bert"), w.login("cleo")
	acme, theirs := anna.account("Acme").GetId(), bert.account("Theirs").GetId()
	anna.add(acme, bert.id, optionsv1.Role_ROLE_VIEWER)
	waiting := anna.invite(acme, "cleo@example.com", optionsv1.Role_ROLE_VIEWER)
	create := func(email string, grants ...*identityv1.BucketGrant) error {
		_, err := w.invitations().CreateInvitation(anna.in(acme), &identityv1.CreateInvitationRequest{
			AccountId: acme, Email: email, Role: optionsv1.Role_ROLE_VIEWER, Grants: grants,
		})
		return err
	}
	wants(t, create("BERT@example.com"), "MEMBERSHIP_EXISTS")
	wants(t, create("CLEO@example.com"), "INVITATION_EXISTS")
	for _, bad := range []string{"", "bert", "b\u00E9rt@example.com", "a@b@example.com", "x@example.com\nbcc: y@example.com", strings.Repeat("x", 300) + "@example.com", "x\x00@example.com"} {
		wants(t, create(bad), "REQUEST_INVALID")
	}
	wants(t, create("x@example.com", &identityv1.BucketGrant{BucketId: "bkt_1", AccessLevel: "read"}), "REQUEST_INVALID")
	wants(t, create("x@example.com", &identityv1.BucketGrant{BucketId: "../x", AccessLevel: "read"}), "REQUEST_INVALID")
	_, err := w.invitations().GetInvitation(bert.in(theirs), &identityv1.GetInvitationRequest{AccountId: theirs, InvitationId: waiting.GetId()})
	wants(t, err, "INVITATION_NOT_FOUND")
	_, err = w.invitations().RevokeInvitation(bert.in(theirs), &identityv1.RevokeInvitationRequest{AccountId: theirs, InvitationId: waiting.GetId()})
	wants(t, err, "INVITATION_NOT_FOUND")
	_, err = w.invitations().GetInvitation(bert.in(theirs), &identityv1.GetInvitationRequest{AccountId: acme, InvitationId: waiting.GetId()})
	wants(t, err, "NOT_FOUND")
	t.Run("a member by another way has their role and no second one", func(t *testing.T) {
		token := w.mint(waiting)
		anna.add(acme, cleo.id, optionsv1.Role_ROLE_BILLING)
		_, err := cleo.accept(token)
		wants(t, err, "MEMBERSHIP_EXISTS")
		if n := w.rows(`select count(*) from identity.membership where user_id = $1 and role = 'billing'`, cleo.id); n != 1 {
			t.Error("the role has changed")
		}
	})
	t.Run("an address that a member has not verified is still invited", func(t *testing.T) {
		w.behind(`update identity.users set email = 'kim@example.com', email_verified = false where id = $1`, bert.id)
		if err := create("kim@example.com"); err != nil {
			t.Error(err)
		}
	})
}

func TestWhom_an_account_invites_says_nothing_of_who_has_a_login(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	w.login("bert")
	acme := anna.account("Acme").GetId()
	known, unknown := anna.invite(acme, "bert@example.com", optionsv1.Role_ROLE_VIEWER), anna.invite(acme, "nobody@example.com", optionsv1.Role_ROLE_VIEWER)
	for _, i := range []*identityv1.Invitation{known, unknown} {
		i.Id, i.Email, i.CreateTime, i.SendTime, i.ExpireTime = "", "", nil, nil, nil
	}
	if !proto.Equal(known, unknown) {
		t.Errorf("somebody with a login gives %v, somebody without %v", known, unknown)
	}
}

func TestNo_account_floods_people_with_e_mails(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	acme := anna.account("Acme").GetId()
	create := func(email string) (*identityv1.Invitation, error) {
		made, err := w.invitations().CreateInvitation(anna.in(acme), &identityv1.CreateInvitationRequest{
			AccountId: acme, Email: email, Role: optionsv1.Role_ROLE_VIEWER,
		})
		return made.GetInvitation(), err
	}
	made, err := create("bert@example.com")
	if err != nil {
		t.Fatal(err)
	}
	resend := func() error {
		_, err := w.invitations().ResendInvitation(anna.in(acme), &identityv1.ResendInvitationRequest{AccountId: acme, InvitationId: made.GetId()})
		return err
	}
	for range 4 {
		if err := resend(); err != nil {
			t.Fatal(err)
		}
	}
	err = resend()
	wants(t, err, "RATE_LIMITED")
	if known, _ := errs.As(err); known.RetryAfter() != time.Hour {
		t.Errorf("it says to wait %v", known.RetryAfter())
	}
	// Taking it back and inviting anew is the same e-mail to the same person.
	if _, err := w.invitations().RevokeInvitation(anna.in(acme), &identityv1.RevokeInvitationRequest{AccountId: acme, InvitationId: made.GetId()}); err != nil {
		t.Fatal(err)
	}
	_, err = create("Bert@example.com")
	wants(t, err, "RATE_LIMITED")
	if n := w.rows(`with made as (insert into identity.invitation_mail select $1, 'x' || n, $2 from generate_series(1, 95) n returning 1)
		select count(*) from made`, acme, w.clock.Now()); n != 95 {
		t.Fatal(n)
	}
	_, err = create("cleo@example.com")
	wants(t, err, "RATE_LIMITED")
	w.clock.advance(61 * time.Minute)
	if _, err = create("cleo@example.com"); err != nil {
		t.Errorf("an hour later: %v", err)
	}
	if n := w.rows(`with made as (insert into identity.invitation (id, account_id, email, email_key, role, grants, state, inviter_id, delivery,
			version, create_time, send_time, expire_time)
		select 'inv_' || n, $1, n || '@x.y', n || '@x.y', 'viewer', '[]', 'pending', $2, 1, 1, $3, $3, $3::timestamptz + interval '7 days'
		from generate_series(1, 199) n returning 1) select count(*) from made`, acme, anna.id, w.clock.Now()); n != 199 {
		t.Fatal(n)
	}
	_, err = create("dora@example.com")
	wants(t, err, "TOO_MANY_INVITATIONS")
	w.later(7*24*time.Hour + time.Minute)
	if _, err = create("dora@example.com"); err != nil {
		t.Errorf("once they have expired: %v", err)
	}
}

func TestAn_account_that_is_not_active_is_not_joined(t *testing.T) {
	w := newWorld(t)
	anna, bert := w.login("anna"), w.login("bert")
	acme := anna.account("Acme").GetId()
	made := anna.invite(acme, "bert@example.com", optionsv1.Role_ROLE_VIEWER)
	token := w.mint(made)
	for _, state := range []string{"pending", "suspended", "closing", "closed"} {
		w.behind(`update identity.account set state = $2, close_time = case when $2 = 'closing' then now() end,
			resumes = case when $2 = 'closing' then 'active' else '' end where id = $1`, acme, state)
		reason := "ACCOUNT_" + strings.ToUpper(state)
		_, err := bert.accept(token)
		wants(t, err, reason)
		_, err = w.invitations().CreateInvitation(anna.in(acme), &identityv1.CreateInvitationRequest{
			AccountId: acme, Email: "cleo@example.com", Role: optionsv1.Role_ROLE_VIEWER,
		})
		wants(t, err, reason)
	}
	w.behind(`update identity.account set state = 'active' where id = $1`, acme)
	if _, err := bert.accept(token); err != nil {
		t.Errorf("once it is active: %v", err)
	}
}

func TestAn_operator_takes_invitations_back_and_sends_none(t *testing.T) {
	w := operated(t)
	anna, olga := w.login("anna"), w.login("olga")
	acme := anna.account("Acme").GetId()
	made := anna.invite(acme, "bert@example.com", optionsv1.Role_ROLE_VIEWER)
	if _, err := w.gateway().CreateOperatorAccess(olga.platform(), &identityv1.CreateOperatorAccessRequest{AccountId: acme, Reason: "ticket 4711"}); err != nil {
		t.Fatal(err)
	}
	inside := olga.in(acme)
	_, err := w.invitations().CreateInvitation(inside, &identityv1.CreateInvitationRequest{
		AccountId: acme, Email: "cleo@example.com", Role: optionsv1.Role_ROLE_VIEWER,
	})
	wants(t, err, "MEMBERS_ONLY")
	_, err = w.invitations().ResendInvitation(inside, &identityv1.ResendInvitationRequest{AccountId: acme, InvitationId: made.GetId()})
	wants(t, err, "MEMBERS_ONLY")
	wants(t, w.leave(inside, acme), "ACCOUNT_NOT_FOUND")
	_, err = w.transfers().CreateOwnershipTransfer(inside, &identityv1.CreateOwnershipTransferRequest{AccountId: acme, ToUserId: olga.id})
	wants(t, err, "ROLE_NOT_ALLOWED")
	got, err := w.invitations().RevokeInvitation(inside, &identityv1.RevokeInvitationRequest{AccountId: acme, InvitationId: made.GetId()})
	if err != nil || got.GetInvitation().GetState() != identityv1.InvitationState_INVITATION_STATE_REVOKED {
		t.Errorf("revoking gave %v, %v", got, err)
	}
}
