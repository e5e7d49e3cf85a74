package apikey

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/network"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/services/identity/internal/account"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
	"github.com/primecloud/primecloud/services/identity/internal/revocation"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
)

// The overlap of a rotation.
const (
	// DefaultOverlap is how long the secret before works when the caller does not say.
	DefaultOverlap = 24 * time.Hour
	// MaxOverlap is the longest that it may.
	MaxOverlap = 7 * 24 * time.Hour
)

// rotationKind and rotationPrefix name a rotation, which has no life beyond its call: its
// repetition finds the secret by it.
const (
	rotationKind   = "api_key_rotation"
	rotationPrefix = "rot"
)

var errOverlapInvalid = errs.New(errs.InvalidArgument, "REQUEST_INVALID", "an overlap lasts from nothing to 7 days").
	WithViolation(errs.Violation{Field: "overlap", Rule: "OVERLAP", Description: "give 0 s to 604800 s"})

// Which names a key of an account.
type Which struct {
	AccountID, KeyID string
	// Personal says that the caller means a key of their own.
	Personal bool
}

// mine returns the key, locked, if the caller may end it. To change it, a personal one must
// be the caller's.
func (s *APIKeys) mine(ctx context.Context, tx Tx, w Which) (Key, error) {
	k, err := tx.KeyForUpdate(ctx, w.AccountID, w.KeyID)
	if err != nil {
		return Key{}, err
	}
	if w.Personal {
		if k.UserID == "" || k.UserID != principal.FromContext(ctx).ID {
			return Key{}, ErrNotFound
		}
		return k, nil
	}
	caller, err := membership.Caller(ctx, tx, w.AccountID)
	if err != nil {
		return Key{}, err
	}
	if k.Role.Above(caller.Role) {
		return Key{}, membership.ErrRoleTooHigh
	}
	return k, nil
}

// changeable returns the key, locked, if the caller may change it.
func (s *APIKeys) changeable(ctx context.Context, tx Tx, w Which) (Key, error) {
	k, err := s.mine(ctx, tx, w)
	if err == nil && k.UserID != "" && !w.Personal {
		return Key{}, ErrPersonal
	}
	return k, err
}

// endTokens ends what was minted from the key so far.
func endTokens(ctx context.Context, tx Tx, k Key, now time.Time) error {
	return tx.Revoke(ctx, revocation.New(revocation.APIKey, k.ID, now))
}

// Rotate gives the key another secret; the one before works for the overlap. At most two
// work, so the one before that ends now. What ends before its time takes the tokens of the
// key with it; a token minted from the former secret ends with the overlap.
func (s *APIKeys) Rotate(ctx context.Context, w Which, overlap time.Duration) (Created, error) {
	if overlap < 0 || overlap > MaxOverlap {
		return Created{}, errOverlapInvalid
	}
	now := unit.Now(s.Clock)
	rotation := unit.Resource{Kind: rotationKind, ID: id.New(rotationPrefix, now), AccountID: w.AccountID}
	var rotated Created
	err := s.Store.InAccount(ctx, w.AccountID, func(ctx context.Context, tx Tx) error {
		var err error
		rotated, err = unit.Once(ctx, tx, rotation,
			func(ctx context.Context, rotationID string) (Created, error) { return s.again(ctx, tx, w, rotationID) },
			func(ctx context.Context) (Created, error) {
				k, err := s.changeable(ctx, tx, w)
				if err != nil {
					return Created{}, err
				}
				return s.rotate(ctx, tx, k, turn{rotationID: rotation.ID, at: now, end: now.Add(overlap)})
			})
		return err
	})
	return rotated, err
}

// turn is one rotation: when it is, and when its overlap ends.
type turn struct {
	rotationID string
	at, end    time.Time
}

func (s *APIKeys) rotate(ctx context.Context, tx Tx, before Key, t turn) (Created, error) {
	if !before.alive(t.at) {
		return Created{}, ErrEnded
	}
	k, secret := before, newSecret(before.ID)
	k.FormerEnd, k.Version = t.end, before.Version+1
	if err := tx.RotateKey(ctx, k, hashOf(secret)); err != nil {
		return Created{}, err
	}
	if !t.end.After(t.at) || t.at.Before(before.FormerEnd) {
		if err := endTokens(ctx, tx, k, t.at); err != nil {
			return Created{}, err
		}
	}
	if err := s.keep(ctx, tx, issue{key: k, secret: secret, rotationID: t.rotationID, at: t.at}); err != nil {
		return Created{}, err
	}
	return Created{Key: k, Secret: secret}, tell(ctx, tx, "rotate", "rotated", &before, k)
}

