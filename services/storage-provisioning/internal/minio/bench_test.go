package minio_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/minio/madmin-go/v3"
	client "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/lifecycle"

	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

// BenchmarkCalls compares each call of the adapter with the bare call of the client
// library, side by side on one server. `sealed` is the adapter on a connection that others
// can read.
func BenchmarkCalls(b *testing.B) {
	s := testkit.MinIO(b)
	open, sealed := backend(b, s), backend(b, s)
	sealed.Distrust()
	c, adm := root(b, s), rootAdmin(b, s)
	one := newTenant(b, open, name("bench-"))
	document := policy.Documents{}.Account([]string{one.bucket}, false)
	inline, err := policy.Key([]policy.Grant{{Bucket: one.bucket, Permission: policy.ReadWrite}})
	must(b, err)
	session, err := policy.Upload(one.bucket, "k")
	must(b, err)
	rules := lifecycle.NewConfiguration()
	rules.Rules = []lifecycle.Rule{{ID: "a", Status: "Enabled", Expiration: lifecycle.Expiration{Days: 3}}}
	fresh := name("fresh-")
	n := 0
	next := func() string { n++; return fmt.Sprintf("%s-%d", fresh, n) }
	id := func() string { n++; return fmt.Sprintf("K%09d%s", n, fresh[len(fresh)-8:]) }
	spec := func() principal.KeySpec {
		return principal.KeySpec{User: one.user, ID: id(), Secret: "secret-secret", Policy: inline}
	}

	type way struct {
		name string
		do   func(context.Context) error
	}
	for _, call := range []struct {
		name string
		ways []way
	}{
		{"MakeBucket", []way{
			{"bare", func(ctx context.Context) error { return c.MakeBucket(ctx, next(), client.MakeBucketOptions{}) }},
			{"adapter", func(ctx context.Context) error { return open.MakeBucket(ctx, next()) }},
		}},
		{"SetQuota", []way{
			{"bare", func(ctx context.Context) error {
				return adm.SetBucketQuota(ctx, one.bucket, &madmin.BucketQuota{Size: 1 << 40, Type: madmin.HardQuota})
			}},
			{"adapter", func(ctx context.Context) error { return open.SetQuota(ctx, one.bucket, 1<<40) }},
		}},
		{"SetVersioning", []way{
			{"bare", func(ctx context.Context) error { return c.EnableVersioning(ctx, one.bucket) }},
			{"adapter", func(ctx context.Context) error {
				return open.SetVersioning(ctx, one.bucket, bucket.VersioningEnabled)
			}},
		}},
		{"SetLifecycle", []way{
			{"bare", func(ctx context.Context) error { return c.SetBucketLifecycle(ctx, one.bucket, rules) }},
			{"adapter", func(ctx context.Context) error {
				return open.SetLifecycle(ctx, one.bucket, []bucket.Rule{{ID: "a", ExpireAfterDays: 3}})
			}},
		}},
		{"ObserveBucket", []way{
			{"bare", func(ctx context.Context) error { return observeBare(ctx, c, adm, one.bucket) }},
			{"adapter", func(ctx context.Context) error { _, err := open.ObserveBucket(ctx, one.bucket); return err }},
		}},
		{"PutPolicy", []way{
			{"bare", func(ctx context.Context) error { return adm.AddCannedPolicy(ctx, one.policy, document) }},
			{"adapter", func(ctx context.Context) error { return open.PutPolicy(ctx, one.policy, document) }},
		}},
		{"PutUser", []way{
			{"bare", func(ctx context.Context) error { return adm.AddUser(ctx, one.user, one.secret) }},
			{"adapter", func(ctx context.Context) error { return open.PutUser(ctx, one.user, one.secret) }},
			{"sealed", func(ctx context.Context) error { return sealed.PutUser(ctx, one.user, one.secret) }},
		}},
		{"AttachPolicy", []way{
			{"bare", func(ctx context.Context) error {
				return adm.SetPolicy(ctx, one.policy, one.user, false) //nolint:staticcheck // the one that the adapter uses
			}},
			{"adapter", func(ctx context.Context) error { return open.AttachPolicy(ctx, one.user, one.policy) }},
		}},
		{"PutKey", []way{
			{"bare", func(ctx context.Context) error {
				_, err := adm.AddServiceAccount(ctx, madmin.AddServiceAccountReq{TargetUser: one.user, AccessKey: id(), SecretKey: "secret-secret", Policy: inline})
				return err
			}},
			{"adapter", func(ctx context.Context) error { return open.PutKey(ctx, spec()) }},
			{"sealed", func(ctx context.Context) error { return sealed.PutKey(ctx, spec()) }},
		}},
		{"ObserveKey", []way{
			{"bare", func(ctx context.Context) error { _, err := adm.InfoServiceAccount(ctx, one.key); return err }},
			{"adapter", func(ctx context.Context) error { _, err := open.ObserveKey(ctx, one.key); return err }},
		}},
		{"TryKey", []way{
			{"adapter", func(ctx context.Context) error {
				return open.TryKey(ctx, accesskey.Trial{ID: one.key, Secret: one.keySecret, Bucket: one.bucket})
			}},
		}},
		{"PresignUpload", []way{
			{"bare", func(ctx context.Context) error { return assumeBare(s, one, session) }},
			{"adapter", func(ctx context.Context) error {
				_, err := open.PresignUpload(ctx, object.Upload{User: one.user, Secret: one.secret, Policy: session, Bucket: one.bucket, Key: "k", Lifetime: time.Minute})
				return err
			}},
		}},
		{"PresignDownload", []way{
			{"bare", func(ctx context.Context) error {
				_, err := c.PresignedGetObject(ctx, one.bucket, "k", time.Minute, nil)
				return err
			}},
			{"adapter", func(ctx context.Context) error {
				_, err := open.PresignDownload(ctx, object.Download{Reader: one.key, Secret: one.keySecret, Bucket: one.bucket, Key: "k", Lifetime: time.Minute})
				return err
			}},
		}},
	} {
		for _, w := range call.ways {
			b.Run(call.name+"/"+w.name, func(b *testing.B) {
				for b.Loop() {
					if err := w.do(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// observeBare asks the four questions one after the other.
func observeBare(ctx context.Context, c *client.Client, adm *madmin.AdminClient, bucket string) error {
	if _, err := c.GetBucketTagging(ctx, bucket); err != nil && client.ToErrorResponse(err).Code != "NoSuchTagSet" {
		return err
	}
	if _, err := c.GetBucketVersioning(ctx, bucket); err != nil {
		return err
	}
	if _, err := adm.GetBucketQuota(ctx, bucket); err != nil {
		return err
	}
	_, err := c.GetBucketLifecycle(ctx, bucket)
	if client.ToErrorResponse(err).Code == "NoSuchLifecycleConfiguration" {
		return nil
	}
	return err
}

// assumeBare gets temporary credentials, without signing with them.
func assumeBare(s *testkit.Storage, one tenant, session []byte) error {
	provider := &credentials.STSAssumeRole{STSEndpoint: s.Endpoint(), Options: credentials.STSAssumeRoleOptions{
		AccessKey: one.user, SecretKey: one.secret, Policy: string(bytes.Clone(session)), Location: s.Region, DurationSeconds: 900,
	}}
	_, err := provider.Retrieve()
	return err
}
