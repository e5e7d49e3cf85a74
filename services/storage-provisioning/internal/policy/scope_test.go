package policy_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	oracle "github.com/minio/pkg/v3/policy"
	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
)

func asks(p *oracle.Policy, action, bucket, object string, values map[string][]string) bool {
	return p.IsAllowed(oracle.Args{AccountName: "someone", Action: oracle.Action(action), BucketName: bucket, ObjectName: object, ConditionValues: values})
}

func TestAPrefix_bounds_objects_and_listing(t *testing.T) {
	raw, err := policy.Inline(policy.Scope{Grants: []policy.Grant{{Bucket: "acme", Permission: policy.ReadWrite, Prefix: "team/"}}})
	if err != nil {
		t.Fatal(err)
	}
	p := parse(t, raw)
	for object, want := range map[string]bool{"team/k": true, "team/": true, "team": false, "team-b/k": false, "k": false, "a/team/k": false} {
		for _, action := range []string{"s3:GetObject", "s3:PutObject", "s3:DeleteObject"} {
			if got := allows(p, action, "acme", object); got != want {
				t.Errorf("%s of %s: %v", action, object, got)
			}
		}
	}
	for prefix, want := range map[string]bool{"team/": true, "team/a": true, "team": false, "": false, "team-b/": false, "*": false} {
		if got := asks(p, "s3:ListBucket", "acme", "", map[string][]string{"prefix": {prefix}}); got != want {
			t.Errorf("listing %q: %v", prefix, got)
		}
	}
	if asks(p, "s3:ListBucket", "acme", "", nil) || asks(p, "s3:ListBucket", "acme", "", map[string][]string{"prefix": {"", "team/"}}) {
		t.Error("listing without a prefix, or with two")
	}
}

func TestNetworks_are_held_against_the_address_that_the_server_knows(t *testing.T) {
	raw, err := policy.Inline(policy.Scope{
		Grants: []policy.Grant{{Bucket: "acme", Permission: policy.Read}}, Networks: []string{"192.0.2.0/24"},
	})
	if err != nil {
		t.Fatal(err)
	}
	p := parse(t, raw)
	for name, c := range map[string]struct {
		values map[string][]string
		want   bool
	}{
		"from within":                 {map[string][]string{"SourceIp": {"192.0.2.9"}}, true},
		"from elsewhere":              {map[string][]string{"SourceIp": {"198.51.100.1"}}, false},
		"with a parameter of the key": {map[string][]string{"SourceIp": {"198.51.100.1", "192.0.2.9"}}, false},
		"with a header of the key":    {map[string][]string{"SourceIp": {"198.51.100.1"}, "Sourceip": {"192.0.2.9"}}, false},
		"with no address":             {nil, false},
	} {
		if got := asks(p, "s3:GetObject", "acme", "k", c.values); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestAHoldersPolicy_names_exactly_the_buckets_that_there_are(t *testing.T) {
	buckets := []string{"logs-a", "logs-b", "acme", "log"}
	scope := policy.Scope{Grants: []policy.Grant{
		{Bucket: "logs-*", Permission: policy.ReadWrite}, {Bucket: "gone", Permission: policy.Read}, {Bucket: "acme", Permission: policy.List},
	}}
	p := parse(t, policy.Documents{}.Holder(scope, buckets, false))
	for bucket, want := range map[string]bool{"logs-a": true, "logs-b": true, "logs-c": false, "gone": false, "acme": false, "log": false} {
		if got := allows(p, "s3:PutObject", bucket, "k"); got != want {
			t.Errorf("putting into %s: %v", bucket, got)
		}
	}
	if !allows(p, "s3:ListBucket", "acme", "") || allows(p, "s3:GetObject", "acme", "k") {
		t.Error("listing")
	}
	if p.IsAllowed(oracle.Args{Action: "admin:CreateServiceAccount", DenyOnly: true}) {
		t.Error("it may make keys")
	}
	t.Run("while writes are stopped it deletes and does not put", func(t *testing.T) {
		p := parse(t, policy.Documents{}.Holder(scope, buckets, true))
		if allows(p, "s3:PutObject", "logs-a", "k") || !allows(p, "s3:DeleteObject", "logs-a", "k") || !allows(p, "s3:GetObject", "logs-a", "k") {
			t.Error("it is not so")
		}
	})
	t.Run("without buckets it allows nothing", func(t *testing.T) {
		if !bytes.Equal(policy.Documents{}.Holder(scope, nil, false), policy.Documents{}.Account(nil, false)) {
			t.Error("it does")
		}
	})
	t.Run("whatever is drawn, it reaches no bucket but those", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			own := rapid.SliceOfN(names(), 0, 6).Draw(t, "own")
			pattern := rapid.StringMatching(`[a-z*.-]{0,6}\*[a-z*.-]{0,6}`).Draw(t, "pattern")
			other := names().Filter(func(n string) bool { return !contains(own, n) }).Draw(t, "other")
			scope := policy.Scope{Grants: []policy.Grant{{Bucket: pattern, Permission: policy.ReadWrite}}}
			p := parse(t, policy.Documents{}.Holder(scope, own, false))
			for _, probe := range probes() {
				if allows(p, probe[0], other, probe[1]) {
					t.Fatalf("%s reaches %s", pattern, other)
				}
			}
		})
	})
}

func contains(list []string, s string) bool {
	for _, one := range list {
		if one == s {
			return true
		}
	}
	return false
}

func TestKinds_are_told_by_patterns_and_length(t *testing.T) {
	var many []policy.Grant
	for i := range 40 {
		many = append(many, policy.Grant{Bucket: fmt.Sprintf("a-bucket-with-a-long-name-%03d", i), Permission: policy.Read})
	}
	if policy.NeedsHolder(policy.Scope{Grants: many[:8]}) || !policy.NeedsHolder(policy.Scope{Grants: many}) ||
		!policy.NeedsHolder(policy.Scope{Grants: []policy.Grant{{Bucket: "a*", Permission: policy.Read}}}) {
		t.Error("they are not")
	}
	_, err := policy.Session(policy.Scope{Grants: many})
	if !errors.Is(err, policy.ErrTooLong) {
		t.Errorf("got %v", err)
	}
}

func TestPrefixes_and_networks_have_one_spelling(t *testing.T) {
	for _, bad := range []string{"a", "/", "/a/", "a//", "a/../", "../", "./", " .. /", "a*/", "a?/", "$a/", `a\/`, "a\n/", "a\x00/", "\xff/", strings.Repeat("a", 512) + "/"} {
		if policy.PrefixProblem(bad) == "" {
			t.Errorf("%q is taken", bad)
		}
	}
	for _, good := range []string{"", "a/", "a b/", "日本/", "a/.b/", "a../"} {
		if wrong := policy.PrefixProblem(good); wrong != "" {
			t.Errorf("%q: %s", good, wrong)
		}
	}
	for text, want := range map[string]string{"192.0.2.1": "192.0.2.1/32", "10.0.0.0/8": "10.0.0.0/8", "2001:DB8::/32": "2001:db8::/32"} {
		if got, wrong := policy.ParseNetwork(text); got != want {
			t.Errorf("%q: %q %s", text, got, wrong)
		}
	}
}
