package accesskey

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/drift"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

// parentsAtOnce is of how many users the keys are listed with one request: the backend looks
// through all keys for each of them.
const parentsAtOnce = 100

// PassOver reports the keys on a backend that nobody manages, and returns how many there are:
// users that stand by themselves, and service accounts under users of ours. It changes nothing
// on the backend. What the backend leaves out of its answer is asked for by itself before its
// finding is closed.
func (s *Service) PassOver(ctx context.Context, backend string) (int, error) {
	strays, err := s.Backends.Strays(backend)
	if err != nil {
		return 0, err
	}
	seen, err := s.strays(ctx, backend, strays)
	if err != nil {
		return 0, err
	}
	still, err := s.overlooked(ctx, backend, strays, seen)
	if err != nil {
		return 0, err
	}
	if err := s.unclaimed(ctx, backend, seen); err != nil {
		return 0, err
	}
	for place := range seen {
		still = append(still, place)
	}
	return len(seen), s.Inventory.InPlatform(ctx, func(ctx context.Context, tx PlatformTx) error {
		now := s.Clock.Now()
		if err := tx.Strays.Keep(ctx, slices.Collect(maps.Values(seen))); err != nil {
			return err
		}
		log := drift.Log{Rows: tx.Drifts, Audit: tx.Record, Now: now}
		for _, place := range slices.Sorted(maps.Keys(seen)) {
			subject := drift.Subject{Kind: Kind, ID: place, Target: audit.Target{Kind: Kind, ID: place}}
			if err := log.Record(ctx, subject, drift.Difference{Kind: drift.Extra, Desired: "absent", Observed: seen[place].What}); err != nil {
				return err
			}
		}
		if _, err := tx.Drifts.GoneExtras(ctx, Kind, backend+"/", still, now); err != nil {
			return err
		}
		return tx.Strays.Forget(ctx, now.Add(-operation.Window))
	})
}

// strays returns the keys that nobody manages, by place, from the backend's answers about all.
func (s *Service) strays(ctx context.Context, backend string, from Strays) (map[string]Stray, error) {
	users, err := from.ListUsers(ctx)
	if err != nil {
		return nil, err
	}
	what, under := map[string]string{}, map[string]string{}
	var parents []string
	for name, u := range users {
		if ownUser.MatchString(name) {
			parents = append(parents, name)
		} else {
			what[name] = "a user, switched " + onOff(u.Enabled)
		}
	}
	slices.Sort(parents)
	for some := range slices.Chunk(parents, parentsAtOnce) {
		keys, err := from.ListKeys(ctx, some)
		if err != nil {
			return nil, err
		}
		for parent, ids := range keys {
			for _, id := range ids {
				if !ownReader.MatchString(id) {
					under[id] = parent
				}
			}
		}
	}
	ids := slices.Concat(slices.Collect(maps.Keys(what)), slices.Collect(maps.Keys(under)))
	if ids, err = s.Inventory.Unmanaged(ctx, backend, ids); err != nil || len(ids) == 0 {
		return nil, err
	}
	if ids, err = s.confirmed(ctx, from, ids, under); err != nil {
		return nil, err
	}
	if err := s.describe(ctx, what, under, users, ids); err != nil {
		return nil, err
	}
	found := make(map[string]Stray, len(ids))
	for _, id := range ids {
		place := s.placeOf(backend, id)
		found[place] = Stray{Place: place, KeyID: id, What: what[id]}
	}
	return found, nil
}

// confirmed leaves out service accounts that are gone by now: one whose key was deleted after
// it was listed is in no record any more, and no news. They are listed once more, not asked
// for one by one: that takes a tenth of a second each.
func (s *Service) confirmed(ctx context.Context, from Strays, ids []string, under map[string]string) ([]string, error) {
	parents := map[string]bool{}
	for _, id := range ids {
		if under[id] != "" {
			parents[under[id]] = true
		}
	}
	there := map[string]bool{}
	for some := range slices.Chunk(slices.Sorted(maps.Keys(parents)), parentsAtOnce) {
		keys, err := from.ListKeys(ctx, some)
		if err != nil {
			return nil, err
		}
		for _, list := range keys {
			for _, id := range list {
				there[id] = true
			}
		}
	}
	return slices.DeleteFunc(ids, func(id string) bool { return under[id] != "" && !there[id] }), nil
}

// unclaimed leaves out what has become somebody's since it was listed. It is asked last: the
// finding about a key that was adopted meanwhile has been closed, and is not to be made anew.
func (s *Service) unclaimed(ctx context.Context, backend string, seen map[string]Stray) error {
	var ids []string
	for _, stray := range seen {
		ids = append(ids, stray.KeyID)
	}
	left, err := s.Inventory.Unmanaged(ctx, backend, ids)
	if err != nil {
		return err
	}
	maps.DeleteFunc(seen, func(_ string, stray Stray) bool { return !slices.Contains(left, stray.KeyID) })
	return nil
}

// describe adds what the service accounts are, of those that are nobody's.
func (s *Service) describe(ctx context.Context, what, under map[string]string, users map[string]principal.User, ids []string) error {
	var policies []string
	for _, id := range ids {
		policies = append(policies, users[under[id]].Policies...)
	}
	owners, err := s.Inventory.Owners(ctx, policies)
	if err != nil {
		return err
	}
	for _, id := range ids {
		parent, ok := under[id]
		if !ok {
			continue
		}
		kind, owner := "a service account of the user of ", "no account"
		if strings.HasPrefix(parent, ownHolder) {
			kind = "a service account of a key's own user, of "
		}
		for _, p := range users[parent].Policies {
			if account, ok := owners[p]; ok {
				owner = account
			}
		}
		what[id] = kind + owner
	}
	return nil
}

// overlooked returns the places with an open finding, none of those that were seen, where a
// key of nobody's stands all the same, or may: the backend does not say. They are few, and no
// more are asked about once it does not answer.
func (s *Service) overlooked(ctx context.Context, backend string, from Strays, seen map[string]Stray) (still []string, err error) {
	kept, err := s.Inventory.Kept(ctx, backend)
	if err != nil {
		return nil, err
	}
	// After a change of the hash the same key has another place, and what stands at the old one
	// is nothing.
	kept = slices.DeleteFunc(kept, func(k Stray) bool {
		_, visited := seen[k.Place]
		return visited || k.Place != s.placeOf(backend, k.KeyID)
	})
	ids := make([]string, len(kept))
	for i, k := range kept {
		ids[i] = k.KeyID
	}
	if len(ids) == 0 {
		return nil, nil
	}
	if ids, err = s.Inventory.Unmanaged(ctx, backend, ids); err != nil {
		return nil, err
	}
	keys, err := s.Backends.Keys(backend)
	if err != nil {
		return nil, err
	}
	silent := false
	for _, id := range ids {
		if !silent {
			stands, err := standsThere(ctx, keys, from, id)
			if err == nil && !stands {
				continue
			}
			silent = err != nil && change.InDoubt(err)
		}
		still = append(still, s.placeOf(backend, id))
	}
	return still, nil
}

func standsThere(ctx context.Context, keys Keys, from Strays, id string) (bool, error) {
	user, err := from.ObserveUser(ctx, id)
	if err != nil || user.Exists {
		return user.Exists, err
	}
	key, err := keys.ObserveKey(ctx, id)
	return key.Exists, err
}
