package accesskey

import (
	"context"
	"slices"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/drift"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

// bringUser brings the adopted user that is the key's credentials to what is wanted. It is
// never made: its secret is its owner's.
func (s *Service) bringUser(ctx context.Context, j *job) error {
	had, err := s.holdUser(ctx, j)
	if err != nil || had.Exists {
		return err
	}
	if j.key.Adopting {
		return ErrNothingToAdopt
	}
	j.lost = true
	return nil
}

// holdUser holds the adopted user, if it is there, to the key's policy and to whether the key
// is switched on. What it reaches is written to that policy with the account's identity.
func (s *Service) holdUser(ctx context.Context, j *job) (had principal.User, err error) {
	if had, err = j.strays.ObserveUser(ctx, j.key.Solo); err != nil {
		return had, err
	}
	found := userDifferences(j.key, had)
	if j.key.KeyID == j.key.Solo {
		j.found = found
	}
	if !had.Exists || len(found) == 0 {
		return had, nil
	}
	j.acted = true
	return had, j.strays.ShapeUser(ctx, j.key.Solo, principal.User{
		Exists: true, Enabled: !j.key.Disabled, Policies: []string{principal.HolderPolicy(j.key.ID)},
	})
}

// removeUser removes the adopted user if it is there.
func (s *Service) removeUser(ctx context.Context, j *job) error {
	had, err := j.strays.ObserveUser(ctx, j.key.Solo)
	if err != nil || !had.Exists {
		return err
	}
	j.acted = true
	return j.strays.RemoveUser(ctx, j.key.Solo)
}

// userDifferences lists in words how the observed user is not what the key's credentials are
// to be. What one that is switched off would reach is looked at when it is switched on.
func userDifferences(k AccessKey, o principal.User) []drift.Difference {
	if !o.Exists {
		return []drift.Difference{{Kind: drift.Missing, Desired: "present", Observed: "absent"}}
	}
	var found []drift.Difference
	if o.Enabled == k.Disabled {
		found = append(found, drift.Differs("enabled", onOff(!k.Disabled), onOff(o.Enabled)))
	}
	if k.Disabled {
		return found
	}
	if !slices.Equal(o.Policies, []string{principal.HolderPolicy(k.ID)}) {
		found = append(found, drift.Differs("grants", "the key's policy alone", "none or other"))
	}
	if len(o.Groups) > 0 {
		found = append(found, drift.Differs("groups", "none", "some"))
	}
	return found
}
