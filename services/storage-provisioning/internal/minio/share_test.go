package minio_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/share"
)

func TestALinksPortsActAsTheAccountAndThroughTheDoor(t *testing.T) {
	s := testkit.MinIO(t)
	door := testkit.Door(t, s.MinIO)
	one, other := newSigning(t, s, door.Endpoint()), newSigning(t, s, door.Endpoint())
	login := share.Login{User: one.user, Secret: one.tenant.secret}
	for _, key := range []string{"in/a", "in/b", "in/c", "in2/d"} {
		put(t, root(t, s), one.bucket, key)
	}
	put(t, root(t, s), other.bucket, "in/theirs")
	t.Run("a list begins where the last one ended", func(t *testing.T) {
		var keys []string
		after := ""
		for {
			found, err := one.b.ListShared(t.Context(), share.Listing{Login: login, Bucket: one.bucket, Prefix: "in/", After: after, Limit: 2})
			must(t, err)
			for _, f := range found {
				if f.Size == 0 || time.Since(f.At) > time.Hour {
					t.Errorf("found %+v", f)
				}
				keys = append(keys, f.Key)
			}
			if len(found) < 2 {
				break
			}
			after = found[len(found)-1].Key
		}
		if got := strings.Join(keys, " "); got != "in/a in/b in/c" {
			t.Errorf("listed %s", got)
		}
	})
	t.Run("nothing of another tenant", func(t *testing.T) {
		found, err := one.b.ListShared(t.Context(), share.Listing{Login: login, Bucket: other.bucket, Limit: 5})
		refused(t, err, errs.FailedPrecondition, "BACKEND_REJECTED")
		there, err := one.b.StatShared(t.Context(), login, other.bucket, "in/theirs")
		refused(t, err, errs.FailedPrecondition, "BACKEND_REJECTED")
		if len(found) != 0 || there {
			t.Errorf("found %v, %v", found, there)
		}
	})
	t.Run("whether there is an object", func(t *testing.T) {
		for key, want := range map[string]bool{"in/a": true, "in/z": false, "in": false} {
			if there, err := one.b.StatShared(t.Context(), login, one.bucket, key); err != nil || there != want {
				t.Errorf("%s: %v, %v", key, there, err)
			}
		}
		_, err := one.b.StatShared(t.Context(), login, name("never-"), "k")
		if err == nil {
			t.Error("a bucket that is not there has an object")
		}
	})
	t.Run("a URL for one new object, of its size, for its time", func(t *testing.T) {
		const key = `drop/x-my "file" ä & <b>.txt`
		session, err := policy.Upload(one.bucket, key)
		must(t, err)
		signed, err := one.b.PresignPut(t.Context(), share.Put{Login: login, Policy: session, Bucket: one.bucket, Key: key, Size: 10, Lifetime: time.Minute})
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
			"more": put("12345678901", signed.Headers), "less": put("123456789", signed.Headers), "and overwrite": put("1234567890", nil),
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
		if there, err := one.b.StatShared(t.Context(), login, one.bucket, key); err != nil || !there {
			t.Errorf("it is there: %v, %v", there, err)
		}
		_, err = one.b.PresignPut(t.Context(), share.Put{Login: login, Bucket: one.bucket, Key: key, Size: 1, Lifetime: time.Minute})
		refused(t, err, errs.FailedPrecondition, "BACKEND_REJECTED")
		status, _, header, err := send(t.Context(), http.MethodOptions, signed.URL, "", map[string]string{
			"Origin": "https://panel.example", "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "if-none-match",
		})
		if err != nil || status > 299 || header.Get("Access-Control-Allow-Origin") == "" || !strings.Contains(strings.ToLower(header.Get("Access-Control-Allow-Headers")), "if-none-match") {
			t.Errorf("a page of the gateway may not send it: %d %v, %v", status, header, err)
		}
	})
}
