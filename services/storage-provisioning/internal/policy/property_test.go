package policy_test

import (
	"encoding/json"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
)

// names draws bucket names that like to begin alike.
func names() *rapid.Generator[string] {
	return rapid.StringMatching(`(acme|acme-corp|ac)([a-z0-9]{0,3}[.-])?[a-z0-9]{1,4}`)
}

// probes are requests of every kind on one bucket.
func probes() [][2]string {
	var all [][2]string
	for _, action := range append(slices.Clone(forbidden), "s3:ListBucket", "s3:GetBucketLocation", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload") {
		for _, object := range []string{"", "k", "a/b", "/", "../acme/k"} {
			all = append(all, [2]string{action, object})
		}
	}
	return all
}

func TestNoDocumentReachesAnotherBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		own := rapid.SliceOfN(names(), 1, policy.InlineGrants).Draw(t, "own")
		other := names().Filter(func(n string) bool { return !slices.Contains(own, n) }).Draw(t, "other")
		var grants []policy.Grant
		for _, bucket := range own {
			grants = append(grants, policy.Grant{Bucket: bucket, Permission: rapid.SampledFrom([]policy.Permission{policy.Read, policy.Write, policy.ReadWrite}).Draw(t, "permission")})
		}
		key, err := policy.Key(grants)
		if err != nil {
			t.Fatal(err)
		}
		upload, err := policy.Upload(own[0], "k")
		if err != nil {
			t.Fatal(err)
		}
		for _, raw := range [][]byte{policy.Documents{}.Account(own, false), key, upload} {
			p := parse(t, raw)
			for _, probe := range probes() {
				if allows(p, probe[0], other, probe[1]) {
					t.Fatalf("%s on %s/%s is allowed by %s", probe[0], other, probe[1], raw)
				}
			}
			for _, action := range forbidden {
				if allows(p, action, own[0], "") || allows(p, action, own[0], "k") {
					t.Fatalf("%s is allowed on its own bucket by %s", action, raw)
				}
			}
			theirs, err := json.Marshal(p)
			if err != nil || !policy.Same(raw, theirs) {
				t.Fatalf("the server's spelling differs: %s, %s, %v", raw, theirs, err)
			}
		}
	})
}

// FuzzKey holds whatever is taken for a bucket name against the server's own evaluator.
func FuzzKey(f *testing.F) {
	f.Add("acme", "acme-corp")
	f.Add("acme*", "acme-corp")
	f.Add("a.b", "a-b")
	f.Add("${aws:username}", "someone")
	f.Fuzz(func(t *testing.T, own, other string) {
		raw, err := policy.Key([]policy.Grant{{Bucket: own, Permission: policy.ReadWrite}})
		if err != nil || own == other {
			return
		}
		account := parse(t, policy.Documents{}.Account([]string{own}, false))
		key := parse(t, raw)
		for _, probe := range probes() {
			// Only bucket names reach the server's evaluator as such: it refuses the others before.
			if _, err := policy.Key([]policy.Grant{{Bucket: other, Permission: policy.Read}}); err != nil {
				return
			}
			if allows(key, probe[0], other, probe[1]) || allows(account, probe[0], other, probe[1]) {
				t.Fatalf("%q reaches %q: %s", own, other, probe)
			}
		}
	})
}

// FuzzUpload checks that the policy of one object allows that object and no other one.
func FuzzUpload(f *testing.F) {
	f.Add("k", "k/")
	f.Add("a/b", "a/../a/b")
	f.Add("a$b", "a${b}")
	f.Add("*", "x")
	f.Fuzz(func(t *testing.T, key, other string) {
		raw, err := policy.Upload("acme", key)
		if err != nil || key == other || !takenByServer(key) || !takenByServer(other) {
			return
		}
		p := parse(t, raw)
		if !allows(p, "s3:PutObject", "acme", key) {
			t.Fatalf("%q cannot be written with %s", key, raw)
		}
		if allows(p, "s3:PutObject", "acme", other) {
			t.Fatalf("%q can be written with %s", other, raw)
		}
	})
}
