// Package accesstoken mints access tokens and checks those that come back to this service.
//
// It owns what a token says and the keys that sign it: kept sealed, published before they
// sign, published still until their last token has ended. It guarantees that a token says
// no more than one snapshot of the truth did: account state, role and epoch belong
// together, so that any revocation that the snapshot had not seen has a higher epoch.
//
// It keeps no tokens. What ends one early is package revocation's.
package accesstoken

import (
	"context"
	"fmt"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/token"
)

// Prefix is that of token ids.
const Prefix = "tok"

// errRevoked is for a token that was ended before its time.
var errRevoked = errs.New(errs.Unauthenticated, "TOKEN_REVOKED",
	"the login, API key or membership behind the access token was revoked; log in again")

// Grant is what the truth says of a caller at one moment.
type Grant struct {
	// Kind is Person or Machine.
	Kind principal.Kind
	// Subject is the user id or API key id.
	Subject string
	// AccountID and AccountState are of the account to bind to; empty for the person alone.
	AccountID, AccountState string
	// Role is the caller's in that account.
	Role string
	// Scopes narrow a machine.
	Scopes []string
	// UserID is the person whose personal API key it is.
	UserID string
	// SessionID is a person's login.
	SessionID string
	// Epoch is the revocation epoch of the moment.
	Epoch int64
	// Until ends the token before its lifetime would: the key's or session's own end.
	Until time.Time
}

// Token is a fresh access token.
type Token struct {
	// Raw is the signed JWT.
	Raw string
	// ExpireTime is when it ends.
	ExpireTime time.Time
}

// Names are those that verifiers insist on.
type Names struct {
	// Issuer and Audience are the iss and aud of every token.
	Issuer, Audience string
}

// Minter mints tokens.
type Minter struct {
	keys     *Keyring
	clock    clock.Clock
	names    Names
	lifetime time.Duration
}

// NewMinter returns a minter of tokens that live as long as said, an hour at most.
func NewMinter(keys *Keyring, clock clock.Clock, names Names, lifetime time.Duration) (*Minter, error) {
	if lifetime < 30*time.Second || lifetime > token.MaxLifetime {
		return nil, fmt.Errorf("an access token lives between 30 seconds and %s, not %s", token.MaxLifetime, lifetime)
	}
	return &Minter{keys: keys, clock: clock, names: names, lifetime: lifetime}, nil
}

// Mint returns a token that says what the grant says.
func (m *Minter) Mint(_ context.Context, g Grant) (Token, error) {
	now := m.clock.Now()
	until := now.Add(m.lifetime)
	if !g.Until.IsZero() && g.Until.Before(until) {
		until = g.Until
	}
	claims := token.Claims{
		Issuer: m.names.Issuer, Audience: m.names.Audience, ID: id.New(Prefix, now),
		Subject: g.Subject, Kind: g.Kind, Account: g.AccountID, AccountState: g.AccountState, Role: g.Role,
		Scopes: g.Scopes, User: g.UserID, Session: g.SessionID, Epoch: g.Epoch,
		// Tokens tell whole seconds; an end is rounded up, so that it lies after the start.
		IssuedAt: now.Truncate(time.Second), Expires: until.Add(time.Second - time.Nanosecond).Truncate(time.Second),
	}
	raw, err := m.keys.signer.Sign(claims)
	if err != nil {
		return Token{}, err
	}
	return Token{Raw: raw, ExpireTime: claims.Expires}, nil
}

// Revocations is the truth about what ended.
type Revocations interface {
	// RevokedAfter reports whether something that the caller depends on was revoked at a
	// later epoch than the token's.
	RevokedAfter(ctx context.Context, p principal.Principal) (bool, error)
}

// Authenticator turns a token that came back into a principal.
type Authenticator struct {
	verifier    *token.Verifier
	revocations Revocations
}

// NewAuthenticator returns an authenticator that goes by the keyring and the truth, so that
// here, unlike elsewhere, a revoked token ends at once whatever else is down.
func NewAuthenticator(keys *Keyring, revocations Revocations, clock clock.Clock, names Names) (*Authenticator, error) {
	verifier, err := token.NewVerifier(token.VerifierConfig{Issuer: names.Issuer, Audience: names.Audience, Clock: clock, Keys: keys})
	if err != nil {
		return nil, err
	}
	return &Authenticator{verifier: verifier, revocations: revocations}, nil
}

// Authenticate returns whose token it is, and beside the refusal of a revoked one whose it
// was, for the record.
func (a *Authenticator) Authenticate(ctx context.Context, raw string) (principal.Principal, error) {
	claims, err := a.verifier.Verify(ctx, raw)
	if err != nil {
		return principal.Principal{}, err
	}
	p := claims.Principal()
	revoked, err := a.revocations.RevokedAfter(ctx, p)
	if err != nil {
		return principal.Principal{}, err
	}
	if revoked {
		return p, errRevoked
	}
	return p, nil
}
