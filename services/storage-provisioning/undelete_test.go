package storage_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

func (w *world) restore(account, bucket string) (*storagev1.Bucket, error) {
	r, err := storagev1.NewDeletedBucketServiceClient(w.conn).RestoreBucket(w.as(account), &storagev1.RestoreBucketRequest{
		AccountId: account, Bucket: bucket,
	})
	return r.GetBucket(), err
}

func (w *world) restorable(account string) []*storagev1.DeletedBucketSettings {
	w.t.Helper()
	r, err := storagev1.NewDeletedBucketServiceClient(w.conn).ListDeletedBuckets(w.as(account), &storagev1.ListDeletedBucketsRequest{AccountId: account})
	if err != nil {
		w.t.Fatal(err)
	}
	return r.GetDeletedBuckets()
}

func (w *world) deleteBucket(account, bucket string) {
	w.t.Helper()
	if _, err := w.buckets.DeleteBucket(w.as(account), &storagev1.DeleteBucketRequest{AccountId: account, Bucket: bucket}); err != nil {
		w.t.Fatal(err)
	}
}

func TestADeletionCanBeUndoneForAWhile(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t), func(s config.Source) { s["PRIMECLOUD_STORAGE_PURGE_GRACE"] = "0s" })
	acc, other, stays, leaves := account(), account(), person(), person()
	bucket := name()
	was, err := w.buckets.CreateBucket(w.as(acc), &storagev1.CreateBucketRequest{
		AccountId: acc, Name: bucket, CustomerReference: "c-1", QuotaBytes: 1 << 20, Versioning: storagev1.Versioning_VERSIONING_SUSPENDED,
		LifecycleRules: []*storagev1.LifecycleRule{{Id: "r", Prefix: "tmp/", ExpireAfterDays: 3}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.says(membership("created", acc, stays, "external", 1), membership("created", acc, leaves, "external", 1))
	for _, user := range []string{stays, leaves} {
		w.eventually(func() error {
			_, err := w.grants.SetBucketGrant(w.as(acc), &storagev1.SetBucketGrantRequest{
				AccountId: acc, Bucket: bucket, UserId: user, Permission: storagev1.Permission_PERMISSION_READ, Prefixes: []string{"a/"},
			})
			return err
		})
	}
	_, err = w.restore(acc, bucket)
	refused(t, err, errs.NotFound, "DELETED_BUCKET_NOT_FOUND")
	w.deleteBucket(acc, bucket)
	if kept := w.restorable(acc); len(kept) != 1 || kept[0].GetBucket().GetName() != bucket || kept[0].GetGrants() != 2 {
		t.Errorf("what can be restored is %v", kept)
	}
	w.says(membership("updated", acc, leaves, "external", 2))
	w.eventually(func() error {
		if v := w.row(`select version::text from storage.account_member where user_id = $1`, leaves); v != "2" {
			return fmt.Errorf("version %s of the membership was heard", v)
		}
		return nil
	})
	_, err = w.restore(other, bucket)
	refused(t, err, errs.NotFound, "DELETED_BUCKET_NOT_FOUND")

	back, err := w.restore(acc, bucket)
	if err != nil {
		t.Fatal(err)
	}
	if back.GetState() != storagev1.BucketState_BUCKET_STATE_READY || back.GetCustomerReference() != "c-1" || back.GetQuotaBytes() != 1<<20 ||
		back.GetVersioning() != was.GetBucket().GetVersioning() || len(back.GetLifecycleRules()) != 1 || !w.exists(bucket) {
		t.Errorf("it came back as %v", back)
	}
	list, err := w.grants.ListBucketGrants(w.as(acc), &storagev1.ListBucketGrantsRequest{AccountId: acc, Bucket: bucket})
	if g := list.GetBucketGrants(); err != nil || len(g) != 1 || g[0].GetUserId() != stays || g[0].GetPermission() != storagev1.Permission_PERMISSION_READ ||
		!slices.Equal(g[0].GetPrefixes(), []string{"a/"}) {
		t.Errorf("the grants are %v, %v", g, err)
	}
	_, err = w.restore(acc, bucket)
	refused(t, err, errs.AlreadyExists, "BUCKET_NAME_TAKEN")

	t.Run("a name that somebody else has taken meanwhile", func(t *testing.T) {
		w.deleteBucket(acc, bucket)
		w.gone(bucket)
		w.create(other, bucket)
		_, err := w.restore(acc, bucket)
		refused(t, err, errs.AlreadyExists, "BUCKET_NAME_TAKEN")
	})
	t.Run("a purged bucket is not among them", func(t *testing.T) {
		purged := name()
		w.create(acc, purged)
		w.purged(w.purge(acc, purged), is(done))
		_, err := w.restore(acc, purged)
		refused(t, err, errs.NotFound, "DELETED_BUCKET_NOT_FOUND")
	})
}
