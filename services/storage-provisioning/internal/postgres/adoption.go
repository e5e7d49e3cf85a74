package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/seal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres/db"
)

// adoptionRows implements accesskey.AdoptionRows.
type adoptionRows struct{ *transaction }

// Holding returns the account's key that has these credentials, and locks it.
func (r adoptionRows) Holding(ctx context.Context, accountID, backend, keyID string) (accesskey.AccessKey, bool, error) {
	ids, err := r.q.KeysThatMayHold(ctx, db.KeysThatMayHoldParams{
		AccountID: accountID, Backend: backend, Lookup: r.Lookup.Of(keyID), Mark: r.Lookup.Mark(),
	})
	if err != nil {
		return accesskey.AccessKey{}, false, err
	}
	for _, id := range ids {
		k, ok, err := keyRows(r).ByID(ctx, id)
		if err != nil || ok && k.Has(keyID) {
			return k, err == nil, err
		}
	}
	return accesskey.AccessKey{}, false, nil
}

// Reserve inserts a key, unless some account's has these credentials already, be it out of
// sight.
func (r adoptionRows) Reserve(ctx context.Context, k accesskey.AccessKey) (bool, error) {
	n, err := r.insertKey(ctx, k)
	return n == 1, err
}

// encodeFound returns how an adoption found a key; nothing for a key that is not being adopted.
func encodeFound(k accesskey.AccessKey) (string, error) {
	if !k.Adopting {
		return "", nil
	}
	raw, err := json.Marshal(k.Found)
	if err != nil {
		return "", fmt.Errorf("encode how access key %s was found: %w", k.ID, err)
	}
	return string(raw), nil
}

// Strays implements accesskey.Inventory.
type Strays struct{ *base }

var _ accesskey.Inventory = (*Strays)(nil)

// Unmanaged returns those of the ids that are no credentials of any key on the backend.
func (s *Strays) Unmanaged(ctx context.Context, backend string, ids []string) ([]string, error) {
	q := db.New(s.DB.Read(pg.System("keys that nobody manages")))
	lookups := make([][]byte, len(ids))
	for i, id := range ids {
		lookups[i] = s.Lookup.Of(id)
	}
	known, err := q.LookupsOfKeys(ctx, db.LookupsOfKeysParams{Lookups: lookups, Backend: backend})
	if err != nil {
		return nil, err
	}
	managed := make(map[string]bool, len(known))
	for _, lookup := range known {
		managed[string(lookup)] = true
	}
	rows, err := q.KeysToBeOpened(ctx, db.KeysToBeOpenedParams{Backend: backend, Mark: s.Lookup.Mark()})
	if err != nil {
		return nil, err
	}
	var opened []accesskey.AccessKey
	for _, r := range rows {
		var k accesskey.AccessKey
		row := db.AccessKey{ID: r.ID, AccountID: r.AccountID, KeyID: r.KeyID, FormerKeyID: r.FormerKeyID, Doomed: r.Doomed}
		if err := s.openKey(ctx, row, &k, false); err != nil {
			return nil, err
		}
		opened = append(opened, k)
	}
	var list []string
	for i, id := range ids {
		has := managed[string(lookups[i])]
		for _, k := range opened {
			has = has || k.Has(id)
		}
		if !has {
			list = append(list, id)
		}
	}
	return list, nil
}

// Keys returns a page of the keys on a backend, without their secrets.
func (s *Strays) Keys(ctx context.Context, backend, after string, limit int) ([]accesskey.AccessKey, error) {
	rows, err := db.New(s.DB.Read(pg.System("pass over a backend"))).KeysOnBackend(ctx, db.KeysOnBackendParams{
		Backend: backend, After: after, Count: int32(limit), //nolint:gosec // a page
	})
	list := make([]accesskey.AccessKey, len(rows))
	for i, row := range rows {
		if list[i], _, err = s.accessKeyOf(ctx, db.LoadAccessKeyRow(row), err, false); err != nil {
			return nil, err
		}
	}
	return list, err
}

// Owners returns whose accounts the policies on backends are.
func (s *Strays) Owners(ctx context.Context, policies []string) (map[string]string, error) {
	rows, err := db.New(s.DB.Read(pg.System("keys that nobody manages"))).OwnersOfPolicies(ctx, policies)
	owners := make(map[string]string, len(rows))
	for _, r := range rows {
		owners[r.Policy] = r.AccountID
	}
	return owners, err
}

// Kept returns the strays of the backend with an open finding.
func (s *Strays) Kept(ctx context.Context, backend string) ([]accesskey.Stray, error) {
	rows, err := db.New(s.DB.Read(pg.System("keys that nobody manages"))).StraysWithFinding(ctx, backend+"/")
	list := make([]accesskey.Stray, len(rows))
	for i, r := range rows {
		if list[i], err = s.strayOf(ctx, r.Place, r.KeyID); err != nil {
			return nil, err
		}
	}
	return list, err
}

// ByFinding returns the stray that a finding is about.
func (s *Strays) ByFinding(ctx context.Context, driftID string) (stray accesskey.Stray, open, ok bool, err error) {
	row, err := db.New(s.DB.Read(pg.System("a key that nobody manages"))).StrayOfFinding(ctx, driftID)
	if pg.NoRows(err) {
		return accesskey.Stray{}, false, false, nil
	}
	if err != nil {
		return accesskey.Stray{}, false, false, err
	}
	stray, err = s.strayOf(ctx, row.Place, row.KeyID)
	return stray, row.Open, err == nil, err
}

// InPlatform runs fn across accounts.
func (s *Strays) InPlatform(ctx context.Context, fn func(context.Context, accesskey.PlatformTx) error) error {
	return s.in(ctx, pg.System("keys that nobody manages"), func(ctx context.Context, t *transaction) error {
		return fn(ctx, accesskey.PlatformTx{Tx: t.change(), Drifts: driftRows{t}, Strays: strayRows{t}})
	})
}

// strayOf returns a stray with its id in the clear.
func (b *base) strayOf(ctx context.Context, place string, sealed []byte) (accesskey.Stray, error) {
	id, err := b.Sealer.Open(ctx, sealed, strayPlace(place))
	return accesskey.Stray{Place: place, KeyID: string(id)}, err
}

func strayPlace(place string) seal.Context {
	return seal.Context{Tenant: "platform", Table: "access_key_stray", Column: "key_id", Row: place}
}

// strayRows implements accesskey.StrayRows.
type strayRows struct{ *transaction }

// Keep remembers the ids of strays.
func (r strayRows) Keep(ctx context.Context, strays []accesskey.Stray) error {
	for _, stray := range strays {
		sealed, err := r.Sealer.Seal(ctx, []byte(stray.KeyID), strayPlace(stray.Place))
		if err != nil {
			return err
		}
		if err := r.q.KeepStray(ctx, db.KeepStrayParams{Place: stray.Place, KeyID: sealed}); err != nil {
			return err
		}
	}
	return nil
}

// Forget forgets strays whose finding was closed before a moment, or is gone.
func (r strayRows) Forget(ctx context.Context, openAt time.Time) error {
	return r.q.ForgetStrays(ctx, &openAt)
}
