package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/operation/pgoperation"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/pkg/seal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres/db"
)

// AccessKeys implements accesskey.Store.
type AccessKeys struct{ *base }

var _ accesskey.Store = (*AccessKeys)(nil)

// InAccount runs fn in the scope of the account.
func (s *AccessKeys) InAccount(ctx context.Context, accountID string, fn func(context.Context, accesskey.Tx) error) error {
	return s.inAccount(ctx, accountID, func(ctx context.Context, t *transaction) error {
		return fn(ctx, accesskey.Tx{Tx: t.change(), Quotas: quotaRows{t}, Keys: keyRows{t}, Adoptions: adoptionRows{t}, Standings: standingRows{t}, Access: access{t}, Drifts: driftRows{t}})
	})
}

// Get returns the account's visible key, without its secret.
func (s *AccessKeys) Get(ctx context.Context, accountID, id string) (accesskey.AccessKey, bool, error) {
	row, err := s.readIn(accountID).LoadAccessKey(ctx, id)
	k, ok, err := s.accessKeyOf(ctx, row, err, false)
	if !ok || !k.Visible() {
		return accesskey.AccessKey{}, false, err
	}
	one := []accesskey.AccessKey{k}
	err = s.lastUses(ctx, accountID, one)
	return one[0], err == nil, err
}

// Load returns a key with its secret, as long as that is kept, and its open operation.
func (s *AccessKeys) Load(ctx context.Context, ref reconcile.Ref) (k accesskey.AccessKey, open *operation.Operation, ok bool, err error) {
	err = s.inAccount(ctx, ref.AccountID, func(ctx context.Context, t *transaction) error {
		row, err := t.q.LoadAccessKey(ctx, ref.ID)
		if k, ok, err = s.accessKeyOf(ctx, row, err, true); err != nil || !ok {
			return err
		}
		o, found, err := pgoperation.Open(ctx, t.tx, operation.Resource{Kind: accesskey.Kind, ID: ref.ID})
		if open = nil; found {
			open = &o
		}
		return err
	})
	return k, open, ok, err
}

// List returns visible keys of one page, oldest first, without their secrets.
func (s *AccessKeys) List(ctx context.Context, q accesskey.Query) ([]accesskey.AccessKey, error) {
	rows, err := s.readIn(q.AccountID).ListAccessKeys(ctx, db.ListAccessKeysParams{
		AccountID: q.AccountID, After: q.After, Count: int32(q.Limit),
	})
	if err != nil {
		return nil, err
	}
	list := make([]accesskey.AccessKey, len(rows))
	for i, row := range rows {
		if list[i], _, err = s.accessKeyOf(ctx, db.LoadAccessKeyRow(row), nil, false); err != nil {
			return nil, err
		}
	}
	return list, s.lastUses(ctx, q.AccountID, list)
}

// Operation returns an operation of the account.
func (s *AccessKeys) Operation(ctx context.Context, accountID, id string) (operation.Operation, error) {
	return pgoperation.Get(ctx, s.DB.Read(pg.Account(accountID)), id)
}

// DestroySecrets destroys secrets that are not to be kept any more, at most limit of them.
func (s *AccessKeys) DestroySecrets(ctx context.Context, limit int) (count int64, err error) {
	err = s.in(ctx, pg.System("destroy kept secrets"), func(ctx context.Context, t *transaction) error {
		now := s.Clock.Now()
		count, err = t.q.DestroyAccessKeySecrets(ctx, db.DestroyAccessKeySecretsParams{Now: &now, Count: int32(limit)})
		return err
	})
	return count, err
}

// keyRows implements accesskey.Rows.
type keyRows struct{ *transaction }

// Insert writes a new key, id and secret sealed.
func (r keyRows) Insert(ctx context.Context, k accesskey.AccessKey) error {
	n, err := r.insertKey(ctx, k)
	if err == nil && n == 0 {
		err = fmt.Errorf("insert access key %s: its credentials are another's", k.ID)
	}
	return err
}

