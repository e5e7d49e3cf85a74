package apikey

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/idempotency"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/seal"
	"github.com/primecloud/primecloud/services/identity/internal/account"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
)

// Created is a key with its secret, which is empty when a repetition comes too late for it.
type Created struct {
	Key    Key
	Secret string
}

// Wanted is what a new key shall be.
type Wanted struct {
	AccountID, DisplayName string
	// Personal makes it a key of the caller's own, which has no Role of its own.
	Personal bool
	Role     membership.Role
	Scopes   []string
	// ExpireTime is zero for never.
	ExpireTime time.Time
	// Networks are where it can be exchanged, as the caller spells them; none for everywhere.
	Networks []string
}

// Create makes a key. A repetition with the same idempotency key gives the same key and
// the same secret within the window.
func (s *APIKeys) Create(ctx context.Context, w Wanted) (Created, error) {
	w, err := s.check(w)
	if err != nil {
		return Created{}, err
	}
	networks, err := ParseNetworks(w.Networks)
	if err != nil {
		return Created{}, err
	}
	now := unit.Now(s.Clock)
	fresh := Key{
		ID: id.New(Prefix, now), AccountID: w.AccountID, CreatorID: principal.FromContext(ctx).ID, DisplayName: w.DisplayName,
		Role: w.Role, Scopes: w.Scopes, Version: 1, CreateTime: now, ExpireTime: w.ExpireTime,
		Networks: networks,
	}
	if w.Personal {
		fresh.UserID = fresh.CreatorID
	}
	resource := unit.Resource{Kind: Kind, ID: fresh.ID, AccountID: w.AccountID}
	var created Created
	err = s.Store.InAccount(ctx, w.AccountID, func(ctx context.Context, tx Tx) error {
		var err error
		created, err = unit.Once(ctx, tx, resource,
			func(ctx context.Context, keyID string) (Created, error) {
				return s.again(ctx, tx, Which{AccountID: w.AccountID, KeyID: keyID}, "")
			},
			func(ctx context.Context) (Created, error) { return s.create(ctx, tx, fresh) })
		return err
	})
	return created, err
}

// check holds what is wanted against the rules that need no database.
func (s *APIKeys) check(w Wanted) (Wanted, error) {
	w.DisplayName = strings.TrimSpace(w.DisplayName)
	if err := account.CheckDisplayName(w.DisplayName); err != nil {
		return w, err
	}
	if !w.Personal && (!w.Role.Valid() || w.Role == membership.External) {
		return w, errRoleInvalid
	}
	w.Scopes = slices.Compact(slices.Sorted(slices.Values(w.Scopes)))
	for _, scope := range w.Scopes {
		if !slices.Contains(s.Scopes, scope) {
			return w, ErrScopeUnknown.With("scope", scope).WithViolation(errs.Violation{
				Field: "scopes", Rule: "SCOPE_UNKNOWN", Description: "give some of: " + strings.Join(s.Scopes, ", "),
			})
		}
	}
	if len(w.Scopes) == 0 {
		return w, ErrScopeUnknown.WithMessage("an API key needs at least one scope")
	}
	return w, nil
}

func (s *APIKeys) create(ctx context.Context, tx Tx, k Key) (Created, error) {
	var err error
	if k.Role, err = roleOf(ctx, tx, k); err != nil {
		return Created{}, err
	}
	// Here and not before: a repetition may come after the expiry.
	if !k.ExpireTime.IsZero() && !k.ExpireTime.After(k.CreateTime) {
		return Created{}, ErrExpireTimeInvalid
	}
	secret := newSecret(k.ID)
	if err := tx.InsertKey(ctx, k, hashOf(secret)); err != nil {
		return Created{}, err
	}
	if err := s.keep(ctx, tx, issue{key: k, secret: secret, at: k.CreateTime}); err != nil {
		return Created{}, err
	}
	return Created{Key: k, Secret: secret}, tell(ctx, tx, "create", "created", nil, k)
}

// roleOf returns the role that a new key acts in, if the caller may make it.
func roleOf(ctx context.Context, tx Tx, k Key) (membership.Role, error) {
	if k.UserID != "" {
		person, err := tx.Membership(ctx, k.AccountID, k.UserID)
		switch {
		case errs.ReasonOf(err) == membership.ErrNotFound.Reason():
			return "", membership.ErrAccountNotFound
		case err == nil && person.Role == membership.External:
			return "", membership.ErrRoleNotAllowed
		}
		return person.Role, err
	}
	caller, err := membership.Caller(ctx, tx, k.AccountID)
	if err == nil && k.Role.Above(caller.Role) {
		return "", membership.ErrRoleTooHigh
	}
	return k.Role, err
}

// issue is a secret that a call issues: the one that made the key, or the rotation.
type issue struct {
	key                Key
	secret, rotationID string
	at                 time.Time
}

// keep keeps the secret sealed for a repetition, in place of any earlier one; without an
// idempotency key there is none, and nothing is kept.
func (s *APIKeys) keep(ctx context.Context, tx Tx, i issue) error {
	if idempotency.FromContext(ctx).Value == "" {
		return tx.DropSecret(ctx, i.key.ID)
	}
	kept := SealedSecret{KeyID: i.key.ID, AccountID: i.key.AccountID, RotationID: i.rotationID, DestroyTime: i.at.Add(Window)}
	var err error
	if kept.Sealed, err = s.Sealer.Seal(ctx, []byte(i.secret), kept.place()); err != nil {
		return err
	}
	return tx.KeepSecret(ctx, kept)
}

// again gives what an earlier call gave.
func (s *APIKeys) again(ctx context.Context, tx Tx, w Which, rotationID string) (Created, error) {
	k, err := tx.KeyForUpdate(ctx, w.AccountID, w.KeyID)
	if err != nil {
		return Created{}, err
	}
	kept, found, err := tx.KeptSecret(ctx, k.ID, rotationID)
	if err != nil || !found || !s.Clock.Now().Before(kept.DestroyTime) {
		return Created{Key: k}, err
	}
	secret, err := s.Sealer.Open(ctx, kept.Sealed, kept.place())
	if err != nil {
		return Created{}, err
	}
	// Somebody sees the secret once more, which whoever looks for a leak must find.
	return Created{Key: k, Secret: string(secret)}, tx.Audit(ctx, audit.Entry{
		AccountID: k.AccountID, Action: Kind + ".show_secret", Severity: audit.Notice, Outcome: audit.Succeeded,
		Target: audit.Target{Kind: Kind, ID: k.ID, Name: k.DisplayName},
	})
}

// place is where a secret is kept: what it is sealed for.
func (s SealedSecret) place() seal.Context {
	row := s.KeyID
	if s.RotationID != "" {
		row += "/" + s.RotationID
	}
	return seal.Context{Tenant: s.AccountID, Table: "api_key_secret", Column: "sealed", Row: row}
}
