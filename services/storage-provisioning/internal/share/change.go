package share

import (
	"context"
	"slices"
	"time"
)

// Place names a share.
type Place struct{ AccountID, ShareID string }

// Changes are the fields to change; nil leaves one as it is.
type Changes struct {
	DisplayName *string
	// Password is empty to ask for none from now on.
	Password *string
	// ExpireTime is the zero time for never, UseLimit zero for any number.
	ExpireTime *time.Time
	UseLimit   *int64
	// Networks are as ParseNetworks reads them.
	Networks *[]string
}

// Update changes a share. Nothing happens when it is like that already. A repetition with
// the same idempotency key gives the share as it is by now.
func (s *Service) Update(ctx context.Context, at Place, etag string, c Changes) (Share, error) {
	if _, err := s.Get(ctx, at.AccountID, at.ShareID); err != nil {
		return Share{}, err
	}
	apply, err := s.prepare(ctx, c)
	if err != nil {
		return Share{}, err
	}
	var result Share
	err = s.Store.InAccount(ctx, at.AccountID, func(ctx context.Context, tx Tx) error {
		_, again, err := tx.Calls.Once(ctx, at.AccountID, resource(at.ShareID))
		if err != nil {
			return err
		}
		before, err := find(ctx, tx, at)
		switch {
		case err != nil:
			return err
		case again:
			result = before
			return nil
		case etag != "" && etag != before.ETag():
			return ErrETagMismatch
		case !before.RevokedAt.IsZero():
			return ErrRevoked
		}
		result = before
		apply(&result)
		if same(before, result) {
			return nil
		}
		result.Version, result.UpdatedAt = before.Version+1, s.now()
		if err := tx.Shares.Save(ctx, result); err != nil {
			return err
		}
		return tell(ctx, tx.Record, "update", &before, &result)
	})
	if err != nil {
		return Share{}, err
	}
	return result.seen(s.Clock.Now()), nil
}

// prepare checks changes and hashes a password before anything is locked.
func (s *Service) prepare(ctx context.Context, c Changes) (apply func(*Share), err error) {
	var steps []func(*Share)
	if c.DisplayName != nil {
		steps = append(steps, func(x *Share) { x.DisplayName = *c.DisplayName })
	}
	if c.UseLimit != nil {
		steps = append(steps, func(x *Share) { x.UseLimit = *c.UseLimit })
	}
	if c.ExpireTime != nil {
		if err := s.checkExpiry(*c.ExpireTime); err != nil {
			return nil, err
		}
		steps = append(steps, func(x *Share) { x.ExpireTime = c.ExpireTime.Truncate(time.Microsecond) })
	}
	if c.Networks != nil {
		networks, err := ParseNetworks(*c.Networks)
		if err != nil {
			return nil, err
		}
		steps = append(steps, func(x *Share) { x.Networks = networks })
	}
	if c.Password != nil {
		hashed, err := s.passwords.hash(ctx, *c.Password)
		if err != nil {
			return nil, err
		}
		steps = append(steps, func(x *Share) { x.PasswordHash = hashed })
	}
	return func(x *Share) {
		for _, step := range steps {
			step(x)
		}
	}, nil
}

// same reports whether a change left everything as it was. A password that is set anew has
// another salt, and so is a change.
func same(a, b Share) bool {
	return a.DisplayName == b.DisplayName && a.PasswordHash == b.PasswordHash && a.ExpireTime.Equal(b.ExpireTime) &&
		a.UseLimit == b.UseLimit && slices.Equal(a.Networks, b.Networks)
}

// Revoke ends a share for good. Once it has answered, no use of the link is counted any
// more. Revoking it again changes nothing.
func (s *Service) Revoke(ctx context.Context, at Place) (Share, error) {
	if _, err := s.Get(ctx, at.AccountID, at.ShareID); err != nil {
		return Share{}, err
	}
	var result Share
	err := s.Store.InAccount(ctx, at.AccountID, func(ctx context.Context, tx Tx) error {
		before, err := find(ctx, tx, at)
		result = before
		if err != nil || !before.RevokedAt.IsZero() {
			return err
		}
		now := s.now()
		result.Version, result.UpdatedAt, result.RevokedAt = before.Version+1, now, now
		if err := tx.Shares.Save(ctx, result); err != nil {
			return err
		}
		return tell(ctx, tx.Record, "revoke", &before, &result)
	})
	if err != nil {
		return Share{}, err
	}
	return result.seen(s.Clock.Now()), nil
}

// find returns the share at a place, and locks it.
func find(ctx context.Context, tx Tx, at Place) (Share, error) {
	found, ok, err := tx.Shares.Find(ctx, at.AccountID, at.ShareID)
	if err == nil && !ok {
		err = ErrNotFound
	}
	return found, err
}
