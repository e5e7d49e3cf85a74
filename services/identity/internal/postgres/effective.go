package postgres

import (
	"context"

	"github.com/primecloud/primecloud/services/identity/internal/account"
	"github.com/primecloud/primecloud/services/identity/internal/apikey"
	"github.com/primecloud/primecloud/services/identity/internal/effective"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
	"github.com/primecloud/primecloud/services/identity/internal/postgres/db"
)

// Standings implements effective.Store.
type Standings struct{ *base }

var _ effective.Store = (*Standings)(nil)

// Account returns one.
func (s *Standings) Account(ctx context.Context, accountID string) (account.Account, error) {
	return (&Accounts{s.base}).Account(ctx, accountID)
}

// Member returns a member.
func (s *Standings) Member(ctx context.Context, accountID, userID string) (membership.Membership, error) {
	row, err := s.readIn(accountID).ReadMembership(ctx, db.ReadMembershipParams{AccountID: accountID, UserID: userID})
	return membershipOf(db.GetMembershipRow(row)), notFound(err, membership.ErrNotFound)
}

// Key returns an API key.
func (s *Standings) Key(ctx context.Context, accountID, keyID string) (apikey.Key, error) {
	return (&APIKeys{s.base}).Key(ctx, accountID, keyID)
}
