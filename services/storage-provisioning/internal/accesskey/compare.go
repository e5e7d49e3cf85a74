package accesskey

import (
	"context"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

// passPage is how many keys are read at a time.
const passPage = 1000

// Compare holds all keys on a backend against a census of it, with the names of the accounts'
// users there, and returns the ids of those that are not as wanted, or not known to be. It
// changes nothing.
func (s *Service) Compare(ctx context.Context, backend string, census principal.Census, users map[string]string) (differ []string, err error) {
	after := ""
	for {
		page, err := s.Inventory.Keys(ctx, backend, after, passPage)
		if err != nil || len(page) == 0 {
			return differ, err
		}
		for _, k := range page {
			// What is wrong with one is told by its own look, and keeps no other from being compared.
			if same, err := k.same(census, users[k.AccountID]); err != nil || !same {
				differ = append(differ, k.ID)
			}
		}
		after = page[len(page)-1].ID
	}
}

// same reports whether the census has the key as wanted, and the record knows it. What is not at
// rest, and credentials that work beside the key's own, are left to a look of their own.
func (k AccessKey) same(census principal.Census, user string) (bool, error) {
	atRest := k.State == Ready && k.Observed == k.Generation && !k.Unsure && len(k.ids()) == 1 && k.Solo == ""
	if !atRest {
		return false, nil
	}
	if k.Holder != "" {
		user = k.Holder
	}
	found, err := differences(k, census.Keys[k.KeyID], user)
	return len(found) == 0, err
}
