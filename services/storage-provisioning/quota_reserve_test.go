package storage_test

import (
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

func TestUploads_by_URL_reserve_what_they_may_bring(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t), measured, func(s config.Source) { s["PRIMECLOUD_STORAGE_QUOTA_UPLOAD"] = "400" })
	acc, bucket := account(), name()
	bucketID := w.create(acc, bucket).GetId()
	w.limit(acc, &storagev1.QuotaLimits{StorageSoftBytes: 450, StorageHardBytes: 1000})
	presign := func(key string, size int64) (*storagev1.PresignUploadResponse, error) {
		r := &storagev1.PresignUploadRequest{AccountId: acc, Bucket: bucket, Key: key, Lifetime: durationpb.New(60e9)}
		if size >= 0 {
			r.SizeBytes = &size
		}
		return w.objects.PresignUpload(w.as(acc), r)
	}
	reserved := func() int64 { return w.quota(acc).GetUsage().GetReservedBytes() }
	sized, err := presign("sized", 500)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("a declared size, or a bound where none is", func(t *testing.T) {
		if _, err := presign("unsized", -1); err != nil || reserved() != 900 {
			t.Errorf("%d bytes are reserved, %v", reserved(), err)
		}
	})
	t.Run("what does not fit is refused, with the figures", func(t *testing.T) {
		_, err := presign("third", 101)
		m := refused(t, err, errs.ResourceExhausted, "QUOTA_EXCEEDED").Metadata()
		if m["kind"] != "storage" || m["limit"] != "1000" || m["used"] != "0" || m["reserved"] != "900" {
			t.Errorf("it is refused with %v", m)
		}
		if reserved() != 900 {
			t.Errorf("a refused upload reserves: %d", reserved())
		}
		if _, err := presign("third", 100); err != nil {
			t.Errorf("up to the limit: %v", err)
		}
	})
	t.Run("an upload that is not handed out reserves nothing", func(t *testing.T) {
		before := reserved()
		w.calls.cutNext("minio.PresignUpload", false)
		_, err := presign("cut", 0)
		refused(t, err, errs.Unavailable, "BACKEND_UNAVAILABLE")
		if got := w.row(`select count(*)::text from storage.upload_reservation where account_id = $1 and key = 'cut'`, acc); got != "0" || reserved() != before {
			t.Errorf("%s reservations are left, and %d bytes reserved", got, reserved())
		}
	})
	t.Run("an external person is not told how much the account has", func(t *testing.T) {
		user := person()
		w.says(membership("created", acc, user, "external", 1), acceptance(acc, user, 1, offer(bucketID, "read_write")))
		w.sees(acc, user, bucket)
		size := int64(101)
		_, err := w.objects.PresignUpload(w.asPerson(acc, user, "external"), &storagev1.PresignUploadRequest{
			AccountId: acc, Bucket: bucket, Key: "theirs", SizeBytes: &size,
		})
		if m := refused(t, err, errs.ResourceExhausted, "QUOTA_EXCEEDED").Metadata(); m["used"] != "" || m["limit"] != "" {
			t.Errorf("they are told %v", m)
		}
	})
	t.Run("a second URL for the same object reserves nothing more", func(t *testing.T) {
		if _, err := presign("third", 90); err != nil || reserved() != 1000 {
			t.Errorf("%d bytes are reserved, %v", reserved(), err)
		}
	})
	t.Run("the size is the server's to hold", func(t *testing.T) {
		for _, wrong := range []int{499, 501, 5000} {
			headers := map[string]string{}
			if status, answer, _ := send(t, sized.GetMethod(), sized.GetUrl(), strings.Repeat("x", wrong), headers); status != http.StatusForbidden {
				t.Errorf("%d bytes for a URL of 500: %d %s", wrong, status, answer)
			}
		}
		if status, answer, _ := send(t, sized.GetMethod(), sized.GetUrl(), strings.Repeat("x", 500), sized.GetHeaders()); status != http.StatusOK {
			t.Errorf("500 bytes for a URL of 500: %d %s", status, answer)
		}
	})
	t.Run("once the upload is measured it is reserved no more", func(t *testing.T) {
		w.settles(acc, "it is measured", func(q *storagev1.AccountQuota) bool {
			return holds(500)(q) && q.GetUsage().GetReservedBytes() == 500 && !q.GetWritesStopped()
		})
	})
	t.Run("a URL that has ended reserves nothing once that is measured", func(t *testing.T) {
		w.row(`with ended as (update storage.upload_reservation set expire_at = now() where account_id = $1 returning 1) select count(*)::text from ended`, acc)
		w.settles(acc, "nothing is reserved", func(q *storagev1.AccountQuota) bool { return q.GetUsage().GetReservedBytes() == 0 })
	})
	t.Run("without a limit nothing is refused", func(t *testing.T) {
		w.limit(acc, &storagev1.QuotaLimits{})
		if _, err := presign("large", 5<<30); err != nil {
			t.Error(err)
		}
	})
	w.quotaTold(acc, "updated", "soft_exceeded STORAGE", "updated")
}
