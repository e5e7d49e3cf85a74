package storage_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/madmin-go/v3"
	client "github.com/minio/minio-go/v7"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// askKey makes a key that must come to be.
func (w *world) askKey(r *storagev1.CreateAccessKeyRequest) pair {
	w.t.Helper()
	if r.GetDisplayName() == "" {
		r.DisplayName = "a key"
	}
	response, err := w.keys.CreateAccessKey(w.as(r.GetAccountId()), r)
	if err != nil {
		w.t.Fatalf("create a key: %v", err)
	}
	w.filed(response.GetFiles(), response.GetAccessKey().GetAccessKeyId(), response.GetSecretAccessKey())
	return pair{response.GetAccessKey(), response.GetSecretAccessKey()}
}

// filed checks that credentials come as one file for each client, all with them in it.
func (w *world) filed(files []*storagev1.CredentialFile, id, secret string) {
	w.t.Helper()
	var names []string
	for _, f := range files {
		names = append(names, f.GetFileName())
		if !strings.Contains(f.GetContent(), id) || !strings.Contains(f.GetContent(), secret) || f.GetFormat() == 0 {
			w.t.Errorf("%s lacks the credentials", f.GetFileName())
		}
	}
	if !slices.Equal(names, []string{".env", "credentials", "rclone.conf", ".s3cfg"}) {
		w.t.Errorf("the files are %v", names)
	}
}

// reads gets the object k with the key, and returns MinIO's code.
func (w *world) reads(k pair, bucket string) string {
	_, err := w.s3As(k.GetAccessKeyId(), k.secret).StatObject(testkit.Context(w.t), bucket, "k", client.StatObjectOptions{})
	return client.ToErrorResponse(err).Code
}

func TestAccessKey_with_a_pattern_means_the_accounts_buckets_as_they_come_and_go(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, other, stem := account(), account(), name()
	logs := stem + "-logs-a"
	w.create(acc, logs)
	w.create(acc, stem+"-else")
	w.create(other, stem+"-logs-x")
	k := w.askKey(&storagev1.CreateAccessKeyRequest{AccountId: acc, Grants: grants(readWrite, stem+"-logs-*")})
	if err := w.uses(k, logs); err != nil {
		t.Fatal(err)
	}
	for _, bucket := range []string{stem + "-else", stem + "-logs-x"} {
		if err := w.uses(k, bucket); client.ToErrorResponse(err).Code != "AccessDenied" {
			t.Errorf("%s: %v", bucket, err)
		}
	}
	t.Run("a new bucket that it fits is reached when its creation returns", func(t *testing.T) {
		w.create(acc, stem+"-logs-b")
		if err := w.uses(k, stem+"-logs-b"); err != nil {
			t.Error(err)
		}
	})
	t.Run("a bucket that goes, and comes again as another tenant's, is not", func(t *testing.T) {
		w.create(acc, stem+"-logs-c")
		if _, err := w.buckets.DeleteBucket(w.as(acc), &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: stem + "-logs-c"}); err != nil {
			t.Fatal(err)
		}
		w.gone(stem + "-logs-c")
		w.create(other, stem+"-logs-c")
		if err := w.uses(k, stem+"-logs-c"); client.ToErrorResponse(err).Code != "AccessDenied" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no wildcard of a bucket's name is on the backend", func(t *testing.T) {
		info, err := w.admin().InfoCannedPolicyV2(t.Context(), "primecloud-"+k.GetId())
		if err != nil || strings.Contains(string(info.Policy), "logs-*") || !strings.Contains(string(info.Policy), logs+"/*") {
			t.Errorf("%s, %v", info.Policy, err)
		}
	})
	t.Run("one that fits nothing yet is made, and tried", func(t *testing.T) {
		early := w.askKey(&storagev1.CreateAccessKeyRequest{AccountId: acc, Grants: grants(readWrite, stem+"-later-*")})
		if err := w.uses(early, logs); client.ToErrorResponse(err).Code != "AccessDenied" {
			t.Errorf("got %v", err)
		}
		w.create(acc, stem+"-later-1")
		if err := w.uses(early, stem+"-later-1"); err != nil {
			t.Error(err)
		}
	})
	t.Run("repaired where somebody has widened its policy or removed its user", func(t *testing.T) {
		wide := []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::*"]}]}`)
		if err := w.admin().AddCannedPolicy(t.Context(), "primecloud-"+k.GetId(), wide); err != nil {
			t.Fatal(err)
		}
		w.wakePrincipal(acc)
		testkit.Eventually(t, 15*time.Second, func() error {
			if err := w.uses(k, stem+"-else"); client.ToErrorResponse(err).Code != "AccessDenied" {
				return fmt.Errorf("it is as wide as before: %w", err)
			}
			return w.uses(k, logs)
		})
	})
	t.Run("deleted, its user and policy are gone too", func(t *testing.T) {
		holder := w.parentOf(k)
		if _, err := w.keys.DeleteAccessKey(w.as(acc), &storagev1.DeleteAccessKeyRequest{AccountId: acc, KeyId: k.GetId()}); err != nil {
			t.Fatal(err)
		}
		if err := w.uses(k, logs); err == nil {
			t.Error("it works")
		}
		testkit.Eventually(t, 15*time.Second, func() error {
			if _, err := w.admin().GetUserInfo(t.Context(), holder); madmin.ToErrorResponse(err).Code != "XMinioAdminNoSuchUser" {
				return fmt.Errorf("its user: %w", err)
			}
			if _, err := w.admin().InfoCannedPolicyV2(t.Context(), "primecloud-"+k.GetId()); err == nil {
				return errors.New("its policy is there")
			}
			return nil
		})
	})
}