// insertKey inserts a key unless there is one with its credentials, and returns how many.
func (t *transaction) insertKey(ctx context.Context, k accesskey.AccessKey) (int64, error) {
	params := db.InsertAccessKeyParams{
		ID: k.ID, AccountID: k.AccountID, Backend: k.Backend, DisplayName: k.DisplayName, CustomerReference: k.CustomerReference,
		SecretUntil: orNull(k.SecretUntil), ExpireTime: orNull(k.ExpireTime), Desired: string(k.Desired), State: string(k.State),
		Version: k.Version, CreatedAt: k.CreatedAt, UpdatedAt: k.UpdatedAt, Disabled: k.Disabled,
		Adopted: k.Adopted, Adopting: k.Adopting, Lookup: t.Lookup.Of(k.KeyID), LookupMark: t.Lookup.Mark(),
	}
	var err error
	if params.Grants, params.Networks, err = encodeScope(k); err != nil {
		return 0, err
	}
	found, err := encodeFound(k)
	if err != nil {
		return 0, err
	}
	for _, c := range []struct {
		column, text string
		to           *[]byte
	}{
		{"key_id", k.KeyID, &params.KeyID},
		{"secret", k.Secret, &params.Secret},
		{"holder", k.Holder, &params.Holder},
		{"found", found, &params.Found},
		{"solo", k.Solo, &params.Solo},
	} {
		if *c.to, err = t.sealKey(ctx, k, c.column, c.text); err != nil {
			return 0, err
		}
	}
	return t.q.InsertAccessKey(ctx, params)
}

// encodeScope returns what a key reaches as it is stored.
func encodeScope(k accesskey.AccessKey) (grants, networks []byte, err error) {
	if grants, err = json.Marshal(k.Grants); err != nil {
		return nil, nil, fmt.Errorf("encode the grants of access key %s: %w", k.ID, err)
	}
	list := k.Networks
	if list == nil {
		list = []string{}
	}
	if networks, err = json.Marshal(list); err != nil {
		return nil, nil, fmt.Errorf("encode the networks of access key %s: %w", k.ID, err)
	}
	return grants, networks, nil
}

// sealKey seals a column of the key; nothing becomes null.
func (b *base) sealKey(ctx context.Context, k accesskey.AccessKey, column, text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	return b.Sealer.Seal(ctx, []byte(text), keyPlace(k.AccountID, k.ID, column))
}

// sealDoomed seals the list of ids that are to be removed.
func (b *base) sealDoomed(ctx context.Context, k accesskey.AccessKey) ([]byte, error) {
	if len(k.Doomed) == 0 {
		return nil, nil
	}
	raw, err := json.Marshal(k.Doomed)
	if err != nil {
		return nil, fmt.Errorf("encode what is to be removed of access key %s: %w", k.ID, err)
	}
	return b.sealKey(ctx, k, "doomed", string(raw))
}

// ByID returns a key without its secret, and locks it.
func (r keyRows) ByID(ctx context.Context, id string) (accesskey.AccessKey, bool, error) {
	id, err := r.q.LockAccessKey(ctx, id)
	if err != nil {
		return r.accessKeyOf(ctx, db.LoadAccessKeyRow{}, err, false)
	}
	row, err := r.q.LoadAccessKey(ctx, id)
	return r.accessKeyOf(ctx, row, err, false)
}

// Save writes the key with one version more than it has.
func (r keyRows) Save(ctx context.Context, k accesskey.AccessKey) (int64, error) {
	params := db.SaveAccessKeyParams{
		ID: k.ID, Version: k.Version + 1, SecretUntil: orNull(k.SecretUntil), Desired: string(k.Desired), State: string(k.State),
		Unsure: k.Unsure, SightedAt: orNull(k.SightedAt), UpdatedAt: k.UpdatedAt,
		DisplayName: k.DisplayName, CustomerReference: k.CustomerReference, ExpireTime: orNull(k.ExpireTime), Disabled: k.Disabled,
		SecretGeneration: k.SecretGeneration, FormerEnd: orNull(k.FormerEnd), Adopting: k.Adopting,
	}
	var err error
	if params.Grants, params.Networks, err = encodeScope(k); err != nil {
		return 0, err
	}
	for _, c := range []struct {
		column, text string
		to           *[]byte
	}{
		{"key_id", k.KeyID, &params.KeyID}, {"secret", k.Secret, &params.Secret}, {"former_key_id", k.FormerKeyID, &params.FormerKeyID},
	} {
		if *c.to, err = r.sealKey(ctx, k, c.column, c.text); err != nil {
			return 0, err
		}
	}
	if params.Doomed, err = r.sealDoomed(ctx, k); err != nil {
		return 0, err
	}
	if err := r.setLookup(ctx, k.ID, k); err != nil {
		return 0, err
	}
	return r.q.SaveAccessKey(ctx, params)
}

