package suite_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/minio/madmin-go/v3"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// newAccessKey makes a key that reads and writes one bucket.
func newAccessKey(t *testing.T, account, bucket string) pair {
	t.Helper()
	var key pair
	do(t, browser(t, anna), http.MethodPost, "/v1/accounts/"+account+"/accessKeys", map[string]any{
		"displayName": "k", "grants": []map[string]string{{"bucket": bucket, "permission": "PERMISSION_READ_WRITE"}},
	}, &key)
	return key
}

// TestATenantsKeyReachesItsBucketThroughTheDoorAndNothingElse is for the suite as a whole;
// every verb of MinIO's administration is tried beside the adapter, in
// services/storage-provisioning.
func TestATenantsKeyReachesItsBucketThroughTheDoorAndNothingElse(t *testing.T) {
	account := newAccount(t, browser(t, anna))
	mine := newBucket(t, browser(t, anna), account, nil)
	own := newBucket(t, browser(t, anna), account, nil) // the account's own, and not granted
	foreign := newBucket(t, browser(t, bert), newAccount(t, browser(t, bert)), map[string]any{"name": mine.Name + "-private"})
	key := newAccessKey(t, account, mine.Name)
	door := running.environment.Door
	tenant := s3(t, door.Address(), key.AccessKey.AccessKeyID, key.SecretAccessKey)
	put(t, tenant, mine.Name, "mine")

	ctx := t.Context()
	putInto := func(bucket string) error {
		_, err := tenant.PutObject(ctx, bucket, "x", strings.NewReader("x"), 1, minio.PutObjectOptions{})
		return err
	}
	for name, err := range map[string]error{
		"a bucket that begins like its own": putInto(foreign.Name),
		"a bucket of the account":           putInto(own.Name),
		"CreateBucket":                      tenant.MakeBucket(ctx, unique("made"), minio.MakeBucketOptions{}),
		"DeleteBucket":                      tenant.RemoveBucketWithOptions(ctx, mine.Name, minio.RemoveBucketOptions{ForceDelete: true}),
		"PutBucketPolicy": tenant.SetBucketPolicy(ctx, mine.Name, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",`+
			`"Principal":{"AWS":["*"]},"Action":["s3:GetObject"],"Resource":["arn:aws:s3:::`+mine.Name+`/*"]}]}`),
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			if minio.ToErrorResponse(err).Code != "AccessDenied" {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("administration is not there, not even for the administrator", func(t *testing.T) {
		user, password := running.environment.MinIOAdmin()
		for _, creds := range [][2]string{{key.AccessKey.AccessKeyID, key.SecretAccessKey}, {user, password}} {
			admin, err := madmin.NewWithOptions(door.Address(), &madmin.Options{Creds: credentials.NewStaticV4(creds[0], creds[1], "")})
			if err != nil {
				t.Fatal(err)
			}
			response, err := admin.ExecuteMethod(ctx, http.MethodGet, madmin.RequestData{RelPath: "/v3/accountinfo"})
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.StatusCode != http.StatusNotFound {
				t.Errorf("HTTP %d", response.StatusCode)
			}
		}
	})
	t.Run("and nothing once it is deleted", func(t *testing.T) {
		do(t, browser(t, anna), http.MethodDelete, "/v1/accounts/"+account+"/accessKeys/"+key.AccessKey.ID, nil, nil)
		if err := putInto(mine.Name); minio.ToErrorResponse(err).StatusCode != http.StatusForbidden {
			t.Errorf("got %v", err)
		}
	})
}