// parentOf returns the user that a key is under.
func (w *world) parentOf(k pair) string {
	w.t.Helper()
	info, err := w.admin().InfoServiceAccount(testkit.Context(w.t), k.GetAccessKeyId())
	if err != nil {
		w.t.Fatal(err)
	}
	return info.ParentUser
}

// wakePrincipal has the account's identity looked at as a whole.
func (w *world) wakePrincipal(account string) {
	w.t.Helper()
	_, err := w.database.Superuser(w.t).Exec(testkit.Context(w.t),
		`update storage.managed_resource set due_at = now() where kind = 'principal' and account_id = $1`, account)
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestAccessKey_grants_that_could_reach_further_are_refused(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket := account(), name()
	w.create(acc, bucket)
	for what, g := range map[string]*storagev1.Grant{
		"a question mark":      {Bucket: bucket + "?*", Permission: readWrite},
		"a variable":           {Bucket: "${aws:username}*", Permission: readWrite},
		"a class":              {Bucket: "[a-z]*", Permission: readWrite},
		"a slash":              {Bucket: "*/*", Permission: readWrite},
		"no slash at the end":  {Bucket: bucket, Permission: readWrite, Prefix: "team"},
		"a star in a prefix":   {Bucket: bucket, Permission: readWrite, Prefix: "te*/"},
		"a variable in it":     {Bucket: bucket, Permission: readWrite, Prefix: "${aws:username}/"},
		"dots in it":           {Bucket: bucket, Permission: readWrite, Prefix: "a/../b/"},
		"two slashes in it":    {Bucket: bucket, Permission: readWrite, Prefix: "a//"},
		"a slash before it":    {Bucket: bucket, Permission: readWrite, Prefix: "/a/"},
		"a newline in it":      {Bucket: bucket, Permission: readWrite, Prefix: "a\n/"},
		"a backslash in it":    {Bucket: bucket, Permission: readWrite, Prefix: `a\..\/`},
		"only a slash":         {Bucket: bucket, Permission: readWrite, Prefix: "/"},
		"a question mark here": {Bucket: bucket, Permission: readWrite, Prefix: "a?/"},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := w.keys.CreateAccessKey(w.as(acc), &storagev1.CreateAccessKeyRequest{AccountId: acc, DisplayName: "n", Grants: []*storagev1.Grant{g}})
			refused(t, err, errs.InvalidArgument, "GRANT_PATTERN_INVALID")
		})
	}
	for _, network := range []string{"10.0.0.1/8", "::ffff:10.0.0.0/104", "here", "10.0.0.0/33", "fe80::1%eth0"} {
		_, err := w.keys.CreateAccessKey(w.as(acc), &storagev1.CreateAccessKeyRequest{
			AccountId: acc, DisplayName: "n", Grants: grants(readWrite, bucket), Networks: []string{network},
		})
		refused(t, err, errs.InvalidArgument, "NETWORK_INVALID")
	}
}

