package storage_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/minio/madmin-go/v3"
	client "github.com/minio/minio-go/v7"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

func grants(permission storagev1.Permission, buckets ...string) []*storagev1.Grant {
	var list []*storagev1.Grant
	for _, b := range buckets {
		list = append(list, &storagev1.Grant{Bucket: b, Permission: permission})
	}
	return list
}

const readWrite = storagev1.Permission_PERMISSION_READ_WRITE

// pair is a key with its secret.
type pair struct {
	*storagev1.AccessKey
	secret string
}

// createKey makes a key that must come to be.
func (w *world) createKey(ctx context.Context, account string, permission storagev1.Permission, buckets ...string) pair {
	w.t.Helper()
	response, err := w.keys.CreateAccessKey(ctx, &storagev1.CreateAccessKeyRequest{
		AccountId: account, DisplayName: "a key", Grants: grants(permission, buckets...),
	})
	if err != nil {
		w.t.Fatalf("create a key: %v", err)
	}
	return pair{response.GetAccessKey(), response.GetSecretAccessKey()}
}

// uses puts an object with the key.
func (w *world) uses(k pair, bucket string) error {
	_, err := w.s3As(k.GetAccessKeyId(), k.secret).PutObject(testkit.Context(w.t), bucket, "k", strings.NewReader("x"), 1, client.PutObjectOptions{DisableMultipart: true})
	return err
}

// keyOnMinIO says whether MinIO has the key.
func (w *world) keyOnMinIO(id string) bool {
	w.t.Helper()
	_, err := w.admin().InfoServiceAccount(testkit.Context(w.t), id)
	if err != nil && madmin.ToErrorResponse(err).Code != "XMinioInvalidIAMCredentials" {
		w.t.Fatal(err)
	}
	return err == nil
}

func (w *world) getKey(account, id string) *storagev1.AccessKey {
	w.t.Helper()
	response, err := w.keys.GetAccessKey(w.as(account), &storagev1.GetAccessKeyRequest{AccountId: account, KeyId: id})
	if err != nil {
		w.t.Fatal(err)
	}
	return response.GetAccessKey()
}

