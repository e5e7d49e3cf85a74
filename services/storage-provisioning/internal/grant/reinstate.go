package grant

import (
	"context"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
)

// Kept is a grant as it is kept of a bucket that was deleted.
type Kept struct {
	UserID     string            `json:"user_id"`
	Permission policy.Permission `json:"permission"`
	Prefixes   []string          `json:"prefixes,omitempty"`
	// MembershipVersion is the version of the membership that it belonged to.
	MembershipVersion int64 `json:"membership_version"`
}

// Reinstate grants again what people had on a bucket of that name: those whose membership is
// what it was, and who have no grant on it by now. It may be repeated.
func (s *Service) Reinstate(ctx context.Context, accountID, bucket string, kept []Kept) error {
	for _, k := range kept {
		err := s.Store.InAccount(ctx, accountID, func(ctx context.Context, tx Tx) error {
			m, err := tx.Grants.Member(ctx, accountID, k.UserID)
			if err != nil || m.Role != External || m.Version != k.MembershipVersion {
				return err
			}
			b, ok, err := tx.Grants.Bucket(ctx, accountID, bucket)
			if err != nil || !ok || b.Deleting {
				return err
			}
			if _, has, err := tx.Grants.Find(ctx, b, k.UserID); err != nil || has {
				return err
			}
			_, err = s.insert(ctx, tx, m, b, Reach{Permission: k.Permission, Prefixes: k.Prefixes})
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
