package lifecycle_test

import (
	"context"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/lifecycle"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// shelf is a bucket whose content is written down.
type shelf struct {
	list []lifecycle.Version
	more bool
}

func (s shelf) Get(context.Context, string, string) (bucket.Bucket, error) {
	return bucket.Bucket{Desired: bucket.Present, State: bucket.Ready, Marked: true}, nil
}
func (s shelf) Contents(string) (lifecycle.Contents, error) { return s, nil }
func (s shelf) ScanVersions(context.Context, string, string, int) ([]lifecycle.Version, bool, error) {
	return s.list, s.more, nil
}

func (s shelf) ListUploads(context.Context, string) ([]lifecycle.Upload, error) { return nil, nil }
func (s shelf) AbortUpload(context.Context, string, lifecycle.Upload) error     { return nil }

func (s shelf) preview(t *testing.T, rule bucket.Rule) lifecycle.Preview {
	t.Helper()
	use := lifecycle.NewService(lifecycle.Deps{Buckets: s, Backends: s, Clock: clock.NewManual(now)})
	got, err := use.Preview(t.Context(), "", "", rule, 0)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// object is the versions of one key, the newest first, so many days old each; a negative size
// is a delete marker.
func object(key string, versions ...[2]int) []lifecycle.Version {
	var list []lifecycle.Version
	for i, v := range versions {
		one := lifecycle.Version{Key: key, Modified: now.Add(-time.Duration(v[0]) * day), Latest: i == 0, Size: int64(v[1])}
		if v[1] < 0 {
			one.Size, one.Marker = 0, true
		}
		list = append(list, one)
	}
	return list
}

func TestPreview_counts_what_each_action_hits(t *testing.T) {
	for _, c := range []struct {
		name string
		rule bucket.Rule
		list []lifecycle.Version
		want lifecycle.Effect
	}{
		{
			"a current object is due at the midnight after its days",
			bucket.Rule{ExpireAfterDays: 3},
			append(object("a", [2]int{4, 10}), object("b", [2]int{3, 20})...),
			lifecycle.Effect{Expire: lifecycle.Hits{Count: 1, Bytes: 10}},
		},
		{
			"an old version is as old as the one that replaced it",
			bucket.Rule{ExpireNoncurrentAfterDays: 3},
			object("a", [2]int{1, 1}, [2]int{9, 2}, [2]int{10, 4}, [2]int{11, 8}),
			lifecycle.Effect{Noncurrent: lifecycle.Hits{Count: 2, Bytes: 12}},
		},
		{
			"the newest old versions are kept whatever their age",
			bucket.Rule{ExpireNoncurrentAfterDays: 3, KeepNewer: 2},
			object("a", [2]int{5, 1}, [2]int{9, 2}, [2]int{10, 4}, [2]int{11, 8}),
			lifecycle.Effect{Noncurrent: lifecycle.Hits{Count: 1, Bytes: 8}},
		},
		{
			"one that is too large to match counts among the kept",
			bucket.Rule{KeepNewer: 1, SizeLessThan: 5},
			object("a", [2]int{5, 1}, [2]int{6, 100}, [2]int{7, 2}, [2]int{8, 100}),
			lifecycle.Effect{Noncurrent: lifecycle.Hits{Count: 1, Bytes: 2}},
		},
		{
			"a delete marker above versions stays",
			bucket.Rule{ExpireMarkers: true},
			object("a", [2]int{5, -1}, [2]int{6, 1}),
			lifecycle.Effect{},
		},
		{
			"one that is alone goes",
			bucket.Rule{ExpireMarkers: true},
			object("a", [2]int{0, -1}),
			lifecycle.Effect{Markers: lifecycle.Hits{Count: 1}},
		},
		{
			"expiry takes one that is alone once it is old enough",
			bucket.Rule{ExpireAfterDays: 3},
			append(object("a", [2]int{9, -1}), object("b", [2]int{1, -1})...),
			lifecycle.Effect{Markers: lifecycle.Hits{Count: 1}},
		},
		{
			"an old delete marker goes with the old versions",
			bucket.Rule{ExpireNoncurrentAfterDays: 3},
			object("a", [2]int{9, 1}, [2]int{10, -1}, [2]int{11, 7}),
			lifecycle.Effect{Noncurrent: lifecycle.Hits{Count: 1, Bytes: 7}, Markers: lifecycle.Hits{Count: 1}},
		},
		{
			"what expires does not move",
			bucket.Rule{ExpireAfterDays: 5, Tier: "COLD", TransitionAfterDays: 2},
			append(object("a", [2]int{9, 1}), object("b", [2]int{4, 2})...),
			lifecycle.Effect{Expire: lifecycle.Hits{Count: 1, Bytes: 1}, Transition: lifecycle.Hits{Count: 1, Bytes: 2}},
		},
		{
			"tags and prefix limit",
			bucket.Rule{ExpireAfterDays: 1, Prefix: "x/", Tags: []bucket.Tag{{Key: "k", Value: "v"}}},
			object("x/a", [2]int{9, 1}),
			lifecycle.Effect{},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := (shelf{list: c.list}).preview(t, c.rule); got.Effect != c.want || !got.Complete || got.Examined != len(c.list) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
	t.Run("what an object lock keeps is not removed, and counts among the kept", func(t *testing.T) {
		list := object("a", [2]int{5, 1}, [2]int{6, 2}, [2]int{7, 4})
		list[1].Retained = true
		if got := (shelf{list: list}).preview(t, bucket.Rule{KeepNewer: 1}); got.Noncurrent != (lifecycle.Hits{Count: 1, Bytes: 4}) {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("what lies in the tier already does not move there", func(t *testing.T) {
		list := object("a", [2]int{5, 1})
		list[0].Tier = "COLD"
		if got := (shelf{list: list}).preview(t, bucket.Rule{Tier: "COLD"}); got.Effect != (lifecycle.Effect{}) {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("of a list that was cut the last object is left out", func(t *testing.T) {
		list := append(object("a", [2]int{9, 1}), object("b", [2]int{9, 2})...)
		if got := (shelf{list: list, more: true}).preview(t, bucket.Rule{ExpireAfterDays: 1}); got.Expire.Count != 1 || got.Complete || got.Examined != 2 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestAbortDue_is_the_soonest_of_the_owners_rules_or_the_default(t *testing.T) {
	u := lifecycle.Upload{Key: "tmp/a", Begun: now}
	for _, c := range []struct {
		name  string
		rules []bucket.Rule
		days  int
	}{
		{"the default", nil, 7},
		{"a rule", []bucket.Rule{{AbortAfterDays: 3}}, 3},
		{"the soonest", []bucket.Rule{{AbortAfterDays: 3}, {Prefix: "tmp/", AbortAfterDays: 2}, {Prefix: "other/", AbortAfterDays: 1}}, 2},
		{"one that is off does not count", []bucket.Rule{{AbortAfterDays: 1, Disabled: true}}, 7},
		{"one about other things does not count", []bucket.Rule{{ExpireAfterDays: 1}}, 7},
	} {
		if got := lifecycle.AbortDue(c.rules, u); !got.Equal(now.Add(time.Duration(c.days) * day)) {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}
