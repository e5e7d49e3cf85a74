package policy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
)

func TestUploadUnder_names_one_bucket_and_one_prefix(t *testing.T) {
	got, err := policy.UploadUnder("acme", "in/ä<")
	want := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:PutObject"],"Resource":["arn:aws:s3:::acme/in/ä\u003c*"]}]}`
	if err != nil || string(got) != want {
		t.Errorf("it is %s, %v", got, err)
	}
	for _, prefix := range []string{"", "*", "a*", "a?b", "${aws:username}"} {
		if _, err := policy.UploadUnder("acme", prefix); !errors.Is(err, policy.ErrNotExact) {
			t.Errorf("%q: %v", prefix, err)
		}
	}
	if _, err := policy.UploadUnder("acme*", "a"); !errors.Is(err, policy.ErrNotExact) {
		t.Error(err)
	}
	if _, err := policy.UploadUnder("acme", strings.Repeat("<", 400)); !errors.Is(err, policy.ErrTooLong) {
		t.Error(err)
	}
}
