package bucket_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

func TestCheckSpec_names_each_setting_that_cannot_be(t *testing.T) {
	locked := bucket.Lock{Enabled: true, Mode: bucket.Governance, Days: 1}
	many := map[string]string{}
	for i := range 49 {
		many[strings.Repeat("k", i+1)] = ""
	}
	for _, c := range []struct {
		name string
		spec bucket.Spec
		want []string
	}{
		{"tags that all backends take", bucket.Spec{Tags: map[string]string{"a b": "", "+-=._:/@": "x"}}, nil},
		{"ours", bucket.Spec{Tags: map[string]string{"primecloud-id": "x"}}, []string{"TAG_RESERVED"}},
		{"too many", bucket.Spec{Tags: many}, []string{"TAG_COUNT"}},
		{"an empty key", bucket.Spec{Tags: map[string]string{"": "x"}}, []string{"TAG_CHARACTERS"}},
		{"a long value", bucket.Spec{Tags: map[string]string{"k": strings.Repeat("x", 257)}}, []string{"TAG_CHARACTERS"}},
		{"a lock", bucket.Spec{Lock: locked}, nil},
		{"a lock that retains nothing", bucket.Spec{Lock: bucket.Lock{Enabled: true}}, nil},
		{"a lock without versioning", bucket.Spec{Lock: locked, Versioning: bucket.VersioningSuspended}, []string{"LOCK_NEEDS_VERSIONING"}},
		{"no period", bucket.Spec{Lock: bucket.Lock{Enabled: true, Mode: bucket.Compliance}}, []string{"RETENTION_PERIOD"}},
		{"no mode", bucket.Spec{Lock: bucket.Lock{Enabled: true, Years: 1}}, []string{"RETENTION_MODE"}},
		{"too long", bucket.Spec{Lock: bucket.Lock{Enabled: true, Mode: bucket.Compliance, Years: 101}}, []string{"RETENTION_PERIOD"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := broken(t, bucket.CheckSpec(c.spec.Normal()), "BUCKET_SETTING_INVALID"); !slices.Equal(got, c.want) {
				t.Errorf("it breaks %v, want %v", got, c.want)
			}
		})
	}
	for prefix, fine := range map[string]bool{
		"": true, "pub/": true, "ä b/": true, "a/b": true, "a*": false, "?": false, "${x}": false, "/a": false, "a//b": false, "../a": false,
		"a\x00": false, "\xff": false, strings.Repeat("x", 513): false,
	} {
		err := bucket.CheckSpec(bucket.Spec{Public: bucket.Public{Read: true, Prefix: prefix}}.Normal())
		if (err == nil) != fine {
			t.Errorf("the prefix %q: %v", prefix, err)
		}
	}
}

func TestWanted_has_nothing_public_while_the_account_is_stopped(t *testing.T) {
	b := bucket.Bucket{Spec: bucket.Spec{Versioning: bucket.VersioningOff, Public: bucket.Public{Read: true, Prefix: "x"}}}
	if !b.Wanted().Equal(b.Spec) {
		t.Errorf("wanted is %+v", b.Wanted())
	}
	b.Stopped = true
	if got := b.Wanted(); got.Public.Read || !b.Spec.Public.Read || got.MetBy(b.Spec) {
		t.Errorf("wanted is %+v of %+v", got, b.Spec)
	}
}

func TestSpec_a_lock_that_nobody_asked_for_is_met_once_it_retains_nothing(t *testing.T) {
	for _, versioning := range []bucket.Versioning{bucket.VersioningOff, bucket.VersioningSuspended, bucket.VersioningEnabled} {
		want := bucket.Spec{Versioning: versioning}
		have := bucket.Spec{Versioning: bucket.VersioningEnabled, Lock: bucket.Lock{Enabled: true}}
		if !want.MetBy(have) {
			t.Errorf("%s is not met by a lock that retains nothing", versioning)
		}
		have.Lock.Mode, have.Lock.Days = bucket.Governance, 1
		if want.MetBy(have) {
			t.Errorf("%s is met by a lock that retains", versioning)
		}
	}
	locked := bucket.Spec{Versioning: bucket.VersioningEnabled, Lock: bucket.Lock{Enabled: true}}
	if locked.MetBy(bucket.Spec{Versioning: bucket.VersioningEnabled}) {
		t.Error("a lock is met by none")
	}
}

func TestForBackend_tells_it_only_what_it_carries_out(t *testing.T) {
	rules := []bucket.Rule{{ID: "a", AbortAfterDays: 1}, {ID: "b", AbortAfterDays: 1, ExpireAfterDays: 2}, {ID: "c", ExpireMarkers: true}}
	got := bucket.ForBackend(rules)
	want := []bucket.Rule{{ID: "b", ExpireAfterDays: 2}, {ID: "c", ExpireMarkers: true}}
	if !slices.EqualFunc(got, want, bucket.Rule.Equal) || rules[1].AbortAfterDays != 1 {
		t.Errorf("it is told %+v of %+v", got, rules)
	}
}
