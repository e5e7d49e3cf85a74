// Package linkedlogin keeps the further logins of a person: pairs of issuer and subject that
// are theirs beside the first one, which stands with the user.
//
// It guarantees that a pair names one person at most, and that it becomes somebody's only
// when both logins were proven at that time: a session that has just begun, and an ID token
// with the nonce of this very act. An e-mail address plays no part. Two people who exist
// are never made one. Taking a login away ends the sessions that it began.
package linkedlogin

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/services/identity/internal/session"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
	"github.com/primecloud/primecloud/services/identity/internal/user"
)

// Kind is the resource's kind in the audit trail, Prefix that of its ids.
const (
	Kind   = "linked_login"
	Prefix = "lgn"
)

const (
	// Fresh is how lately the session must have begun that a login is linked to.
	Fresh = 15 * time.Minute
	// Max is how many a person may have.
	Max = 10
)

// The refusals.
var (
	// ErrTaken is for a login that is somebody's.
	ErrTaken = errs.New(errs.AlreadyExists, "LOGIN_TAKEN", "this login is somebody's already, who logged in by it or linked it; two users cannot be made one")
	// ErrNotFresh is for a session that began too long ago.
	ErrNotFresh = errs.New(errs.FailedPrecondition, "LOGIN_NOT_FRESH", "your session is older than 15 minutes; log in again, then link")
	// ErrLimit is for one login too many.
	ErrLimit = errs.New(errs.FailedPrecondition, "LINKED_LOGIN_LIMIT", "a person has 10 linked logins at most; take one away first")
	// ErrNotFound is for a login that is not the caller's.
	ErrNotFound = errs.New(errs.NotFound, "LINKED_LOGIN_NOT_FOUND", "you have no such linked login; list them")
)

// LinkedLogin is one.
type LinkedLogin struct {
	// ID names it (`lgn_…`), UserID is whose it is.
	ID, UserID string
	// Login is what the provider said when it was linked.
	user.Login
	// CreateTime is when that was.
	CreateTime time.Time
}

// Tx is what a change needs of its transaction.
type Tx interface {
	unit.Work
	session.Ending
	Logins
	// SessionByID returns one, locked, or session.ErrNotFound.
	SessionByID(ctx context.Context, sessionID string) (session.Session, error)
	// LiveSessionsAt returns the sessions without an end that a login began, locked.
	LiveSessionsAt(ctx context.Context, p session.ProviderSession) ([]session.Session, error)
}

// Logins are the rows within a transaction.
type Logins interface {
	// LockLogin keeps the pair from becoming anybody's until the transaction ends, and returns
	// whose it is, or "".
	LockLogin(ctx context.Context, issuer, subject string) (userID string, err error)
	// LinkedLogins returns those of a person, locked with the person.
	LinkedLogins(ctx context.Context, userID string) ([]LinkedLogin, error)
	// InsertLinkedLogin makes one.
	InsertLinkedLogin(ctx context.Context, l LinkedLogin) error
	// RemoveLinkedLogin removes one.
	RemoveLinkedLogin(ctx context.Context, loginID string) error
}

