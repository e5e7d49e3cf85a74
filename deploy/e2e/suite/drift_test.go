package suite_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/minio/madmin-go/v3"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/primecloud/primecloud/deploy/stack/webclient"
	"github.com/primecloud/primecloud/pkg/testkit"
)

// administration is MinIO's own, which nobody but us should use.
func administration(t *testing.T) *madmin.AdminClient {
	t.Helper()
	user, password := running.environment.MinIOAdmin()
	client, err := madmin.NewWithOptions(running.environment.MinIO.Address(), &madmin.Options{Creds: credentials.NewStaticV4(user, password, "")})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// quotaOf is the quota that MinIO has for the bucket.
func quotaOf(t *testing.T, name string) int64 {
	t.Helper()
	quota, err := administration(t).GetBucketQuota(testkit.Context(t), name)
	if err != nil {
		t.Fatal(err)
	}
	return int64(quota.Size)
}

// difference is the part of a drift that tests look at.
type difference struct {
	ResourceName, Kind, Field, Desired, Observed, DetectTime, RepairTime string
}

// reported waits until the account's differences have one about the bucket, repaired.
func reported(t *testing.T, client *webclient.Client, account, name, kind, field string) difference {
	t.Helper()
	var found difference
	testkit.Eventually(t, patience, func() error {
		var answer struct{ Drifts []difference }
		if _, err := client.Call(t.Context(), http.MethodGet, "/v1/accounts/"+account+"/storageDrifts", nil, &answer); err != nil {
			return err
		}
		for _, d := range answer.Drifts {
			if d.ResourceName == name && d.Kind == kind && d.Field == field && d.RepairTime != "" {
				found = d
				return nil
			}
		}
		return fmt.Errorf("no repaired %s %s of %s in %+v", kind, field, name, answer.Drifts)
	})
	return found
}

func TestWhatSomebodyDoesBehindOurBackIsReportedAndWhatIsOursIsRepaired(t *testing.T) {
	t.Cleanup(func() { reopen(t, nil) })
	reopen(t, lookingOften)
	client := browser(t, anna)
	account := newAccount(t, client)
	b := newBucket(t, client, account, map[string]any{"quotaBytes": "1048576", "versioning": "VERSIONING_ENABLED"})
	put(t, root(t), b.Name, "content")
	t.Run("a quota is changed", func(t *testing.T) {
		f := fault(t, "quota changed behind our back")
		if err := administration(t).SetBucketQuota(t.Context(), b.Name, &madmin.BucketQuota{Size: 9, Quota: 9, Type: madmin.HardQuota}); err != nil {
			t.Fatal(err)
		}
		do(t, client, http.MethodPost, bucketsOf(account, b.Name)+":reconcile", "{}", nil)
		d := reported(t, client, account, b.Name, "KIND_DIFFERENT", "quota_bytes")
		if d.Desired != "1048576 bytes" || d.Observed != "9 bytes" || quotaOf(t, b.Name) != 1048576 {
			t.Errorf("the difference is %+v, the quota %d", d, quotaOf(t, b.Name))
		}
		f.seen("the next reconcile", "reported (wanted %s, found %s), repaired", d.Desired, d.Observed)
		if _, err := root(t).StatObject(t.Context(), b.Name, "content", minio.StatObjectOptions{}); err != nil {
			t.Error(err)
		}
		f.seen("the tenant's data", "untouched")
	})
	t.Run("a bucket is deleted with all that is in it", func(t *testing.T) {
		f := fault(t, "bucket deleted behind our back")
		if err := root(t).RemoveBucketWithOptions(t.Context(), b.Name, minio.RemoveBucketOptions{ForceDelete: true}); err != nil {
			t.Fatal(err)
		}
		// Nobody asks for it: the look at everything finds out.
		reported(t, client, account, b.Name, "KIND_MISSING", "")
		versioning, err := root(t).GetBucketVersioning(t.Context(), b.Name)
		if err != nil || !versioning.Enabled() || quotaOf(t, b.Name) != 1048576 {
			t.Errorf("it came back with versioning %v, quota %d: %v", versioning, quotaOf(t, b.Name), err)
		}
		f.seen("the next look at everything", "reported, made again with quota and versioning")
	})
	t.Run("a bucket is added", func(t *testing.T) {
		f := fault(t, "bucket added behind our back")
		extra := unique("extra")
		if err := root(t).MakeBucket(t.Context(), extra, minio.MakeBucketOptions{}); err != nil {
			t.Fatal(err)
		}
		put(t, root(t), extra, "theirs")
		conn := behind(t)
		testkit.Eventually(t, patience, func() error {
			var n int
			err := conn.QueryRow(testkit.Context(t), `select count(*) from storage.drift
				where kind = 'EXTRA' and account_id = '' and resource_name = $1 and repaired_at is null`, extra).Scan(&n)
			if err == nil && n != 1 {
				err = fmt.Errorf("there are %d findings", n)
			}
			return err
		})
		f.seen("the next look at everything", "reported, to the operator alone")
		_, err := client.Call(t.Context(), http.MethodPost, bucketsOf(account), map[string]any{"name": extra}, nil)
		refused(t, err, http.StatusConflict, "BUCKET_NAME_TAKEN")
		forgotten(t, account, extra)
		if _, err := root(t).StatObject(t.Context(), extra, "theirs", minio.StatObjectOptions{}); err != nil {
			t.Error(err)
		}
		f.seen("a tenant asks for its name", "409 BUCKET_NAME_TAKEN; bucket and content stay as they are")
	})
	t.Run("a deleted bucket is put back with content", func(t *testing.T) {
		f := fault(t, "bucket put back behind our back")
		gone := newBucket(t, client, account, nil)
		do(t, client, http.MethodDelete, bucketsOf(account, gone.Name), nil, nil)
		forgotten(t, account, gone.Name)
		if err := root(t).MakeBucket(t.Context(), gone.Name, minio.MakeBucketOptions{}); err != nil {
			t.Fatal(err)
		}
		put(t, root(t), gone.Name, "theirs")
		conn := behind(t)
		testkit.Eventually(t, patience, func() error {
			var n int
			err := conn.QueryRow(testkit.Context(t), `select count(*) from storage.drift where kind = 'EXTRA' and resource_name = $1`, gone.Name).Scan(&n)
			if err == nil && n == 0 {
				err = errStillThere
			}
			return err
		})
		if _, err := root(t).StatObject(t.Context(), gone.Name, "theirs", minio.StatObjectOptions{}); err != nil {
			t.Error(err)
		}
		f.seen("the next look at everything", "reported; the content stays, though nobody wants the bucket")
	})
	t.Run("our mark is taken off a bucket", func(t *testing.T) {
		f := fault(t, "mark removed behind our back")
		bare := newBucket(t, client, account, nil)
		put(t, root(t), bare.Name, "content")
		if err := root(t).RemoveBucketTagging(t.Context(), bare.Name); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, patience, func() error {
			var now bucket
			do(t, client, http.MethodGet, bucketsOf(account, bare.Name), nil, &now)
			if now.State != "BUCKET_STATE_CONFLICT" {
				return fmt.Errorf("it is %+v", now)
			}
			return nil
		})
		var answer struct{ Drifts []difference }
		do(t, client, http.MethodGet, "/v1/accounts/"+account+"/storageDrifts", nil, &answer)
		if !slices.ContainsFunc(answer.Drifts, func(d difference) bool {
			return d.ResourceName == bare.Name && d.Field == "mark" && d.RepairTime == ""
		}) {
			t.Errorf("the differences are %+v", answer.Drifts)
		}
		f.seen("the next look at everything", "reported as a conflict, and left for an operator")
		for method, body := range map[string]any{http.MethodDelete: nil, http.MethodPatch: map[string]string{"quotaBytes": "7"}} {
			_, err := client.Call(t.Context(), method, bucketsOf(account, bare.Name), body, nil)
			refused(t, err, http.StatusBadRequest, "BUCKET_CONFLICT")
		}
		if _, err := root(t).StatObject(t.Context(), bare.Name, "content", minio.StatObjectOptions{}); err != nil {
			t.Error(err)
		}
		f.seen("its owner changes or deletes it", "400 BUCKET_CONFLICT; the content stays")
	})
}