// Fields are new values; nil leaves the old one.
type Fields struct {
	DisplayName *string
	// ExpireTime is zero for never.
	ExpireTime *time.Time
	// Networks are as the caller spells them; none for everywhere.
	Networks *[]string
}

// Update changes a key that still is as the caller has seen it. Nothing happens when it has
// the values already.
func (s *APIKeys) Update(ctx context.Context, w Which, etag string, fields Fields) (Key, error) {
	var networks []netip.Prefix
	if fields.Networks != nil {
		var err error
		if networks, err = ParseNetworks(*fields.Networks); err != nil {
			return Key{}, err
		}
	}
	var result Key
	err := s.Store.InAccount(ctx, w.AccountID, func(ctx context.Context, tx Tx) error {
		var err error
		result, err = unit.Once(ctx, tx, unit.Resource{Kind: Kind, ID: w.KeyID, AccountID: w.AccountID},
			func(ctx context.Context, _ string) (Key, error) { return tx.KeyForUpdate(ctx, w.AccountID, w.KeyID) },
			func(ctx context.Context) (Key, error) {
				before, err := s.changeable(ctx, tx, w)
				if err != nil {
					return Key{}, err
				}
				if err := unit.CheckETag(etag, before.ETag()); err != nil {
					return Key{}, err
				}
				after := before
				if fields.DisplayName != nil {
					after.DisplayName = strings.TrimSpace(*fields.DisplayName)
				}
				if fields.ExpireTime != nil {
					after.ExpireTime = *fields.ExpireTime
				}
				if fields.Networks != nil {
					after.Networks = networks
				}
				return s.update(ctx, tx, before, after)
			})
		return err
	})
	return result, err
}

func (s *APIKeys) update(ctx context.Context, tx Tx, before, after Key) (Key, error) {
	now := unit.Now(s.Clock)
	moved, rerouted := !after.ExpireTime.Equal(before.ExpireTime), !slices.Equal(after.Networks, before.Networks)
	switch {
	case !before.alive(now):
		return Key{}, ErrEnded
	case !moved && !rerouted && after.DisplayName == before.DisplayName:
		return before, nil
	case account.CheckDisplayName(after.DisplayName) != nil:
		return Key{}, account.ErrDisplayNameInvalid
	case moved && after.expired(now):
		return Key{}, ErrExpireTimeInvalid
	}
	after.Version++
	if err := tx.UpdateKey(ctx, after); err != nil {
		return Key{}, err
	}
	sooner := moved && !after.ExpireTime.IsZero() && (before.ExpireTime.IsZero() || after.ExpireTime.Before(before.ExpireTime))
	if sooner || rerouted && !network.Cover(after.Networks, before.Networks) {
		if err := endTokens(ctx, tx, after, now); err != nil {
			return Key{}, err
		}
	}
	return after, tell(ctx, tx, "update", "updated", &before, after)
}

// Revoke ends a key and the tokens minted from it; once revoked it stays so.
func (s *APIKeys) Revoke(ctx context.Context, w Which) (Key, error) {
	var result Key
	err := s.Store.InAccount(ctx, w.AccountID, func(ctx context.Context, tx Tx) error {
		k, err := s.mine(ctx, tx, w)
		if err != nil || !k.RevokeTime.IsZero() {
			result = k
			return err
		}
		k.RevokeTime, k.Version = unit.Now(s.Clock), k.Version+1
		if err := tx.UpdateKey(ctx, k); err != nil {
			return err
		}
		if err := tx.DropSecret(ctx, k.ID); err != nil {
			return err
		}
		if err := endTokens(ctx, tx, k, k.RevokeTime); err != nil {
			return err
		}
		result = k
		return tell(ctx, tx, "revoke", "revoked", nil, k)
	})
	return result, err
}
