package postgres

import (
	"context"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/services/identity/internal/linkedlogin"
	"github.com/primecloud/primecloud/services/identity/internal/postgres/db"
	"github.com/primecloud/primecloud/services/identity/internal/user"
)

// LinkedLogins implements linkedlogin.Store.
type LinkedLogins struct{ *base }

var _ linkedlogin.Store = (*LinkedLogins)(nil)

// BeyondAccounts runs fn in the system scope: a login belongs to a person.
func (s *LinkedLogins) BeyondAccounts(ctx context.Context, fn func(context.Context, linkedlogin.Tx) error) error {
	return s.in(ctx, pg.System("a person's logins"), func(ctx context.Context, t *transaction) error { return fn(ctx, t) })
}

// ListLinkedLogins returns a page of a person's.
func (s *LinkedLogins) ListLinkedLogins(ctx context.Context, userID, after string, limit int) ([]linkedlogin.LinkedLogin, error) {
	rows, err := s.read("a person lists their logins").LinkedLogins(ctx, db.LinkedLoginsParams{UserID: userID, After: after, Count: int32(limit)})
	return linkedLoginsOf(rows), err
}

// lockPair keeps a pair from becoming anybody's in another transaction.
func (t *transaction) lockPair(ctx context.Context, issuer, subject string) error {
	return t.q.LockPair(ctx, issuer+" "+subject) // an issuer has no blanks
}

// LockLogin locks the pair and returns whose it is.
func (t *transaction) LockLogin(ctx context.Context, issuer, subject string) (string, error) {
	if err := t.lockPair(ctx, issuer, subject); err != nil {
		return "", err
	}
	return t.q.OwnerOfLogin(ctx, db.OwnerOfLoginParams{Issuer: issuer, Subject: subject})
}

// LinkedLogins returns those of a person, locked with the person.
func (t *transaction) LinkedLogins(ctx context.Context, userID string) ([]linkedlogin.LinkedLogin, error) {
	if err := t.q.LockUser(ctx, userID); err != nil {
		return nil, err
	}
	rows, err := t.q.LinkedLogins(ctx, db.LinkedLoginsParams{UserID: userID, Count: linkedlogin.Max + 1})
	return linkedLoginsOf(rows), err
}

// InsertLinkedLogin makes one.
func (t *transaction) InsertLinkedLogin(ctx context.Context, l linkedlogin.LinkedLogin) error {
	return t.q.InsertLinkedLogin(ctx, db.InsertLinkedLoginParams{
		ID: l.ID, UserID: l.UserID, Issuer: l.Issuer, Subject: l.Subject, Email: l.Email, EmailVerified: l.EmailVerified,
		DisplayName: l.DisplayName, CreateTime: l.CreateTime,
	})
}

// RemoveLinkedLogin removes one.
func (t *transaction) RemoveLinkedLogin(ctx context.Context, loginID string) error {
	return t.q.RemoveLinkedLogin(ctx, loginID)
}

func linkedLoginsOf(rows []db.LinkedLogin) []linkedlogin.LinkedLogin {
	list := make([]linkedlogin.LinkedLogin, len(rows))
	for i, r := range rows {
		list[i] = linkedlogin.LinkedLogin{
			ID: r.ID, UserID: r.UserID, CreateTime: r.CreateTime.UTC(), Login: user.Login{
				Issuer: r.Issuer, Subject: r.Subject, Email: r.Email, EmailVerified: r.EmailVerified, DisplayName: r.DisplayName,
			},
		}
	}
	return list
}
