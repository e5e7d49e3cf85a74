package policy_test

import (
	"strings"
	"testing"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
)

func TestPublic_is_read_back_and_nothing_else_is_taken_for_it(t *testing.T) {
	for _, prefix := range []string{"", "pub/", "a b/ä"} {
		raw, err := policy.Public("acme", prefix)
		if err != nil {
			t.Fatal(err)
		}
		if got, ours := policy.PublicPrefix("acme", raw); !ours || got != prefix {
			t.Errorf("%s is read back as %q, %v", raw, got, ours)
		}
		for what, other := range map[string]string{
			"another bucket's": strings.ReplaceAll(string(raw), "acme", "acme2"),
			"more actions":     strings.ReplaceAll(string(raw), `"s3:GetObject"`, `"s3:GetObject","s3:ListBucket"`),
			"other actions":    strings.ReplaceAll(string(raw), `s3:GetObject`, `s3:*`),
			"a refusal":        strings.ReplaceAll(string(raw), `Allow`, `Deny`),
			"a condition":      strings.ReplaceAll(string(raw), `"Effect"`, `"Condition":{"Bool":{"aws:SecureTransport":["true"]}},"Effect"`),
			"one principal":    strings.ReplaceAll(string(raw), `"AWS":["*"]`, `"AWS":["x"]`),
			"nothing":          "",
		} {
			if prefix, ours := policy.PublicPrefix("acme", []byte(other)); ours {
				t.Errorf("%s is taken for ours with %q: %s", what, prefix, other)
			}
		}
	}
}

func TestPublic_refuses_what_it_could_not_name_exactly(t *testing.T) {
	for _, at := range [][2]string{{"acme", "*"}, {"acme", "a?"}, {"acme", "${aws:username}"}, {"ac*e", ""}, {"", ""}} {
		if raw, err := policy.Public(at[0], at[1]); err == nil {
			t.Errorf("%v is written as %s", at, raw)
		}
	}
}