// Store keeps them.
type Store interface {
	// BeyondAccounts runs fn in one transaction; logins belong to no account.
	BeyondAccounts(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	// ListLinkedLogins returns up to limit of a person's, by id, behind the given id.
	ListLinkedLogins(ctx context.Context, userID, after string, limit int) ([]LinkedLogin, error)
}

// Sessions knows sessions by their secrets.
type Sessions interface {
	// Present returns the session of a secret, if it is alive.
	Present(ctx context.Context, secret string) (session.Session, error)
}

// Config is what the use cases are made of.
type Config struct {
	Store    Store
	Sessions Sessions
	Provider session.Provider
	Clock    clock.Clock
}

// Links are the use cases.
type Links struct{ Config }

// New returns the use cases.
func New(c Config) *Links { return &Links{c} }

// Link makes the login of the ID token one of the session's person.
func (s *Links) Link(ctx context.Context, secret, idToken, nonce string) (LinkedLogin, error) {
	present, err := s.Sessions.Present(ctx, secret)
	if err != nil {
		return LinkedLogin{}, err
	}
	if s.Clock.Now().Sub(present.CreateTime) > Fresh {
		return LinkedLogin{}, ErrNotFresh
	}
	vouched, err := s.Provider.Verify(ctx, idToken, nonce)
	if err != nil {
		return LinkedLogin{}, err
	}
	login := vouched.Login
	now := unit.Now(s.Clock)
	fresh := LinkedLogin{ID: id.New(Prefix, now), UserID: present.UserID, Login: login.Trimmed(), CreateTime: now}
	var linked LinkedLogin
	err = s.Store.BeyondAccounts(ctx, func(ctx context.Context, tx Tx) error {
		owner, err := tx.LockLogin(ctx, login.Issuer, login.Subject)
		if err != nil {
			return err
		}
		// The provider was asked meanwhile: the session may have been ended by whoever saw it there.
		still, err := tx.SessionByID(ctx, present.ID)
		if errs.ReasonOf(err) == session.ErrNotFound.Reason() || err == nil && !still.EndTime.IsZero() {
			return session.ErrInvalid
		}
		if err != nil {
			return err
		}
		own, err := tx.LinkedLogins(ctx, present.UserID)
		if err != nil {
			return err
		}
		for _, l := range own {
			if l.Issuer == login.Issuer && l.Subject == login.Subject {
				linked = l
				return nil
			}
		}
		switch {
		case owner != "":
			return ErrTaken
		case len(own) >= Max:
			return ErrLimit
		}
		if err := tx.InsertLinkedLogin(ctx, fresh); err != nil {
			return err
		}
		linked = fresh
		// The person's act, though the call is the gateway's.
		caller := principal.FromContext(ctx)
		caller.Kind, caller.ID, caller.SessionID = principal.Person, present.UserID, present.ID
		return tell(principal.NewContext(ctx, caller), tx, "create", fresh)
	})
	return linked, err
}

// List returns a page of the calling person's, oldest first.
func (s *Links) List(ctx context.Context, after string, limit int) ([]LinkedLogin, error) {
	return s.Store.ListLinkedLogins(ctx, principal.FromContext(ctx).ID, after, limit)
}

// Delete takes one from the calling person, and ends the sessions that it began.
func (s *Links) Delete(ctx context.Context, loginID string) error {
	return s.Store.BeyondAccounts(ctx, func(ctx context.Context, tx Tx) error {
		own, err := tx.LinkedLogins(ctx, principal.FromContext(ctx).ID)
		if err != nil {
			return err
		}
		for _, l := range own {
			if l.ID != loginID {
				continue
			}
			if _, err := tx.LockLogin(ctx, l.Issuer, l.Subject); err != nil {
				return err
			}
			if err := tx.RemoveLinkedLogin(ctx, l.ID); err != nil {
				return err
			}
			begun, err := tx.LiveSessionsAt(ctx, session.ProviderSession{Issuer: l.Issuer, Subject: l.Subject})
			if err != nil {
				return err
			}
			for _, one := range begun {
				if err := session.Stop(ctx, tx, one, unit.Now(s.Clock)); err != nil {
					return err
				}
			}
			return tell(ctx, tx, "delete", l)
		}
		return ErrNotFound
	})
}

func tell(ctx context.Context, tx Tx, verb string, l LinkedLogin) error {
	described := map[string]any{"user_id": l.UserID, "issuer": l.Issuer, "email": l.Email, "email_verified": l.EmailVerified}
	entry := audit.Entry{
		Action: Kind + "." + verb, Severity: audit.Notice, Outcome: audit.Succeeded,
		Target: audit.Target{Kind: Kind, ID: l.ID, Name: l.DisplayName}, After: described,
	}
	if verb == "delete" {
		entry.Before, entry.After = described, nil
	}
	return tx.Audit(ctx, entry)
}
