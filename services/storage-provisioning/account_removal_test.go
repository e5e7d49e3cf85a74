package storage_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/minio/madmin-go/v3"
	client "github.com/minio/minio-go/v7"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/pkg/token"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

const (
	closed  = identityv1.AccountState_ACCOUNT_STATE_CLOSED
	removed = storagev1.AccountRemovalState_ACCOUNT_REMOVAL_STATE_DONE
)

func (w *world) removals() storagev1.AccountRemovalServiceClient {
	return storagev1.NewAccountRemovalServiceClient(w.conn)
}

// asPlatform returns a context in which an operator of the platform calls.
func (w *world) asPlatform(role string) context.Context {
	return w.asClaims(token.Claims{Subject: "usr_op", Kind: principal.Operator, Role: role, Session: "ses_op"})
}

// removal returns the removal of an account as the platform sees it.
func (w *world) removal(account string) (*storagev1.AccountRemoval, error) {
	r, err := w.removals().GetPlatformAccountRemoval(w.asPlatform("platform_support"), &storagev1.GetPlatformAccountRemovalRequest{AccountId: account})
	return r.GetAccountRemoval(), err
}

// isRemoved waits until all of an account is removed.
func (w *world) isRemoved(account string) *storagev1.AccountRemoval {
	w.t.Helper()
	var last *storagev1.AccountRemoval
	w.eventually(func() error {
		var err error
		if last, err = w.removal(account); err == nil && last.GetState() != removed {
			err = fmt.Errorf("the removal is %v", last)
		}
		return err
	})
	return last
}

// forgotten fails the test unless nothing of an account is left in the record.
func (w *world) forgotten(account string) {
	w.t.Helper()
	for _, table := range []string{"bucket", "access_key", "principal", "bucket_grant"} {
		if n := w.row(`select count(*)::text from storage.`+table+` where account_id = $1`, account); n != "0" {
			w.t.Errorf("%s rows are left in %s", n, table)
		}
	}
	if n := w.row(`select count(*)::text from storage.managed_resource where account_id = $1`, account); n != "0" {
		w.t.Errorf("%s managed resources are left", n)
	}
}

// userBehind returns the account's user on MinIO, by way of one of its keys.
func (w *world) userBehind(key pair) string {
	w.t.Helper()
	found, err := w.admin().InfoServiceAccount(testkit.Context(w.t), key.GetAccessKeyId())
	if err != nil {
		w.t.Fatal(err)
	}
	return found.ParentUser
}

