package suite_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/deploy/stack/webclient"
	"github.com/primecloud/primecloud/pkg/testkit"
)

// sees waits until a person finds exactly these buckets in an account.
func sees(t *testing.T, client *webclient.Client, account string, want ...string) {
	t.Helper()
	slices.Sort(want)
	testkit.Eventually(t, 30*time.Second, func() error {
		var list struct{ Buckets []bucket }
		if _, err := client.Call(t.Context(), http.MethodGet, bucketsOf(account), nil, &list); err != nil {
			return err
		}
		var got []string
		for _, b := range list.Buckets {
			got = append(got, b.Name)
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("they see %v, want %v", got, want)
		}
		return nil
	})
}

func TestAnExternalPersonSeesTheOneBucketThatTheirInvitationGranted(t *testing.T) {
	hers, his := browser(t, anna), browser(t, bert)
	account := newAccount(t, hers)
	granted, hidden := newBucket(t, hers, account, nil), newBucket(t, hers, account, nil)
	join := func(grants ...map[string]string) string {
		t.Helper()
		_, token := invited(t, hers, account, bert, map[string]any{"role": "ROLE_EXTERNAL", "grants": grants})
		var member struct{ UserID string }
		do(t, his, http.MethodPost, "/v1/invitations:accept", map[string]string{"token": token}, &member)
		return member.UserID
	}
	user := join(map[string]string{"bucketId": granted.ID, "accessLevel": "read"})
	sees(t, his, account, granted.Name)
	_, err := his.Call(t.Context(), http.MethodGet, bucketsOf(account, hidden.Name), nil, nil)
	refused(t, err, http.StatusNotFound, "BUCKET_NOT_FOUND")
	object := map[string]string{"key": "a"}
	do(t, his, http.MethodPost, bucketsOf(account, granted.Name)+"/objects:presignDownload", object, nil)
	_, err = his.Call(t.Context(), http.MethodPost, bucketsOf(account, granted.Name)+"/objects:presignUpload", object, nil)
	refused(t, err, http.StatusForbidden, "BUCKET_GRANT_TOO_LOW")

	var g struct{ UserID, Bucket, Permission string }
	do(t, hers, http.MethodPut, bucketsOf(account, hidden.Name)+"/grants/"+user, map[string]string{"permission": "PERMISSION_READ_WRITE"}, &g)
	if g.UserID != user || g.Bucket != hidden.Name || g.Permission != "PERMISSION_READ_WRITE" {
		t.Errorf("the grant is %+v", g)
	}
	sees(t, his, account, granted.Name, hidden.Name)
	do(t, his, http.MethodPost, bucketsOf(account, hidden.Name)+"/objects:presignUpload", object, nil)
	var why struct {
		Role      string
		Abilities []struct {
			Act     string
			Allowed bool
			Reason  string
		}
	}
	do(t, hers, http.MethodGet, bucketsOf(account, granted.Name)+"/access?userId="+user, nil, &why)
	if why.Role != "ROLE_EXTERNAL" || len(why.Abilities) != 3 || !why.Abilities[1].Allowed || why.Abilities[2].Reason != "BUCKET_GRANT_TOO_LOW" {
		t.Errorf("it is explained as %+v", why)
	}
	do(t, hers, http.MethodDelete, bucketsOf(account, hidden.Name)+"/grants/"+user, nil, nil)
	sees(t, his, account, granted.Name)

	do(t, hers, http.MethodDelete, strings.Join([]string{"/v1/accounts", account, "memberships", user}, "/"), nil, nil)
	testkit.Eventually(t, 30*time.Second, func() error {
		var list struct{ BucketGrants []struct{ ID string } }
		do(t, hers, http.MethodGet, "/v1/accounts/"+account+"/bucketGrants", nil, &list)
		if len(list.BucketGrants) > 0 {
			return fmt.Errorf("%d grants outlive the membership", len(list.BucketGrants))
		}
		return nil
	})
	join()
	sees(t, his, account)
}
