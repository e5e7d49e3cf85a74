package minio_test

import (
	"errors"
	"fmt"
	"testing"

	client "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/lifecycle"

	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

func TestBucketsOnTheRealMinIO(t *testing.T) {
	s := testkit.MinIO(t)
	b, ctx := backend(t, s), t.Context()
	fresh := func(t *testing.T) string {
		t.Helper()
		n := name("b-")
		must(t, b.MakeBucket(ctx, n))
		return n
	}
	observe := func(t *testing.T, n string) bucket.Observed {
		t.Helper()
		o, err := b.ObserveBucket(ctx, n)
		must(t, err)
		return o
	}

	t.Run("an absent bucket is observed as absent", func(t *testing.T) {
		if o := observe(t, name("absent-")); o.Exists {
			t.Errorf("%+v", o)
		}
	})
	t.Run("a new bucket is plain and without a mark", func(t *testing.T) {
		o := observe(t, fresh(t))
		if !o.Exists || o.Mark != (bucket.Mark{}) || !o.Spec.Equal(bucket.NewSpec()) {
			t.Errorf("%+v", o)
		}
	})
	t.Run("making it again says that it exists", func(t *testing.T) {
		if err := b.MakeBucket(ctx, fresh(t)); !errors.Is(err, bucket.ErrExists) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a mark is read back", func(t *testing.T) {
		n, mark := fresh(t), bucket.Mark{ID: "bkt_1", AccountID: "acc_1"}
		must(t, b.MarkBucket(ctx, n, mark))
		must(t, b.MarkBucket(ctx, n, mark))
		if o := observe(t, n); o.Mark != mark {
			t.Errorf("%+v", o)
		}
	})
	t.Run("a specification is read back, whole and changed and empty", func(t *testing.T) {
		n := fresh(t)
		for _, want := range []bucket.Spec{
			{Versioning: bucket.VersioningEnabled, QuotaBytes: 1 << 40, Lifecycle: []bucket.Rule{
				{ID: "a", ExpireAfterDays: 30},
				{ID: "b.old", Prefix: "logs/ä&<", ExpireNoncurrentAfterDays: 7},
				{ID: "c", Prefix: "tmp/", ExpireAfterDays: 1, ExpireNoncurrentAfterDays: 2, Disabled: true},
			}},
			{Versioning: bucket.VersioningSuspended, QuotaBytes: 1, Lifecycle: []bucket.Rule{{ID: "z", Prefix: "x", ExpireAfterDays: 36500}}},
			{Versioning: bucket.VersioningEnabled},
		} {
			for range 2 { // all may be repeated
				must(t, b.SetVersioning(ctx, n, want.Versioning))
				must(t, b.SetQuota(ctx, n, want.QuotaBytes))
				must(t, b.SetLifecycle(ctx, n, want.Lifecycle))
			}
			if o := observe(t, n); !o.Spec.Equal(want) {
				t.Errorf("got %+v, want %+v", o.Spec, want)
			}
		}
	})
	t.Run("a rule that says more than ours can is told apart", func(t *testing.T) {
		n, ours := fresh(t), bucket.Rule{ID: "mine", ExpireAfterDays: 30}
		config := lifecycle.NewConfiguration()
		config.Rules = []lifecycle.Rule{{
			ID: "mine", Status: "Enabled", Expiration: lifecycle.Expiration{Days: 30},
			RuleFilter: lifecycle.Filter{Tag: lifecycle.Tag{Key: "k", Value: "v"}},
		}}
		must(t, root(t, s).SetBucketLifecycle(ctx, n, config))
		if o := observe(t, n); o.Spec.Equal(bucket.Spec{Versioning: bucket.VersioningOff, Lifecycle: []bucket.Rule{ours}}) {
			t.Errorf("%+v counts as ours", o.Spec)
		}
	})
	t.Run("removing takes an empty one and refuses a full one", func(t *testing.T) {
		n := fresh(t)
		put(t, root(t, s), n, "k")
		if err := b.RemoveBucket(ctx, n); !errors.Is(err, bucket.ErrNotEmpty) {
			t.Fatalf("got %v", err)
		}
		must(t, root(t, s).RemoveObject(ctx, n, "k", client.RemoveObjectOptions{}))
		must(t, b.RemoveBucket(ctx, n))
		must(t, b.RemoveBucket(ctx, n))
		if o := observe(t, n); o.Exists {
			t.Error("it is still there")
		}
	})
	t.Run("removing refuses one with old versions only", func(t *testing.T) {
		n := fresh(t)
		must(t, b.SetVersioning(ctx, n, bucket.VersioningEnabled))
		put(t, root(t, s), n, "k")
		must(t, root(t, s).RemoveObject(ctx, n, "k", client.RemoveObjectOptions{}))
		if err := b.RemoveBucket(ctx, n); !errors.Is(err, bucket.ErrNotEmpty) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("its list has it, whoever made it", func(t *testing.T) {
		n := name("other-")
		must(t, root(t, s).MakeBucket(ctx, n, client.MakeBucketOptions{}))
		found := map[string]bucket.Observed{}
		must(t, b.ObserveAll(ctx, func(name string, o bucket.Observed) { found[name] = o }))
		if o := found[n]; !o.Exists || o.Mark != (bucket.Mark{}) {
			t.Errorf("%s is not among %v", n, found)
		}
	})
	t.Run("a change of an absent bucket says that it vanished", func(t *testing.T) {
		n := name("absent-")
		for what, err := range map[string]error{
			"mark":     b.MarkBucket(ctx, n, bucket.Mark{ID: "x", AccountID: "y"}),
			"quota":    b.SetQuota(ctx, n, 1),
			"no quota": b.SetQuota(ctx, n, 0),
			"no rules": b.SetLifecycle(ctx, n, nil),
		} {
			if !errors.Is(err, bucket.ErrVanished) {
				t.Errorf("%s: got %v", what, err)
			}
		}
		if _, _, err := b.CountContent(ctx, n, 10); !errors.Is(err, bucket.ErrVanished) {
			t.Errorf("count: got %v", err)
		}
	})
	t.Run("versioning and rules of an absent bucket are taken by MinIO, and leave it absent", func(t *testing.T) {
		n := name("absent-")
		must(t, b.SetVersioning(ctx, n, bucket.VersioningEnabled))
		must(t, b.SetLifecycle(ctx, n, []bucket.Rule{{ID: "a", ExpireAfterDays: 1}}))
		if o := observe(t, n); o.Exists {
			t.Errorf("%+v", o)
		}
		must(t, b.MakeBucket(ctx, n))
		if o := observe(t, n); !o.Spec.Equal(bucket.NewSpec()) {
			t.Errorf("made later, it has %+v", o.Spec)
		}
	})
}

func TestCountingContentOnTheRealMinIO(t *testing.T) {
	s := testkit.MinIO(t)
	b, ctx := backend(t, s), t.Context()
	n := name("count-")
	must(t, b.MakeBucket(ctx, n))
	must(t, b.SetVersioning(ctx, n, bucket.VersioningEnabled))
	expect := func(t *testing.T, limit, want int, wantMore bool) {
		t.Helper()
		got, more, err := b.CountContent(ctx, n, limit)
		must(t, err)
		if got != want || more != wantMore {
			t.Errorf("got %d, %v; want %d, %v", got, more, want, wantMore)
		}
	}
	t.Run("an empty bucket has nothing", func(t *testing.T) { expect(t, 10, 0, false) })
	t.Run("objects, versions and delete markers count", func(t *testing.T) {
		put(t, root(t, s), n, "a/b")
		put(t, root(t, s), n, "a/b")
		put(t, root(t, s), n, "c")
		must(t, root(t, s).RemoveObject(ctx, n, "c", client.RemoveObjectOptions{}))
		expect(t, 10, 4, false)
	})
	t.Run("an incomplete upload counts", func(t *testing.T) {
		_, err := client.Core{Client: root(t, s)}.NewMultipartUpload(ctx, n, "big/file", client.PutObjectOptions{})
		must(t, err)
		expect(t, 10, 5, false)
	})
	t.Run("it stops at the limit", func(t *testing.T) {
		expect(t, 5, 5, false)
		expect(t, 4, 4, true)
		expect(t, 1, 1, true)
	})
	t.Run("it stops at a thousand of many", func(t *testing.T) {
		for i := range 1001 {
			put(t, root(t, s), n, fmt.Sprintf("many/%d", i))
		}
		expect(t, bucket.CountLimit, bucket.CountLimit, true)
	})
}
