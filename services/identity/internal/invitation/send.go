package invitation

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
)

// Invitations are the use cases.
type Invitations struct {
	store Store
	clock clock.Clock
}

// New returns the use cases over the store.
func New(store Store, clock clock.Clock) *Invitations {
	return &Invitations{store: store, clock: clock}
}

// Get returns an invitation of the account.
func (s *Invitations) Get(ctx context.Context, accountID, invitationID string) (Invitation, error) {
	i, err := s.store.Invitation(ctx, accountID, invitationID)
	return i.At(s.clock.Now()), err
}

// List returns a page of the account's invitations, oldest first.
func (s *Invitations) List(ctx context.Context, accountID, after string, limit int) ([]Invitation, error) {
	list, err := s.store.ListInvitations(ctx, accountID, after, limit)
	for n, i := range list {
		list[n] = i.At(s.clock.Now())
	}
	return list, err
}

// Create invites an address. A repetition with the same idempotency key gives the same
// invitation.
func (s *Invitations) Create(ctx context.Context, w Wanted) (Invitation, error) {
	w.Email = strings.TrimSpace(w.Email)
	if err := w.check(); err != nil {
		return Invitation{}, err
	}
	now := unit.Now(s.clock)
	fresh := Invitation{
		ID: id.New(Prefix, now), AccountID: w.AccountID, Email: w.Email, Role: w.Role, Grants: slices.Clone(w.Grants),
		State: Pending, InviterID: principal.FromContext(ctx).ID, Delivery: 1, Version: 1,
		CreateTime: now, SendTime: now, ExpireTime: now.Add(Lifetime),
	}
	return s.once(ctx, fresh, func(ctx context.Context, tx Tx) (Invitation, error) {
		if err := mayGive(ctx, tx, fresh); err != nil {
			return Invitation{}, err
		}
		if err := s.maySend(ctx, tx, fresh, 0); err != nil {
			return Invitation{}, err
		}
		if err := tx.InsertInvitation(ctx, fresh, addressKey(fresh.Email)); err != nil {
			return Invitation{}, err
		}
		return fresh, tell(ctx, tx, "create", "created", nil, fresh)
	})
}

// Resend sends a pending or expired invitation again. The token sent before has ended when
// this returns, and the caller answers for the invitation from now on. A repetition with the
// same idempotency key sends nothing.
func (s *Invitations) Resend(ctx context.Context, accountID, invitationID string) (Invitation, error) {
	return s.once(ctx, Invitation{ID: invitationID, AccountID: accountID}, func(ctx context.Context, tx Tx) (Invitation, error) {
		before, err := tx.Invitation(ctx, accountID, invitationID)
		if err != nil {
			return Invitation{}, err
		}
		if err := mayGive(ctx, tx, before); err != nil {
			return Invitation{}, err
		}
		if before.State != Pending && before.State != Expired {
			return Invitation{}, ErrClosed
		}
		now, after, waits := unit.Now(s.clock), before, 0
		if before.At(now).State == Pending {
			waits = 1
		}
		after.State, after.InviterID, after.Delivery = Pending, principal.FromContext(ctx).ID, before.Delivery+1
		after.SendTime, after.ExpireTime, after.Version = now, now.Add(Lifetime), before.Version+1
		if err := s.maySend(ctx, tx, after, waits); err != nil {
			return Invitation{}, err
		}
		if err := tx.UpdateInvitation(ctx, after); err != nil {
			return Invitation{}, err
		}
		if err := tx.SetToken(ctx, after.ID, nil); err != nil {
			return Invitation{}, err
		}
		return after, tell(ctx, tx, "resend", "resent", &before, after)
	})
}

