package membership

import (
	"context"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
)

// Leave ends the calling person's own membership, and the tokens that carry its role: with
// one of those it cannot be repeated. The last owner cannot leave.
func (s *Members) Leave(ctx context.Context, accountID string) error {
	return s.store.InAccount(ctx, accountID, func(ctx context.Context, tx Tx) error {
		c := scene{now: unit.Now(s.clock)}
		var err error
		if c.owners, c.version, err = tx.LockAccount(ctx, accountID); err != nil {
			return err
		}
		c.member, err = tx.Membership(ctx, accountID, principal.FromContext(ctx).ID)
		switch {
		case errs.ReasonOf(err) == ErrNotFound.Reason():
			return ErrAccountNotFound
		case err != nil:
			return err
		case c.isLastOwner():
			return ErrLastOwner
		default:
			return remove(ctx, tx, c, "leave")
		}
	})
}
