package storage_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
)

// identityOf returns the id of the account's identity.
func (w *world) identityOf(acc string) string {
	w.t.Helper()
	return w.row(`select id from storage.principal where account_id = $1`, acc)
}

// policyOf returns the policy of an identity as MinIO has it.
func (w *world) policyOf(id string) string {
	w.t.Helper()
	found, err := w.admin().InfoCannedPolicyV2(testkit.Context(w.t), "primecloud-"+id)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(found.Policy)
}

// until waits until a condition holds in the database.
func (w *world) until(condition string, args ...any) {
	w.t.Helper()
	conn := w.database.Superuser(w.t)
	testkit.Eventually(w.t, patience, func() error {
		var holds bool
		err := conn.QueryRow(testkit.Context(w.t), "select "+condition, args...).Scan(&holds)
		if err == nil && !holds {
			err = errors.New("not yet: " + condition)
		}
		return err
	})
}

// passed waits for the end of the first pass over everything, which would look at the policy too.
func (w *world) passed() {
	w.t.Helper()
	w.until(`exists (select from storage.schedule_run where job = 'full_pass' and finished_at is not null)`)
}

// TestPolicy lets MinIO take a policy of which nobody hears that it did, and gives the
// creation up that wanted it: once the name is free, no key of the account may reach it.
func TestPolicy_names_no_bucket_that_was_given_up(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc := account()
	w.create(acc, name())
	bucket := name()
	w.passed()
	w.quiet()
	w.calls.cutNext("minio.PutPolicy", true)
	_, err := w.buckets.CreateBucket(w.as(acc), &storagev1.CreateBucketRequest{AccountId: acc, Name: bucket})
	refused(t, err, errs.Unavailable, "BACKEND_UNAVAILABLE")
	w.gone(bucket)
	if strings.Contains(w.policyOf(w.identityOf(acc)), bucket) {
		t.Errorf("the name %s is free, and the account's policy still reaches it", bucket)
	}
}

// TestIdentity lets MinIO apply what it was asked by an attempt that failed after what it was
// asked by the next one, as a server that was paused may.
func TestIdentity_is_looked_at_again_after_an_attempt_whose_end_nobody_knows(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc := account()
	w.create(acc, name())
	bucket := name()
	w.passed()
	w.quiet()
	w.calls.cutNext("minio.PutPolicy", false)
	_, err := w.buckets.CreateBucket(w.as(acc), &storagev1.CreateBucketRequest{AccountId: acc, Name: bucket})
	refused(t, err, errs.Unavailable, "BACKEND_UNAVAILABLE")
	id := w.identityOf(acc)
	w.until(`(select generation = observed_generation from storage.managed_resource where id = $1)`, id)
	if err := w.admin().AddCannedPolicy(testkit.Context(t), "primecloud-"+id, policy.Documents{}.Account([]string{bucket}, false)); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 10*time.Second, func() error {
		if strings.Contains(w.policyOf(id), bucket) {
			return errors.New("the account's policy reaches what nobody wants any more")
		}
		return nil
	})
}
