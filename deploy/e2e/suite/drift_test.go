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

// extraReported waits until the operator is told of a bucket that nobody of ours wants.
func extraReported(t *testing.T, name string) {
	t.Helper()
	conn := behind(t)
	testkit.Eventually(t, patience, func() error {
		var n int
		err := conn.QueryRow(testkit.Context(t), `select count(*) from storage.drift
			where kind = 'EXTRA' and account_id = '' and resource_name = $1 and repaired_at is null`, name).Scan(&n)
		if err == nil && n != 1 {
			err = fmt.Errorf("there are %d findings", n)
		}
		return err
	})
}

// untouched checks that content is still there.
func untouched(t *testing.T, bucket string) {
	t.Helper()
	if _, err := root(t).StatObject(testkit.Context(t), bucket, "content", minio.StatObjectOptions{}); err != nil {
		t.Errorf("the content of %s: %v", bucket, err)
	}
}

// must is for what somebody does behind our back.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatSomebodyDoesBehindOurBackIsReportedAndWhatIsOursIsRepaired(t *testing.T) {
	client := browser(t, anna)
	account := newAccount(t, client)
	wanted := map[string]any{"quotaBytes": "1048576", "versioning": "VERSIONING_ENABLED"}
	resized, deleted, bare := newBucket(t, client, account, wanted), newBucket(t, client, account, wanted), newBucket(t, client, account, nil)
	back := newBucket(t, client, account, nil)
	do(t, client, http.MethodDelete, bucketsOf(account, back.Name), nil, nil)
	forgotten(t, account, back.Name)
	for _, b := range []bucket{resized, deleted, bare} {
		put(t, root(t), b.Name, "content")
	}
	t.Run("a quota is changed, and its owner asks for a reconcile", func(t *testing.T) {
		f := fault(t, "quota changed behind our back")
		must(t, administration(t).SetBucketQuota(t.Context(), resized.Name, &madmin.BucketQuota{Size: 9, Quota: 9, Type: madmin.HardQuota}))
		do(t, client, http.MethodPost, bucketsOf(account, resized.Name)+":reconcile", "{}", nil)
		d := reported(t, client, account, resized.Name, "KIND_DIFFERENT", "quota_bytes")
		if d.Desired != "1048576 bytes" || d.Observed != "9 bytes" || quotaOf(t, resized.Name) != 1048576 {
			t.Errorf("the difference is %+v, the quota %d", d, quotaOf(t, resized.Name))
		}
		untouched(t, resized.Name)
		f.seen("the next reconcile", "reported (wanted %s, found %s), repaired; the content stays", d.Desired, d.Observed)
	})

	// The rest nobody asks for: the look at everything finds out.
	extra := unique("extra")
	must(t, root(t).RemoveBucketWithOptions(t.Context(), deleted.Name, minio.RemoveBucketOptions{ForceDelete: true}))
	for _, name := range []string{extra, back.Name} {
		must(t, root(t).MakeBucket(t.Context(), name, minio.MakeBucketOptions{}))
		put(t, root(t), name, "content")
	}
	must(t, root(t).RemoveBucketTagging(t.Context(), bare.Name))
	t.Cleanup(func() { reopen(t, nil) })
	reopen(t, lookingOften)
	t.Run("a bucket is deleted with all that is in it", func(t *testing.T) {
		f := fault(t, "bucket deleted behind our back")
		reported(t, client, account, deleted.Name, "KIND_MISSING", "")
		versioning, err := root(t).GetBucketVersioning(t.Context(), deleted.Name)
		if err != nil || !versioning.Enabled() || quotaOf(t, deleted.Name) != 1048576 {
			t.Errorf("it came back with versioning %v, quota %d: %v", versioning, quotaOf(t, deleted.Name), err)
		}
		f.seen("the next look at everything", "reported, made again with quota and versioning")
	})
	t.Run("a bucket is added", func(t *testing.T) {
		f := fault(t, "bucket added behind our back")
		extraReported(t, extra)
		f.seen("the next look at everything", "reported, to the operator alone")
		_, err := client.Call(t.Context(), http.MethodPost, bucketsOf(account), map[string]any{"name": extra}, nil)
		refused(t, err, http.StatusConflict, "BUCKET_NAME_TAKEN")
		forgotten(t, account, extra)
		untouched(t, extra)
		f.seen("a tenant asks for its name", "409 BUCKET_NAME_TAKEN; bucket and content stay as they are")
	})
	t.Run("a deleted bucket is put back with content", func(t *testing.T) {
		f := fault(t, "bucket put back behind our back")
		extraReported(t, back.Name)
		untouched(t, back.Name)
		f.seen("the next look at everything", "reported; the content stays, though nobody wants the bucket")
	})
	t.Run("our mark is taken off a bucket", func(t *testing.T) {
		f := fault(t, "mark removed behind our back")
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
		untouched(t, bare.Name)
		f.seen("its owner changes or deletes it", "400 BUCKET_CONFLICT; the content stays")
	})
}
