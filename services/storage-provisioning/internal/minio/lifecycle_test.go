package minio_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/minio/madmin-go/v3"
	client "github.com/minio/minio-go/v7"
	rules "github.com/minio/minio-go/v7/pkg/lifecycle"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/lifecycle"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/minio"
)

// place is a bucket on a MinIO as package lifecycle is given it, with its trail.
type place struct {
	bucket.Bucket
	backend *minio.Backend
	entries []audit.Entry
}

func (p *place) Get(context.Context, string, string) (bucket.Bucket, error) { return p.Bucket, nil }
func (p *place) Contents(string) (lifecycle.Contents, error)                { return p.backend, nil }

func (p *place) Standing(_ context.Context, after string, _ int) ([]bucket.Bucket, error) {
	if after != "" {
		return nil, nil
	}
	return []bucket.Bucket{{ID: "bkt_gone", Name: "absent-" + p.Name}, p.Bucket}, nil
}

func (p *place) Record(_ context.Context, e audit.Entry) error {
	p.entries = append(p.entries, e)
	return nil
}

func (p *place) at(now time.Time) *lifecycle.Service {
	return lifecycle.NewService(lifecycle.Deps{Buckets: p, Backends: p, Inventory: p, Trail: p, Clock: clock.NewManual(now)})
}

// TestARuleIsAboutTheObjectsThatMinIOAppliesItTo takes MinIO at its word: to whoever reads an
// object it says which rule will remove it, and when.
func TestARuleIsAboutTheObjectsThatMinIOAppliesItTo(t *testing.T) {
	s := testkit.MinIO(t)
	b, c, ctx := backend(t, s), root(t, s), t.Context()
	n := name("rules-")
	must(t, b.MakeBucket(ctx, n))
	dice := rand.New(rand.NewPCG(1, 2))
	tagged := []map[string]string{nil, {"a": "1"}, {"a": "2"}, {"a": "1", "b": ""}, {"b": "x y", "a": "1"}}
	for i := range 40 {
		key := []string{"logs/", "log", "logs/x/", ""}[dice.IntN(4)] + fmt.Sprint(i)
		size := []int{0, 9, 10, 11, 99, 100, 101}[dice.IntN(7)]
		_, err := c.PutObject(ctx, n, key, strings.NewReader(strings.Repeat("x", size)), int64(size),
			client.PutObjectOptions{UserTags: tagged[dice.IntN(len(tagged))], DisableMultipart: true})
		must(t, err)
	}
	list, more, err := b.ScanVersions(ctx, n, "", 1000)
	must(t, err)
	if more || len(list) != 40 {
		t.Fatalf("listed %d, more: %v", len(list), more)
	}
	hit := 0
	for i, rule := range []bucket.Rule{
		{Prefix: "logs/"},
		{Tags: []bucket.Tag{{Key: "a", Value: "1"}}},
		{Tags: []bucket.Tag{{Key: "a", Value: "1"}, {Key: "b", Value: ""}}},
		{SizeGreaterThan: 10},
		{SizeLessThan: 10},
		{SizeGreaterThan: 9, SizeLessThan: 101, Prefix: "log"},
		{Prefix: "logs/", Tags: []bucket.Tag{{Key: "b", Value: "x y"}}, SizeGreaterThan: 1},
		{},
	} {
		rule.ID, rule.ExpireAfterDays = fmt.Sprintf("rule-%d", i), i+1
		must(t, b.SetLifecycle(ctx, n, []bucket.Rule{rule}))
		for _, v := range list {
			found, err := c.StatObject(ctx, n, v.Key, client.StatObjectOptions{})
			must(t, err)
			applies := found.ExpirationRuleID == rule.ID
			if ours := lifecycle.Matches(rule, v); ours != applies {
				t.Errorf("%+v on %+v: MinIO says %v, we say %v", rule, v, applies, ours)
			}
			if applies {
				hit++
				if due := lifecycle.Due(v.Modified, rule.ExpireAfterDays); !due.Equal(found.Expiration) {
					t.Errorf("%+v on %+v: MinIO says %s, we say %s", rule, v, found.Expiration, due)
				}
			}
		}
	}
	if hit < 60 {
		t.Errorf("only %d of all were hit", hit)
	}
	t.Run("a preview counts what will be due then", func(t *testing.T) {
		p := &place{Bucket: bucket.Bucket{Name: n, Desired: bucket.Present, State: bucket.Ready, Marked: true}, backend: b}
		rule := bucket.Rule{ExpireAfterDays: 3, SizeGreaterThan: 10}
		today, err := p.at(time.Now()).Preview(ctx, "", n, rule, 0)
		must(t, err)
		later, err := p.at(time.Now().Add(5*24*time.Hour)).Preview(ctx, "", n, rule, 0)
		must(t, err)
		var want lifecycle.Hits
		for _, v := range list {
			if v.Size > 10 {
				want = lifecycle.Hits{Count: want.Count + 1, Bytes: want.Bytes + v.Size}
			}
		}
		if today.Expire.Count != 0 || later.Expire != want || want.Count == 0 {
			t.Errorf("today %+v, later %+v, want %+v", today.Effect, later.Effect, want)
		}
	})
}

