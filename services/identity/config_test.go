package identity_test

import (
	"strings"
	"testing"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/services/identity"
)

func TestAn_idle_limit_that_ends_sessions_at_work_is_refused(t *testing.T) {
	for idle, accepted := range map[string]bool{"12h": true, "6m": true, "5m59s": false, "1m": false, "200h": false} {
		source := config.Source{
			"PRIMECLOUD_IDENTITY_DATABASE_URL": "postgres://localhost/primecloud", "PRIMECLOUD_IDENTITY_SEAL_KEYSET": "keyset.json",
			"PRIMECLOUD_IDENTITY_PAGE_KEY": strings.Repeat("k", 32), "PRIMECLOUD_IDENTITY_OIDC_ISSUER": "https://login.example.com",
			"PRIMECLOUD_IDENTITY_SESSION_IDLE": idle,
		}
		var c identity.Config
		err := config.Load(&c, source, "PRIMECLOUD_IDENTITY_")
		if (err == nil) != accepted || err != nil && !strings.Contains(err.Error(), "SESSION_IDLE") {
			t.Errorf("%s: %v", idle, err)
		}
	}
}
