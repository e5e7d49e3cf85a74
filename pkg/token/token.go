// Package token makes and checks access tokens: signed JWTs (EdDSA, type at+jwt) that live
// for minutes and are bound to one account or to the platform. It owns the claims, their
// spelling on the wire, the signing and the offline verification.
//
// Guarantees: only EdDSA with a key we know is accepted, whatever the token's header says;
// issuer, audience, type, key id and lifetime must be exactly ours; a forged token never
// costs more than one signature check; the cache of verified tokens is bounded, ends with
// each token and with the key that signed it.
//
// It does not know what is revoked: package revoke does, and is asked on every call.
package token

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/principal"
)

const (
	// MaxLifetime is the longest that a token may live. Revocations are forgotten after
	// that, so a token that claims more is neither signed nor accepted.
	MaxLifetime = time.Hour
	// MaxLength is the longest token that is looked at, in bytes.
	MaxLength = 4 << 10
	// Skew is how far the clocks of signer and verifier may differ.
	Skew = 30 * time.Second
	// mediaType is the typ of the header (RFC 9068).
	mediaType = "at+jwt"
)

// The refusals.
var (
	// ErrInvalid is for a token that is malformed, forged, or not meant for us. Which of
	// these is in the cause, for the log alone.
	ErrInvalid = errs.New(errs.Unauthenticated, "TOKEN_INVALID", "the access token is not valid; get a new one")
	// ErrExpired is for a token of ours that has ended.
	ErrExpired = errs.New(errs.Unauthenticated, "TOKEN_EXPIRED", "the access token has expired; get a new one")
	// ErrNotReady is for a verifier without keys, or a signer without one.
	ErrNotReady = errs.New(errs.Unavailable, "VERIFIER_NOT_READY",
		"the keys to verify access tokens with are not there yet; try again in a moment").WithRetryAfter(2 * time.Second)
)

// ErrUnknownKey is what a KeySource returns for a key id it does not have.
var ErrUnknownKey = errors.New("token: no such key")

// Claims is what a token says.
type Claims struct {
	// Issuer is who minted it.
	Issuer string
	// Audience is who it is for.
	Audience string
	// Subject is the user id or API key id.
	Subject string
	// Kind is Person, Machine or Operator.
	Kind principal.Kind
	// Account is the one account that it is bound to; empty for the platform and for a
	// person between accounts.
	Account string
	// AccountState is the state of that account when the token was minted.
	AccountState string
	// Role is the caller's role in the account, or on the platform.
	Role string
	// Scopes narrow a machine.
	Scopes []string
	// User is the person whose personal API key a machine shows, on whose membership the token
	// depends; else empty.
	User string
	// Session is the login session of a person.
	Session string
	// ID is the token's own id.
	ID string
	// Epoch is the revocation epoch at which it was minted: whatever was revoked later
	// than that refuses it.
	Epoch int64
	// IssuedAt is when it was minted, to the second.
	IssuedAt time.Time
	// NotBefore is from when on it is valid; zero for at once.
	NotBefore time.Time
	// Expires is when it ends, to the second.
	Expires time.Time
}

// Principal returns the caller that the claims describe.
func (c *Claims) Principal() principal.Principal {
	return principal.Principal{
		Kind: c.Kind, ID: c.Subject, AccountID: c.Account, AccountState: c.AccountState, Role: c.Role,
		Scopes: c.Scopes, UserID: c.User, SessionID: c.Session, TokenID: c.ID, Epoch: c.Epoch, ExpiresAt: c.Expires,
	}
}

// wire is the claims as they stand in the JWT.
type wire struct {
	Issuer       string   `json:"iss"`
	Audience     string   `json:"aud"`
	Subject      string   `json:"sub"`
	Kind         string   `json:"kind"`
	Account      string   `json:"acc,omitempty"`
	AccountState string   `json:"acs,omitempty"`
	Role         string   `json:"rol,omitempty"`
	Scopes       []string `json:"scp,omitempty"`
	User         string   `json:"usr,omitempty"`
	Session      string   `json:"sid,omitempty"`
	ID           string   `json:"jti"`
	Epoch        int64    `json:"epo"`
	IssuedAt     int64    `json:"iat"`
	NotBefore    int64    `json:"nbf,omitempty"`
	Expires      int64    `json:"exp"`
}

func encode(c *Claims) ([]byte, error) {
	w := wire{
		Issuer: c.Issuer, Audience: c.Audience, Subject: c.Subject, Kind: string(c.Kind), Account: c.Account,
		AccountState: c.AccountState, Role: c.Role, Scopes: c.Scopes, User: c.User, Session: c.Session, ID: c.ID, Epoch: c.Epoch,
		IssuedAt: c.IssuedAt.Unix(), Expires: c.Expires.Unix(),
	}
	if !c.NotBefore.IsZero() {
		w.NotBefore = c.NotBefore.Unix()
	}
	return json.Marshal(w)
}

func decode(payload []byte) (Claims, error) {
	var w wire
	if err := json.Unmarshal(payload, &w); err != nil {
		return Claims{}, err
	}
	c := Claims{
		Issuer: w.Issuer, Audience: w.Audience, Subject: w.Subject, Kind: principal.Kind(w.Kind), Account: w.Account,
		AccountState: w.AccountState, Role: w.Role, Scopes: w.Scopes, User: w.User, Session: w.Session, ID: w.ID, Epoch: w.Epoch,
		IssuedAt: time.Unix(w.IssuedAt, 0).UTC(), Expires: time.Unix(w.Expires, 0).UTC(),
	}
	if w.NotBefore != 0 {
		c.NotBefore = time.Unix(w.NotBefore, 0).UTC()
	}
	return c, nil
}

// check reports what makes claims meaningless, for the signer as for the verifier.
func (c *Claims) check() error {
	switch {
	case c.Issuer == "" || c.Audience == "" || c.Subject == "" || c.ID == "":
		return errors.New("issuer, audience, subject or token id is missing")
	case c.Kind != principal.Person && c.Kind != principal.Machine && c.Kind != principal.Operator:
		return errors.New("the kind of caller is none that tokens are made for")
	case c.Kind == principal.Machine && c.Account == "":
		return errors.New("a machine without an account")
	case c.Kind != principal.Machine && c.Session == "":
		return errors.New("a person without a session")
	case c.Kind != principal.Machine && c.User != "":
		return errors.New("a person's key of somebody who is no machine")
	case c.Epoch < 0:
		return errors.New("a negative epoch")
	case c.IssuedAt.Unix() <= 0 || c.Expires.Unix() <= c.IssuedAt.Unix():
		return errors.New("no time of issue, or an end before it")
	case c.Expires.Sub(c.IssuedAt) > MaxLifetime+time.Second:
		return errors.New("the lifetime is longer than any token's")
	}
	return nil
}
