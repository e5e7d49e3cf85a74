package apikey

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/network"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/services/identity/internal/accesstoken"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
)

// Why a genuine secret opens nothing. Its caller is told ErrInvalid like everybody else; the
// account of the key reads it in its audit trail.
var (
	errRevoked    = errs.New(errs.Unauthenticated, "API_KEY_REVOKED", "the API key was revoked")
	errExpired    = errs.New(errs.Unauthenticated, "API_KEY_EXPIRED", "the API key has expired")
	errRotated    = errs.New(errs.Unauthenticated, "API_KEY_ROTATED", "the overlap of the rotation has ended")
	errPerson     = errs.New(errs.Unauthenticated, "API_KEY_PERSON_NOT_ALLOWED", "the person of the key is no member, or an external one")
	errNotAllowed = errs.New(errs.Unauthenticated, "API_KEY_NETWORK_NOT_ALLOWED", "the address lies outside of the key's networks")
)

// refusal is why the genuine secret of a key was refused. It travels as a cause, which no
// caller is shown.
type refusal struct {
	key Key
	why *errs.Error
}

// Error returns why, for the log.
func (r *refusal) Error() string { return r.why.Error() }

// Refusal is a refused exchange as the account of the key sees it.
type Refusal struct {
	// Caller is the key, at the address it was shown from.
	Caller principal.Principal
	// Why is the reason that the caller was not told.
	Why error
}

// RefusalOf returns what the trail of the account is to say of a refused exchange: nothing,
// unless the secret was genuine, for anybody can name a key.
func RefusalOf(err error, caller principal.Principal) (Refusal, bool) {
	var r *refusal
	if !errors.As(err, &r) {
		return Refusal{}, false
	}
	caller.Kind, caller.ID, caller.AccountID, caller.Role = principal.Machine, r.key.ID, r.key.AccountID, string(r.key.Role)
	caller.UserID = r.key.UserID
	return Refusal{Caller: caller, Why: r.why}, true
}

// ErrScopeNotHeld is for asking for more than the key has.
var ErrScopeNotHeld = errs.New(errs.InvalidArgument, "SCOPE_NOT_HELD", "the API key does not have this scope; ask for less, or make a key that has it")

// Credentials are what somebody shows to get a token.
type Credentials struct {
	// Secret is the key as a whole.
	Secret string
	// KeyID must be that of the secret; empty says nothing.
	KeyID string
	// Scopes are what the token shall have of those of the key; none for all.
	Scopes []string
}

// Exchanged is a fresh access token, the account that it is bound to and what it may do.
type Exchanged struct {
	accesstoken.Token
	AccountID string
	Scopes    []string
}

// Exchange mints a token for the key of a secret, as the caller's address allows. A token
// from the secret before a rotation ends with the overlap.
func (s *APIKeys) Exchange(ctx context.Context, c Credentials) (Exchanged, error) {
	keyID, ok := parse(c.Secret)
	if !ok || c.KeyID != "" && c.KeyID != keyID {
		return Exchanged{}, ErrInvalid
	}
	standing, err := s.Store.KeyStanding(ctx, keyID)
	unknown := errs.ReasonOf(err) == ErrNotFound.Reason()
	if err != nil && !unknown {
		return Exchanged{}, err
	}
	now, given, from := s.Clock.Now(), hashOf(c.Secret), principal.FromContext(ctx).Address
	// Compared whether or not there is such a key, so that the answer takes the same time.
	present := subtle.ConstantTimeCompare(given[:], standing.Hash[:]) == 1
	former := subtle.ConstantTimeCompare(given[:], standing.Former[:]) == 1
	if unknown || !present && !former {
		return Exchanged{}, ErrInvalid
	}
	k := standing.Key
	if why := k.refuses(former && !present, now, from); why != nil {
		return Exchanged{}, ErrInvalid.Wrap(&refusal{key: k, why: why})
	}
	scopes, err := k.narrowed(c.Scopes)
	if err != nil {
		return Exchanged{}, err
	}
	if minute := now.Truncate(time.Minute); minute.After(k.LastUseTime) || from != k.LastUseAddress {
		if err := s.Store.TouchKey(ctx, Use{KeyID: k.ID, At: minute, From: from}); err != nil {
			return Exchanged{}, err
		}
	}
	until := k.ExpireTime
	if former && !present && (until.IsZero() || k.FormerEnd.Before(until)) {
		until = k.FormerEnd
	}
	minted, err := s.Minter.Mint(ctx, accesstoken.Grant{
		Kind: principal.Machine, Subject: k.ID, AccountID: k.AccountID, AccountState: standing.AccountState,
		Role: string(k.Role), Scopes: scopes, UserID: k.UserID, Epoch: standing.Epoch, Until: until,
	})
	return Exchanged{Token: minted, AccountID: k.AccountID, Scopes: scopes}, err
}

// Ended says why the key opens nothing at the moment, wherever it is shown from; nil when it does.
func (k Key) Ended(now time.Time) error {
	anywhere := k
	anywhere.Networks = nil
	if why := anywhere.refuses(false, now, ""); why != nil {
		return ErrInvalid.WithMessage("%s", why.Message())
	}
	return nil
}

// narrowed returns the scopes that were asked for, which the key must have; all without any.
func (k Key) narrowed(asked []string) ([]string, error) {
	if len(asked) == 0 {
		return k.Scopes, nil
	}
	for _, scope := range asked {
		if !slices.Contains(k.Scopes, scope) {
			return nil, ErrScopeNotHeld.WithViolation(errs.Violation{
				Field: "scopes", Rule: "SCOPE_NOT_HELD", Description: "give some of: " + strings.Join(k.Scopes, ", "),
			})
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(asked))), nil
}

// refuses says why a genuine secret, perhaps the former one, opens nothing now and from there.
func (k Key) refuses(former bool, now time.Time, from string) *errs.Error {
	switch {
	case !k.RevokeTime.IsZero():
		return errRevoked
	case k.expired(now):
		return errExpired
	case former && !now.Before(k.FormerEnd):
		return errRotated
	case k.UserID != "" && (!k.Role.Valid() || k.Role == membership.External):
		return errPerson
	case !network.Admit(k.Networks, from):
		return errNotAllowed
	default:
		return nil
	}
}
