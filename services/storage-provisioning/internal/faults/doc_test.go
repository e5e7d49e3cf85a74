// Package faults_test kills storage-provisioning with SIGKILL before and after every step
// of each call that changes something: a bucket's creation, update and deletion, one that
// must be refused, an access key's creation and deletion, and the adoption of a bucket and of
// an access key of either form. It holds what is left against the promise: what a caller was
// told is what the system converges to.
//
// The steps are not listed here: a run without a killer finds them, through the decorator
// that stands around every call of a port and every commit. A real process dies at each; a
// replica on the same PostgreSQL, NATS and MinIO must bring everything to rest by itself,
// and then answer the same call under the same key. In a second round the replica that
// rolls forward is killed too, at a step of its recovery, and a third must come to rest.
package faults_test

import (
	"testing"

	"github.com/primecloud/primecloud/pkg/testkit"
)

func TestMain(m *testing.M) {
	testkit.Main(m, testkit.Child{Name: victimName, Run: victim}, testkit.Child{Name: heirName, Run: heir})
}