func TestIncompleteUploadsAreAbortedWhenTheirTimeHasComeAndNoSooner(t *testing.T) {
	s := testkit.MinIO(t)
	b, ctx := backend(t, s), t.Context()
	n := name("uploads-")
	must(t, b.MakeBucket(ctx, n))
	p := &place{backend: b, Bucket: bucket.Bucket{
		Desired: bucket.Present, State: bucket.Ready, Marked: true,
		ID: "bkt_1", AccountID: "acc_1", Name: n, Spec: bucket.Spec{Lifecycle: []bucket.Rule{
			{ID: "tmp", Prefix: "tmp/", AbortAfterDays: 1}, {ID: "off", AbortAfterDays: 2, Disabled: true},
		}},
	}}
	for _, key := range []string{"tmp/a", "tmp/b", "kept"} {
		_, err := client.Core{Client: root(t, s)}.NewMultipartUpload(ctx, n, key, client.PutObjectOptions{})
		must(t, err)
	}
	day := 24 * time.Hour
	for _, step := range []struct {
		after      time.Duration
		left, told int
	}{{0, 3, 0}, {day - time.Minute, 3, 0}, {day + time.Minute, 1, 1}, {7*day - time.Minute, 1, 1}, {7*day + time.Minute, 0, 2}} {
		now := time.Now().Add(step.after)
		must(t, p.at(now).AbortUploads(ctx))
		list, err := b.ListUploads(ctx, n)
		must(t, err)
		if len(list) != step.left || len(p.entries) != step.told {
			t.Errorf("after %s %d are left and the trail has %v, want %d and %d", step.after, len(list), p.entries, step.left, step.told)
		}
	}
	if e := p.entries[0]; e.Action != "bucket.abort_uploads" || e.AccountID != "acc_1" || fmt.Sprint(e.After) != "map[aborted:2]" {
		t.Errorf("the trail has %+v", e)
	}
	must(t, b.AbortUpload(ctx, n, lifecycle.Upload{Key: "kept", ID: "gone"}))
	t.Run("a preview foretells it", func(t *testing.T) {
		_, err := client.Core{Client: root(t, s)}.NewMultipartUpload(ctx, n, "tmp/c", client.PutObjectOptions{})
		must(t, err)
		for after, want := range map[time.Duration]int64{0: 0, 2 * day: 1} {
			got, err := p.at(time.Now().Add(after)).Preview(ctx, "", n, bucket.Rule{Prefix: "tmp/", AbortAfterDays: 1, Disabled: true}, 0)
			must(t, err)
			if got.Uploads.Count != want {
				t.Errorf("after %s it foretells %d", after, got.Uploads.Count)
			}
		}
	})
}