// forgetSecret ends the window in which the secret is kept.
func (w *world) forgetSecret(id string) {
	w.t.Helper()
	_, err := w.database.Superuser(w.t).Exec(testkit.Context(w.t), `update storage.access_key set secret = null, secret_until = null where id = $1`, id)
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestAccessKey_works_at_once_where_it_was_granted_and_ends_at_once(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, other := account(), account()
	bucket := name()
	w.create(acc, bucket)
	w.create(other, bucket+"-corp")
	k := w.createKey(w.as(acc), acc, readWrite, bucket)
	if len(k.GetAccessKeyId()) != 20 || len(k.secret) != 40 || k.GetState() != storagev1.AccessKeyState_ACCESS_KEY_STATE_READY ||
		k.GetObservedGeneration() != k.GetGeneration() || k.GetBackend() == "" {
		t.Fatalf("the answer says %v", k.GetState())
	}
	t.Run("it writes in its bucket and in no other", func(t *testing.T) {
		if err := w.uses(k, bucket); err != nil {
			t.Error(err)
		}
		if err := w.uses(k, bucket+"-corp"); client.ToErrorResponse(err).Code != "AccessDenied" {
			t.Errorf("another tenant's bucket: %v", err)
		}
	})
	t.Run("it is shown without its secret", func(t *testing.T) {
		got := w.getKey(acc, k.GetId())
		if got.GetAccessKeyId() != k.GetAccessKeyId() || got.GetEtag() != k.GetEtag() || len(got.GetGrants()) != 1 {
			t.Errorf("got %v", got)
		}
		list, err := w.keys.ListAccessKeys(w.as(acc), &storagev1.ListAccessKeysRequest{AccountId: acc})
		if err != nil || len(list.GetAccessKeys()) != 1 {
			t.Errorf("listed %v, %v", list, err)
		}
	})
	t.Run("nothing is kept in the clear: no secret, no access key id", func(t *testing.T) {
		// That the search finds what is there: the key's other id is no secret.
		if n := w.row(`select count(*)::text from storage.outbox r where r::text like '%' || encode($1::bytea, 'hex') || '%'`, k.GetId()); n == "0" {
			t.Error("the search finds nothing at all")
		}
		for _, table := range []string{"outbox", "operation", "access_key", "principal", "managed_resource"} {
			for what, secret := range map[string]string{"secret": k.secret, "access key id": k.GetAccessKeyId()} {
				if n := w.row(`select count(*)::text from storage.`+table+` r where r::text like '%' || $1 || '%' or r::text like '%' || encode($1::bytea, 'hex') || '%'`, secret); n != "0" {
					t.Errorf("%s shows the %s", table, what)
				}
			}
		}
	})
	t.Run("another tenant does not see it", func(t *testing.T) {
		_, err := w.keys.GetAccessKey(w.as(other), &storagev1.GetAccessKeyRequest{AccountId: other, KeyId: k.GetId()})
		refused(t, err, errs.NotFound, "ACCESS_KEY_NOT_FOUND")
		_, err = w.keys.DeleteAccessKey(w.as(other), &storagev1.DeleteAccessKeyRequest{AccountId: other, KeyId: k.GetId()})
		refused(t, err, errs.NotFound, "ACCESS_KEY_NOT_FOUND")
	})
	t.Run("a stale etag is refused", func(t *testing.T) {
		_, err := w.keys.DeleteAccessKey(w.as(acc), &storagev1.DeleteAccessKeyRequest{AccountId: acc, KeyId: k.GetId(), Etag: "999"})
		refused(t, err, errs.Aborted, "ETAG_MISMATCH")
	})
	t.Run("deleted, it is refused at once, and removed after", func(t *testing.T) {
		if _, err := w.keys.DeleteAccessKey(w.as(acc), &storagev1.DeleteAccessKeyRequest{AccountId: acc, KeyId: k.GetId(), Etag: k.GetEtag()}); err != nil {
			t.Fatal(err)
		}
		if err := w.uses(k, bucket); client.ToErrorResponse(err).Code != "InvalidAccessKeyId" {
			t.Errorf("MinIO says %v", err)
		}
		_, err := w.keys.GetAccessKey(w.as(acc), &storagev1.GetAccessKeyRequest{AccountId: acc, KeyId: k.GetId()})
		refused(t, err, errs.NotFound, "ACCESS_KEY_NOT_FOUND")
		testkit.Eventually(t, 15*time.Second, func() error {
			if w.keyOnMinIO(k.GetAccessKeyId()) {
				return errors.New("MinIO still has it")
			}
			if n := w.row(`select count(*)::text from storage.access_key where id = $1`, k.GetId()); n != "0" {
				return errors.New("it is still kept")
			}
			return nil
		})
	})
	t.Run("its events show neither secret nor id", func(t *testing.T) {
		got := w.row(`select string_agg(type, ' ' order by seq) from storage.outbox where aggregate_id = $1 and type not like '%audit%'`, k.GetId())
		if got != "primecloud.storage.access_key.created.v1 primecloud.storage.access_key.deleted.v1" {
			t.Errorf("got %s", got)
		}
	})
}

func TestAccessKey_does_what_its_permission_says(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, readable, writable := account(), name(), name()
	w.create(acc, readable)
	w.create(acc, writable)
	w.put(readable, "k")
	response, err := w.keys.CreateAccessKey(w.as(acc), &storagev1.CreateAccessKeyRequest{
		AccountId: acc, DisplayName: "mixed", ExpireTime: timestamppb.New(time.Now().Add(time.Hour)),
		Grants: append(grants(storagev1.Permission_PERMISSION_READ, readable), grants(storagev1.Permission_PERMISSION_WRITE, writable)...),
	})
	if err != nil {
		t.Fatal(err)
	}
	k := pair{response.GetAccessKey(), response.GetSecretAccessKey()}
	c := w.s3As(k.GetAccessKeyId(), k.secret)
	if _, err := c.StatObject(t.Context(), readable, "k", client.StatObjectOptions{}); err != nil {
		t.Errorf("it does not read: %v", err)
	}
	if err := w.uses(k, readable); client.ToErrorResponse(err).Code != "AccessDenied" {
		t.Errorf("it writes where it reads: %v", err)
	}
	if err := w.uses(k, writable); err != nil {
		t.Errorf("it does not write: %v", err)
	}
	if _, err := c.StatObject(t.Context(), writable, "k", client.StatObjectOptions{}); err == nil {
		t.Error("it reads where it writes")
	}
	info, err := w.admin().InfoServiceAccount(t.Context(), k.GetAccessKeyId())
	if err != nil || info.Expiration == nil || info.Expiration.Sub(k.GetExpireTime().AsTime()).Abs() > time.Second {
		t.Errorf("its expiry is %v, %v", info.Expiration, err)
	}
}

func TestCreateAccessKey_under_an_idempotency_key(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket := account(), name()
	w.create(acc, bucket)
	first := w.createKey(withKey(w.as(acc), "one"), acc, readWrite, bucket)
	t.Run("the same key returns the same secret", func(t *testing.T) {
		second := w.createKey(withKey(w.as(acc), "one"), acc, readWrite, bucket)
		if second.secret != first.secret || second.GetId() != first.GetId() || second.GetAccessKeyId() != first.GetAccessKeyId() {
			t.Errorf("got another key: %s", second.GetId())
		}
	})
	t.Run("another request under it is refused", func(t *testing.T) {
		_, err := w.keys.CreateAccessKey(withKey(w.as(acc), "one"), &storagev1.CreateAccessKeyRequest{
			AccountId: acc, DisplayName: "another", Grants: grants(readWrite, bucket),
		})
		refused(t, err, errs.InvalidArgument, "IDEMPOTENCY_KEY_REUSED")
	})
	t.Run("once the secret is destroyed, it is gone for good, and the key works on", func(t *testing.T) {
		w.forgetSecret(first.GetId())
		_, err := w.keys.CreateAccessKey(withKey(w.as(acc), "one"), &storagev1.CreateAccessKeyRequest{
			AccountId: acc, DisplayName: "a key", Grants: grants(readWrite, bucket),
		})
		refused(t, err, errs.FailedPrecondition, "SECRET_GONE")
		if err := w.uses(first, bucket); err != nil {
			t.Error(err)
		}
	})
	t.Run("without one, the secret is not kept", func(t *testing.T) {
		k := w.createKey(w.as(acc), acc, readWrite, bucket)
		if got := w.row(`select coalesce(secret_until::text, 'none') || (secret is null)::text from storage.access_key where id = $1`, k.GetId()); got != "nonetrue" {
			t.Errorf("got %s", got)
		}
		if err := w.uses(k, bucket); err != nil {
			t.Error(err)
		}
	})
	t.Run("with one, it is due to be destroyed after a day", func(t *testing.T) {
		k := w.createKey(withKey(w.as(acc), "two"), acc, readWrite, bucket)
		got := w.row(`select (m.due_at <= k.secret_until and k.secret_until between now() + interval '23 hours' and now() + interval '25 hours')::text
			from storage.access_key k join storage.managed_resource m on m.id = k.id where k.id = $1`, k.GetId())
		if got != "true" {
			t.Errorf("got %s", got)
		}
	})
}

func TestCreateAccessKey_refuses_what_cannot_be(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, other := account(), account()
	mine, theirs := name(), name()
	w.create(acc, mine)
	w.create(other, theirs)
	in := func(change func(*storagev1.CreateAccessKeyRequest)) error {
		request := &storagev1.CreateAccessKeyRequest{AccountId: acc, DisplayName: "a key", Grants: grants(readWrite, mine)}
		change(request)
		_, err := w.keys.CreateAccessKey(w.as(acc), request)
		return err
	}
	for name, buckets := range map[string][]string{
		"another tenant's bucket": {theirs}, "an absent bucket": {"no-such-bucket"}, "one good and one bad": {mine, theirs},
	} {
		t.Run(name, func(t *testing.T) {
			err := in(func(r *storagev1.CreateAccessKeyRequest) { r.Grants = grants(readWrite, buckets...) })
			e := refused(t, err, errs.InvalidArgument, "GRANT_INVALID")
			if want := fmt.Sprintf("grants[%d].bucket", len(buckets)-1); len(e.Violations()) != 1 || e.Violations()[0].Field != want {
				t.Errorf("it names %v", e.Violations())
			}
		})
	}
	for name, ahead := range map[string]time.Duration{"too near": 14 * time.Minute, "past": -time.Hour, "too far": 366 * 24 * time.Hour} {
		t.Run("an expiry "+name, func(t *testing.T) {
			err := in(func(r *storagev1.CreateAccessKeyRequest) { r.ExpireTime = timestamppb.New(time.Now().Add(ahead)) })
			refused(t, err, errs.InvalidArgument, "EXPIRE_TIME_INVALID")
		})
	}
	t.Run("an expiry at the beginning of time, which is not never", func(t *testing.T) {
		err := in(func(r *storagev1.CreateAccessKeyRequest) { r.ExpireTime = timestamppb.New(time.Time{}) })
		refused(t, err, errs.InvalidArgument, "EXPIRE_TIME_INVALID")
	})
	t.Run("a viewer", func(t *testing.T) {
		_, err := w.keys.CreateAccessKey(w.asRole(acc, "viewer"), &storagev1.CreateAccessKeyRequest{AccountId: acc, DisplayName: "a key", Grants: grants(readWrite, mine)})
		refused(t, err, errs.PermissionDenied, "ROLE_NOT_ALLOWED")
	})
	t.Run("nothing of all this is left", func(t *testing.T) {
		if n := w.row(`select count(*)::text from storage.access_key`); n != "0" {
			t.Errorf("%s keys are recorded", n)
		}
	})
}

func TestAccessKey_changed_behind_our_back(t *testing.T) {
	w := newWorld(t, testkit.NewMinIO(t), everySecond)
	acc, bucket := account(), name()
	w.create(acc, bucket)
	found := func(t *testing.T, id string, kind storagev1.Drift_Kind, field string) *storagev1.Drift {
		t.Helper()
		var drift *storagev1.Drift
		testkit.Eventually(t, patience, func() error {
			list, err := w.drifts.ListDrifts(w.as(acc), &storagev1.ListDriftsRequest{AccountId: acc})
			if err != nil {
				return err
			}
			for _, d := range list.GetDrifts() {
				if d.GetResourceId() == id && d.GetKind() == kind && d.GetField() == field {
					drift = d
					return nil
				}
			}
			return fmt.Errorf("not among %v", list.GetDrifts())
		})
		return drift
	}
	t.Run("removed while its secret is kept, it is made again as it was", func(t *testing.T) {
		k := w.createKey(withKey(w.as(acc), "kept"), acc, readWrite, bucket)
		if err := w.admin().DeleteServiceAccount(t.Context(), k.GetAccessKeyId()); err != nil {
			t.Fatal(err)
		}
		found(t, k.GetId(), storagev1.Drift_KIND_MISSING, "")
		testkit.Eventually(t, patience, func() error { return w.uses(k, bucket) })
	})
	t.Run("removed after its secret was destroyed, it is lost, and says so", func(t *testing.T) {
		k := w.createKey(w.as(acc), acc, readWrite, bucket)
		if err := w.admin().DeleteServiceAccount(t.Context(), k.GetAccessKeyId()); err != nil {
			t.Fatal(err)
		}
		if d := found(t, k.GetId(), storagev1.Drift_KIND_MISSING, ""); d.GetRepairTime() != nil {
			t.Error("it is told as repaired")
		}
		testkit.Eventually(t, patience, func() error {
			got := w.getKey(acc, k.GetId())
			if got.GetState() != storagev1.AccessKeyState_ACCESS_KEY_STATE_LOST || reasonOf(got, "Ready") != "KEY_LOST" {
				return fmt.Errorf("it is told as %s, %v", got.GetState(), got.GetConditions())
			}
			return nil
		})
		if _, err := w.keys.DeleteAccessKey(w.as(acc), &storagev1.DeleteAccessKeyRequest{AccountId: acc, KeyId: k.GetId()}); err != nil {
			t.Errorf("it cannot be deleted: %v", err)
		}
	})
	t.Run("widened after its secret was destroyed, it gets its bounds back", func(t *testing.T) {
		k := w.createKey(w.as(acc), acc, storagev1.Permission_PERMISSION_READ, bucket)
		err := w.admin().UpdateServiceAccount(t.Context(), k.GetAccessKeyId(), madmin.UpdateServiceAccountReq{
			NewPolicy: []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::*"]}]}`),
		})
		if err != nil {
			t.Fatal(err)
		}
		found(t, k.GetId(), storagev1.Drift_KIND_DIFFERENT, "grants")
		testkit.Eventually(t, patience, func() error {
			if client.ToErrorResponse(w.uses(k, bucket)).Code != "AccessDenied" {
				return errors.New("it still writes")
			}
			return nil
		})
		if _, err := w.s3As(k.GetAccessKeyId(), k.secret).GetBucketLocation(t.Context(), bucket); err != nil {
			t.Errorf("it does not read any more: %v", err)
		}
	})
	t.Run("without its account's policy, it works again once that is back", func(t *testing.T) {
		k := w.createKey(w.as(acc), acc, readWrite, bucket)
		info, err := w.admin().InfoServiceAccount(t.Context(), k.GetAccessKeyId())
		if err != nil {
			t.Fatal(err)
		}
		err = w.admin().SetPolicy(t.Context(), "", info.ParentUser, false) //nolint:staticcheck // the newer verb would need the policy's name
		if err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, patience, func() error { return w.uses(k, bucket) })
	})
}

