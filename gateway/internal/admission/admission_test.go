package admission_test

import (
	"testing"

	"github.com/primecloud/primecloud/gateway/internal/admission"
	"github.com/primecloud/primecloud/gateway/internal/session"
)

func TestA_path_names_its_account_or_the_platform(t *testing.T) {
	for path, want := range map[string]string{
		"/v1/accounts/acc_1":                  "acc_1",
		"/v1/accounts/acc_1/buckets/b":        "acc_1",
		"/v1/accounts/acc_1:close":            "acc_1",
		"/v1/accounts":                        "",
		"/v1/accounts/":                       "",
		"/v1/me":                              "",
		"/v1/platform/accounts/acc_1:suspend": session.Platform,
		"/v1/platformer":                      "",
		"/docs":                               "",
	} {
		if got := admission.AccountOf(path); got != want {
			t.Errorf("%s names %q, want %q", path, got, want)
		}
	}
}
