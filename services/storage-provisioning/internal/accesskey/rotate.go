package accesskey

import (
	"context"
	"slices"
	"time"

	"github.com/primecloud/primecloud/pkg/operation"
)

// The overlap of a rotation.
const (
	// DefaultOverlap is how long the credentials before work when the caller does not say.
	DefaultOverlap = 24 * time.Hour
	// MaxOverlap is the longest that they may.
	MaxOverlap = 30 * 24 * time.Hour
)

// rotateVerb names a rotation in the trail.
const rotateVerb = "rotate"

// Rotate gives the key another id and secret; the ones before work for the overlap. At most
// two pairs work: one from an earlier rotation ends now. The secret is kept and returned to
// a repetition as that of a new key is.
func (s *Service) Rotate(ctx context.Context, w Which, overlap time.Duration) (Done, error) {
	if overlap < 0 || overlap > MaxOverlap {
		return Done{}, ErrOverlapInvalid
	}
	return s.change(ctx, w, rotateVerb, func(_ context.Context, _ Tx, k *AccessKey) error {
		k.rotate(s.Clock.Now(), overlap)
		return nil
	})
}

// rotate gives the key new credentials.
func (k *AccessKey) rotate(now time.Time, overlap time.Duration) {
	if k.FormerKeyID != "" {
		k.Doomed = append(slices.Clone(k.Doomed), k.FormerKeyID)
	}
	k.FormerKeyID, k.FormerUse = k.KeyID, k.LastUse
	// The backend keeps whole seconds.
	k.FormerEnd = now.Add(overlap).Truncate(time.Second)
	if !k.ExpireTime.IsZero() && k.ExpireTime.Before(k.FormerEnd) {
		k.FormerEnd = k.ExpireTime
	}
	k.KeyID, k.Secret, k.LastUse = newKeyID(), newSecret(), Use{}
	k.SecretUntil = now.Add(operation.Window)
}

// unrotate undoes a rotation: the new credentials are to be removed, the ones before are
// what they were. The secret that was never handed over is destroyed.
func (k *AccessKey) unrotate(b before) {
	issued := k.KeyID
	k.KeyID, k.LastUse = k.FormerKeyID, k.FormerUse
	k.Secret, k.SecretUntil, k.SecretGeneration = "", time.Time{}, 0
	k.FormerKeyID, k.FormerEnd, k.FormerUse = "", time.Time{}, Use{}
	k.Doomed = slices.Clone(k.Doomed)
	if n := len(k.Doomed); b.HadFormer && n > 0 {
		k.FormerKeyID, k.FormerEnd, k.Doomed = k.Doomed[n-1], b.FormerEnd, k.Doomed[:n-1]
	}
	k.Doomed = append(k.Doomed, issued)
}
