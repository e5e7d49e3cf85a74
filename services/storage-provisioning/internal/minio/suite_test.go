package minio_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/minio/madmin-go/v3"
	client "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/minio"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// backend returns the adapter of a MinIO.
func backend(t testing.TB, s *testkit.Storage, change ...func(*minio.Config)) *minio.Backend {
	t.Helper()
	cfg := minio.Config{Endpoint: s.Endpoint(), Region: s.Region, AdminKey: s.RootUser, AdminSecret: s.RootPassword}
	for _, c := range change {
		c(&cfg)
	}
	b, err := minio.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// name returns a bucket, user or key name that no other test has.
func name(prefix string) string {
	raw := make([]byte, 6)
	_, _ = rand.Read(raw)
	return prefix + hex.EncodeToString(raw)
}

// s3 returns a plain client of MinIO, which knows nothing of us.
func s3(t testing.TB, host, region, id, secret string) *client.Client {
	t.Helper()
	c, err := client.New(host, &client.Options{
		Creds: credentials.NewStaticV4(id, secret, ""), Region: region, BucketLookup: client.BucketLookupPath, MaxRetries: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func root(t testing.TB, s *testkit.Storage) *client.Client {
	t.Helper()
	return s3(t, s.Address(), s.Region, s.RootUser, s.RootPassword)
}

func rootAdmin(t testing.TB, s *testkit.Storage) *madmin.AdminClient {
	t.Helper()
	adm, err := madmin.NewWithOptions(s.Address(), &madmin.Options{Creds: credentials.NewStaticV4(s.RootUser, s.RootPassword, "")})
	if err != nil {
		t.Fatal(err)
	}
	return adm
}

func put(t testing.TB, c *client.Client, bucket, key string) {
	t.Helper()
	if err := tryPut(t.Context(), c, bucket, key); err != nil {
		t.Fatalf("put %s/%s: %v", bucket, key, err)
	}
}

func tryPut(ctx context.Context, c *client.Client, bucket, key string) error {
	_, err := c.PutObject(ctx, bucket, key, strings.NewReader("content"), 7, client.PutObjectOptions{DisableMultipart: true})
	return err
}

// tenant is an account's user with one key, as the product makes them.
type tenant struct {
	bucket               string
	user, secret, policy string
	key, keySecret       string
}

func newTenant(t testing.TB, b *minio.Backend, bucket string) tenant {
	t.Helper()
	ctx := t.Context()
	one := tenant{bucket: bucket, user: name("U"), secret: name("user-secret-"), policy: name("pc-"), key: name("K"), keySecret: name("key-secret-")}
	inline, err := policy.Key([]policy.Grant{{Bucket: bucket, Permission: policy.ReadWrite}})
	must(t, err)
	must(t, b.MakeBucket(ctx, bucket))
	must(t, b.PutPolicy(ctx, one.policy, policy.Documents{}.Account([]string{bucket}, false)))
	must(t, b.PutUser(ctx, one.user, one.secret))
	must(t, b.AttachPolicy(ctx, one.user, one.policy))
	must(t, b.PutKey(ctx, principal.KeySpec{User: one.user, ID: one.key, Secret: one.keySecret, Policy: inline}))
	return one
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused fails unless err has the kind and reason.
func refused(t testing.TB, err error, kind errs.Kind, reason string) {
	t.Helper()
	if errs.KindOf(err) != kind || errs.ReasonOf(err) != reason {
		t.Fatalf("got %v, want %s %s", err, kind, reason)
	}
}

// code returns what MinIO answered.
func code(err error) string {
	if err == nil {
		return "allowed"
	}
	if said, ok := errors.AsType[client.ErrorResponse](err); ok {
		return said.Code
	}
	if said, ok := errors.AsType[madmin.ErrorResponse](err); ok {
		return said.Code
	}
	return err.Error()
}
