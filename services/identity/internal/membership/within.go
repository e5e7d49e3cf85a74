package membership

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/services/identity/internal/revocation"
)

// Join adds a person within a transaction that belongs to another concept, which has locked
// the account and drawn the version from it. It tells of the new member as Create does, and
// returns them with name and address. That the person is not a member yet is the caller's
// to see to.
func Join(ctx context.Context, tx Tx, m Membership) (Membership, error) {
	if err := tx.SaveMembership(ctx, m); err != nil {
		return Membership{}, err
	}
	// Read back for the name and address.
	m, err := tx.Membership(ctx, m.AccountID, m.UserID)
	if err != nil {
		return Membership{}, err
	}
	return m, tell(ctx, tx, told{verb: "create", past: "created", after: &m})
}

// SetRole gives a member another role within a transaction that has locked the account and
// drawn the version from it. The tokens that carry the old role end. That an owner is left
// is the caller's to see to.
func SetRole(ctx context.Context, tx Tx, before Membership, role Role, version int64, now time.Time) (Membership, error) {
	after := before
	after.Role, after.Version, after.UpdateTime = role, version, now
	if err := tx.SaveMembership(ctx, after); err != nil {
		return Membership{}, err
	}
	if err := revoke(ctx, tx, after, now); err != nil {
		return Membership{}, err
	}
	return after, tell(ctx, tx, told{verb: "update", past: "updated", before: &before, after: &after})
}

func revoke(ctx context.Context, tx Tx, m Membership, now time.Time) error {
	return tx.Revoke(ctx, revocation.New(revocation.Membership, m.Key(), now))
}
