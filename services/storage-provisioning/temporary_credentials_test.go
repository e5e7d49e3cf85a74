package storage_test

import (
	"strings"
	"testing"
	"time"

	client "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// s3With is a client with temporary credentials, through the door when there is one.
func (w *world) s3With(t *testing.T, host string, c *storagev1.CreateTemporaryCredentialsResponse) *client.Client {
	t.Helper()
	s3, err := client.New(host, &client.Options{
		Creds:  credentials.NewStaticV4(c.GetAccessKeyId(), c.GetSecretAccessKey(), c.GetSessionToken()),
		Region: c.GetRegion(), BucketLookup: client.BucketLookupPath, MaxRetries: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s3
}

func TestTemporaryCredentials_reach_what_was_asked_for_until_they_end(t *testing.T) {
	minio := testkit.MinIO(t)
	w := newWorld(t, minio)
	door := testkit.Door(t, minio.MinIO)
	acc, bucket := account(), name()
	w.create(acc, bucket)
	w.put(bucket, "out")
	w.put(bucket, "team/k")
	ask := func(r *storagev1.CreateTemporaryCredentialsRequest) (*storagev1.CreateTemporaryCredentialsResponse, error) {
		r.AccountId = acc
		if r.GetBucket() == "" {
			r.Bucket = bucket
		}
		return w.keys.CreateTemporaryCredentials(w.as(acc), r)
	}
	put := func(c *client.Client, key string) string {
		_, err := c.PutObject(t.Context(), bucket, key, strings.NewReader("x"), 1, client.PutObjectOptions{DisableMultipart: true})
		return client.ToErrorResponse(err).Code
	}
	get := func(c *client.Client, key string) string {
		_, err := c.StatObject(t.Context(), bucket, key, client.StatObjectOptions{})
		return client.ToErrorResponse(err).Code
	}
	made, err := ask(&storagev1.CreateTemporaryCredentialsRequest{Permission: readWrite, Prefixes: []string{"team/", "other/"}, Minutes: 15})
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(made.GetExpireTime().AsTime()); left < 14*time.Minute || left > 15*time.Minute+5*time.Second || made.GetEndpoint() == "" {
		t.Errorf("they end in %s", left)
	}
	for where, c := range map[string]*client.Client{"at MinIO": w.s3With(t, w.minio.Address(), made), "through the door": w.s3With(t, door.Address(), made)} {
		t.Run("inside and outside of the prefixes "+where, func(t *testing.T) {
			for key, want := range map[string]string{"team/new": "", "other/new": "", "out": "AccessDenied", "team": "AccessDenied", "team-b/x": "AccessDenied"} {
				if code := put(c, key); code != want {
					t.Errorf("put %s: %q", key, code)
				}
			}
			if get(c, "team/k") != "" || get(c, "out") != "AccessDenied" {
				t.Error("reading")
			}
		})
	}
	t.Run("to read is not to write, and to list is not to read", func(t *testing.T) {
		read, err := ask(&storagev1.CreateTemporaryCredentialsRequest{Permission: storagev1.Permission_PERMISSION_READ})
		if err != nil {
			t.Fatal(err)
		}
		if c := w.s3With(t, w.minio.Address(), read); get(c, "out") != "" || put(c, "x") != "AccessDenied" {
			t.Error("reading")
		}
		list, err := ask(&storagev1.CreateTemporaryCredentialsRequest{Permission: storagev1.Permission_PERMISSION_LIST})
		if err != nil {
			t.Fatal(err)
		}
		if c := w.s3With(t, w.minio.Address(), list); get(c, "out") != "AccessDenied" || put(c, "x") != "AccessDenied" {
			t.Error("listing")
		}
	})
	t.Run("it stands in the trail, without the credentials, which are nowhere", func(t *testing.T) {
		if n := w.row(`select count(*)::text from storage.outbox where type like '%audit%' and account_id = $1 and payload::text like '%' || encode('temporary_credentials.create'::bytea, 'hex') || '%'`, acc); n != "3" {
			t.Errorf("%s entries", n)
		}
		for _, secret := range []string{made.GetAccessKeyId(), made.GetSecretAccessKey(), made.GetSessionToken()[:40]} {
			if n := w.row(`select count(*)::text from storage.outbox r where r::text like '%' || $1 || '%' or r::text like '%' || encode($1::bytea, 'hex') || '%'`, secret); n != "0" {
				t.Error("the outbox shows them")
			}
		}
	})
	t.Run("what can be no prefix, and too much, is refused", func(t *testing.T) {
		_, err := ask(&storagev1.CreateTemporaryCredentialsRequest{Permission: readWrite, Prefixes: []string{"te*/"}})
		refused(t, err, errs.InvalidArgument, "GRANT_PATTERN_INVALID")
		_, err = ask(&storagev1.CreateTemporaryCredentialsRequest{Permission: readWrite, Prefixes: []string{strings.Repeat("a", 500) + "/", strings.Repeat("b", 500) + "/", strings.Repeat("c", 500) + "/"}})
		refused(t, err, errs.FailedPrecondition, "SESSION_TOO_LONG")
		_, err = ask(&storagev1.CreateTemporaryCredentialsRequest{Permission: readWrite, Minutes: 14})
		refused(t, err, errs.InvalidArgument, "REQUEST_INVALID")
		_, err = ask(&storagev1.CreateTemporaryCredentialsRequest{Permission: readWrite, Networks: []string{"x"}})
		refused(t, err, errs.InvalidArgument, "NETWORK_INVALID")
		for _, bucket := range []string{name(), "*", bucket[:5] + "*"} {
			_, err = ask(&storagev1.CreateTemporaryCredentialsRequest{Bucket: bucket, Permission: readWrite})
			refused(t, err, errs.NotFound, "BUCKET_NOT_FOUND")
		}
	})
	t.Run("an external person gets them for what was granted alone", func(t *testing.T) {
		user := person()
		ctx := w.asPerson(acc, user, "external")
		w.says(membership("created", acc, user, "external", 3))
		request := &storagev1.CreateTemporaryCredentialsRequest{AccountId: acc, Bucket: bucket, Permission: storagev1.Permission_PERMISSION_READ}
		_, err := w.keys.CreateTemporaryCredentials(ctx, request)
		refused(t, err, errs.NotFound, "BUCKET_NOT_FOUND")
		testkit.Eventually(t, 15*time.Second, func() error {
			_, err := w.grants.SetBucketGrant(w.as(acc), &storagev1.SetBucketGrantRequest{AccountId: acc, Bucket: bucket, UserId: user, Permission: storagev1.Permission_PERMISSION_READ})
			return err
		})
		if _, err := w.keys.CreateTemporaryCredentials(ctx, request); err != nil {
			t.Error(err)
		}
		request.Permission = readWrite
		_, err = w.keys.CreateTemporaryCredentials(ctx, request)
		refused(t, err, errs.PermissionDenied, "BUCKET_GRANT_TOO_LOW")
	})
	t.Run("they end with the account", func(t *testing.T) {
		w.says(stands(acc, "suspended", suspended, 5))
		testkit.Eventually(t, patience, func() error {
			if code := put(w.s3With(t, w.minio.Address(), made), "team/late"); code != "AccessDenied" {
				return errs.New(errs.Internal, "STILL", "they work: "+code)
			}
			return nil
		})
	})
}
