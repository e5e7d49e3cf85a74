package minio_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	client "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
)

func TestKept_credentials_serve_one_object_and_stop_with_the_user(t *testing.T) {
	s := testkit.MinIO(t)
	ctx := t.Context()
	b := backend(t, s)
	one := newTenant(t, b, name("kept-"))
	scope := func(key string) object.Scope {
		session, err := policy.Upload(one.bucket, key)
		must(t, err)
		return object.Scope{Login: object.Login{User: one.user, Secret: one.secret}, Policy: session}
	}
	id, err := b.Begin(ctx, scope("a"), object.NewUpload{Bucket: one.bucket, Key: "a"})
	must(t, err)
	sign := func(key string, lifetime time.Duration) string {
		t.Helper()
		signed, err := b.PresignParts(ctx, object.PartURLs{
			Scope: scope(key), UploadRef: object.UploadRef{Bucket: one.bucket, Key: key, ID: id}, Numbers: []int{1}, Lifetime: lifetime,
		})
		must(t, err)
		return signed[0].URL
	}
	credential := func(address string) string {
		u, err := url.Parse(address)
		must(t, err)
		return u.Query().Get("X-Amz-Credential")
	}
	first := sign("a", time.Minute)
	if credential(first) != credential(sign("a", time.Hour)) {
		t.Error("the same object is signed for with others, though they last")
	}
	if credential(first) == credential(sign("b", time.Minute)) {
		t.Error("another object is signed for with the same")
	}
	expect := func(want int) {
		t.Helper()
		if status, got, _, err := send(ctx, http.MethodPut, first, "content", nil); err != nil || status != want {
			t.Errorf("%d %s %v, want %d", status, got, err, want)
		}
	}
	expect(http.StatusOK)
	must(t, rootAdmin(t, s).SetUserStatus(ctx, one.user, "disabled"))
	expect(http.StatusForbidden)
	must(t, rootAdmin(t, s).SetUserStatus(ctx, one.user, "enabled"))
	expect(http.StatusOK)
}

// A form shows the id of its key, and the server's holes turn an id into a key: so what matters
// is what the temporary credentials could do, not what the form can.
func TestTheCredentialsOfAFormWriteUnderOnePrefix(t *testing.T) {
	s := testkit.MinIO(t)
	ctx := t.Context()
	b := backend(t, s)
	one := newTenant(t, b, name("form-"))
	session, err := policy.UploadUnder(one.bucket, "in/a")
	must(t, err)
	provider := &credentials.STSAssumeRole{STSEndpoint: s.Endpoint(), Options: credentials.STSAssumeRoleOptions{
		AccessKey: one.user, SecretKey: one.secret, Policy: string(session), Location: s.Region, DurationSeconds: 900,
	}}
	temporary, err := client.New(s.Address(), &client.Options{
		Creds: credentials.New(provider), Region: s.Region, BucketLookup: client.BucketLookupPath, MaxRetries: 1,
	})
	must(t, err)
	for _, key := range []string{"in/a", "in/abc", "in/a/b"} {
		put(t, temporary, one.bucket, key)
	}
	for _, key := range []string{"in/b", "in/", "in", "x/in/a", "other"} {
		if tryPut(ctx, temporary, one.bucket, key) == nil {
			t.Errorf("they write %q", key)
		}
	}
	if _, err := temporary.StatObject(ctx, one.bucket, "in/a", client.StatObjectOptions{}); err == nil {
		t.Error("they read")
	}
	if err := temporary.RemoveObject(ctx, one.bucket, "in/a", client.RemoveObjectOptions{}); err == nil {
		t.Error("they delete")
	}
	for o := range temporary.ListObjectsIter(ctx, one.bucket, client.ListObjectsOptions{}) {
		if o.Err == nil {
			t.Error("they list")
		}
	}
	form, err := b.PresignForm(ctx, object.Form{
		Scope: object.Scope{Login: object.Login{User: one.user, Secret: one.secret}, Policy: session}, Bucket: one.bucket, Prefix: "in/a", Max: 10, Lifetime: time.Minute,
	})
	must(t, err)
	if !strings.HasPrefix(form.Fields["key"], "in/a") || form.Fields["x-amz-security-token"] == "" || form.Fields["policy"] == "" {
		t.Errorf("its fields lack something: %d", len(form.Fields))
	}
	if left := time.Until(form.ExpireTime); left < 50*time.Second || left > time.Minute {
		t.Errorf("it works for %s", left)
	}
	_, err = b.PresignForm(ctx, object.Form{Scope: object.Scope{Login: object.Login{User: one.user, Secret: one.secret}}, Bucket: one.bucket, Prefix: "in/a", Max: 10, Lifetime: time.Minute})
	if err == nil {
		t.Error("without a session policy it is signed")
	}
}
