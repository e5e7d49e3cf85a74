package storage_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// policyOf returns the policy of the account's user as MinIO has it.
func (w *world) policyOf(acc string) string {
	w.t.Helper()
	found, err := w.admin().InfoCannedPolicyV2(testkit.Context(w.t), "primecloud-"+w.row(`select id from storage.principal where account_id = $1`, acc))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(found.Policy)
}

// TestPolicy lets MinIO take a policy of which nobody hears that it did, and gives the
// creation up that wanted it: once the name is free, no key of the account may reach it.
func TestPolicy_names_no_bucket_that_was_given_up(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc := account()
	w.create(acc, name())
	bucket := name()
	// The first pass over everything would look at the policy too.
	testkit.Eventually(t, 20*time.Second, func() error {
		if w.row(`select count(*)::text from storage.schedule_run where job = 'full_pass' and finished_at is not null`) == "0" {
			return errors.New("the first pass has not ended")
		}
		return nil
	})
	w.quiet()
	w.calls.cutNext("minio.PutPolicy", true)
	_, err := w.buckets.CreateBucket(w.as(acc), &storagev1.CreateBucketRequest{AccountId: acc, Name: bucket})
	refused(t, err, errs.Unavailable, "BACKEND_UNAVAILABLE")
	w.gone(bucket)
	if strings.Contains(w.policyOf(acc), bucket) {
		t.Errorf("the name %s is free, and the account's policy still reaches it", bucket)
	}
}