func TestAClosedAccountLosesAllItHadAndLeavesAManifestAndARecord(t *testing.T) {
	t.Parallel() // it waits most of its time
	w := newWorld(t, testkit.MinIO(t))
	ctx := testkit.Context(t)
	acc, other := account(), account()
	theirs := w.hold(other)
	first, second, third := name(), name(), name()
	w.create(acc, first)
	w.put(first, "a")
	w.put(first, "b")
	if _, err := w.buckets.CreateBucket(w.as(acc), &storagev1.CreateBucketRequest{
		AccountId: acc, Name: second, Versioning: storagev1.Versioning_VERSIONING_ENABLED, CustomerReference: "c-2", QuotaBytes: 1 << 30,
	}); err != nil {
		t.Fatal(err)
	}
	w.put(second, "v")
	w.put(second, "v")
	if err := w.s3().RemoveObject(ctx, second, "v", client.RemoveObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	w.create(acc, third)
	w.put(third, "waiting")
	byOwner := w.purge(acc, third)
	key := w.createKey(w.as(acc), acc, readWrite, first)
	user, policy := w.userBehind(key), "primecloud-"+w.row(`select id from storage.principal where account_id = $1`, acc)

	// A closing that is taken back removes nothing.
	w.says(stands(acc, "closing", closing, 2))
	w.says(stands(acc, "reopened", active, 3))
	w.eventually(func() error {
		if v := w.row(`select coalesce(max(version), 0)::text from storage.account_standing where account_id = $1`, acc); v != "3" {
			return fmt.Errorf("version %s was heard", v)
		}
		return nil
	})
	_, err := w.removal(acc)
	refused(t, err, errs.NotFound, "ACCOUNT_REMOVAL_NOT_FOUND")
	if w.entries(first) != 2 || w.state(acc, first) != storagev1.BucketState_BUCKET_STATE_READY {
		t.Error("something was removed of an account that is open")
	}

	w.says(stands(acc, "closing", closing, 4))
	w.says(stands(acc, "closed", closed, 5))
	last := w.isRemoved(acc)
	for _, bucket := range []string{first, second, third} {
		if w.exists(bucket) {
			t.Errorf("%s is still there", bucket)
		}
	}
	if w.keyOnMinIO(key.GetAccessKeyId()) {
		t.Error("the key is still there")
	}
	if _, err := w.admin().GetUserInfo(ctx, user); madmin.ToErrorResponse(err).Code != "XMinioAdminNoSuchUser" {
		t.Errorf("the user is still there: %v", err)
	}
	if _, err := w.admin().InfoCannedPolicyV2(ctx, policy); madmin.ToErrorResponse(err).Code != "XMinioAdminNoSuchPolicy" {
		t.Errorf("the policy is still there: %v", err)
	}
	w.forgotten(acc)
	theirs.becomes("200")

	manifest := last.GetExitManifest()
	counts := map[string]string{}
	for _, b := range manifest.GetBuckets() {
		counts[b.GetBucket().GetName()] = fmt.Sprint(b.GetObjects(), b.GetEntries(), b.GetBytes())
	}
	if len(counts) != 3 || counts[first] != "2 2 14" || counts[second] != "0 3 14" || counts[third] != "1 1 7" {
		t.Errorf("the manifest counts %v", counts)
	}
	for _, b := range manifest.GetBuckets() {
		if b := b.GetBucket(); b.GetName() == second && (b.GetCustomerReference() != "c-2" || b.GetQuotaBytes() != 1<<30 ||
			b.GetVersioning() != storagev1.Versioning_VERSIONING_ENABLED) {
			t.Errorf("the manifest has %v", b)
		}
	}
	if keys := manifest.GetAccessKeys(); len(keys) != 1 || keys[0].GetId() != key.GetId() || keys[0].GetGrants()[0].GetBucket() != first {
		t.Errorf("the manifest has the keys %v", keys)
	}
	if text := last.String(); strings.Contains(text, key.GetAccessKeyId()) || strings.Contains(text, key.secret) {
		t.Error("the manifest holds a secret")
	}
	record := last.GetDeletionRecord()
	if record.GetEntries() != 6 || record.GetBytes() != 35 || record.GetAccessKeys() != 1 || record.GetIdentities() != 1 || len(record.GetBuckets()) != 3 {
		t.Errorf("the record is %v", record)
	}

	t.Run("the owner and the platform can read it", func(t *testing.T) {
		asOwner := w.asClaims(token.Claims{
			Subject: "usr_" + acc, Kind: principal.Person, Account: acc, AccountState: "closed", Role: "owner", Session: "ses_1",
		})
		own, err := w.removals().GetAccountRemoval(asOwner, &storagev1.GetAccountRemovalRequest{AccountId: acc})
		if err != nil || own.GetAccountRemoval().GetDeletionRecord().GetEntries() != 6 {
			t.Errorf("the owner gets %v, %v", own, err)
		}
		_, err = w.purges().CancelBucketPurge(asOwner, &storagev1.CancelBucketPurgeRequest{AccountId: acc, PurgeId: byOwner.GetId()})
		refused(t, err, errs.FailedPrecondition, "ACCOUNT_REMOVAL_BEGUN")
		list, err := w.removals().ListPlatformAccountRemovals(w.asPlatform("platform_admin"), &storagev1.ListPlatformAccountRemovalsRequest{})
		if err != nil || len(list.GetAccountRemovals()) != 1 || list.GetAccountRemovals()[0].GetExitManifest() != nil {
			t.Errorf("the platform lists %v, %v", list, err)
		}
	})
	t.Run("it is told, and hearing of it again changes nothing", func(t *testing.T) {
		w.says(stands(acc, "closed", closed, 5))
		w.recounts(acc, "account_removal.create STARTED by storage-provisioning", "account_removal.run STARTED by storage-provisioning",
			"access_key.delete SUCCEEDED by storage-provisioning", "account_removal.run SUCCEEDED by storage-provisioning")
		if again, err := w.removal(acc); err != nil || again.GetId() != last.GetId() || again.GetUpdateTime().AsTime() != last.GetUpdateTime().AsTime() {
			t.Errorf("it is %v by now, %v", again, err)
		}
	})
}

func TestTheRemovalOfAnAccountGoesOnAfterWhateverCutItOff(t *testing.T) {
	t.Parallel() // it waits most of its time
	w := newWorld(t, testkit.NewMinIO(t))
	for _, c := range []struct {
		call   string
		effect bool
	}{
		{"minio.RemoveEntries", true},
		{"minio.ReviseKey", true},
		{"minio.RemoveUser", true},
	} {
		t.Run(fmt.Sprintf("%s, effect %v", c.call, c.effect), func(t *testing.T) {
			acc := account()
			mine := w.hold(acc)
			w.calls.cutNext(c.call, c.effect)
			w.says(stands(acc, "closed", closed, 2))
			w.eventually(func() error {
				if w.calls.wasHit() == "" {
					return errors.New("not there yet")
				}
				return nil
			})
			w.stop()
			w.start()
			last := w.isRemoved(acc)
			if w.exists(mine.bucket) || w.keyOnMinIO(mine.key.GetAccessKeyId()) || len(last.GetExitManifest().GetBuckets()) != 1 {
				t.Errorf("it ended as %v", last)
			}
			w.forgotten(acc)
		})
	}
	t.Run("MinIO is down when it is closed", func(t *testing.T) {
		acc := account()
		mine := w.hold(acc)
		if err := w.minio.Kill(); err != nil {
			t.Fatal(err)
		}
		w.says(stands(acc, "closed", closed, 2))
		w.eventually(func() error {
			_, err := w.removal(acc)
			return err
		})
		if err := w.minio.Start(testkit.Context(t)); err != nil {
			t.Fatal(err)
		}
		w.isRemoved(acc)
		if w.exists(mine.bucket) {
			t.Error("the bucket is still there")
		}
		w.forgotten(acc)
	})
	t.Run("an account that was closed before anybody removed anything", func(t *testing.T) {
		acc := account()
		mine := w.hold(acc)
		w.stop()
		if _, err := w.database.Superuser(t).Exec(testkit.Context(t), `insert into storage.account_standing
			(account_id, state, version, changed_at) values ($1, 'closed', 9, now())`, acc); err != nil {
			t.Fatal(err)
		}
		w.start()
		w.isRemoved(acc)
		if w.exists(mine.bucket) {
			t.Error("the bucket is still there")
		}
	})
}
