package principal_test

import (
	"context"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

// record is one identity, and a backend that takes every policy. The real ones have tests in
// the service.
type record struct {
	principal.Users
	change.Resources
	has principal.Principal
	// taken is what happens once, at the release: another process has the lease.
	taken func(*principal.Principal)
	// next is what the last release recorded.
	next reconcile.Next
}

func (r *record) Find(context.Context, string, string) (principal.Principal, bool, error) {
	return r.has, true, nil
}

func (r *record) OnBackend(context.Context, string, string, int) ([]reconcile.Ref, error) {
	return nil, nil
}

func (r *record) Load(context.Context, reconcile.Ref) (principal.Principal, principal.Reach, bool, error) {
	return r.has, principal.Reach{}, true, nil
}

func (r *record) InPrincipal(ctx context.Context, _ string, fn func(context.Context, principal.Tx) error) error {
	return fn(ctx, principal.Tx{Tx: change.Tx{Resources: r}, Principals: r})
}

func (r *record) Apply(_ context.Context, _, hash string, settleAt time.Time) error {
	r.has.Applied, r.has.SettleAt = hash, settleAt
	return nil
}

func (r *record) Remove(context.Context, string) error {
	r.has = principal.Principal{}
	return nil
}

func (r *record) ApplyHolders(context.Context, map[string]string) error { return nil }

func (r *record) Holders(context.Context, principal.Principal) ([]principal.Holder, error) {
	return nil, nil
}

func (r *record) Principals(string) (principal.Backend, error) {
	return principal.Backend{Users: r}, nil
}

func (r *record) PutPolicy(context.Context, string, []byte) error { return nil }

func (r *record) Release(_ context.Context, _ reconcile.Lease, next reconcile.Next) (bool, error) {
	r.next = next
	if r.taken != nil {
		r.taken(&r.has)
		return false, nil
	}
	r.has.Observed = next.Observed
	return true, nil
}

func TestEnsure_goes_by_whoever_took_the_lease_over(t *testing.T) {
	r := &record{has: principal.New("acc_1", "local", time.Now())}
	r.has.Applied, r.has.Generation = "something", 2
	r.taken = func(p *principal.Principal) { p.Observed = 2 }
	service := principal.NewService(principal.Deps{
		Store: r, Backends: r, Policies: policy.Documents{}, Leases: leases{r}, Clock: clock.System(),
	})
	if err := service.Ensure(t.Context(), "acc_1", "local", 2); err != nil {
		t.Errorf("the identity is as wanted, and the caller is told %v", err)
	}
}

func TestEnsure_leaves_the_look_that_is_due_after_an_attempt_in_doubt(t *testing.T) {
	now := clock.NewManual(time.Now())
	r := &record{has: principal.New("acc_1", "local", now.Now())}
	r.has.Generation, r.has.Observed = 2, 1
	service := principal.NewService(principal.Deps{
		Store: r, Backends: r, Policies: policy.Documents{}, Leases: leases{r}, Clock: now,
	})
	settleAt := now.Now().Add(time.Second)
	r.has.Applied, r.has.SettleAt = "something", settleAt
	for _, when := range []string{"before it is due", "when it is overdue"} {
		r.has.Generation++
		if err := service.Ensure(t.Context(), "acc_1", "local", r.has.Generation); err != nil {
			t.Fatal(err)
		}
		if !r.has.SettleAt.Equal(settleAt) || r.next.DueAt == nil || !r.next.DueAt.Equal(settleAt) {
			t.Errorf("%s: the look at %s became %s, due at %v", when, settleAt, r.has.SettleAt, r.next.DueAt)
		}
		now.Advance(2 * time.Second)
	}
}

// leases hands out every lease that it is asked for.
type leases struct{ r *record }

func (l leases) Claim(_ context.Context, ref reconcile.Ref, ttl time.Duration) (reconcile.Lease, bool, error) {
	return reconcile.Lease{Ref: ref, Fence: 1, Generation: l.r.has.Generation, Until: time.Now().Add(ttl)}, true, nil
}
