package minio_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	client "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/cors"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

func TestSettingsOnTheRealMinIO(t *testing.T) {
	s := testkit.MinIO(t)
	b, ctx := backend(t, s), t.Context()
	mark := bucket.Mark{ID: "bkt_1", AccountID: "acc_1"}
	spec := func(t *testing.T, n string) bucket.Spec {
		t.Helper()
		o, err := b.ObserveBucket(ctx, n)
		must(t, err)
		if !o.Exists {
			t.Fatal("it is not there")
		}
		return o.Spec
	}
	fresh := func(t *testing.T) string {
		t.Helper()
		n := name("s-")
		must(t, b.MakeBucket(ctx, n))
		return n
	}
	t.Run("tags are read back apart from the mark", func(t *testing.T) {
		n := fresh(t)
		for _, want := range []map[string]string{{"team": "red"}, {"a b": "", "c": "1 + - = . _ : / @"}, nil} {
			must(t, b.SetBucketTags(ctx, n, mark, want))
			o, err := b.ObserveBucket(ctx, n)
			must(t, err)
			if o.Mark != mark || !o.Spec.Equal(bucket.Spec{Versioning: bucket.VersioningOff, Tags: want}) {
				t.Errorf("got %+v %+v, want %v", o.Mark, o.Spec, want)
			}
		}
	})
	t.Run("tags that are our mark are refused", func(t *testing.T) {
		if err := b.SetBucketTags(ctx, fresh(t), mark, map[string]string{"primecloud-id": "bkt_2"}); err == nil {
			t.Error("they were taken")
		}
	})
	t.Run("a lock comes with the bucket, its retention changes and goes, the lock stays", func(t *testing.T) {
		n := name("s-")
		must(t, b.MakeLockedBucket(ctx, n))
		if err := b.MakeLockedBucket(ctx, n); !errors.Is(err, bucket.ErrExists) {
			t.Errorf("again: %v", err)
		}
		for _, lock := range []bucket.Lock{
			{Enabled: true},
			{Enabled: true, Mode: bucket.Governance, Days: 7},
			{Enabled: true, Mode: bucket.Compliance, Years: 2},
			{Enabled: true},
		} {
			must(t, b.SetRetention(ctx, n, lock))
			if got := spec(t, n); got.Lock != lock || got.Versioning != bucket.VersioningEnabled {
				t.Errorf("got %+v, want %+v", got, lock)
			}
		}
	})
	t.Run("a bucket without a lock gets none later", func(t *testing.T) {
		refused(t, b.SetRetention(ctx, fresh(t), bucket.Lock{Enabled: true, Mode: bucket.Governance, Days: 7}), errs.FailedPrecondition, "BACKEND_REJECTED")
	})
	t.Run("public access reads below the prefix and lists nothing", func(t *testing.T) {
		n := fresh(t)
		put(t, root(t, s), n, "pub/a")
		put(t, root(t, s), n, "private")
		want := bucket.Public{Read: true, Prefix: "pub/"}
		must(t, b.SetPublic(ctx, n, want))
		if got := spec(t, n).Public; got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		for path, status := range map[string]int{
			"/pub/a": 200, "/private": 403, "/": 403, "/?versions": 403, "/?list-type=2&prefix=pub/": 403, "/pub/../private": 400, "/?policy": 403, "/?tagging": 403,
		} {
			response, err := http.Get(s.Endpoint() + "/" + n + path)
			must(t, err)
			body, _ := io.ReadAll(response.Body)
			must(t, response.Body.Close())
			if response.StatusCode != status && !(status == 400 && response.StatusCode == 403) {
				t.Errorf("%s answered %d: %s", path, response.StatusCode, body)
			}
		}
		must(t, b.SetPublic(ctx, n, bucket.Public{Read: true}))
		if got := spec(t, n).Public; got != (bucket.Public{Read: true}) {
			t.Errorf("got %+v", got)
		}
		must(t, b.SetPublic(ctx, n, bucket.Public{}))
		must(t, b.SetPublic(ctx, n, bucket.Public{}))
		if got := spec(t, n).Public; got != (bucket.Public{}) {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("another policy is told apart", func(t *testing.T) {
		n := fresh(t)
		must(t, root(t, s).SetBucketPolicy(ctx, n, strings.ReplaceAll(strings.ReplaceAll(public, "acme", n), `"s3:GetObject"`, `"s3:GetObject","s3:PutObject"`)))
		if got := spec(t, n).Public; !got.Other || got.Read {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("without a key management there is no encryption, and it is told so", func(t *testing.T) {
		n := fresh(t)
		if err := b.SetEncryption(ctx, n, bucket.EncryptionSSES3); !errors.Is(err, bucket.ErrEncryptionUnsupported) {
			t.Errorf("got %v", err)
		}
		must(t, b.SetEncryption(ctx, n, bucket.EncryptionNone))
		can, err := b.Features(ctx)
		must(t, err)
		if can.Encryption || can.CORS || len(can.Tiers) > 0 {
			t.Errorf("it says that it can %+v", can)
		}
	})
	t.Run("MinIO has no rules for other origins by bucket", func(t *testing.T) {
		err := root(t, s).SetBucketCors(ctx, fresh(t), &cors.Config{CORSRules: []cors.Rule{{AllowedMethod: []string{"GET"}, AllowedOrigin: []string{"*"}}}})
		if code(err) != "NotImplemented" {
			t.Errorf("it answered %v", err)
		}
	})
	t.Run("every kind of rule is read back as it was written", func(t *testing.T) {
		n := fresh(t)
		rules := []bucket.Rule{
			{ID: "a", ExpireNoncurrentAfterDays: 3, KeepNewer: 2},
			{ID: "b", KeepNewer: 5, Prefix: "x/"},
			{ID: "c", ExpireMarkers: true},
			{ID: "d", ExpireAfterDays: 1, Tags: []bucket.Tag{{Key: "k", Value: "v"}}},
			{ID: "e", ExpireAfterDays: 1, Prefix: "p/", Tags: []bucket.Tag{{Key: "k", Value: ""}, {Key: "l", Value: "w"}}},
			{ID: "f", ExpireAfterDays: 1, SizeGreaterThan: 10},
			{ID: "g", ExpireAfterDays: 1, SizeLessThan: 10},
			{ID: "h", ExpireAfterDays: 1, SizeGreaterThan: 10, SizeLessThan: 100, Disabled: true},
			{ID: "i", ExpireAfterDays: 1, Prefix: "q/", SizeLessThan: 100, Tags: []bucket.Tag{{Key: "k", Value: "v"}}},
			{ID: "j", ExpireAfterDays: 1, Tags: []bucket.Tag{{Key: "k", Value: "v"}, {Key: "m", Value: "w"}}},
		}
		must(t, bucket.CheckRules(rules))
		must(t, b.SetLifecycle(ctx, n, rules))
		got := spec(t, n).Lifecycle
		for i, rule := range rules {
			if i >= len(got) || !got[i].Equal(rule) {
				t.Errorf("got %+v\nwant %+v", got, rule)
				break
			}
		}
	})
	t.Run("a tier that is not there is refused by its name", func(t *testing.T) {
		if err := b.SetLifecycle(ctx, fresh(t), []bucket.Rule{{ID: "a", Tier: "COLD", TransitionAfterDays: 3}}); !errors.Is(err, bucket.ErrTierUnknown) {
			t.Errorf("got %v", err)
		}
	})
}

func TestEncryptionOnAMinIOWithAKeyManagement(t *testing.T) {
	s := testkit.NewMinIO(t, testkit.WithKMS)
	b, ctx := backend(t, s), t.Context()
	n := name("s-")
	must(t, b.MakeBucket(ctx, n))
	can, err := b.Features(ctx)
	must(t, err)
	if !can.Encryption {
		t.Fatal("it says that it cannot encrypt")
	}
	must(t, b.SetEncryption(ctx, n, bucket.EncryptionSSES3))
	o, err := b.ObserveBucket(ctx, n)
	must(t, err)
	if o.Spec.Encryption != bucket.EncryptionSSES3 {
		t.Errorf("it has %+v", o.Spec)
	}
	put(t, root(t, s), n, "k")
	found, err := root(t, s).StatObject(ctx, n, "k", client.StatObjectOptions{})
	must(t, err)
	if found.Metadata.Get("X-Amz-Server-Side-Encryption") != "AES256" {
		t.Errorf("the object is not encrypted: %v", found.Metadata)
	}
	must(t, b.SetEncryption(ctx, n, bucket.EncryptionNone))
	o, err = b.ObserveBucket(ctx, n)
	must(t, err)
	if o.Spec.Encryption != bucket.EncryptionNone {
		t.Errorf("it has %+v", o.Spec)
	}
}
