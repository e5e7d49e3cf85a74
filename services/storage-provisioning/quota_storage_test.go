package storage_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	client "github.com/minio/minio-go/v7"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/servers"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

const mebi = 1 << 20

func TestAccount_beyond_its_storage_limit_reads_and_deletes_and_does_not_write(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t), measured)
	acc, bucket := account(), name()
	w.create(acc, bucket)
	if _, err := w.buckets.UpdateBucket(w.as(acc), &storagev1.UpdateBucketRequest{
		AccountId: acc, BucketName: bucket, Bucket: &storagev1.Bucket{Versioning: storagev1.Versioning_VERSIONING_ENABLED},
	}); err != nil {
		t.Fatal(err)
	}
	key := w.createKey(w.as(acc), acc, storagev1.Permission_PERMISSION_READ_WRITE, bucket)
	s3 := w.s3As(key.GetAccessKeyId(), key.secret)
	w.limit(acc, &storagev1.QuotaLimits{StorageHardBytes: 2 * mebi})

	// In hand from before: an upload in parts, and a URL, which is signed with temporary credentials.
	core := client.Core{Client: s3}
	ctx := testkit.Context(t)
	upload, err := core.NewMultipartUpload(ctx, bucket, "parts", client.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	url, err := w.objects.PresignUpload(w.as(acc), &storagev1.PresignUploadRequest{AccountId: acc, Bucket: bucket, Key: "url", SizeBytes: new(int64)})
	if err != nil {
		t.Fatal(err)
	}
	// Two versions of one object: both count.
	for range 2 {
		if err := fillQuota(t, s3, bucket, "k", mebi+mebi/2); err != nil {
			t.Fatal(err)
		}
	}
	w.settles(acc, "writes are stopped", stopped)
	t.Run("it is refused whatever writes", func(t *testing.T) {
		// The record comes first, the policy a moment later.
		testkit.Eventually(t, 10*time.Second, func() error {
			if err := fillQuota(t, s3, bucket, "more", 0); code(err) != "AccessDenied" {
				return fmt.Errorf("a put with the key ends with %v", err)
			}
			return nil
		})
		if _, err := core.PutObjectPart(ctx, bucket, "parts", upload, 1, strings.NewReader("x"), 1, client.PutObjectPartOptions{}); code(err) != "AccessDenied" {
			t.Errorf("a part: %v", err)
		}
		if status, answer, _ := send(t, url.GetMethod(), url.GetUrl(), "", url.GetHeaders()); status != http.StatusForbidden {
			t.Errorf("a URL from before: %d %s", status, answer)
		}
		_, err := w.objects.PresignUpload(w.as(acc), &storagev1.PresignUploadRequest{AccountId: acc, Bucket: bucket, Key: "new", SizeBytes: new(int64)})
		e := refused(t, err, errs.ResourceExhausted, "QUOTA_EXCEEDED")
		if e.Metadata()["kind"] != "storage" || e.Metadata()["limit"] != "2097152" || e.Metadata()["used"] != "3145728" {
			t.Errorf("a new URL is refused with %v", e.Metadata())
		}
	})
	t.Run("it says why", func(t *testing.T) {
		q := w.quota(acc)
		if q.GetStopTime() == nil || !strings.Contains(q.GetStopExplanation(), "2097152") || q.GetResumeBelowBytes() != 2*mebi*95/100 {
			t.Errorf("it shows %v", q)
		}
		listed, err := w.platform().ListPlatformQuotas(w.operator(), &storagev1.ListPlatformQuotasRequest{WritesStopped: true})
		if err != nil || len(listed.GetQuotas()) != 1 || listed.GetQuotas()[0].GetAccountId() != acc {
			t.Errorf("operators are shown %v, %v", listed, err)
		}
	})
	t.Run("it reads, aborts and deletes", func(t *testing.T) {
		object, err := s3.GetObject(ctx, bucket, "k", client.GetObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, object); err != nil || n != mebi+mebi/2 {
			t.Errorf("read %d bytes, %v", n, err)
		}
		if err := core.AbortMultipartUpload(ctx, bucket, "parts", upload); err != nil {
			t.Errorf("abort: %v", err)
		}
		// Without its version only a marker is made: nothing becomes less, and nothing comes back.
		if err := s3.RemoveObject(ctx, bucket, "k", client.RemoveObjectOptions{}); err != nil {
			t.Errorf("delete: %v", err)
		}
		for v := range s3.ListObjectsIter(ctx, bucket, client.ListObjectsOptions{WithVersions: true, Recursive: true}) {
			if v.IsDeleteMarker || v.Err != nil {
				continue
			}
			if err := s3.RemoveObject(ctx, bucket, "k", client.RemoveObjectOptions{VersionID: v.VersionID}); err != nil {
				t.Errorf("delete a version: %v", err)
			}
			break
		}
	})
	w.settles(acc, "writes come back", writing)
	testkit.Eventually(t, 10*time.Second, func() error { return fillQuota(t, s3, bucket, "again", 1) })
	w.quotaTold(acc, "updated", "exceeded STORAGE", "recovered STORAGE")
}

