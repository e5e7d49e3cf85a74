// Package user keeps people, keyed on what their login provider says: issuer and subject.
//
// It guarantees that a pair names one person for ever, and that nothing else names them:
// an e-mail address is shown and links nothing, for a provider may give it to somebody
// else tomorrow. The profile is refreshed at each login; a change is audited.
//
// It knows nothing of passwords, and verifies nobody: the provider does.
package user

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/services/identity/internal/account"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
)

// Kind is the resource's kind in events and the audit trail, Prefix that of its ids.
const (
	Kind   = "user"
	Prefix = "usr"
)

// ErrNotFound is for somebody who is not there.
var ErrNotFound = errs.New(errs.NotFound, "USER_NOT_FOUND", "there is no such user")

// MaxAccounts is how many of their accounts a person is shown at once; the rest is listed.
const MaxAccounts = 1000

// maxText is the longest name or address that is kept, in characters.
const maxText = 320

// Login is what a provider vouches for.
type Login struct {
	// Issuer and Subject name the person.
	Issuer, Subject string
	// Email is for showing; EmailVerified is what the provider says of it.
	Email         string
	EmailVerified bool
	// DisplayName is for showing.
	DisplayName string
}

// User is one person.
type User struct {
	// ID names them (`usr_…`).
	ID string
	// Login is what the provider said last.
	Login
	// Version grows with every change.
	Version int64
	// CreateTime is the first login, UpdateTime the last change of the profile.
	CreateTime, UpdateTime time.Time
}

// Tx is what a login needs of its transaction.
type Tx interface {
	unit.Work
	// InsertUser makes the person; false when the pair is known already.
	InsertUser(ctx context.Context, u User) (bool, error)
	// LockLogin keeps the pair from becoming anybody else's, and from being taken away, until the
	// transaction ends, and returns whose it is, or "".
	LockLogin(ctx context.Context, issuer, subject string) (userID string, err error)
	// UserForUpdate returns the person of the pair, be it their first login or a linked one,
	// locked; ErrNotFound when there is none.
	UserForUpdate(ctx context.Context, issuer, subject string) (User, error)
	// UpdateUser replaces the profile.
	UpdateUser(ctx context.Context, u User) error
}

// SignIn returns the person of a login: made at the first, refreshed at each later one.
func SignIn(ctx context.Context, tx Tx, login Login, now time.Time) (User, error) {
	login = login.Trimmed()
	// Before anything is read: a login that is being taken away is either still theirs until this
	// ends, and its new session is found and ended, or is theirs no more.
	if _, err := tx.LockLogin(ctx, login.Issuer, login.Subject); err != nil {
		return User{}, err
	}
	before, err := tx.UserForUpdate(ctx, login.Issuer, login.Subject)
	if errs.ReasonOf(err) == ErrNotFound.Reason() {
		u := User{ID: id.New(Prefix, now), Login: login, Version: 1, CreateTime: now, UpdateTime: now}
		made, err := tx.InsertUser(ctx, u)
		if err != nil {
			return User{}, err
		}
		if made {
			return u, tell(ctx, tx, "create", "created", nil, u)
		}
		// Two first logins at once: the other one has made them.
		if before, err = tx.UserForUpdate(ctx, login.Issuer, login.Subject); err != nil {
			return User{}, err
		}
	} else if err != nil {
		return User{}, err
	}
	// By a linked login the profile stays that of the first one.
	if before.Login == login || before.Issuer != login.Issuer || before.Subject != login.Subject {
		return before, nil
	}
	after := before
	after.Login, after.Version, after.UpdateTime = login, before.Version+1, now
	if err := tx.UpdateUser(ctx, after); err != nil {
		return User{}, err
	}
	return after, tell(ctx, tx, "update", "updated", &before, after)
}

// Trimmed drops what no profile needs. The pair stays as it is: it is compared byte by byte.
func (l Login) Trimmed() Login {
	l.Email, l.DisplayName = trim(l.Email), trim(l.DisplayName)
	if l.DisplayName == "" {
		l.DisplayName = l.Email
	}
	return l
}

func trim(s string) string {
	s = strings.ToValidUTF8(strings.TrimSpace(strings.ReplaceAll(s, "\x00", "")), "")
	if utf8.RuneCountInString(s) > maxText {
		s = string([]rune(s)[:maxText])
	}
	return s
}

// tell records a person's making or change. They are above accounts, so the entry and the
// event belong to the platform; who did it is the person, since the call is the gateway's.
func tell(ctx context.Context, tx Tx, verb, past string, before *User, after User) error {
	caller := principal.FromContext(ctx)
	caller.Kind, caller.ID = principal.Person, after.ID
	ctx = principal.NewContext(ctx, caller)
	entry := audit.Entry{
		Action:   Kind + "." + verb,
		Severity: audit.Info,
		Outcome:  audit.Succeeded,
		Target:   audit.Target{Kind: Kind, ID: after.ID, Name: after.DisplayName},
		After:    after.describe(),
	}
	if before != nil {
		entry.Before = before.describe()
	}
	if err := tx.Audit(ctx, entry); err != nil {
		return err
	}
	return tx.Publish(ctx, unit.Change{Kind: Kind, Verb: past, ID: after.ID, Version: after.Version, Snapshot: after})
}

func (u User) describe() map[string]any {
	return map[string]any{
		"issuer": u.Issuer, "email": u.Email, "email_verified": u.EmailVerified, "display_name": u.DisplayName,
	}
}

// Store reads people.
type Store interface {
	// User returns one, or ErrNotFound.
	User(ctx context.Context, userID string) (User, error)
	// AccountsOf returns up to limit accounts of the person, by id, behind the given id.
	AccountsOf(ctx context.Context, userID, after string, limit int) ([]account.Membership, error)
}

// Users are the use cases.
type Users struct{ store Store }

// New returns the use cases over the store.
func New(store Store) *Users { return &Users{store: store} }

// Current returns the calling person with their accounts.
func (s *Users) Current(ctx context.Context) (User, []account.Membership, error) {
	userID := principal.FromContext(ctx).ID
	u, err := s.store.User(ctx, userID)
	if err != nil {
		return User{}, nil, err
	}
	accounts, err := s.store.AccountsOf(ctx, userID, "", MaxAccounts)
	return u, accounts, err
}
