package membership_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
)

func TestAnybody_leaves_but_the_last_owner_and_whoever_is_not_there(t *testing.T) {
	roles := []membership.Role{
		membership.Owner, membership.Admin, membership.Developer, membership.Billing, membership.Viewer, membership.External,
	}
	rapid.Check(t, func(t *rapid.T) {
		team := map[string]membership.Role{"anna": membership.Owner}
		for _, name := range []string{"bert", "cleo", "dora"} {
			team[name] = rapid.SampledFrom(roles).Draw(t, name)
		}
		store := newMemory(team)
		s := membership.New(store, clock.NewManual(now))
		for _, who := range rapid.Permutation([]string{"anna", "bert", "cleo", "dora", "nobody"}).Draw(t, "order") {
			role, owners := store.members[who].Role, store.owners()
			err := s.Leave(as(who), "acc")
			var want error
			switch {
			case who == "nobody":
				want = membership.ErrAccountNotFound
			case role == membership.Owner && owners == 1:
				want = membership.ErrLastOwner
			}
			if !errors.Is(err, want) {
				t.Fatalf("%s, a %q of %d owners, left with %v", who, role, owners, err)
			}
			if _, still := store.members[who]; still != (want != nil && who != "nobody") {
				t.Fatalf("%s is still there: %v", who, still)
			}
		}
		if store.owners() != 1 || len(store.revoked) != len(store.audited) || len(store.changes) != len(store.audited) {
			t.Fatalf("%d owners, %d revocations, %d events, %d audit entries", store.owners(), len(store.revoked), len(store.changes), len(store.audited))
		}
	})
}
