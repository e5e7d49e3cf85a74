package policy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	oracle "github.com/minio/pkg/v3/policy"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
)

// parse reads a document as the server does: its own parser and evaluator are the oracle.
func parse(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, raw []byte,
) *oracle.Policy {
	t.Helper()
	parsed, err := oracle.ParseConfig(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("the server would refuse %s: %v", raw, err)
	}
	return parsed
}

func allows(p *oracle.Policy, action, bucket, object string) bool {
	return p.IsAllowed(oracle.Args{AccountName: "someone", Action: oracle.Action(action), BucketName: bucket, ObjectName: object})
}

// forbidden are actions that no document may allow, anywhere.
var forbidden = []string{
	"s3:*", "s3:CreateBucket", "s3:DeleteBucket", "s3:ForceDeleteBucket", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy",
	"s3:PutBucketTagging", "s3:PutBucketVersioning", "s3:PutLifecycleConfiguration", "s3:PutBucketNotification",
	"s3:PutEncryptionConfiguration", "s3:PutBucketObjectLockConfiguration", "s3:PutBucketCors", "s3:ListAllMyBuckets",
	"s3:PutReplicationConfiguration", "s3:ReplicateObject", "s3:BypassGovernanceRetention", "s3:PutObjectRetention",
	"admin:*", "admin:CreateServiceAccount", "admin:UpdateServiceAccount", "admin:RemoveServiceAccount",
	"admin:ListServiceAccounts", "admin:CreateUser", "kms:*", "kms:CreateKey",
}

func TestTheAccountPolicy(t *testing.T) {
	t.Run("reads and writes in its own buckets", func(t *testing.T) {
		p := parse(t, policy.Documents{}.Account([]string{"acme", "acme-logs"}, false))
		for _, bucket := range []string{"acme", "acme-logs"} {
			for _, action := range []string{"s3:ListBucket", "s3:ListBucketVersions", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads"} {
				if !allows(p, action, bucket, "") {
					t.Errorf("%s on %s is not allowed", action, bucket)
				}
			}
			for _, action := range []string{"s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"} {
				if !allows(p, action, bucket, "a/b c*?") {
					t.Errorf("%s in %s is not allowed", action, bucket)
				}
			}
		}
	})
	t.Run("reads and deletes, and makes nothing, when it is read-only", func(t *testing.T) {
		p := parse(t, policy.Documents{}.Account([]string{"acme"}, true))
		for _, action := range []string{"s3:GetObject", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:AbortMultipartUpload"} {
			if !allows(p, action, "acme", "k") {
				t.Errorf("%s is not allowed", action)
			}
		}
		for _, action := range []string{"s3:PutObject", "s3:PutObjectTagging"} {
			if allows(p, action, "acme", "k") {
				t.Errorf("%s is allowed", action)
			}
		}
	})
	t.Run("denies every administration verb, those allowed by default too", func(t *testing.T) {
		p := parse(t, policy.Documents{}.Account(nil, false))
		for _, action := range []string{"admin:CreateServiceAccount", "admin:CreateUser", "admin:ListServiceAccounts", "admin:ServerInfo"} {
			if p.IsAllowed(oracle.Args{Action: oracle.Action(action), DenyOnly: true}) {
				t.Errorf("%s is not denied", action)
			}
		}
	})
	t.Run("leaves out a name that is none", func(t *testing.T) {
		raw := policy.Documents{}.Account([]string{"*", "acme*", "a?me", "${aws:username}", "acme/", "..", "acme..x", "", "ab", "Acme"}, false)
		if want := (policy.Documents{}).Account(nil, false); !bytes.Equal(raw, want) {
			t.Errorf("got %s", raw)
		}
	})
	t.Run("is the same for the same buckets in any order", func(t *testing.T) {
		a := policy.Documents{}.Account([]string{"bbb", "aaa", "bbb"}, false)
		b := policy.Documents{}.Account([]string{"aaa", "bbb"}, false)
		if !bytes.Equal(a, b) {
			t.Errorf("%s\n%s", a, b)
		}
	})
}

