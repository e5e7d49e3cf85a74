package postgres

import (
	"context"
	"net/netip"
	"time"

	"github.com/primecloud/primecloud/pkg/network"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/services/identity/internal/apikey"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
	"github.com/primecloud/primecloud/services/identity/internal/postgres/db"
)

// APIKeys implements apikey.Store.
type APIKeys struct{ *base }

var _ apikey.Store = (*APIKeys)(nil)

// InAccount runs fn in the scope of the account.
func (s *APIKeys) InAccount(ctx context.Context, accountID string, fn func(context.Context, apikey.Tx) error) error {
	return s.inAccount(ctx, accountID, func(ctx context.Context, t *transaction) error { return fn(ctx, t) })
}

// Key returns one.
func (s *APIKeys) Key(ctx context.Context, accountID, keyID string) (apikey.Key, error) {
	row, err := s.readIn(accountID).GetKey(ctx, db.GetKeyParams{AccountID: accountID, ID: keyID})
	return keyOf(row.ApiKey, row.MemberRole), notFound(err, apikey.ErrNotFound)
}

// ListKeys returns a page of the account's keys.
func (s *APIKeys) ListKeys(ctx context.Context, q apikey.Query) ([]apikey.Key, error) {
	rows, err := s.readIn(q.AccountID).ListKeys(ctx, db.ListKeysParams{
		AccountID: q.AccountID, Person: q.Person, Shared: q.Shared, After: q.After, Count: int32(q.Limit),
	})
	if err != nil {
		return nil, err
	}
	list := make([]apikey.Key, len(rows))
	for i, r := range rows {
		list[i] = keyOf(r.ApiKey, r.MemberRole)
	}
	return list, nil
}

// KeyStanding returns what is true of a key, whatever its account: who presents it has not
// said which that is.
func (s *APIKeys) KeyStanding(ctx context.Context, keyID string) (apikey.Standing, error) {
	row, err := s.read("an API key is exchanged").KeyStanding(ctx, keyID)
	if err != nil {
		return apikey.Standing{}, notFound(err, apikey.ErrNotFound)
	}
	standing := apikey.Standing{Key: keyOf(row.ApiKey, row.MemberRole), AccountState: row.State, Epoch: row.Epoch}
	copy(standing.Hash[:], row.ApiKey.SecretHash)
	copy(standing.Former[:], row.ApiKey.FormerSecretHash)
	return standing, nil
}

// TouchKey records a use.
func (s *APIKeys) TouchKey(ctx context.Context, u apikey.Use) error {
	return s.in(ctx, pg.System("an API key is exchanged"), func(ctx context.Context, t *transaction) error {
		return t.q.TouchKey(ctx, db.TouchKeyParams{ID: u.KeyID, LastUseTime: u.At, LastUseAddress: u.From})
	})
}

// DestroySecrets destroys the sealed secrets whose time has come.
func (s *APIKeys) DestroySecrets(ctx context.Context, now time.Time) (int64, error) {
	var count int64
	err := s.in(ctx, pg.System("destroy sealed secrets"), func(ctx context.Context, t *transaction) error {
		var err error
		count, err = t.q.DestroySecrets(ctx, now)
		return err
	})
	return count, err
}

// InsertKey makes a key.
func (t *transaction) InsertKey(ctx context.Context, k apikey.Key, hash apikey.Hash) error {
	role := k.Role
	if k.UserID != "" {
		role = membership.Viewer // never read; see the migration
	}
	return t.q.InsertKey(ctx, db.InsertKeyParams{
		ID: k.ID, AccountID: k.AccountID, CreatorID: k.CreatorID, DisplayName: k.DisplayName, Role: string(role),
		Scopes: k.Scopes, SecretHash: hash[:], Version: k.Version, CreateTime: k.CreateTime, ExpireTime: orNull(k.ExpireTime),
		AllowedNetworks: network.Spell(k.Networks), UserID: textOrNull(k.UserID),
	})
}

// KeyForUpdate returns one, locked.
func (t *transaction) KeyForUpdate(ctx context.Context, accountID, keyID string) (apikey.Key, error) {
	row, err := t.q.KeyForUpdate(ctx, db.KeyForUpdateParams{AccountID: accountID, ID: keyID})
	return keyOf(row.ApiKey, row.MemberRole), notFound(err, apikey.ErrNotFound)
}

// UpdateKey sets what can change of it.
func (t *transaction) UpdateKey(ctx context.Context, k apikey.Key) error {
	return t.q.UpdateKey(ctx, db.UpdateKeyParams{
		ID: k.ID, DisplayName: k.DisplayName, ExpireTime: orNull(k.ExpireTime), AllowedNetworks: network.Spell(k.Networks),
		RevokeTime: orNull(k.RevokeTime), Version: k.Version,
	})
}

// RotateKey makes the hash that of its secret.
func (t *transaction) RotateKey(ctx context.Context, k apikey.Key, hash apikey.Hash) error {
	return t.q.RotateKey(ctx, db.RotateKeyParams{ID: k.ID, SecretHash: hash[:], FormerExpireTime: orNull(k.FormerEnd), Version: k.Version})
}

// KeepSecret keeps a sealed secret in place of the one there was.
func (t *transaction) KeepSecret(ctx context.Context, s apikey.SealedSecret) error {
	return t.q.KeepSecret(ctx, db.KeepSecretParams{
		ApiKeyID: s.KeyID, AccountID: s.AccountID, RotationID: s.RotationID, Sealed: s.Sealed, DestroyTime: s.DestroyTime,
	})
}

// KeptSecret returns the sealed secret that the call in question issued.
func (t *transaction) KeptSecret(ctx context.Context, keyID, rotationID string) (apikey.SealedSecret, bool, error) {
	r, err := t.q.KeptSecret(ctx, db.KeptSecretParams{ApiKeyID: keyID, RotationID: rotationID})
	if pg.NoRows(err) {
		return apikey.SealedSecret{}, false, nil
	}
	return apikey.SealedSecret{
		KeyID: r.ApiKeyID, AccountID: r.AccountID, RotationID: r.RotationID, Sealed: r.Sealed, DestroyTime: r.DestroyTime.UTC(),
	}, err == nil, err
}

// DropSecret destroys it.
func (t *transaction) DropSecret(ctx context.Context, keyID string) error {
	return t.q.DropSecret(ctx, keyID)
}

// keyOf returns a key; a personal one has the role of its person's membership, or none.
func keyOf(r db.ApiKey, memberRole *string) apikey.Key {
	role := membership.Role(r.Role)
	if r.UserID != nil {
		role = membership.Role(orEmpty(memberRole))
	}
	return apikey.Key{
		ID: r.ID, AccountID: r.AccountID, CreatorID: r.CreatorID, DisplayName: r.DisplayName,
		UserID: orEmpty(r.UserID), Role: role, Scopes: r.Scopes, Version: r.Version, CreateTime: r.CreateTime.UTC(),
		ExpireTime: orZero(r.ExpireTime), LastUseTime: orZero(r.LastUseTime), RevokeTime: orZero(r.RevokeTime),
		LastUseAddress: r.LastUseAddress, FormerEnd: orZero(r.FormerExpireTime), Networks: networksOf(r.AllowedNetworks),
	}
}

// networksOf reads networks as they were written; what is none was not written here, and
// opens nothing: a network that no address lies in.
func networksOf(texts []string) []netip.Prefix {
	var networks []netip.Prefix
	for _, text := range texts {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			network = netip.Prefix{}
		}
		networks = append(networks, network)
	}
	return networks
}
