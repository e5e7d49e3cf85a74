package postgres

import (
	"context"

	"github.com/primecloud/primecloud/services/identity/internal/apikey"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
	"github.com/primecloud/primecloud/services/identity/internal/postgres/db"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
)

// Memberships implements membership.Store.
type Memberships struct{ *base }

var _ membership.Store = (*Memberships)(nil)

// InAccount runs fn in the scope of the account.
func (s *Memberships) InAccount(ctx context.Context, accountID string, fn func(context.Context, membership.Tx) error) error {
	return s.inAccount(ctx, accountID, func(ctx context.Context, t *transaction) error { return fn(ctx, t) })
}

// ListMemberships returns a page of members.
func (s *Memberships) ListMemberships(
	ctx context.Context, accountID string, after membership.Position, limit int,
) ([]membership.Membership, error) {
	rows, err := s.readIn(accountID).ListMemberships(ctx, db.ListMembershipsParams{
		AccountID: accountID, AfterTime: after.JoinTime, AfterUser: after.UserID, Count: int32(limit),
	})
	if err != nil {
		return nil, err
	}
	list := make([]membership.Membership, len(rows))
	for i, r := range rows {
		list[i] = membershipOf(db.GetMembershipRow(r))
	}
	return list, nil
}

// Membership returns one, and keeps its role from changing until the transaction ends.
func (t *transaction) Membership(ctx context.Context, accountID, userID string) (membership.Membership, error) {
	row, err := t.q.GetMembership(ctx, db.GetMembershipParams{AccountID: accountID, UserID: userID})
	return membershipOf(row), notFound(err, membership.ErrNotFound)
}

// SaveMembership inserts the membership or replaces the one there is.
func (t *transaction) SaveMembership(ctx context.Context, m membership.Membership) error {
	return t.q.SaveMembership(ctx, db.SaveMembershipParams{
		AccountID: m.AccountID, UserID: m.UserID, Role: string(m.Role),
		Version: m.Version, CreateTime: m.CreateTime, UpdateTime: m.UpdateTime,
	})
}

// RemoveMembership removes it, and ends the personal API keys that go with it: whoever is
// added again does not find them alive.
func (t *transaction) RemoveMembership(ctx context.Context, accountID, userID string) error {
	// In this order: a key that is being made holds the membership, and is seen once that is had.
	if err := t.q.RemoveMembership(ctx, db.RemoveMembershipParams{AccountID: accountID, UserID: userID}); err != nil {
		return err
	}
	now := unit.Now(t.Clock)
	ended, err := t.q.EndPersonalKeys(ctx, db.EndPersonalKeysParams{AccountID: accountID, UserID: userID, RevokeTime: &now})
	if err != nil {
		return err
	}
	for _, row := range ended {
		if err := apikey.EndedWithMembership(ctx, t, keyOf(row, nil)); err != nil {
			return err
		}
	}
	return nil
}

func membershipOf(r db.GetMembershipRow) membership.Membership {
	return membership.Membership{
		AccountID: r.AccountID, UserID: r.UserID, Role: membership.Role(r.Role), DisplayName: r.DisplayName, Email: r.Email,
		Version: r.Version, CreateTime: r.CreateTime.UTC(), UpdateTime: r.UpdateTime.UTC(),
	}
}
