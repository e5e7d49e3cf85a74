package invitation

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/access"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
)

// ListReceived returns a page of the invitations that wait for the calling person's verified
// address, oldest first.
func (s *Invitations) ListReceived(ctx context.Context, after string, limit int) ([]Received, error) {
	return s.store.ListReceived(ctx, principal.FromContext(ctx).ID, unit.Now(s.clock), after, limit)
}

// Preview shows the calling person what accepting would give.
func (s *Invitations) Preview(ctx context.Context, token string) (Received, error) {
	var shown Received
	err := s.store.BeyondAccounts(ctx, func(ctx context.Context, tx Tx) error {
		i, err := s.find(ctx, tx, token)
		switch {
		case err != nil:
			return err
		case i.State != Pending:
			return ErrInvalid
		}
		if err := stands(ctx, tx, i, ErrInvalid); err != nil {
			return err
		}
		shown, err = received(ctx, tx, i)
		return err
	})
	return shown, err
}

func received(ctx context.Context, tx Tx, i Invitation) (Received, error) {
	setting, err := tx.Setting(ctx, i.AccountID, i.InviterID)
	return Received{Invitation: i, AccountName: setting.AccountName, InviterName: setting.InviterName}, err
}

// Accept makes the calling person a member. A repetition by the same person gives the same
// membership, while they have it.
func (s *Invitations) Accept(ctx context.Context, token string) (membership.Membership, error) {
	var result membership.Membership
	err := s.opened(ctx, token, func(ctx context.Context, tx Tx, o open) error {
		var err error
		if o.State == Accepted {
			result, err = acceptedBefore(ctx, tx, o.Invitation)
		} else {
			result, err = s.accept(ctx, tx, o)
		}
		return err
	})
	return result, err
}

// acceptedBefore gives what an earlier call made, to whoever made it and still has it.
func acceptedBefore(ctx context.Context, tx Tx, i Invitation) (membership.Membership, error) {
	if i.AcceptUserID != principal.FromContext(ctx).ID {
		return membership.Membership{}, ErrInvalid
	}
	m, err := tx.Membership(ctx, i.AccountID, i.AcceptUserID)
	if errs.ReasonOf(err) == membership.ErrNotFound.Reason() {
		return membership.Membership{}, ErrInvalid
	}
	return m, err
}

func (s *Invitations) accept(ctx context.Context, tx Tx, o open) (membership.Membership, error) {
	nothing, caller, i := membership.Membership{}, principal.FromContext(ctx), o.Invitation
	if i.State != Pending {
		return nothing, ErrInvalid
	}
	if err := stands(ctx, tx, i, ErrInvalid); err != nil {
		return nothing, err
	}
	setting, err := tx.Setting(ctx, i.AccountID, i.InviterID)
	if err != nil {
		return nothing, err
	}
	if err := access.DecideState(setting.AccountState); err != nil {
		return nothing, err
	}
	_, err = tx.Membership(ctx, i.AccountID, caller.ID)
	switch {
	case err == nil:
		return nothing, membership.ErrExists
	case errs.ReasonOf(err) != membership.ErrNotFound.Reason():
		return nothing, err
	}
	now := unit.Now(s.clock)
	m, err := membership.Join(ctx, tx, membership.Membership{
		AccountID: i.AccountID, UserID: caller.ID, Role: i.Role, Version: o.version, CreateTime: now, UpdateTime: now,
	})
	if err != nil {
		return nothing, err
	}
	i.AcceptUserID, i.MembershipVersion = caller.ID, m.Version
	_, err = s.end(ctx, tx, i, Accepted)
	return m, err
}

// Decline ends an invitation on the calling person's side; once declined it stays so.
func (s *Invitations) Decline(ctx context.Context, token string) error {
	return s.opened(ctx, token, func(ctx context.Context, tx Tx, o open) error {
		if o.State != Pending {
			return ErrInvalid
		}
		_, err := s.end(ctx, tx, o.Invitation, Declined)
		return err
	})
}

