// Package session keeps logins: one person, in one browser, until logout, the idle limit
// or the absolute one.
//
// It guarantees that a session's secret is stored by nobody but its browser (here is a
// hash), and that the end of a session ends every token minted from it, by a revocation in
// the same transaction. Tokens are minted from the truth: somebody who is no member of an
// account finds it absent.
package session

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/services/identity/internal/accesstoken"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
	"github.com/primecloud/primecloud/services/identity/internal/operator"
	"github.com/primecloud/primecloud/services/identity/internal/revocation"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
	"github.com/primecloud/primecloud/services/identity/internal/user"
)

// Kind is the resource's kind in the audit trail, Prefix that of its ids.
const (
	Kind   = "session"
	Prefix = "ses"
)

// The refusals.
var (
	// ErrInvalid is for a secret that opens nothing, or nothing any more.
	ErrInvalid = errs.New(errs.Unauthenticated, "SESSION_INVALID", "the session has ended; log in again")
	// ErrNotFound is for a session that is not the caller's.
	ErrNotFound = errs.New(errs.NotFound, "SESSION_NOT_FOUND", "you have no such session; list them")
)

// Session is one login.
type Session struct {
	// ID names it (`ses_…`).
	ID string
	// UserID is whose it is.
	UserID string
	// Address and UserAgent are what the login came from.
	Address, UserAgent string
	// Provider is what the provider knows the login by. It is kept and not read back.
	Provider ProviderSession
	// CreateTime is the login, LastUseTime the last use to the minute.
	CreateTime, LastUseTime time.Time
	// ExpireTime is the absolute limit.
	ExpireTime time.Time
	// EndTime is the logout; zero while there was none.
	EndTime time.Time
	// OperatorGroups are those that the provider said at the login and that make the person
	// an operator of the platform.
	OperatorGroups []string
}

// Limits say how long a session lasts.
type Limits struct {
	// Idle ends one that is not used, Absolute any.
	Idle, Absolute time.Duration
}

// IdleExpireTime is when the session ends unless it is used before.
func (l Limits) IdleExpireTime(s Session) time.Time {
	if idle := s.LastUseTime.Add(l.Idle); idle.Before(s.ExpireTime) {
		return idle
	}
	return s.ExpireTime
}

// Alive reports whether the session has not ended.
func (l Limits) Alive(s Session, now time.Time) bool {
	return s.EndTime.IsZero() && now.Before(l.IdleExpireTime(s))
}

// Hash is how a secret is stored.
type Hash [sha256.Size]byte

