package accesskey

import (
	"context"
	"slices"
	"time"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

// Found is how an adoption found a key, so that it can be put back: all but the secret, which
// nobody touches. It is kept sealed, since policies may name the key.
type Found struct {
	// Policies are the names of the policies of a user that stands by itself.
	Policies []string `json:"policies,omitempty"`
	// Policy is the inline policy of a key under the account's user; none for all that that
	// user may.
	Policy []byte `json:"policy,omitempty"`
	// Enabled says whether it worked.
	Enabled bool `json:"enabled"`
	// ExpireTime is when it would have ended; zero for never.
	ExpireTime time.Time `json:"expire_time"`
}

// putBack undoes an adoption that was given up: the key is as it was found, and what was made
// for it is gone. What is not there any more stays so.
func (s *Service) putBack(ctx context.Context, j *job, keys Keys) error {
	restore := s.restoreKey
	if j.key.Solo != "" {
		restore = s.restoreUser
	}
	if err := restore(ctx, j, keys); err != nil || j.key.Holder == "" {
		return err
	}
	// Only now: the backend keeps a policy that somebody has.
	existed, err := keys.RemoveHolder(ctx, j.key.Holder, principal.HolderPolicy(j.key.ID))
	j.acted = j.acted || existed
	return err
}

func (s *Service) restoreUser(ctx context.Context, j *job, _ Keys) error {
	had, err := j.strays.ObserveUser(ctx, j.key.Solo)
	if err != nil || !had.Exists {
		return err
	}
	was := principal.User{Exists: true, Enabled: j.key.Found.Enabled}
	for _, name := range j.key.Found.Policies {
		// One that is gone by now cannot be had again.
		_, exists, err := j.strays.GetPolicy(ctx, name)
		if err != nil {
			return err
		}
		if exists {
			was.Policies = append(was.Policies, name)
		}
	}
	if had.Enabled == was.Enabled && slices.Equal(had.Policies, was.Policies) {
		return nil
	}
	j.acted = true
	return j.strays.ShapeUser(ctx, j.key.Solo, was)
}

func (s *Service) restoreKey(ctx context.Context, j *job, keys Keys) error {
	had, err := keys.ObserveKey(ctx, j.key.KeyID)
	if err != nil || !had.Exists {
		return err
	}
	if end := j.key.Found.ExpireTime; !end.IsZero() && !end.After(s.Clock.Now()) {
		// It has ended meanwhile, and the backend would not have kept it.
		j.acted = true
		return keys.RemoveKey(ctx, j.key.KeyID)
	}
	was := principal.Key{
		Exists: true, Enabled: j.key.Found.Enabled, User: had.User, Policy: j.key.Found.Policy, ExpireTime: j.key.Found.ExpireTime,
	}
	if had.Enabled == was.Enabled && samePolicy(had.Policy, was.Policy) && expiryMet(was.ExpireTime, had.ExpireTime) {
		return nil
	}
	j.acted = true
	return j.strays.RestoreKey(ctx, j.key.KeyID, was)
}

// samePolicy says whether two inline policies say the same, none included.
func samePolicy(a, b []byte) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	return policy.Same(a, b)
}