// Note writes what only reconciliation keeps.
func (r keyRows) Note(ctx context.Context, k accesskey.AccessKey) error {
	return r.q.NoteAccessKey(ctx, db.NoteAccessKeyParams{
		ID: k.ID, SecretUntil: orNull(k.SecretUntil), Unsure: k.Unsure, SightedAt: orNull(k.SightedAt),
	})
}

// Remove removes the key.
func (r keyRows) Remove(ctx context.Context, id string) error { return r.q.RemoveAccessKey(ctx, id) }

// Buckets returns those of the named buckets that are the account's.
func (r keyRows) Buckets(ctx context.Context, names []string) ([]accesskey.GrantedBucket, error) {
	rows, err := r.q.BucketsForGrants(ctx, db.BucketsForGrantsParams{Everything: names == nil, Names: names})
	list := make([]accesskey.GrantedBucket, len(rows))
	for i, row := range rows {
		list[i] = accesskey.GrantedBucket{Name: row.Name, Backend: row.Backend, Usable: row.Usable}
	}
	return list, err
}

func keyPlace(accountID, id, column string) seal.Context {
	return seal.Context{Tenant: accountID, Table: "access_key", Column: column, Row: id}
}

// accessKeyOf returns a key with its id in the clear, and its secret too when asked for.
func (b *base) accessKeyOf(ctx context.Context, row db.LoadAccessKeyRow, err error, withSecret bool) (accesskey.AccessKey, bool, error) {
	if pg.NoRows(err) {
		return accesskey.AccessKey{}, false, nil
	}
	if err != nil {
		return accesskey.AccessKey{}, false, err
	}
	r := row.AccessKey
	k := accesskey.AccessKey{
		ID: r.ID, AccountID: r.AccountID, Backend: r.Backend, DisplayName: r.DisplayName, CustomerReference: r.CustomerReference,
		SecretUntil: orZero(r.SecretUntil), ExpireTime: orZero(r.ExpireTime),
		Adopted: r.Adopted, Adopting: r.Adopting, Disabled: r.Disabled, SecretGeneration: r.SecretGeneration, FormerEnd: orZero(r.FormerEnd),
		Desired: accesskey.Desired(r.Desired), State: accesskey.State(r.State), Version: r.Version,
		Generation: row.Generation, Observed: row.Observed,
		Sighting:  change.Sighting{Unsure: r.Unsure, SightedAt: orZero(r.SightedAt)},
		CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
	if err := json.Unmarshal(r.Grants, &k.Grants); err != nil {
		return accesskey.AccessKey{}, false, fmt.Errorf("decode the grants of access key %s: %w", r.ID, err)
	}
	if err := json.Unmarshal(r.Networks, &k.Networks); err != nil {
		return accesskey.AccessKey{}, false, fmt.Errorf("decode the networks of access key %s: %w", r.ID, err)
	}
	if err := json.Unmarshal(row.Conditions, &k.Conditions); err != nil {
		return accesskey.AccessKey{}, false, fmt.Errorf("decode the conditions of access key %s: %w", r.ID, err)
	}
	if err := b.openKey(ctx, r, &k, withSecret); err != nil {
		return accesskey.AccessKey{}, false, err
	}
	return k, true, nil
}

// openKey opens what is sealed of a key, its secret only when asked for.
func (b *base) openKey(ctx context.Context, r db.AccessKey, k *accesskey.AccessKey, withSecret bool) error {
	var doomed, found string
	columns := []struct {
		column string
		sealed []byte
		to     *string
	}{
		{"key_id", r.KeyID, &k.KeyID},
		{"former_key_id", r.FormerKeyID, &k.FormerKeyID},
		{"holder", r.Holder, &k.Holder},
		{"solo", r.Solo, &k.Solo},
		{"doomed", r.Doomed, &doomed},
		{"found", r.Found, &found},
		{"secret", r.Secret, &k.Secret},
	}
	for _, c := range columns {
		if c.sealed == nil || (c.column == "secret" && !withSecret) {
			continue
		}
		plain, err := b.Sealer.Open(ctx, c.sealed, keyPlace(r.AccountID, r.ID, c.column))
		if err != nil {
			return err
		}
		*c.to = string(plain)
	}
	if doomed != "" {
		if err := json.Unmarshal([]byte(doomed), &k.Doomed); err != nil {
			return fmt.Errorf("decode what is to be removed of access key %s: %w", r.ID, err)
		}
	}
	if found != "" {
		if err := json.Unmarshal([]byte(found), &k.Found); err != nil {
			return fmt.Errorf("decode how access key %s was found: %w", r.ID, err)
		}
	}
	return nil
}