// open is an invitation under the lock of its account, with the version that the lock drew.
type open struct {
	Invitation
	version int64
}

// opened runs do with the invitation that the token opens for the calling person, under the
// lock of its account.
func (s *Invitations) opened(ctx context.Context, token string, do func(context.Context, Tx, open) error) error {
	return s.store.BeyondAccounts(ctx, func(ctx context.Context, tx Tx) error {
		// Once to know the account to lock, and once more under the lock, as it is then.
		first, err := s.find(ctx, tx, token)
		if err != nil {
			return err
		}
		_, version, err := tx.LockAccount(ctx, first.AccountID)
		if err != nil {
			return err
		}
		i, err := s.find(ctx, tx, token)
		if err != nil {
			return err
		}
		return do(ctx, tx, open{i, version})
	})
}

// find returns the invitation that the token opens for the calling person. Whatever is wrong,
// they are told the same: whoever shows a token must not learn whether it is one, whose it
// is, or what became of it.
func (s *Invitations) find(ctx context.Context, tx Tx, token string) (Invitation, error) {
	if !wellFormed(token) {
		return Invitation{}, ErrInvalid
	}
	address, err := tx.VerifiedAddress(ctx, principal.FromContext(ctx).ID)
	if err != nil {
		return Invitation{}, err
	}
	i, err := tx.InvitationByToken(ctx, hashOf(token))
	switch {
	case errs.ReasonOf(err) == ErrNotFound.Reason():
		return Invitation{}, ErrInvalid
	case err != nil:
		return Invitation{}, err
	case address == "" || addressKey(address) != addressKey(i.Email):
		return Invitation{}, ErrInvalid
	default:
		return i.At(unit.Now(s.clock)), nil
	}
}

// stands says whether whoever answers for the invitation may still give its role; refusal is
// what to say when not.
func stands(ctx context.Context, tx Tx, i Invitation, refusal error) error {
	inviter, err := tx.Membership(ctx, i.AccountID, i.InviterID)
	switch {
	case errs.ReasonOf(err) == membership.ErrNotFound.Reason():
		return refusal
	case err != nil:
		return err
	case !inviter.Role.Manages() || i.Role.Above(inviter.Role):
		return refusal
	default:
		return nil
	}
}

// Minted is what goes into an e-mail.
type Minted struct {
	Received
	// Token is for this one e-mail.
	Token string
}

// Mint makes the token of one sending, for the notifier. The one before ends.
func (s *Invitations) Mint(ctx context.Context, accountID, invitationID string, delivery int32) (Minted, error) {
	var minted Minted
	err := s.store.InAccount(ctx, accountID, func(ctx context.Context, tx Tx) error {
		if _, _, err := tx.LockAccount(ctx, accountID); err != nil {
			return orNotFound(err)
		}
		i, err := tx.Invitation(ctx, accountID, invitationID)
		if err != nil {
			return err
		}
		i = i.At(unit.Now(s.clock))
		switch {
		case delivery < i.Delivery:
			return ErrSuperseded
		case delivery > i.Delivery:
			return ErrNotFound
		case i.State != Pending:
			return ErrClosed
		}
		if err := stands(ctx, tx, i, ErrClosed); err != nil {
			return err
		}
		minted.Token = newToken()
		hash := hashOf(minted.Token)
		if err := tx.SetToken(ctx, i.ID, &hash); err != nil {
			return err
		}
		if minted.Received, err = received(ctx, tx, i); err != nil {
			return err
		}
		return record(ctx, tx, "mint", nil, i)
	})
	return minted, err
}

// orNotFound hides whether an account is absent or the invitation is.
func orNotFound(err error) error {
	if errs.ReasonOf(err) == membership.ErrAccountNotFound.Reason() {
		return ErrNotFound
	}
	return err
}

// Sweep removes invitations that ended, or were last sent, before the moment.
func (s *Invitations) Sweep(ctx context.Context, before time.Time) (int64, error) {
	return s.store.SweepInvitations(ctx, before, s.clock.Now())
}
