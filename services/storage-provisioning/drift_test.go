package storage_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/madmin-go/v3"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// reaches fails the test unless the account's policy on MinIO names exactly these buckets.
func (w *world) reaches(account string, buckets ...string) {
	w.t.Helper()
	policy := "primecloud-" + w.row(`select id from storage.principal where account_id = $1`, account)
	adm := w.admin()
	slices.Sort(buckets)
	testkit.Eventually(w.t, 10*time.Second, func() error {
		found, err := adm.InfoCannedPolicyV2(testkit.Context(w.t), policy)
		if err != nil {
			return err
		}
		var document struct {
			Statement []struct {
				Effect   string
				Resource []string
			}
		}
		if err := json.Unmarshal(found.Policy, &document); err != nil {
			return err
		}
		var named []string
		for _, s := range document.Statement {
			for _, r := range s.Resource {
				bucket, _, _ := strings.Cut(strings.TrimPrefix(r, "arn:aws:s3:::"), "/")
				if s.Effect == "Allow" && !slices.Contains(named, bucket) {
					named = append(named, bucket)
				}
			}
		}
		slices.Sort(named)
		if !slices.Equal(named, buckets) {
			return fmt.Errorf("the policy names %v, want %v", named, buckets)
		}
		return nil
	})
}

// everySecond has everything compared with the backends all the time.
func everySecond(s config.Source) { s["PRIMECLOUD_STORAGE_FULL_PASS"] = "1s" }

// drift waits for a finding about the bucket.
func (w *world) drift(account, bucket string, kind storagev1.Drift_Kind, field string) *storagev1.Drift {
	w.t.Helper()
	var found *storagev1.Drift
	testkit.Eventually(w.t, patience, func() error {
		list, err := w.drifts.ListDrifts(w.as(account), &storagev1.ListDriftsRequest{AccountId: account})
		if err != nil {
			return err
		}
		for _, d := range list.GetDrifts() {
			if d.GetResourceName() == bucket && d.GetKind() == kind && d.GetField() == field {
				found = d
				return nil
			}
		}
		return fmt.Errorf("not among %v", list.GetDrifts())
	})
	return found
}

func TestDrift_is_found_told_and_repaired(t *testing.T) {
	w := newWorld(t, testkit.NewMinIO(t), everySecond)
	ctx := testkit.Context(t)
	acc, bucket := account(), name()
	if _, err := w.buckets.CreateBucket(w.as(acc), &storagev1.CreateBucketRequest{AccountId: acc, Name: bucket, QuotaBytes: 4096}); err != nil {
		t.Fatal(err)
	}
	t.Run("another quota", func(t *testing.T) {
		if err := w.admin().SetBucketQuota(ctx, bucket, &madmin.BucketQuota{Size: 9, Type: madmin.HardQuota}); err != nil {
			t.Fatal(err)
		}
		d := w.drift(acc, bucket, storagev1.Drift_KIND_DIFFERENT, "quota_bytes")
		if d.GetDesired() != "4096 bytes" || d.GetObserved() != "9 bytes" || d.GetRepairTime() == nil {
			t.Errorf("the finding is %v", d)
		}
		quota, err := w.admin().GetBucketQuota(ctx, bucket)
		if err != nil || quota.Size != 4096 {
			t.Errorf("the quota is %v, %v", quota, err)
		}
	})
	t.Run("a missing bucket", func(t *testing.T) {
		if err := w.s3().RemoveBucket(ctx, bucket); err != nil {
			t.Fatal(err)
		}
		w.drift(acc, bucket, storagev1.Drift_KIND_MISSING, "")
		quota, err := w.admin().GetBucketQuota(ctx, bucket)
		if err != nil || quota.Size != 4096 || !w.exists(bucket) {
			t.Errorf("it came back with quota %v, %v", quota, err)
		}
		got, err := w.buckets.GetBucket(w.as(acc), &storagev1.GetBucketRequest{AccountId: acc, Bucket: bucket})
		if err != nil || got.GetBucket().GetState() != storagev1.BucketState_BUCKET_STATE_READY {
			t.Errorf("it is told as %v, %v", got, err)
		}
	})
	t.Run("a bucket that nobody made is reported and left alone", func(t *testing.T) {
		extra := name()
		if err := w.s3().MakeBucket(ctx, extra, makeOptions(w)); err != nil {
			t.Fatal(err)
		}
		conn := w.database.Superuser(t)
		testkit.Eventually(t, patience, func() error {
			var n int
			err := conn.QueryRow(ctx, `select count(*) from storage.drift where kind = 'EXTRA' and account_id = '' and resource_name = $1 and repaired_at is null`, extra).Scan(&n)
			if err == nil && n != 1 {
				err = fmt.Errorf("there are %d findings", n)
			}
			return err
		})
		if !w.exists(extra) {
			t.Error("it is gone")
		}
	})
	t.Run("a mark that is gone stops everything", func(t *testing.T) {
		w.put(bucket, "content")
		if err := w.s3().RemoveBucketTagging(ctx, bucket); err != nil {
			t.Fatal(err)
		}
		w.drift(acc, bucket, storagev1.Drift_KIND_DIFFERENT, "mark")
		testkit.Eventually(t, 10*time.Second, func() error {
			got, err := w.buckets.GetBucket(w.as(acc), &storagev1.GetBucketRequest{AccountId: acc, Bucket: bucket})
			if err == nil && got.GetBucket().GetState() != storagev1.BucketState_BUCKET_STATE_CONFLICT {
				err = fmt.Errorf("it is %v", got)
			}
			return err
		})
		w.reaches(acc)
		_, err := w.buckets.DeleteBucket(w.as(acc), &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: bucket})
		refused(t, err, errs.FailedPrecondition, "BUCKET_CONFLICT")
		if !w.exists(bucket) {
			t.Error("it is gone")
		}
	})
}

