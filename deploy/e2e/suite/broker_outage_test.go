package suite_test

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/primecloud/primecloud/deploy/stack/webclient"
	"github.com/primecloud/primecloud/pkg/testkit"
)

func TestWhileNATSIsAwayNothingIsLostNorWhenItsStoreIs(t *testing.T) {
	client, nats := browser(t, anna), running.environment.NATS
	account := newAccount(t, client)
	t.Cleanup(func() { restore(t, nats) })
	before := newBucket(t, client, account, nil)
	told(t, client, account, "account.create SUCCEEDED", "bucket.create SUCCEEDED")
	changes := 1
	for _, c := range []struct {
		name  string
		while func(t *testing.T, f *faults) error
	}{
		{"NATS stopped", func(t *testing.T, f *faults) error {
			presignsOn(t, client, account, before.Name)
			f.seen("for longer than revocations stay known", "URLs are signed all the while")
			return nil
		}},
		{"NATS stopped, its store deleted", func(*testing.T, *faults) error { return os.RemoveAll(nats.Store) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := fault(t, c.name)
			if err := nats.Stop(testkit.Context(t)); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				newBucket(t, client, account, nil)
				changes++
			}
			do(t, client, http.MethodPatch, bucketsOf(account, before.Name), map[string]any{"quotaBytes": fmt.Sprint(changes << 20)}, nil)
			key := newAPIKey(t, client, account, "ROLE_VIEWER", "storage.read")
			do(t, client.WithBearer(bearer(t, key)), http.MethodGet, bucketsOf(account), nil, nil)
			do(t, client, http.MethodPost, "/v1/accounts/"+account+"/apiKeys/"+key.APIKey.ID+":revoke", "{}", nil)
			f.seen("3 buckets made, 1 changed, an API key", "all succeed")
			f.seen("the audit trail is read", "it has %d of the creations, the rest waits", inTrail(t, client, account, "bucket.create")-changes+3)
			if err := c.while(t, f); err != nil {
				t.Fatal(err)
			}
			if err := nats.Start(testkit.Context(t)); err != nil {
				t.Fatal(err)
			}
			testkit.Eventually(t, patience, func() error {
				if got := inTrail(t, client, account, "bucket.create"); got != changes {
					return fmt.Errorf("%d creations are in the trail, want %d", got, changes)
				}
				return nil
			})
			f.seen("NATS is back", "each change is in the trail once")
		})
	}
	t.Run("and a key revoked after that ends at once", func(t *testing.T) {
		key := newAPIKey(t, client, account, "ROLE_VIEWER", "storage.read")
		machine := client.WithBearer(bearer(t, key))
		do(t, machine, http.MethodGet, bucketsOf(account), nil, nil)
		do(t, client, http.MethodPost, "/v1/accounts/"+account+"/apiKeys/"+key.APIKey.ID+":revoke", "{}", nil)
		testkit.Eventually(t, 20*time.Second, func() error {
			_, err := machine.Call(t.Context(), http.MethodGet, bucketsOf(account), nil, nil)
			if err == nil {
				return errStillThere
			}
			refused(t, err, http.StatusUnauthorized, "TOKEN_REVOKED")
			return nil
		})
	})
}

// presignsOn asks for signed URLs until the view of revocations, which NATS brings, would
// have grown stale. Whoever signs needs a fresh one, and gets it from identity then.
func presignsOn(t *testing.T, client *webclient.Client, account, bucket string) {
	t.Helper()
	const stale = 17 * time.Second
	began := time.Now()
	testkit.Eventually(t, 2*stale, func() error {
		do(t, client, http.MethodPost, bucketsOf(account, bucket)+"/objects:presignDownload", map[string]string{"key": "a", "lifetime": "60s"}, nil)
		if left := stale - time.Since(began); left > 0 {
			return fmt.Errorf("another %s", left)
		}
		return nil
	})
}

// inTrail counts the succeeded entries of an action in the account's trail.
func inTrail(t *testing.T, client *webclient.Client, account, action string) int {
	t.Helper()
	// By its filter, for the page may be full of other entries, such as those of signed URLs.
	var answer struct{ AuditEntries []entry }
	do(t, client, http.MethodGet, "/v1/accounts/"+account+"/auditEntries?pageSize=1000&outcome=OUTCOME_SUCCEEDED&action="+action, nil, &answer)
	return len(answer.AuditEntries)
}
