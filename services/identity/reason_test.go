package identity_test

import (
	"testing"

	"github.com/primecloud/primecloud/pkg/testkit"
	auditv1 "github.com/primecloud/primecloud/proto/gen/primecloud/audit/v1"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
)

func TestReasons_in_the_code_and_in_the_contract_are_the_same(t *testing.T) {
	testkit.Reasons(t, identityv1.ErrorReason_value, auditv1.ErrorReason_value)
}