func TestARuleAboutIncompleteUploadsIsDroppedByMinIO(t *testing.T) {
	s := testkit.MinIO(t)
	n := name("abort-")
	must(t, backend(t, s).MakeBucket(t.Context(), n))
	// Why the abortion of uploads is ours: MinIO refuses a rule of it alone, as having no action.
	_, err := root(t, s).GetBucketLifecycle(t.Context(), n)
	if code(err) != "NoSuchLifecycleConfiguration" {
		t.Fatal(err)
	}
	if got := setAbortRule(t, s, n, 0); got != "InvalidArgument" {
		t.Errorf("alone, it is answered %s", got)
	}
	if got := setAbortRule(t, s, n, 5); got != "allowed" {
		t.Errorf("beside an expiration, it is answered %s", got)
	}
	found, err := root(t, s).GetBucketLifecycle(t.Context(), n)
	must(t, err)
	if days := found.Rules[0].AbortIncompleteMultipartUpload.DaysAfterInitiation; days != 0 {
		t.Errorf("it is kept: %d days", days)
	}
}

func setAbortRule(t *testing.T, s *testkit.Storage, n string, expire int) string {
	t.Helper()
	config := rules.NewConfiguration()
	config.Rules = []rules.Rule{{
		ID: "a", Status: "Enabled", Expiration: rules.Expiration{Days: rules.ExpirationDays(expire)},
		AbortIncompleteMultipartUpload: rules.AbortIncompleteMultipartUpload{DaysAfterInitiation: 3},
	}}
	return code(root(t, s).SetBucketLifecycle(t.Context(), n, config))
}

func TestWhatALockKeepsIsListedSo(t *testing.T) {
	s := testkit.MinIO(t)
	b, c, ctx := backend(t, s), root(t, s), t.Context()
	n := name("locked-")
	must(t, b.MakeLockedBucket(ctx, n))
	until, mode := time.Now().Add(time.Hour), client.Governance
	_, err := c.PutObject(ctx, n, "held", strings.NewReader("x"), 1, client.PutObjectOptions{LegalHold: client.LegalHoldEnabled, DisableMultipart: true, SendContentMd5: true})
	must(t, err)
	_, err = c.PutObject(ctx, n, "kept", strings.NewReader("x"), 1, client.PutObjectOptions{Mode: mode, RetainUntilDate: until, DisableMultipart: true, SendContentMd5: true})
	must(t, err)
	put(t, c, n, "loose")
	list, _, err := b.ScanVersions(ctx, n, "", 10)
	must(t, err)
	for _, v := range list {
		if v.Retained != (v.Key != "loose") {
			t.Errorf("%+v", v)
		}
	}
	if len(list) != 3 {
		t.Errorf("listed %+v", list)
	}
}

func TestObjectsMoveToATierOfTheBackend(t *testing.T) {
	s := testkit.NewMinIO(t)
	b, c, ctx := backend(t, s), root(t, s), t.Context()
	cold := testkit.MinIO(t)
	remote := name("cold-")
	must(t, root(t, cold).MakeBucket(ctx, remote, client.MakeBucketOptions{}))
	tier, err := madmin.NewTierMinIO("COLD", cold.Endpoint(), cold.RootUser, cold.RootPassword, remote, madmin.MinIORegion(cold.Region))
	must(t, err)
	must(t, rootAdmin(t, s).AddTier(ctx, tier))
	can, err := b.Features(ctx)
	must(t, err)
	if fmt.Sprint(can.Tiers) != "[COLD]" {
		t.Errorf("it has the tiers %v", can.Tiers)
	}
	n := name("warm-")
	must(t, b.MakeBucket(ctx, n))
	want := []bucket.Rule{
		{ID: "later", Prefix: "later/", Tier: "COLD", TransitionAfterDays: 30},
		{ID: "now", Prefix: "now/", Tier: "COLD"},
	}
	must(t, b.SetLifecycle(ctx, n, want))
	o, err := b.ObserveBucket(ctx, n)
	must(t, err)
	if len(o.Spec.Lifecycle) != 2 || !o.Spec.Lifecycle[0].Equal(want[0]) || !o.Spec.Lifecycle[1].Equal(want[1]) {
		t.Errorf("got %+v, want %+v", o.Spec.Lifecycle, want)
	}
	put(t, c, n, "now/a")
	put(t, c, n, "later/a")
	testkit.Eventually(t, time.Minute, func() error {
		list, _, err := b.ScanVersions(ctx, n, "", 10)
		if err != nil {
			return err
		}
		if len(list) != 2 || list[0].Tier != "" || list[1].Tier != "COLD" {
			return fmt.Errorf("listed %+v", list)
		}
		return nil
	})
}