func TestEmpty_usage_report_after_a_restart_releases_nothing(t *testing.T) {
	t.Parallel() // it waits most of its time
	dir := t.TempDir()
	minio := &testkit.Storage{RootUser: "primecloud-root", RootPassword: "primecloud-root-password", Region: "local"}
	var err error
	// Its scanner is at its usual pace: what it has lost stays lost for as long as this takes.
	minio.MinIO, err = servers.StartMinIO(testkit.Context(t), servers.MinIOConfig{
		Dir: dir, RootUser: minio.RootUser, RootPassword: minio.RootPassword, Region: minio.Region,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := minio.Kill(); err != nil {
			t.Error(err)
		}
	})
	w := newWorld(t, minio, measured)
	acc, bucket, free, freeBucket := account(), name(), account(), name()
	w.create(acc, bucket)
	w.create(free, freeBucket)
	key := w.createKey(w.as(acc), acc, storagev1.Permission_PERMISSION_READ_WRITE, bucket)
	if err := fillQuota(t, w.s3(), bucket, "k", 2*mebi); err != nil {
		t.Fatal(err)
	}
	if err := fillQuota(t, w.s3(), freeBucket, "k", 2*mebi); err != nil {
		t.Fatal(err)
	}
	w.limit(acc, &storagev1.QuotaLimits{StorageHardBytes: mebi})
	w.settles(acc, "writes are stopped", stopped)
	// The other has no limit and is counted once in hours, and now.
	w.row(`with gone as (delete from storage.bucket_usage where account_id = $1 returning 1) select count(*)::text from gone`, free)
	w.settles(free, "it is measured", holds(2*mebi))
	if err := minio.Kill(); err != nil {
		t.Fatal(err)
	}
	w.passes(2)
	if q := w.quota(acc); !q.GetWritesStopped() || q.GetUsage().GetStorageBytes() != 2*mebi {
		t.Errorf("while the server is down the quota is %v", q)
	}
	// What the server kept of its scanner's work.
	kept, err := filepath.Glob(filepath.Join(dir, "data", ".minio.sys", "buckets", ".usage*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range kept {
		if err := os.RemoveAll(file); err != nil {
			t.Fatal(err)
		}
	}
	if err := minio.Start(testkit.Context(t)); err != nil {
		t.Fatal(err)
	}
	report, err := w.admin().DataUsageInfo(testkit.Context(t))
	if err != nil || report.BucketsUsage[bucket].Size != 0 {
		t.Fatalf("the server still reports %+v, %v", report.BucketsUsage[bucket], err)
	}
	w.passes(4)
	if q := w.quota(acc); !q.GetWritesStopped() || q.GetUsage().GetStorageBytes() != 2*mebi {
		t.Errorf("the account's quota is %v", q)
	}
	if q := w.quota(free); q.GetUsage().GetStorageBytes() != 2*mebi {
		t.Errorf("the other's is %v", q)
	}
	testkit.Eventually(t, 10*time.Second, func() error {
		if err := fillQuota(t, w.s3As(key.GetAccessKeyId(), key.secret), bucket, "more", 0); code(err) != "AccessDenied" {
			return fmt.Errorf("a put ends with %v", err)
		}
		return nil
	})
	w.quotaTold(acc, "updated", "exceeded STORAGE")
}
