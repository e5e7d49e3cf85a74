package admission_test

import (
	"testing"

	"github.com/primecloud/primecloud/gateway/internal/admission"
)

func TestThe_account_of_a_path_is_its_segment_without_a_verb(t *testing.T) {
	for path, want := range map[string]string{
		"/v1/accounts/acc_1":                   "acc_1",
		"/v1/accounts/acc_1:leave":             "acc_1",
		"/v1/accounts/acc_1/buckets":           "acc_1",
		"/v1/accounts/acc_1/buckets/b:presign": "acc_1",
		"/v1/accounts/acc_1/apiKeys/a:revoke":  "acc_1",
		"/v1/accounts":                         "",
		"/v1/accounts/":                        "",
		"/v1/accounts/:leave":                  "",
		"/v1/me/invitations":                   "",
		"/v1/invitations:accept":               "",
	} {
		if got := admission.AccountOf(path); got != want {
			t.Errorf("%s is of %q, want %q", path, got, want)
		}
	}
}