func TestAKeyPolicy(t *testing.T) {
	may := map[policy.Permission]map[string]bool{
		policy.Read:      {"s3:ListBucket": true, "s3:GetObject": true, "s3:GetBucketLocation": true},
		policy.Write:     {"s3:PutObject": true, "s3:DeleteObject": true, "s3:AbortMultipartUpload": true, "s3:GetBucketLocation": true},
		policy.ReadWrite: {"s3:ListBucket": true, "s3:GetObject": true, "s3:PutObject": true, "s3:DeleteObject": true, "s3:AbortMultipartUpload": true, "s3:GetBucketLocation": true},
	}
	for permission, actions := range may {
		t.Run(string(permission)+" allows what it says and nothing else", func(t *testing.T) {
			raw, err := policy.Key([]policy.Grant{{Bucket: "acme", Permission: permission}})
			if err != nil {
				t.Fatal(err)
			}
			p := parse(t, raw)
			for _, action := range []string{"s3:ListBucket", "s3:GetObject", "s3:GetBucketLocation", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"} {
				object := "k"
				if strings.Contains(action, "Bucket") {
					object = ""
				}
				if got := allows(p, action, "acme", object); got != actions[action] {
					t.Errorf("%s: %v, want %v", action, got, actions[action])
				}
			}
		})
	}
	t.Run("two grants of one bucket add up", func(t *testing.T) {
		a, err := policy.Key([]policy.Grant{{Bucket: "acme", Permission: policy.Read}, {Bucket: "acme", Permission: policy.Write}})
		if err != nil {
			t.Fatal(err)
		}
		b, _ := policy.Key([]policy.Grant{{Bucket: "acme", Permission: policy.ReadWrite}})
		if !bytes.Equal(a, b) {
			t.Errorf("%s\n%s", a, b)
		}
	})
	t.Run("fits its limit with the longest names, whatever the mix", func(t *testing.T) {
		longest := 0
		for mix := range 6561 { // 3 to the power of 8
			var grants []policy.Grant
			for i := range policy.InlineGrants {
				grants = append(grants, policy.Grant{
					Bucket:     fmt.Sprintf("%d%s", i, strings.Repeat("x", 62)),
					Permission: []policy.Permission{policy.Read, policy.Write, policy.ReadWrite}[mix%3],
				})
				mix /= 3
			}
			raw, err := policy.Key(grants)
			if err != nil {
				t.Fatal(err)
			}
			longest = max(longest, len(raw))
		}
		t.Logf("the longest has %d bytes", longest)
		if longest > policy.MaxInline {
			t.Errorf("%d bytes", longest)
		}
	})
	t.Run("refuses what would reach further", func(t *testing.T) {
		for _, bad := range []policy.Grant{
			{Bucket: "*", Permission: policy.Read},
			{Bucket: "acme*", Permission: policy.Read},
			{Bucket: "acme/x", Permission: policy.Read},
			{Bucket: "acme", Permission: ""},
			{Bucket: "acme", Permission: "s3:*"},
		} {
			if raw, err := policy.Key([]policy.Grant{bad}); err == nil {
				t.Errorf("%+v gives %s", bad, raw)
			}
		}
		if _, err := policy.Key(nil); err == nil {
			t.Error("no grants give a policy")
		}
		if _, err := policy.Key(slices.Repeat([]policy.Grant{{Bucket: "acme", Permission: policy.Read}}, policy.MaxGrants+1)); err == nil {
			t.Error("too many grants give a policy")
		}
	})
}

func TestTheReaderPolicyReadsObjectsAndNothingElse(t *testing.T) {
	p := parse(t, policy.Documents{}.Reader())
	if !allows(p, "s3:GetObject", "acme", "k") || !allows(p, "s3:GetObjectVersion", "acme", "a/b") {
		t.Error("it does not read")
	}
	for _, action := range append(forbidden, "s3:PutObject", "s3:DeleteObject", "s3:ListBucket", "s3:GetBucketLocation") {
		if allows(p, action, "acme", "k") || allows(p, action, "acme", "") {
			t.Errorf("it allows %s", action)
		}
	}
}

