package postgres

import (
	"context"

	"github.com/primecloud/primecloud/services/identity/internal/account"
	"github.com/primecloud/primecloud/services/identity/internal/postgres/db"
	"github.com/primecloud/primecloud/services/identity/internal/user"
)

// Users implements user.Store.
type Users struct{ *base }

var _ user.Store = (*Users)(nil)

// User returns one.
func (s *Users) User(ctx context.Context, userID string) (user.User, error) {
	row, err := s.read("a person reads themselves").GetUser(ctx, userID)
	return userOf(row), notFound(err, user.ErrNotFound)
}

// AccountsOf returns the person's accounts.
func (s *Users) AccountsOf(ctx context.Context, userID, after string, limit int) ([]account.Membership, error) {
	return s.accountsOf(ctx, userID, after, limit)
}

// InsertUser makes the person, unless the pair is known, as a linked login too.
func (t *transaction) InsertUser(ctx context.Context, u user.User) (bool, error) {
	if err := t.lockPair(ctx, u.Issuer, u.Subject); err != nil {
		return false, err
	}
	count, err := t.q.InsertUser(ctx, db.InsertUserParams{
		ID: u.ID, Issuer: u.Issuer, Subject: u.Subject, Email: u.Email, EmailVerified: u.EmailVerified,
		DisplayName: u.DisplayName, Version: u.Version, CreateTime: u.CreateTime, UpdateTime: u.UpdateTime,
	})
	return count == 1, err
}

// UserForUpdate returns the person of the pair.
func (t *transaction) UserForUpdate(ctx context.Context, issuer, subject string) (user.User, error) {
	row, err := t.q.UserForUpdate(ctx, db.UserForUpdateParams{Issuer: issuer, Subject: subject})
	return userOf(row), notFound(err, user.ErrNotFound)
}

// UpdateUser replaces the profile.
func (t *transaction) UpdateUser(ctx context.Context, u user.User) error {
	return t.q.UpdateUser(ctx, db.UpdateUserParams{
		ID: u.ID, Email: u.Email, EmailVerified: u.EmailVerified, DisplayName: u.DisplayName,
		Version: u.Version, UpdateTime: u.UpdateTime,
	})
}

// HasUser reports whether there is such a person.
func (t *transaction) HasUser(ctx context.Context, userID string) (bool, error) {
	return t.q.HasUser(ctx, userID)
}

func userOf(r db.User) user.User {
	return user.User{
		ID: r.ID,
		Login: user.Login{
			Issuer: r.Issuer, Subject: r.Subject, Email: r.Email, EmailVerified: r.EmailVerified, DisplayName: r.DisplayName,
		},
		Version: r.Version, CreateTime: r.CreateTime.UTC(), UpdateTime: r.UpdateTime.UTC(),
	}
}
