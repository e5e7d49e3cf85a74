package bare_test

import (
	"os"
	"strings"
	"testing"

	"github.com/primecloud/primecloud/deploy/e2e/bench/bare"
)

func TestTheYardstickRunsTheVerySQLOfStorage(t *testing.T) {
	raw, err := os.ReadFile("../../../../services/storage-provisioning/internal/postgres/db/bucket.sql.go")
	if err != nil {
		t.Fatal(err)
	}
	for name, sql := range map[string]string{"GetBucket": bare.GetBucketSQL, "ListBuckets": bare.ListBucketsSQL} {
		if !strings.Contains(string(raw), "`"+sql+"`") {
			t.Errorf("%s is not what storage runs:\n%s", name, sql)
		}
	}
}
