// Package faults_test kills storage-provisioning with SIGKILL before and after every step
// of a bucket's creation, update and deletion, and of a deletion that must be refused, and
// holds what is left against the promise: what a caller was told is what the system
// converges to.
//
// The steps are not listed here: a run without a killer finds them, through the decorator
// that stands around every call of a port and every commit. A real process dies at each; a
// replica that runs all along, on the same PostgreSQL, NATS and MinIO, must bring
// everything to rest by itself, and then answer the same call under the same key.
package faults_test

import (
	"testing"

	"github.com/primecloud/primecloud/pkg/testkit"
)

func TestMain(m *testing.M) {
	testkit.Main(m, testkit.Child{Name: victimName, Run: victim})
}