func TestAccessKey_is_changed_switched_off_and_on(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, one, two := account(), name(), name()
	w.create(acc, one)
	w.create(acc, two)
	w.put(one, "k")
	k := w.createKey(w.as(acc), acc, readWrite, one)
	update := func(change *storagev1.AccessKey, etag string, paths ...string) (*storagev1.AccessKey, error) {
		response, err := w.keys.UpdateAccessKey(w.as(acc), &storagev1.UpdateAccessKeyRequest{
			AccountId: acc, KeyId: k.GetId(), AccessKey: change, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}, Etag: etag,
		})
		return response.GetAccessKey(), err
	}
	t.Run("other grants count when the call returns, for the same credentials", func(t *testing.T) {
		got, err := update(&storagev1.AccessKey{Grants: grants(storagev1.Permission_PERMISSION_LIST, one)}, k.GetEtag(), "grants")
		if err != nil || got.GetState() != storagev1.AccessKeyState_ACCESS_KEY_STATE_READY || got.GetAccessKeyId() != k.GetAccessKeyId() {
			t.Fatalf("%v, %v", got, err)
		}
		if err := w.uses(k, one); client.ToErrorResponse(err).Code != "AccessDenied" {
			t.Errorf("it writes: %v", err)
		}
		if code := w.reads(k, one); code != "AccessDenied" {
			t.Errorf("it reads: %s", code)
		}
		found := 0
		for o := range w.s3As(k.GetAccessKeyId(), k.secret).ListObjects(t.Context(), one, client.ListObjectsOptions{}) {
			if o.Err != nil {
				t.Error(o.Err)
			}
			found++
		}
		if found == 0 {
			t.Error("it lists nothing")
		}
		if _, err := update(&storagev1.AccessKey{Grants: grants(readWrite, one, two)}, "", "grants"); err != nil {
			t.Fatal(err)
		}
		if err := w.uses(k, two); err != nil {
			t.Error(err)
		}
	})
	t.Run("networks, name and expiry too, and an unknown field not", func(t *testing.T) {
		ends := timestamppb.New(time.Now().Add(time.Hour).Truncate(time.Second))
		got, err := update(&storagev1.AccessKey{DisplayName: "renamed", Networks: []string{"192.0.2.7", "127.0.0.0/8"}, ExpireTime: ends}, "", "display_name", "networks", "expire_time")
		if err != nil || got.GetDisplayName() != "renamed" || !slices.Equal(got.GetNetworks(), []string{"127.0.0.0/8", "192.0.2.7/32"}) || !got.GetExpireTime().AsTime().Equal(ends.AsTime()) {
			t.Fatalf("%v, %v", got, err)
		}
		if err := w.uses(k, one); err != nil {
			t.Error(err)
		}
		if _, err := update(&storagev1.AccessKey{Networks: []string{"192.0.2.0/24"}}, "", "networks"); err != nil {
			t.Fatal(err)
		}
		if err := w.uses(k, one); client.ToErrorResponse(err).Code != "AccessDenied" {
			t.Errorf("from elsewhere: %v", err)
		}
		if _, err := update(&storagev1.AccessKey{}, "", "networks", "expire_time"); err != nil {
			t.Fatal(err)
		}
		if err := w.uses(k, one); err != nil {
			t.Error(err)
		}
		_, err = update(&storagev1.AccessKey{Backend: "other"}, "", "backend")
		refused(t, err, errs.InvalidArgument, "FIELD_NOT_UPDATABLE")
		_, err = update(&storagev1.AccessKey{DisplayName: "n"}, k.GetEtag(), "display_name")
		refused(t, err, errs.Aborted, "ETAG_MISMATCH")
		_, err = update(&storagev1.AccessKey{Grants: grants(readWrite, one[:4]+"*")}, "", "grants")
		refused(t, err, errs.FailedPrecondition, "ACCESS_KEY_KIND_FIXED")
	})
	t.Run("switched off it is refused at once, also after a full look, and on again it works", func(t *testing.T) {
		off, err := w.keys.DisableAccessKey(withKey(w.as(acc), "off"), &storagev1.DisableAccessKeyRequest{AccountId: acc, KeyId: k.GetId()})
		if err != nil || !off.GetAccessKey().GetDisabled() {
			t.Fatalf("%v, %v", off, err)
		}
		if err := w.uses(k, one); client.ToErrorResponse(err).Code != "InvalidAccessKeyId" {
			t.Errorf("got %v", err)
		}
		if _, err := w.keys.DisableAccessKey(withKey(w.as(acc), "off"), &storagev1.DisableAccessKeyRequest{AccountId: acc, KeyId: k.GetId()}); err != nil {
			t.Errorf("again: %v", err)
		}
		w.lookAgain(k.GetId())
		if err := w.uses(k, one); client.ToErrorResponse(err).Code != "InvalidAccessKeyId" {
			t.Errorf("after a look: %v", err)
		}
		on, err := w.keys.EnableAccessKey(w.as(acc), &storagev1.EnableAccessKeyRequest{AccountId: acc, KeyId: k.GetId()})
		if err != nil || on.GetAccessKey().GetDisabled() {
			t.Fatalf("%v, %v", on, err)
		}
		if err := w.uses(k, one); err != nil {
			t.Error(err)
		}
	})
	t.Run("each stands in the trail by its name, and in an event", func(t *testing.T) {
		got := w.row(`select string_agg(type, ' ' order by seq) from storage.outbox where aggregate_id = $1 and type not like '%audit%'`, k.GetId())
		if !strings.HasPrefix(got, "primecloud.storage.access_key.created.v1 primecloud.storage.access_key.updated.v1") {
			t.Errorf("got %s", got)
		}
	})
	t.Run("a change that fails goes back", func(t *testing.T) {
		// Or a look that the first pass asked for takes the cut.
		w.passed()
		w.settled()
		w.calls.cutNext("minio.ReviseKey", true)
		_, err := update(&storagev1.AccessKey{DisplayName: "never", Grants: grants(storagev1.Permission_PERMISSION_READ, one)}, "", "grants", "display_name")
		if errs.KindOf(err) != errs.Unavailable {
			t.Fatalf("got %v", err)
		}
		testkit.Eventually(t, 15*time.Second, func() error { return w.uses(k, two) })
		if got := w.getKey(acc, k.GetId()); got.GetDisplayName() != "renamed" || len(got.GetGrants()) != 2 {
			t.Errorf("got %v", got)
		}
	})
}

