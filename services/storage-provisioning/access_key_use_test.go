package storage_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	client "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

const auditToken = "an-audit-token-for-tests-of-32-bytes"

// freeAddress returns an address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// s3At is a client of the key at an address.
func (w *world) s3At(t *testing.T, host string, k pair) *client.Client {
	t.Helper()
	c, err := client.New(host, &client.Options{
		Creds: credentials.NewStaticV4(k.GetAccessKeyId(), k.secret, ""), Region: w.minio.Region, BucketLookup: client.BucketLookupPath, MaxRetries: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAccessKey_shows_its_last_use_and_whether_it_is_safe_to_end(t *testing.T) {
	t.Parallel() // it waits most of its time
	minio := testkit.NewMinIO(t)
	door := testkit.Door(t, minio.MinIO)
	listen := freeAddress(t)
	w := newWorld(t, minio, func(s config.Source) {
		s["PRIMECLOUD_STORAGE_AUDIT_LISTEN"], s["PRIMECLOUD_STORAGE_AUDIT_TOKEN"] = listen, auditToken
	})
	acc, bucket := account(), name()
	w.create(acc, bucket)
	k := w.createKey(w.as(acc), acc, readWrite, bucket)
	idle := w.createKey(w.as(acc), acc, readWrite, bucket)
	check := func(t *testing.T, id string) *storagev1.CheckAccessKeyRevocationResponse {
		t.Helper()
		got, err := w.keys.CheckAccessKeyRevocation(w.as(acc), &storagev1.CheckAccessKeyRevocationRequest{AccountId: acc, KeyId: id})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	t.Run("before anything is heard, nothing is known", func(t *testing.T) {
		if got := check(t, k.GetId()); got.GetSafe() || got.GetKnownSince() != nil || !strings.HasPrefix(got.GetSummary(), "unknown") {
			t.Errorf("got %v", got)
		}
		if w.getKey(acc, k.GetId()).GetLastUse() != nil {
			t.Error("a use is shown")
		}
	})
	if _, err := w.admin().SetConfigKV(t.Context(), "audit_webhook:primecloud enable=on endpoint=http://"+listen+" auth_token="+auditToken); err != nil {
		t.Fatal(err)
	}
	// Refused requests are no uses.
	if err := w.uses(pair{idle.AccessKey, "wrong-secret"}, bucket); err == nil {
		t.Fatal("a wrong secret works")
	}
	t.Run("a use through the door is shown with time, operation and the client's address", func(t *testing.T) {
		s3 := w.s3At(t, door.Address(), k)
		testkit.Eventually(t, 30*time.Second, func() error {
			if _, err := s3.PutObject(t.Context(), bucket, "k", strings.NewReader("x"), 1, putOptions); err != nil {
				return err
			}
			use := w.getKey(acc, k.GetId()).GetLastUse()
			if use.GetOperation() != "PutObject" || use.GetAddress() != "127.0.0.1" || time.Since(use.GetTime().AsTime()).Abs() > time.Minute {
				return fmt.Errorf("got %v", use)
			}
			return nil
		})
		list, err := w.keys.ListAccessKeys(w.as(acc), &storagev1.ListAccessKeysRequest{AccountId: acc})
		if err != nil || list.GetAccessKeys()[0].GetLastUse() == nil || list.GetAccessKeys()[1].GetLastUse() != nil {
			t.Errorf("listed %v, %v", list, err)
		}
	})
	t.Run("it is not safe to end, and says what used it", func(t *testing.T) {
		got := check(t, k.GetId())
		if got.GetSafe() || len(got.GetUses()) == 0 || !strings.Contains(got.GetSummary(), "127.0.0.1") || got.GetKnownSince() == nil {
			t.Errorf("got %v", got)
		}
	})
	t.Run("an idle one is unknown while listening is young, and safe after", func(t *testing.T) {
		if got := check(t, idle.GetId()); got.GetSafe() || !strings.Contains(got.GetSummary(), "only since") {
			t.Errorf("got %v", got)
		}
		if _, err := w.database.Superuser(t).Exec(t.Context(), `update storage.access_key_listening set since = now() - interval '8 days'`); err != nil {
			t.Fatal(err)
		}
		if got := check(t, idle.GetId()); !got.GetSafe() {
			t.Errorf("got %v", got)
		}
	})
	t.Run("after a rotation both uses are told apart", func(t *testing.T) {
		w.rotate(w.as(acc), acc, k.GetId(), time.Hour)
		if got := w.getKey(acc, k.GetId()); got.GetLastUse() != nil || got.GetFormerLastUse().GetOperation() != "PutObject" {
			t.Errorf("got %v and %v", got.GetLastUse(), got.GetFormerLastUse())
		}
		if got := check(t, k.GetId()); got.GetSafe() {
			t.Errorf("got %v", got)
		}
	})
	t.Run("nothing of it shows an access key id", func(t *testing.T) {
		if n := w.row(`select count(*)::text from storage.access_key_use`); n == "0" {
			t.Fatal("nothing is kept")
		}
		for _, table := range []string{"access_key_use", "access_key"} {
			if n := w.row(`select count(*)::text from storage.`+table+` r where r::text like '%' || $1 || '%' or r::text like '%' || encode($1::bytea, 'hex') || '%'`, k.GetAccessKeyId()); n != "0" {
				t.Errorf("%s shows it", table)
			}
		}
	})
	t.Run("keys without a hash, or with one of another secret, get theirs", func(t *testing.T) {
		if _, err := w.database.Superuser(t).Exec(t.Context(), `update storage.access_key set lookup = null, lookup_mark = 'old' where id = $1`, idle.GetId()); err != nil {
			t.Fatal(err)
		}
		conn := w.database.Superuser(t)
		testkit.Eventually(t, 90*time.Second, func() error {
			var missing int
			err := conn.QueryRow(t.Context(), `select count(*) from storage.access_key where lookup is null`).Scan(&missing)
			if err == nil && missing != 0 {
				err = errors.New("it has none")
			}
			return err
		})
	})
	t.Run("who does not know the token is not heard", func(t *testing.T) {
		for _, token := range []string{"", "Bearer ", "Bearer wrong", auditToken[1:]} {
			body := fmt.Sprintf(`{"time":%q,"api":{"name":"Forged","statusCode":200},"accessKey":%q,"remotehost":"192.0.2.1"}`, time.Now().Format(time.RFC3339Nano), idle.GetAccessKeyId())
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+listen, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", token)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusForbidden {
				t.Errorf("%q: %d", token, res.StatusCode)
			}
		}
	})
	t.Run("another account's key is not there", func(t *testing.T) {
		stranger := account()
		_, err := w.keys.CheckAccessKeyRevocation(w.as(stranger), &storagev1.CheckAccessKeyRevocationRequest{AccountId: stranger, KeyId: k.GetId()})
		refused(t, err, errs.NotFound, "ACCESS_KEY_NOT_FOUND")
	})
}
