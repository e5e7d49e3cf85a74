package storage_test

import (
	"testing"

	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

func TestReasons_in_the_code_and_in_the_contract_are_the_same(t *testing.T) {
	testkit.Reasons(t, storagev1.ErrorReason_value)
}