// lookAgain has a key compared with the backend, and waits until it was.
func (w *world) lookAgain(id string) {
	w.t.Helper()
	since := w.row(`update storage.managed_resource set due_at = now() where kind = 'access_key' and id = $1 returning updated_at::text`, id)
	conn := w.database.Superuser(w.t)
	testkit.Eventually(w.t, 15*time.Second, func() error {
		var now string
		var looking bool
		err := conn.QueryRow(testkit.Context(w.t), `select updated_at::text, lease_owner is not null from storage.managed_resource
			where kind = 'access_key' and id = $1`, id).Scan(&now, &looking)
		if err == nil && (now == since || looking) {
			err = errors.New("nobody has looked yet, or somebody still does")
		}
		return err
	})
}

func (w *world) rotate(ctx context.Context, account, id string, overlap time.Duration) pair {
	w.t.Helper()
	response, err := w.keys.RotateAccessKey(ctx, &storagev1.RotateAccessKeyRequest{AccountId: account, KeyId: id, Overlap: durationpb.New(overlap)})
	if err != nil {
		w.t.Fatalf("rotate: %v", err)
	}
	w.filed(response.GetFiles(), response.GetAccessKey().GetAccessKeyId(), response.GetSecretAccessKey())
	return pair{response.GetAccessKey(), response.GetSecretAccessKey()}
}

