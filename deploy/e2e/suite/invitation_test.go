package suite_test

import (
	"net/http"
	"testing"

	"github.com/primecloud/primecloud/deploy/stack/environment"
	"github.com/primecloud/primecloud/deploy/stack/settings"
	"github.com/primecloud/primecloud/deploy/stack/webclient"
	"github.com/primecloud/primecloud/pkg/pki"
	"github.com/primecloud/primecloud/pkg/rpc"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
)

// invited invites a person's address into the account and returns the invitation with the
// token that the notifier would put into the e-mail, had through the notifier's own door.
func invited(t *testing.T, client *webclient.Client, account string, person int, fields map[string]any) (id, token string) {
	t.Helper()
	request := map[string]any{"email": environment.People()[person].Email}
	for name, value := range fields {
		request[name] = value
	}
	var made struct {
		ID       string
		Delivery int32
	}
	do(t, client, http.MethodPost, "/v1/accounts/"+account+"/invitations", request, &made)
	files, err := running.environment.Authority.Issue(t.TempDir(), pki.Leaf{Service: "notifier"})
	if err != nil {
		t.Fatal(err)
	}
	tls, err := files.ClientTLS(pki.Peer{Service: "identity"})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := rpc.Dial(rpc.ClientConfig{Target: settings.Address(running.config.Processes.Identity), TLS: tls, Service: "notifier"}, rpc.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	minted, err := identityv1.NewInvitationServiceClient(conn).MintInvitationToken(t.Context(), &identityv1.MintInvitationTokenRequest{
		AccountId: account, InvitationId: made.ID, Delivery: made.Delivery,
	})
	if err != nil {
		t.Fatal(err)
	}
	return made.ID, minted.GetToken()
}

func TestAnInvitedPersonJoinsOwnsAndLeavesOverREST(t *testing.T) {
	hers, his := browser(t, anna), browser(t, bert)
	account := newAccount(t, hers)
	path := "/v1/accounts/" + account
	_, token := invited(t, hers, account, bert, map[string]any{"role": "ROLE_DEVELOPER"})
	show := map[string]string{"token": token}
	_, err := hers.Call(t.Context(), http.MethodPost, "/v1/invitations:accept", show, nil)
	refused(t, err, http.StatusNotFound, "INVITATION_INVALID")
	var preview struct{ AccountID, AccountDisplayName, Role string }
	do(t, his, http.MethodPost, "/v1/invitations:preview", show, &preview)
	if preview.AccountID != account || preview.AccountDisplayName != t.Name() || preview.Role != "ROLE_DEVELOPER" {
		t.Errorf("the preview is %+v", preview)
	}
	var received struct{ Invitations []struct{ AccountID string } }
	do(t, his, http.MethodGet, "/v1/me/invitations?pageSize=1000", nil, &received)
	if len(received.Invitations) == 0 {
		t.Error("no invitation waits for him")
	}
	var member struct{ UserID, Role string }
	for range 2 {
		do(t, his, http.MethodPost, "/v1/invitations:accept", show, &member)
	}
	newBucket(t, his, account, nil)
	var transfer struct{ ID, State string }
	do(t, hers, http.MethodPost, path+"/ownershipTransfers", map[string]any{"toUserId": member.UserID}, &transfer)
	do(t, his, http.MethodPost, path+"/ownershipTransfers/"+transfer.ID+":confirm", nil, &transfer)
	if transfer.State != "OWNERSHIP_TRANSFER_STATE_CONFIRMED" {
		t.Errorf("the transfer is %+v", transfer)
	}
	_, err = his.Call(t.Context(), http.MethodPost, path+":leave", nil, nil)
	refused(t, err, http.StatusBadRequest, "LAST_OWNER")
	do(t, hers, http.MethodPost, path+":leave", nil, nil)
	_, err = hers.Call(t.Context(), http.MethodGet, path, nil, nil)
	if status := statusOf(t, err); status.HTTP != http.StatusNotFound {
		t.Errorf("an account that was left answers %v", status)
	}
	do(t, his, http.MethodGet, path, nil, nil)
}

// TestNobodyGivesThemselvesARoleOrAnAccountThroughJSON sends what resources show, and calls
// do not take: a field that is no wish must not pass for one.
func TestNobodyGivesThemselvesARoleOrAnAccountThroughJSON(t *testing.T) {
	hers, his := browser(t, anna), browser(t, bert)
	account, theirs := newAccount(t, hers), newAccount(t, his)
	id, token := invited(t, hers, account, bert, map[string]any{"role": "ROLE_VIEWER"})
	path := "/v1/accounts/" + account
	for _, r := range []refusal{
		{name: "a role with the token", client: his, path: "/v1/invitations:accept", body: map[string]string{"token": token, "role": "ROLE_OWNER"}, field: "role"},
		{name: "an account with the token", client: his, path: "/v1/invitations:accept", body: map[string]string{"token": token, "accountId": theirs}, field: "accountId"},
		{name: "a person with the token", client: his, path: "/v1/invitations:accept", body: map[string]string{"token": token, "userId": "usr_1"}, field: "userId"},
		{name: "somebody else who leaves", client: hers, path: path + ":leave", body: map[string]string{"userId": "usr_1"}, field: "userId"},
		{name: "an inviter", client: hers, path: path + "/invitations", body: map[string]string{"email": "x@example.com", "role": "ROLE_OWNER", "inviterId": "usr_1"}, field: "inviterId"},
		{name: "a state", client: hers, path: path + "/invitations", body: map[string]string{"email": "x@example.com", "role": "ROLE_VIEWER", "state": "INVITATION_STATE_ACCEPTED"}, field: "state"},
		{name: "a token of one's own", client: hers, path: path + "/invitations", body: map[string]string{"email": "x@example.com", "role": "ROLE_VIEWER", "token": token}, field: "token"},
		{name: "another address", client: hers, path: path + "/invitations/" + id + ":resend", body: map[string]string{"email": "x@example.com"}, field: "email"},
		{name: "a proposer", client: hers, path: path + "/ownershipTransfers", body: map[string]string{"toUserId": "usr_1", "fromUserId": "usr_1"}, field: "fromUserId"},
		{name: "a transfer confirmed from the start", client: hers, path: path + "/ownershipTransfers", body: map[string]string{"toUserId": "usr_1", "state": "OWNERSHIP_TRANSFER_STATE_CONFIRMED"}, field: "state"},
	} {
		r.method, r.httpStatus, r.reason = http.MethodPost, http.StatusBadRequest, "BODY_INVALID"
		t.Run(r.name, r.check)
	}
	t.Run("and the path says which account, whatever the body does", func(t *testing.T) {
		var made struct{ AccountID string }
		do(t, his, http.MethodPost, "/v1/accounts/"+theirs+"/invitations", map[string]string{"email": "x@example.com", "role": "ROLE_OWNER", "accountId": account}, &made)
		if made.AccountID != theirs {
			t.Errorf("he invites into %s", made.AccountID)
		}
	})
	t.Run("and the token still gives what was offered", func(t *testing.T) {
		var member struct{ Role, AccountID string }
		do(t, his, http.MethodPost, "/v1/invitations:accept", map[string]string{"token": token}, &member)
		if member.Role != "ROLE_VIEWER" || member.AccountID != account {
			t.Errorf("he has become %+v", member)
		}
	})
}
