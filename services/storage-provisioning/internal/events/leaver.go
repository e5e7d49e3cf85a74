package events

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/event"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/favourite"
)

// Leavers is the use case for those who are no members any more.
type Leavers interface {
	// MemberLeft forgets what somebody kept for themselves in the account up to a moment.
	MemberLeft(ctx context.Context, tx favourite.Tx, accountID, userID string, at time.Time) error
}

// HearOfLeaver gives an event of MemberSubjects the effect that it has on what people keep
// for themselves: none, unless somebody was removed.
func HearOfLeaver(ctx context.Context, use Leavers, tx favourite.Tx, e event.Event) error {
	if e.Type != membershipDeleted {
		return nil
	}
	change, err := membershipOf(e)
	if err != nil {
		return err
	}
	return use.MemberLeft(ctx, tx, change.AccountID, change.UserID, e.Time)
}