// reasonOf returns the reason of a condition.
func reasonOf(k *storagev1.AccessKey, condition string) string {
	for _, c := range k.GetConditions() {
		if c.GetType() == condition {
			return c.GetReason()
		}
	}
	return ""
}

func TestAccessKey_while_MinIO_is_down(t *testing.T) {
	t.Parallel() // it waits most of its time
	w := newWorld(t, testkit.NewMinIO(t))
	acc, bucket := account(), name()
	w.create(acc, bucket)
	k := w.createKey(w.as(acc), acc, readWrite, bucket)
	request := &storagev1.CreateAccessKeyRequest{AccountId: acc, DisplayName: "late", Grants: grants(readWrite, bucket)}
	if err := w.minio.Pause(); err != nil {
		t.Fatal(err)
	}
	err := within(t, withKey(w.as(acc), "late"), 3*time.Second, func(ctx context.Context) error {
		_, err := w.keys.CreateAccessKey(ctx, request)
		return err
	})
	refused(t, err, errs.Unavailable, "BACKEND_UNAVAILABLE")
	err = within(t, w.as(acc), 3*time.Second, func(ctx context.Context) error {
		_, err := w.keys.DeleteAccessKey(ctx, &storagev1.DeleteAccessKeyRequest{AccountId: acc, KeyId: k.GetId()})
		return err
	})
	refused(t, err, errs.Unavailable, "BACKEND_UNAVAILABLE")
	if err := w.minio.Resume(); err != nil {
		t.Fatal(err)
	}
	t.Run("the deletion goes back: the key works, without anybody having kept its secret", func(t *testing.T) {
		w.settled()
		if err := w.uses(k, bucket); err != nil {
			t.Error(err)
		}
		if got := w.getKey(acc, k.GetId()); got.GetState() != storagev1.AccessKeyState_ACCESS_KEY_STATE_READY {
			t.Errorf("it is told as %s", got.GetState())
		}
	})
	t.Run("the creation goes back: MinIO has no other key", func(t *testing.T) {
		info, err := w.admin().InfoServiceAccount(t.Context(), k.GetAccessKeyId())
		if err != nil {
			t.Fatal(err)
		}
		all, err := w.admin().ListServiceAccounts(t.Context(), info.ParentUser)
		if err != nil || len(all.Accounts) != 2 { // the key and the hidden reader
			t.Errorf("MinIO has %d keys, %v", len(all.Accounts), err)
		}
	})
	t.Run("the same call then succeeds", func(t *testing.T) {
		response, err := w.keys.CreateAccessKey(withKey(w.as(acc), "late"), request)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.uses(pair{response.GetAccessKey(), response.GetSecretAccessKey()}, bucket); err != nil {
			t.Error(err)
		}
	})
}

// settled waits until the reconciler has nothing to do now.
func (w *world) settled() {
	w.t.Helper()
	conn := w.database.Superuser(w.t)
	testkit.Eventually(w.t, time.Minute, func() error {
		var n int
		err := conn.QueryRow(w.t.Context(), `select count(*) from storage.managed_resource where `+dueSoon+` or lease_owner is not null`).Scan(&n)
		if err == nil && n > 0 {
			err = fmt.Errorf("%d resources are due", n)
		}
		return err
	})
	_ = conn.Close(w.t.Context())
}