// Revoke takes an invitation back; once revoked it stays so. One that was answered has
// ended otherwise.
func (s *Invitations) Revoke(ctx context.Context, accountID, invitationID string) (Invitation, error) {
	return s.once(ctx, Invitation{ID: invitationID, AccountID: accountID}, func(ctx context.Context, tx Tx) (Invitation, error) {
		before, err := tx.Invitation(ctx, accountID, invitationID)
		if err != nil {
			return Invitation{}, err
		}
		if err := mayGive(ctx, tx, before); err != nil || before.State == Revoked {
			return before, err
		}
		if before.State != Pending && before.State != Expired {
			return Invitation{}, ErrClosed
		}
		return s.end(ctx, tx, before, Revoked)
	})
}

// end ends an invitation and its token, and tells of it.
func (s *Invitations) end(ctx context.Context, tx Tx, before Invitation, state State) (Invitation, error) {
	after := before
	after.State, after.EndTime, after.Version = state, unit.Now(s.clock), before.Version+1
	if err := tx.UpdateInvitation(ctx, after); err != nil {
		return Invitation{}, err
	}
	// An accepted one keeps its hash, for the repetition of a call whose answer was lost.
	if state != Accepted {
		if err := tx.SetToken(ctx, after.ID, nil); err != nil {
			return Invitation{}, err
		}
	}
	verb := map[State]string{Accepted: "accept", Declined: "decline", Revoked: "revoke"}[state]
	return after, tell(ctx, tx, verb, string(state), &before, after)
}

// once runs do once per idempotency key, under the account's lock.
func (s *Invitations) once(ctx context.Context, asked Invitation, do func(context.Context, Tx) (Invitation, error)) (Invitation, error) {
	var result Invitation
	err := s.store.InAccount(ctx, asked.AccountID, func(ctx context.Context, tx Tx) error {
		var err error
		result, err = unit.Once(ctx, tx, unit.Resource{Kind: Kind, ID: asked.ID, AccountID: asked.AccountID},
			func(ctx context.Context, invitationID string) (Invitation, error) {
				return tx.Invitation(ctx, asked.AccountID, invitationID)
			},
			func(ctx context.Context) (Invitation, error) {
				if _, _, err := tx.LockAccount(ctx, asked.AccountID); err != nil {
					return Invitation{}, err
				}
				return do(ctx, tx)
			})
		return err
	})
	return result.At(s.clock.Now()), err
}

// mayGive says whether the caller may give, or take back, the invitation's role.
func mayGive(ctx context.Context, tx Tx, i Invitation) error {
	caller, err := membership.Caller(ctx, tx, i.AccountID)
	if err != nil {
		return err
	}
	if i.Role.Above(caller.Role) {
		return membership.ErrRoleTooHigh
	}
	return nil
}

// maySend holds one more e-mail against the rules: the person is no member and not invited
// otherwise, and neither account nor address gets too many. waits is how many of those that
// wait are this invitation itself.
func (s *Invitations) maySend(ctx context.Context, tx Tx, i Invitation, waits int) error {
	key := addressKey(i.Email)
	if err := tx.ExpireInvitations(ctx, i.AccountID, i.SendTime); err != nil {
		return err
	}
	if member, err := tx.HasVerified(ctx, i.AccountID, key); err != nil || member {
		return firstOf(err, membership.ErrExists)
	}
	all, same, err := tx.CountPending(ctx, i.AccountID, key)
	switch {
	case err != nil:
		return err
	case same > waits:
		return ErrExists
	case all-waits >= MaxPending:
		return ErrTooMany
	}
	sent, err := tx.CountMails(ctx, i.AccountID, key, i.SendTime)
	switch {
	case err != nil:
		return err
	case sent.ToAddress >= MaxDaily:
		return ErrRateLimited.WithMessage("this address got 5 invitations within a day, the most it gets from an account; wait").
			WithRetryAfter(time.Hour)
	case sent.Hourly >= MaxHourly:
		return ErrRateLimited.WithMessage("the account sent 100 invitations within an hour, the most it may; wait").
			WithRetryAfter(10 * time.Minute)
	}
	return tx.RecordMail(ctx, i.AccountID, key, i.SendTime)
}

func firstOf(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}
