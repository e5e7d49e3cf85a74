package suite_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/deploy/stack/webclient"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

var errStillThere = errors.New("it is still there")

// entry is the part of an audit entry that tests look at.
type entry struct {
	Action, Outcome, Reason, RequestID string
	Actor                              struct{ Kind, ID, Role string }
	Target                             struct{ Kind, ID, DisplayName string }
}

func (e entry) String() string {
	return strings.TrimSpace(e.Action + " " + strings.TrimPrefix(e.Outcome, "OUTCOME_") + " " + e.Reason)
}

// trail is the account's audit trail, newest first.
func trail(t *testing.T, client *webclient.Client, account string) ([]entry, error) {
	t.Helper()
	var answer struct{ AuditEntries []entry }
	_, err := client.Call(t.Context(), http.MethodGet, "/v1/accounts/"+account+"/auditEntries?pageSize=1000", nil, &answer)
	return answer.AuditEntries, err
}

// told waits until each of the entries, as "action OUTCOME reason", is in the account's
// trail exactly once, and returns them.
func told(t *testing.T, client *webclient.Client, account string, want ...string) []entry {
	t.Helper()
	var found []entry
	testkit.Eventually(t, patience, func() error {
		entries, err := trail(t, client, account)
		if err != nil {
			return err
		}
		found = nil
		for _, w := range want {
			n := 0
			for _, e := range entries {
				if e.String() == w {
					found = append(found, e)
					n++
				}
			}
			if n != 1 {
				return fmt.Errorf("%q is there %d times in %v", w, n, entries)
			}
		}
		return nil
	})
	return found
}

// toldOf waits until the account's trail has the entry about something of that name.
func toldOf(t *testing.T, client *webclient.Client, account, name, want string) {
	t.Helper()
	testkit.Eventually(t, patience, func() error {
		entries, err := trail(t, client, account)
		if err == nil && !slices.ContainsFunc(entries, func(e entry) bool { return e.String() == want && e.Target.DisplayName == name }) {
			err = fmt.Errorf("%q about %s is not in %v", want, name, entries)
		}
		return err
	})
}

func TestARefusalEndsInTheTrailOfTheCallersAccount(t *testing.T) {
	client := browser(t, anna)
	account, foreign := newAccount(t, client), newAccount(t, browser(t, bert))
	key := newAPIKey(t, client, account, "ROLE_VIEWER", "storage.read", "storage.write")
	machine := client.WithBearer(bearer(t, key))
	request := webclient.Header("X-Request-Id", unique("refused"))
	_, err := machine.Call(t.Context(), http.MethodPost, bucketsOf(account), map[string]string{"name": unique("e2e")}, nil, request)
	id := detail(refused(t, err, http.StatusForbidden, "ROLE_NOT_ALLOWED"), "RequestInfo")["requestId"]
	_, err = machine.Call(t.Context(), http.MethodGet, bucketsOf(foreign), nil, nil)
	refused(t, err, http.StatusNotFound, "NOT_FOUND")

	entries := told(t, client, account, "bucket.create DENIED ROLE_NOT_ALLOWED", "buckets.list DENIED NOT_FOUND")
	for _, e := range entries {
		if e.Actor.ID != key.APIKey.ID || e.Actor.Kind != "machine" {
			t.Errorf("the entry names %+v", e.Actor)
		}
	}
	if entries[0].RequestID != id {
		t.Errorf("the entry has the request %q, the answer %q", entries[0].RequestID, id)
	}
	if entries[1].Target.ID != foreign {
		t.Errorf("the entry is about %+v", entries[1].Target)
	}
	t.Run("and not in the other's", func(t *testing.T) {
		theirs, err := trail(t, browser(t, bert), foreign)
		if err != nil || slices.ContainsFunc(theirs, func(e entry) bool { return strings.Contains(e.String(), "DENIED") }) {
			t.Errorf("got %v, %v", theirs, err)
		}
	})
}

func TestRefusalsWithoutALoginAreCountedAndNotStoredOneByOne(t *testing.T) {
	// Of a method that no other test calls without a login.
	const calls = 60
	account := newAccount(t, browser(t, anna))
	conn := behind(t)
	count := func() (counted, stored int) {
		t.Helper()
		err := conn.QueryRow(testkit.Context(t), `select
			(select coalesce(sum(count), 0) from storage.refusal_count where method like '%/ListAccessKeys' and reason in ('LOGIN_REQUIRED', 'TOKEN_INVALID')),
			(select count(*) from identity.audit_entry where action = 'access_keys.list')`).Scan(&counted, &stored)
		if err != nil {
			t.Fatal(err)
		}
		return counted, stored
	}
	counted, stored := count()
	keys, path := storagev1.NewAccessKeyServiceClient(wire(t, "storage-provisioning")), "/v1/accounts/"+account+"/accessKeys"
	for range calls / 3 {
		_, err := nobody().Call(t.Context(), http.MethodGet, path, nil, nil)
		refused(t, err, http.StatusUnauthorized, "LOGIN_REQUIRED")
		_, err = nobody().WithBearer("forged").Call(t.Context(), http.MethodGet, path, nil, nil)
		refused(t, err, http.StatusUnauthorized, "TOKEN_INVALID")
		if _, err := keys.ListAccessKeys(rpc.WithBearer(t.Context(), "forged"), &storagev1.ListAccessKeysRequest{AccountId: account}); err == nil {
			t.Error("a forged token is accepted over gRPC")
		}
	}
	testkit.Eventually(t, 20*time.Second, func() error {
		now, _ := count()
		if now-counted != calls {
			return fmt.Errorf("%d refusals were counted, want %d", now-counted, calls)
		}
		return nil
	})
	if _, now := count(); now != stored {
		t.Errorf("%d entries were stored", now-stored)
	}
	var rows int
	if err := conn.QueryRow(testkit.Context(t), `select count(*) from storage.refusal_count where method like '%/ListAccessKeys' and minute > now() - interval '3 minutes'`).Scan(&rows); err != nil || rows > 8 {
		t.Errorf("%d refusals take %d rows: %v", calls, rows, err)
	}
}
