package identity_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/testkit"
)

func TestUpkeep_sweeps_all_that_ended_long_ago(t *testing.T) {
	w := newWorld(t)
	w.stop()
	const old = 2500
	made := w.rows(`with made as (
		insert into identity.operation (id, account_id, resource_kind, resource_id, method, principal, state, generation, created_at, ended_at, expires_at)
		select 'opn_' || n, 'acc_1', 'account', 'acc_1', '/m', 'person:usr_1', 'SUCCEEDED', 1,
			now() - interval '40 days', now() - interval '40 days', now() - interval '39 days'
		from generate_series(1, $1) as n returning 1)
		select count(*) from made`, old)
	if made != old {
		t.Fatalf("%d operations", made)
	}
	w.start()
	// The next round comes in a minute only.
	testkit.Eventually(t, 20*time.Second, func() error {
		if left := w.rows(`select count(*) from identity.operation`); left != 0 {
			return fmt.Errorf("%d operations are left", left)
		}
		return nil
	})
}