func TestRotateAccessKey_lets_both_work_for_the_overlap(t *testing.T) {
	t.Parallel() // it waits most of its time
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket := account(), name()
	w.create(acc, bucket)
	first := w.createKey(withKey(w.as(acc), "make"), acc, readWrite, bucket)
	second := w.rotate(withKey(w.as(acc), "turn"), acc, first.GetId(), time.Hour)
	works := func(t *testing.T, what string, k pair, want string) {
		t.Helper()
		if code := client.ToErrorResponse(w.uses(k, bucket)).Code; code != want {
			t.Errorf("%s: %q", what, code)
		}
	}
	t.Run("both work, and the same call returns the same secret", func(t *testing.T) {
		if second.GetId() != first.GetId() || second.GetAccessKeyId() == first.GetAccessKeyId() || second.GetOverlapEndTime() == nil {
			t.Fatalf("got %v", second.AccessKey)
		}
		works(t, "the new one", second, "")
		works(t, "the one before", first, "")
		again := w.rotate(withKey(w.as(acc), "turn"), acc, first.GetId(), time.Hour)
		if again.secret != second.secret || again.GetAccessKeyId() != second.GetAccessKeyId() {
			t.Error("another secret")
		}
		_, err := w.keys.CreateAccessKey(withKey(w.as(acc), "make"), &storagev1.CreateAccessKeyRequest{AccountId: acc, DisplayName: "a key", Grants: grants(readWrite, bucket)})
		refused(t, err, errs.FailedPrecondition, "SECRET_GONE")
	})
	third := w.rotate(w.as(acc), acc, first.GetId(), 0)
	t.Run("at most two work, and without an overlap one", func(t *testing.T) {
		works(t, "the newest", third, "")
		works(t, "the one before", second, "InvalidAccessKeyId")
		works(t, "the first", first, "InvalidAccessKeyId")
		if third.GetOverlapEndTime() != nil {
			t.Errorf("got %v", third.GetOverlapEndTime())
		}
		testkit.Eventually(t, 15*time.Second, func() error {
			if w.keyOnMinIO(first.GetAccessKeyId()) || w.keyOnMinIO(second.GetAccessKeyId()) {
				return errors.New("MinIO still has them")
			}
			return nil
		})
		if got := w.getKey(acc, first.GetId()); got.GetEtag() != third.GetEtag() {
			t.Errorf("removing them changed the etag: %s, %s", got.GetEtag(), third.GetEtag())
		}
	})
	t.Run("the overlap ends by itself", func(t *testing.T) {
		fourth := w.rotate(w.as(acc), acc, first.GetId(), 3*time.Second)
		works(t, "the one before", third, "")
		testkit.Eventually(t, patience, func() error {
			if w.keyOnMinIO(third.GetAccessKeyId()) {
				return errors.New("MinIO still has it")
			}
			return nil
		})
		works(t, "the new one", fourth, "")
	})
	t.Run("one that fails goes back to the credentials before", func(t *testing.T) {
		now := w.rotate(w.as(acc), acc, first.GetId(), time.Hour)
		newest := w.rotate(w.as(acc), acc, first.GetId(), time.Hour)
		w.calls.cutNext("minio.TryKey", false)
		_, err := w.keys.RotateAccessKey(w.as(acc), &storagev1.RotateAccessKeyRequest{AccountId: acc, KeyId: first.GetId(), Overlap: durationpb.New(0)})
		if errs.KindOf(err) != errs.Unavailable {
			t.Fatalf("got %v", err)
		}
		testkit.Eventually(t, patience, func() error { return errors.Join(w.uses(newest, bucket), w.uses(now, bucket)) })
		if got := w.getKey(acc, first.GetId()); got.GetAccessKeyId() != newest.GetAccessKeyId() || got.GetOverlapEndTime() == nil {
			t.Errorf("got %v", got)
		}
	})
	t.Run("too long an overlap is refused", func(t *testing.T) {
		_, err := w.keys.RotateAccessKey(w.as(acc), &storagev1.RotateAccessKeyRequest{AccountId: acc, KeyId: first.GetId(), Overlap: durationpb.New(31 * 24 * time.Hour)})
		refused(t, err, errs.InvalidArgument, "REQUEST_INVALID")
	})
}