func TestAnUploadPolicy(t *testing.T) {
	for _, key := range []string{"report.pdf", "a/b/c", "folder/", "with space", "ä", "$", "$x", "a$b{c}", "{x}", `q"\`, "<&>"} {
		t.Run("of "+key+" writes that object only", func(t *testing.T) {
			raw, err := policy.Upload("acme", key)
			if err != nil {
				t.Fatal(err)
			}
			p := parse(t, raw)
			if !allows(p, "s3:PutObject", "acme", key) {
				t.Error("it does not write its own object")
			}
			for _, other := range []string{key + "/", strings.TrimSuffix(key, "/"), key + "x", key + "/x", "x" + key, "x/" + key, "", "other"} {
				if other != key && allows(p, "s3:PutObject", "acme", other) {
					t.Errorf("it writes %q", other)
				}
			}
			if allows(p, "s3:GetObject", "acme", key) || allows(p, "s3:DeleteObject", "acme", key) || allows(p, "s3:PutObject", "acme-corp", key) {
				t.Error("it does more than writing")
			}
		})
	}
	t.Run("refuses what MinIO takes for a pattern", func(t *testing.T) {
		for _, key := range []string{"*", "a*b", "a?b", "${aws:username}", "x${", ""} {
			if raw, err := policy.Upload("acme", key); !errors.Is(err, policy.ErrNotExact) {
				t.Errorf("%q gives %s, %v", key, raw, err)
			}
		}
	})
	t.Run("takes the longest plain key and refuses one that grows too long when escaped", func(t *testing.T) {
		if _, err := policy.Upload("acme", strings.Repeat("k", 1024)); err != nil {
			t.Error(err)
		}
		if _, err := policy.Upload("acme", strings.Repeat("<", 1024)); !errors.Is(err, policy.ErrTooLong) {
			t.Errorf("got %v", err)
		}
	})
}

func TestSame(t *testing.T) {
	mine := policy.Documents{}.Account([]string{"acme", "beta"}, false)
	t.Run("the server's own spelling is the same", func(t *testing.T) {
		theirs, err := json.MarshalIndent(parse(t, mine), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(mine, theirs) || !policy.Same(mine, theirs) {
			t.Errorf("%s\n%s", mine, theirs)
		}
	})
	t.Run("one string is a list of one", func(t *testing.T) {
		if !policy.Same([]byte(`{"Version":"1","Statement":[{"Action":"a"}]}`), []byte(`{"Statement":{"Action":["a","a"]},"Version":"1"}`)) {
			t.Error("differ")
		}
	})
	different := map[string][2]string{
		"another action":        {`{"Statement":[{"Action":["a"]}]}`, `{"Statement":[{"Action":["b"]}]}`},
		"another effect":        {`{"Statement":[{"Effect":"Allow"}]}`, `{"Statement":[{"Effect":"Deny"}]}`},
		"a field more":          {`{"Statement":[{"Action":["a"]}]}`, `{"Statement":[{"Action":["a"],"Condition":{"x":1}}]}`},
		"a statement more":      {`{"Statement":[{"Action":["a"]}]}`, `{"Statement":[{"Action":["a"]},{"Action":["b"]}]}`},
		"an exclusion instead":  {`{"Statement":[{"Resource":["a"]}]}`, `{"Statement":[{"NotResource":["a"]}]}`},
		"a statement is no map": {`{"Statement":["a"]}`, `{"Statement":["a"]}`},
		"nothing":               {``, ``},
		"null":                  {`null`, `null`},
		"no JSON":               {`{`, `{`},
		"more behind":           {`{} {}`, `{} {}`},
	}
	for name, pair := range different {
		t.Run(name+" differs", func(t *testing.T) {
			if policy.Same([]byte(pair[0]), []byte(pair[1])) {
				t.Errorf("%s and %s are the same", pair[0], pair[1])
			}
		})
	}
}

// takenByServer reports whether an object key gets past the server's own check, which
// comes before any policy: no `.` or `..` segments, no doubled or leading slash, UTF-8.
func takenByServer(key string) bool {
	if key == "" || !utf8.ValidString(key) || strings.HasPrefix(key, "/") || strings.Contains(key, "//") || strings.ContainsRune(key, 0) {
		return false
	}
	for segment := range strings.FieldsFuncSeq(key, func(r rune) bool { return r == '/' || r == '\\' }) {
		if s := strings.TrimSpace(segment); s == "." || s == ".." {
			return false
		}
	}
	return true
}
