package identity_test

import (
	"strings"
	"testing"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	auditv1 "github.com/primecloud/primecloud/proto/gen/primecloud/audit/v1"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	optionsv1 "github.com/primecloud/primecloud/proto/gen/primecloud/options/v1"
)

func TestStrange_text_is_no_defect_of_ours(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	acme := anna.account("Acme").GetId()
	ctx := anna.in(acme)
	for name, text := range map[string]string{"a NUL": "a\x00b", "long": strings.Repeat("x", 100_000), "a quote": `'; drop table account; --`} {
		for call, do := range map[string]func() error{
			"a member": func() error {
				_, err := w.gateway().CreateMembership(ctx, &identityv1.CreateMembershipRequest{AccountId: acme, UserId: text, Role: optionsv1.Role_ROLE_VIEWER})
				return err
			},
			"a key": func() error {
				_, err := w.gateway().GetApiKey(ctx, &identityv1.GetApiKeyRequest{AccountId: acme, ApiKeyId: text})
				return err
			},
			"a session": func() error {
				_, err := w.gateway().RevokeSession(ctx, &identityv1.RevokeSessionRequest{SessionId: text})
				return err
			},
			"an account": func() error {
				_, err := w.gateway().ExchangeSession(testkit.Context(t), &identityv1.ExchangeSessionRequest{SessionSecret: anna.secret, AccountId: text})
				return err
			},
			"a secret": func() error {
				_, err := w.gateway().ExchangeSession(testkit.Context(t), &identityv1.ExchangeSessionRequest{SessionSecret: text})
				return err
			},
			"a filter": func() error {
				_, err := w.gateway().ListAuditEntries(ctx, &auditv1.ListAuditEntriesRequest{AccountId: acme, Action: text})
				return err
			},
			"a user agent": func() error {
				_, err := w.gateway().CreateSession(testkit.Context(t), &identityv1.CreateSessionRequest{IdToken: "x", Nonce: nonce, UserAgent: text})
				return err
			},
		} {
			if err := do(); errs.KindOf(err) == errs.Internal && err != nil {
				t.Errorf("%s as %s: %v", name, call, err)
			}
		}
	}
}
