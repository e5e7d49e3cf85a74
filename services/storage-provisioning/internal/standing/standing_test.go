package standing_test

import (
	"context"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/standing"
)

// record is one account's standing, kept in memory.
type record struct {
	has     standing.Standing
	touched int
	told    int
}

func (r *record) Find(context.Context, string) (standing.Standing, error) { return r.has, nil }

func (r *record) Save(_ context.Context, s standing.Standing, _ time.Time) error {
	r.has = s
	return nil
}

func (r *record) TouchAccess(context.Context, string, time.Time) error {
	r.touched++
	return nil
}

func (r *record) Audit(context.Context, audit.Entry) error { r.told++; return nil }

func (r *record) Publish(context.Context, change.Event) error { return nil }

func TestOnlyTheNewestStateCounts(t *testing.T) {
	r := &record{has: standing.Standing{AccountID: "acc_1"}}
	service, tx := standing.NewService(clock.System()), standing.Tx{Standings: r, Record: r}
	for _, step := range []struct {
		state   string
		version int64
		stopped bool
		touched int
	}{
		{"active", 1, false, 0},
		{"suspended", 4, true, 1},
		{"active", 3, true, 1}, // late
		{"suspended", 4, true, 1},
		{"closing", 5, true, 1}, // nothing follows that did not before
		{"active", 6, false, 2},
		{"closed", 7, true, 3},
	} {
		err := service.AccountChanged(t.Context(), tx, standing.Account{ID: "acc_1", State: step.state, Version: step.version})
		if err != nil || r.has.Stopped() != step.stopped || r.touched != step.touched || r.told != step.touched {
			t.Fatalf("after %s of version %d: %+v, backends told %d times, trail %d, %v", step.state, step.version, r.has, r.touched, r.told, err)
		}
	}
}

func TestStoppedWritesOutliveAChangeOfState(t *testing.T) {
	r := &record{has: standing.Standing{AccountID: "acc_1"}}
	service, tx := standing.NewService(clock.System()), standing.Tx{Standings: r, Record: r}
	for _, want := range []bool{true, false} { // the second time nothing changes
		if changed, err := service.StopWrites(t.Context(), tx, "acc_1", true); err != nil || changed != want {
			t.Fatalf("changed %v, %v", changed, err)
		}
	}
	for i, state := range []string{"suspended", "active"} {
		if err := service.AccountChanged(t.Context(), tx, standing.Account{ID: "acc_1", State: state, Version: int64(i + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	if !r.has.WritesStopped || r.has.Stopped() || r.touched != 3 {
		t.Errorf("%+v, backends told %d times", r.has, r.touched)
	}
}
