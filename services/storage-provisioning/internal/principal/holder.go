package principal

import (
	"context"
	"slices"
	"sync"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/drift"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
)

// Holder is the user of one key that an inline policy has no room for. Nobody logs in with
// it: it is the parent of the key's credentials, and its policy is their bound.
type Holder struct {
	// KeyID is the key (`key_…`).
	KeyID string
	// User is its name on the backend, a secret like all of them.
	User string
	// Scope is what the key was granted.
	Scope policy.Scope
	// Applied is the hash of the policy that the backend was last seen to have; empty when it
	// is not known.
	Applied string
}

// HolderPolicy is the name of the policy of a key's own user on the backend.
func HolderPolicy(keyID string) string { return "primecloud-" + keyID }

// atOnce is how many users are written at the same time.
const atOnce = 8

// holding is what the users of keys are brought to.
type holding struct {
	reach Reach
	// whole has everything looked at, also what has not changed.
	whole bool
}

// held is how the users of keys were brought there.
type held struct {
	found []drift.Difference
	// hashes are those of the policies that were written, by key.
	hashes map[string]string
}

// holders writes the users of single keys whose policy is not what it is to be, or looks at
// all of them.
func (s *Service) holders(ctx context.Context, backend Backend, p Principal, h holding) (held, error) {
	all, err := s.Store.Holders(ctx, p)
	if err != nil || len(all) == 0 {
		return held{}, err
	}
	done := held{hashes: map[string]string{}}
	var todo []holderWork
	doubtful := map[string]string{}
	for _, one := range all {
		document := s.Policies.Holder(one.Scope, h.reach.Buckets, h.reach.ReadOnly)
		hash := hashOf(document)
		if hash == one.Applied && !h.whole {
			continue
		}
		todo = append(todo, holderWork{Holder: one, document: document, whole: h.whole || one.Applied == ""})
		if hash != one.Applied {
			done.hashes[one.KeyID] = hash
		}
		if hash != one.Applied && one.Applied != "" {
			doubtful[one.KeyID] = ""
		}
	}
	if len(doubtful) > 0 {
		// First, so that an attempt that does not live to record what it wrote leaves no record
		// of what was before.
		if err := s.Store.InPrincipal(ctx, p.AccountID, func(ctx context.Context, tx Tx) error {
			return tx.Principals.ApplyHolders(ctx, doubtful)
		}); err != nil {
			return held{}, err
		}
	}
	found, err := s.writeHolders(ctx, backend, todo)
	done.found = found
	return done, err
}

// holderWork is one user to be written.
type holderWork struct {
	Holder
	document []byte
	whole    bool
}

func (s *Service) writeHolders(ctx context.Context, backend Backend, todo []holderWork) ([]drift.Difference, error) {
	var found []drift.Difference
	for batch := range slices.Chunk(todo, atOnce) {
		failures, seen := make([]error, len(batch)), make([][]drift.Difference, len(batch))
		var running sync.WaitGroup
		for i, work := range batch {
			running.Go(func() { seen[i], failures[i] = s.writeHolder(ctx, backend, work) })
		}
		running.Wait()
		for i, err := range failures {
			if err != nil {
				return nil, err
			}
			found = append(found, seen[i]...)
		}
	}
	return found, nil
}

// writeHolder brings one user to what it is to be: first the policy, then the user, then the
// two together.
func (s *Service) writeHolder(ctx context.Context, backend Backend, work holderWork) ([]drift.Difference, error) {
	name := HolderPolicy(work.KeyID)
	if !work.whole {
		return nil, backend.Users.PutPolicy(ctx, name, work.document)
	}
	user, err := backend.Users.ObserveUser(ctx, work.User)
	if err != nil {
		return nil, err
	}
	have, exists, err := backend.Users.GetPolicy(ctx, name)
	if err != nil {
		return nil, err
	}
	var found []drift.Difference
	if !exists || !s.Policies.Same(have, work.document) {
		found = append(found, drift.Differs("key policy", "what "+work.KeyID+" was granted", "absent or other"))
		if err := backend.Users.PutPolicy(ctx, name, work.document); err != nil {
			return nil, err
		}
	}
	if !user.Exists || !user.Enabled {
		found = append(found, drift.Differs("key user", "enabled", "absent or disabled"))
		// Nobody needs to know its secret, so that it is made anew each time.
		if err := backend.Users.PutUser(ctx, work.User, secret()); err != nil {
			return nil, err
		}
	}
	if !slices.Equal(user.Policies, []string{name}) {
		found = append(found, drift.Differs("key user policy", "the key's policy alone", "none or other"))
		if err := backend.Users.AttachPolicy(ctx, work.User, name); err != nil {
			return nil, err
		}
	}
	return found, nil
}
