package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres/db"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

// Holders returns the users of single keys that belong to the identity. The key is locked by
// nobody: what it is granted is read after the identity's generation, as its buckets are.
func (s *Principals) Holders(ctx context.Context, p principal.Principal) ([]principal.Holder, error) {
	now := s.Clock.Now()
	rows, err := s.readIn(p.AccountID).KeyHolders(ctx, db.KeyHoldersParams{AccountID: p.AccountID, Backend: p.Backend, Now: &now})
	if err != nil {
		return nil, err
	}
	list := make([]principal.Holder, len(rows))
	for i, r := range rows {
		h := principal.Holder{KeyID: r.ID, Applied: r.HolderApplied}
		user, err := s.Sealer.Open(ctx, r.Holder, keyPlace(r.AccountID, r.ID, "holder"))
		if err != nil {
			return nil, err
		}
		h.User = string(user)
		if err := json.Unmarshal(r.Grants, &h.Scope.Grants); err != nil {
			return nil, fmt.Errorf("decode the grants of access key %s: %w", r.ID, err)
		}
		if err := json.Unmarshal(r.Networks, &h.Scope.Networks); err != nil {
			return nil, fmt.Errorf("decode the networks of access key %s: %w", r.ID, err)
		}
		list[i] = h
	}
	return list, nil
}

// ApplyHolders records the hash of the policy that the user of each of these keys has.
func (r principalRows) ApplyHolders(ctx context.Context, hashes map[string]string) error {
	params := db.ApplyKeyHoldersParams{}
	for id, hash := range hashes {
		params.Ids, params.Hashes = append(params.Ids, id), append(params.Hashes, hash)
	}
	return r.q.ApplyKeyHolders(ctx, params)
}