// newSecret returns 256 random bits as text.
func newSecret() string {
	var raw [32]byte
	// crypto/rand.Read never fails: it ends the process rather than return weak bytes.
	_, _ = rand.Read(raw[:])
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// hashOf returns how a secret is stored. It needs no salt and no work factor: the secret
// has 256 random bits.
func hashOf(secret string) Hash { return sha256.Sum256([]byte(secret)) }

// Standing is what the truth says of a session at one moment.
type Standing struct {
	// Session is the login.
	Session Session
	// Member says whether the person belongs to the account asked for; Role and State are
	// then of that account.
	Member      bool
	Role, State string
	// Epoch is the revocation epoch of the moment.
	Epoch int64
	// Operator is what decides whether the person is an operator of the platform.
	Operator operator.Login
	// AccessUntil is when the person's open access to the account as an operator ends; it
	// lies in the past when there is none.
	AccessUntil time.Time
}

// Tx is what a change of sessions needs of its transaction.
type Tx interface {
	user.Tx
	// InsertSession makes a session.
	InsertSession(ctx context.Context, s Session, hash Hash) error
	// SessionByHash and SessionByID return one, locked, or ErrNotFound.
	SessionByHash(ctx context.Context, hash Hash) (Session, error)
	SessionByID(ctx context.Context, sessionID string) (Session, error)
	Logouts
	Ending
}

// Ending is what the end of a session needs of its transaction.
type Ending interface {
	// EndSession sets its end.
	EndSession(ctx context.Context, sessionID string, at time.Time) error
	// Revoke ends the tokens that depend on something.
	Revoke(ctx context.Context, entry revocation.Entry) error
}

// Store keeps sessions.
type Store interface {
	// BeyondAccounts runs fn in one transaction; sessions belong to no account.
	BeyondAccounts(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	// Standing returns what is true of the secret's session and the account at the moment, or ErrNotFound.
	Standing(ctx context.Context, hash Hash, accountID string, now time.Time) (Standing, error)
	// TouchSession records a use, unless a later one is recorded already.
	TouchSession(ctx context.Context, sessionID string, at time.Time) error
	// SessionsOf returns up to limit of the person's sessions that are alive, by id, behind the given id.
	SessionsOf(ctx context.Context, q Query) ([]Session, error)
}

// Query says which sessions to list.
type Query struct {
	// UserID is whose.
	UserID string
	// UsedAfter and AliveAt leave out those past their limits.
	UsedAfter, AliveAt time.Time
	// After is the id of the last one shown, Limit how many.
	After string
	Limit int
}

// Provider verifies ID tokens.
type Provider interface {
	// Verify returns who the ID token vouches for, if it is genuine, alive, meant for us
	// and carries the nonce.
	Verify(ctx context.Context, idToken, nonce string) (Vouched, error)
	// VerifyLogout returns what a logout token ends, if it is genuine, alive and meant for us.
	VerifyLogout(ctx context.Context, logoutToken string) (Logout, error)
}

// Vouched is what a provider says at a login.
type Vouched struct {
	// Login is the person.
	user.Login
	// Session is the one at the provider, or "".
	Session string
	// Groups are the values of the claim that operators are known by.
	Groups []string
}

// Minter mints access tokens.
type Minter interface {
	Mint(ctx context.Context, g accesstoken.Grant) (accesstoken.Token, error)
}

// Config is what the use cases are made of.
type Config struct {
	Store    Store
	Provider Provider
	Minter   Minter
	Clock    clock.Clock
	Limits   Limits
	// Roster says who is an operator of the platform.
	Roster operator.Roster
}

// Sessions are the use cases.
type Sessions struct{ Config }

// New returns the use cases.
func New(c Config) *Sessions { return &Sessions{c} }

// Created is a fresh session with the only copy of its secret.
type Created struct {
	// Session is the login, User the person.
	Session Session
	User    user.User
	// Secret is for the cookie.
	Secret string
}

// Origin is what a login came from, as the gateway asserts it.
type Origin struct{ Address, UserAgent string }

// Create begins a session for whoever the ID token vouches for. The provider is asked
// before the transaction, never within it.
func (s *Sessions) Create(ctx context.Context, idToken, nonce string, from Origin) (Created, error) {
	vouched, err := s.Provider.Verify(ctx, idToken, nonce)
	if err != nil {
		return Created{}, err
	}
	secret := newSecret()
	var created Created
	err = s.Store.BeyondAccounts(ctx, func(ctx context.Context, tx Tx) error {
		now := unit.Now(s.Clock)
		u, err := user.SignIn(ctx, tx, vouched.Login, now)
		if err != nil {
			return err
		}
		fresh := Session{
			ID: id.New(Prefix, now), UserID: u.ID, Address: from.Address, UserAgent: from.UserAgent,
			CreateTime: now, LastUseTime: now.Truncate(time.Minute), ExpireTime: now.Add(s.Limits.Absolute),
			OperatorGroups: s.Roster.Groups(vouched.Groups),
			Provider:       ProviderSession{Issuer: vouched.Issuer, Subject: vouched.Subject, ID: vouched.Session},
		}
		if err := tx.InsertSession(ctx, fresh, hashOf(secret)); err != nil {
			return err
		}
		created = Created{Session: fresh, User: u, Secret: secret}
		return record(ctx, tx, "create", fresh, u.DisplayName)
	})
	return created, err
}

// Exchanged is a fresh access token and where it came from.
type Exchanged struct {
	accesstoken.Token
	// SessionID and UserID are the login's.
	SessionID, UserID string
}

// Target is what a token is to be bound to: an account, the platform, or with neither the
// person alone.
type Target struct {
	AccountID string
	Platform  bool
}

// Exchange mints a token bound to the target.
func (s *Sessions) Exchange(ctx context.Context, secret string, to Target) (Exchanged, error) {
	now := unit.Now(s.Clock)
	standing, err := s.Store.Standing(ctx, hashOf(secret), to.AccountID, now)
	if errs.ReasonOf(err) == ErrNotFound.Reason() {
		return Exchanged{}, ErrInvalid
	}
	if err != nil {
		return Exchanged{}, err
	}
	login := standing.Session
	if !s.Limits.Alive(login, now) {
		return Exchanged{}, ErrInvalid
	}
	grant, err := s.grant(standing, to, now)
	if err != nil {
		return Exchanged{}, err
	}
	if minute := now.Truncate(time.Minute); minute.After(login.LastUseTime) {
		if err := s.Store.TouchSession(ctx, login.ID, minute); err != nil {
			return Exchanged{}, err
		}
	}
	minted, err := s.Minter.Mint(ctx, grant)
	return Exchanged{Token: minted, SessionID: login.ID, UserID: login.UserID}, err
}

// grant returns what the token is to say. Membership comes first: an operator who belongs
// to an account acts there as everybody else does.
func (s *Sessions) grant(standing Standing, to Target, now time.Time) (accesstoken.Grant, error) {
	login := standing.Session
	grant := accesstoken.Grant{
		Kind: principal.Person, Subject: login.UserID, SessionID: login.ID,
		AccountID: to.AccountID, AccountState: standing.State, Role: standing.Role,
		Epoch: standing.Epoch, Until: login.ExpireTime,
	}
	role := s.Roster.RoleOf(standing.Operator)
	switch {
	case to.Platform && (role == "" || to.AccountID != ""):
		return accesstoken.Grant{}, operator.ErrNotOperator
	case to.Platform:
		grant.Kind, grant.Role, grant.AccountState = principal.Operator, string(role), ""
	case to.AccountID == "" || standing.Member:
	case role != "" && now.Before(standing.AccessUntil):
		grant.Kind, grant.Role = principal.Operator, string(role.Inside())
		if standing.AccessUntil.Before(grant.Until) {
			grant.Until = standing.AccessUntil
		}
	default:
		return accesstoken.Grant{}, membership.ErrAccountNotFound
	}
	return grant, nil
}

// Delete ends the session of the secret: logout. One that has ended already, or never was,
// is as good.
func (s *Sessions) Delete(ctx context.Context, secret string) error {
	return s.Store.BeyondAccounts(ctx, func(ctx context.Context, tx Tx) error {
		login, err := tx.SessionByHash(ctx, hashOf(secret))
		if errs.ReasonOf(err) == ErrNotFound.Reason() {
			return nil
		}
		if err != nil {
			return err
		}
		return s.end(ctx, tx, login)
	})
}

// Revoke ends one of the calling person's sessions.
func (s *Sessions) Revoke(ctx context.Context, sessionID string) error {
	return s.Store.BeyondAccounts(ctx, func(ctx context.Context, tx Tx) error {
		login, err := tx.SessionByID(ctx, sessionID)
		if err != nil {
			return err
		}
		if login.UserID != principal.FromContext(ctx).ID {
			return ErrNotFound
		}
		return s.end(ctx, tx, login)
	})
}

// end ends a session once, as its person.
func (s *Sessions) end(ctx context.Context, tx Tx, login Session) error {
	if !login.EndTime.IsZero() {
		return nil
	}
	if err := Stop(ctx, tx, login, unit.Now(s.Clock)); err != nil {
		return err
	}
	return record(ctx, tx, "delete", login, "")
}

// Present returns the session of a secret, if it is alive; ErrInvalid otherwise.
func (s *Sessions) Present(ctx context.Context, secret string) (Session, error) {
	standing, err := s.Store.Standing(ctx, hashOf(secret), "", unit.Now(s.Clock))
	if errs.ReasonOf(err) == ErrNotFound.Reason() || err == nil && !s.Limits.Alive(standing.Session, s.Clock.Now()) {
		return Session{}, ErrInvalid
	}
	return standing.Session, err
}

// Stop ends a session and its tokens. It does so past its limits too: tokens may outlive those.
func Stop(ctx context.Context, tx Ending, login Session, now time.Time) error {
	if err := tx.EndSession(ctx, login.ID, now); err != nil {
		return err
	}
	return tx.Revoke(ctx, revocation.New(revocation.Session, login.ID, now))
}

// List returns a page of the calling person's sessions that are alive, oldest first.
func (s *Sessions) List(ctx context.Context, after string, limit int) ([]Session, error) {
	now := unit.Now(s.Clock)
	return s.Store.SessionsOf(ctx, Query{
		UserID: principal.FromContext(ctx).ID, UsedAfter: now.Add(-s.Limits.Idle), AliveAt: now, After: after, Limit: limit,
	})
}

// record writes the audit entry of a login or logout. It is the person's act, though the
// call is the gateway's.
func record(ctx context.Context, tx unit.Work, verb string, s Session, name string) error {
	caller := principal.FromContext(ctx)
	caller.Kind, caller.ID, caller.SessionID = principal.Person, s.UserID, s.ID
	if s.Address != "" && verb == "create" {
		caller.Address = s.Address
	}
	return tx.Audit(principal.NewContext(ctx, caller), audit.Entry{
		Action:   Kind + "." + verb,
		Severity: audit.Info,
		Outcome:  audit.Succeeded,
		Target:   audit.Target{Kind: Kind, ID: s.ID, Name: name},
	})
}
