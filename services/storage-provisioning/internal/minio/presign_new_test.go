package minio_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
)

func TestAURLForANewObjectOverwritesNoneAndTakesItsSizeAlone(t *testing.T) {
	s := testkit.MinIO(t)
	door := testkit.Door(t, s.MinIO)
	one := newSigning(t, s, door.Endpoint())
	t.Run("a URL for one new object, of its size, for its time", func(t *testing.T) {
		const key = `drop/x-my "file" ä & <b>.txt`
		session, err := policy.Upload(one.bucket, key)
		must(t, err)
		size := int64(10)
		upload := object.Upload{
			User: one.user, Secret: one.tenant.secret, Policy: session, Bucket: one.bucket, Key: key, Size: &size, New: true, Lifetime: time.Minute,
		}
		signed, err := one.b.PresignUpload(t.Context(), upload)
		must(t, err)
		if left := time.Until(signed.ExpireTime); !strings.HasPrefix(signed.URL, door.Endpoint()+"/") || left > time.Minute || left < 50*time.Second {
			t.Errorf("it goes to %s for %s", signed.URL, left)
		}
		put := func(content string, headers map[string]string) int {
			t.Helper()
			status, _, _, err := send(t.Context(), signed.Method, signed.URL, content, headers)
			must(t, err)
			return status
		}
		for what, status := range map[string]int{
			"more": put("12345678901", signed.Headers), "less": put("123456789", signed.Headers), "and overwrite": put("1234567890", map[string]string{}),
		} {
			if status < 400 {
				t.Errorf("%s: HTTP %d", what, status)
			}
		}
		if status := put("1234567890", signed.Headers); status != http.StatusOK {
			t.Errorf("the URL: HTTP %d", status)
		}
		if status := put("0987654321", signed.Headers); status != http.StatusPreconditionFailed {
			t.Errorf("once more: HTTP %d", status)
		}
		upload.Policy = nil
		_, err = one.b.PresignUpload(t.Context(), upload)
		refused(t, err, errs.FailedPrecondition, "BACKEND_REJECTED")
		status, _, header, err := send(t.Context(), http.MethodOptions, signed.URL, "", map[string]string{
			"Origin": "https://panel.example", "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "if-none-match",
		})
		if err != nil || status > 299 || header.Get("Access-Control-Allow-Origin") == "" || !strings.Contains(strings.ToLower(header.Get("Access-Control-Allow-Headers")), "if-none-match") {
			t.Errorf("a page of the gateway may not send it: %d %v, %v", status, header, err)
		}
	})
}