func TestChange_that_finds_the_bucket_gone_makes_it_again_and_tells(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket := account(), name()
	w.create(acc, bucket)
	w.passed()
	w.quiet()
	if err := w.s3().RemoveBucket(testkit.Context(t), bucket); err != nil {
		t.Fatal(err)
	}
	_, err := w.buckets.UpdateBucket(w.as(acc), &storagev1.UpdateBucketRequest{AccountId: acc, BucketName: bucket, Bucket: &storagev1.Bucket{QuotaBytes: 77}})
	if err != nil || !w.exists(bucket) {
		t.Fatalf("it is there: %v, %v", w.exists(bucket), err)
	}
	if d := w.drift(acc, bucket, storagev1.Drift_KIND_MISSING, ""); d.GetRepairTime() == nil {
		t.Errorf("the finding is %v", d)
	}
}

func TestUnchanged_resources_cost_no_write(t *testing.T) {
	w := newWorld(t, testkit.NewMinIO(t))
	acc := account()
	names := []string{name(), name(), name()}
	for _, n := range names {
		if _, err := w.buckets.CreateBucket(w.as(acc), &storagev1.CreateBucketRequest{
			AccountId: acc, Name: n, QuotaBytes: 1 << 20, Versioning: storagev1.Versioning_VERSIONING_ENABLED,
			LifecycleRules: []*storagev1.LifecycleRule{{Id: "b", ExpireAfterDays: 3}, {Id: "a", Prefix: "x/", ExpireNoncurrentAfterDays: 2}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	key, err := w.keys.CreateAccessKey(w.as(acc), &storagev1.CreateAccessKeyRequest{AccountId: acc, DisplayName: "k", Grants: []*storagev1.Grant{
		{Bucket: names[0], Permission: storagev1.Permission_PERMISSION_READ_WRITE},
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.stop()
	t.Run("an existing key works while we are away", func(t *testing.T) {
		c := w.s3As(key.GetAccessKey().GetAccessKeyId(), key.GetSecretAccessKey())
		if _, err := c.PutObject(testkit.Context(t), names[0], "a", strings.NewReader("x"), 1, putOptions); err != nil {
			t.Error(err)
		}
	})
	everySecond(w.settings)
	w.calls.writes()
	w.start()
	conn := w.database.Superuser(t)
	testkit.Eventually(t, 30*time.Second, func() error {
		var runs, due int
		err := conn.QueryRow(t.Context(), `select (select count(*) from storage.schedule_run where job = 'full_pass' and finished_at is not null),
			(select count(*) from storage.managed_resource where due_at is not null)`).Scan(&runs, &due)
		if err == nil && runs < 3 {
			err = fmt.Errorf("%d passes, %d due", runs, due)
		}
		return err
	})
	if writes := w.calls.writes(); len(writes) > 0 {
		t.Errorf("MinIO was written %v", writes)
	}
	if n := w.row(`select count(*)::text from storage.drift`); n != "0" {
		t.Errorf("there are %s findings", n)
	}
}

func TestPolicy_names_exactly_the_buckets_of_the_account(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, first, second := account(), name(), name()
	w.create(acc, first)
	w.create(account(), name())
	w.reaches(acc, first)
	w.create(acc, second)
	w.reaches(acc, first, second)
	if _, err := w.buckets.DeleteBucket(w.as(acc), &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: first}); err != nil {
		t.Fatal(err)
	}
	w.reaches(acc, second)
}
