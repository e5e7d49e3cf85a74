package postgres

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/services/identity/internal/accesstoken"
	"github.com/primecloud/primecloud/services/identity/internal/postgres/db"
)

// SigningKeys implements accesstoken.KeyStore.
type SigningKeys struct{ *base }

var _ accesstoken.KeyStore = (*SigningKeys)(nil)

// RotateKeys runs decide alone among all replicas.
func (s *SigningKeys) RotateKeys(
	ctx context.Context, now time.Time, decide func(keys []accesstoken.Key) (*accesstoken.Key, error),
) error {
	return s.in(ctx, pg.System("rotate signing keys"), func(ctx context.Context, t *transaction) error {
		if err := t.q.LockSigningKeys(ctx); err != nil {
			return err
		}
		rows, err := t.q.SigningKeys(ctx, now)
		if err != nil {
			return err
		}
		fresh, err := decide(signingKeysOf(rows))
		if err != nil {
			return err
		}
		if fresh != nil {
			err = t.q.InsertSigningKey(ctx, db.InsertSigningKeyParams{
				Kid: fresh.ID, PublicKey: fresh.Public, SealedPrivate: fresh.Sealed, CreateTime: fresh.CreateTime,
				SignFrom: fresh.SignFrom, SignUntil: fresh.SignUntil, RetireTime: fresh.RetireTime,
			})
			if err != nil {
				return err
			}
		}
		return t.q.RemoveRetiredKeys(ctx, now)
	})
}

// Keys returns the keys that are not retired.
func (s *SigningKeys) Keys(ctx context.Context, now time.Time) ([]accesstoken.Key, error) {
	rows, err := s.read("load signing keys").SigningKeys(ctx, now)
	return signingKeysOf(rows), err
}

func signingKeysOf(rows []db.SigningKey) []accesstoken.Key {
	keys := make([]accesstoken.Key, len(rows))
	for i, r := range rows {
		keys[i] = accesstoken.Key{
			ID: r.Kid, Public: r.PublicKey, Sealed: r.SealedPrivate, CreateTime: r.CreateTime.UTC(),
			SignFrom: r.SignFrom.UTC(), SignUntil: r.SignUntil.UTC(), RetireTime: r.RetireTime.UTC(),
		}
	}
	return keys
}
