package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/services/identity/internal/invitation"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
	"github.com/primecloud/primecloud/services/identity/internal/postgres/db"
)

// Invitations implements invitation.Store.
type Invitations struct{ *base }

var _ invitation.Store = (*Invitations)(nil)

// InAccount runs fn in the scope of the account.
func (s *Invitations) InAccount(ctx context.Context, accountID string, fn func(context.Context, invitation.Tx) error) error {
	return s.inAccount(ctx, accountID, func(ctx context.Context, t *transaction) error { return fn(ctx, t) })
}

// BeyondAccounts runs fn in the system scope.
func (s *Invitations) BeyondAccounts(ctx context.Context, fn func(context.Context, invitation.Tx) error) error {
	return s.in(ctx, pg.System("a person answers an invitation"), func(ctx context.Context, t *transaction) error { return fn(ctx, t) })
}

// Invitation returns one.
func (s *Invitations) Invitation(ctx context.Context, accountID, invitationID string) (invitation.Invitation, error) {
	row, err := s.readIn(accountID).GetInvitation(ctx, db.GetInvitationParams{AccountID: accountID, ID: invitationID})
	return invitationOf(row, err)
}

// ListInvitations returns a page of the account's.
func (s *Invitations) ListInvitations(ctx context.Context, accountID, after string, limit int) ([]invitation.Invitation, error) {
	rows, err := s.readIn(accountID).ListInvitations(ctx, db.ListInvitationsParams{AccountID: accountID, After: after, Count: int32(limit)})
	if err != nil {
		return nil, err
	}
	list := make([]invitation.Invitation, len(rows))
	for n, r := range rows {
		if list[n], err = invitationOf(r, nil); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// ListReceived returns a page of those that wait for the person.
func (s *Invitations) ListReceived(
	ctx context.Context, userID string, now time.Time, after string, limit int,
) ([]invitation.Received, error) {
	rows, err := s.read("a person lists their invitations").ListReceivedInvitations(ctx, db.ListReceivedInvitationsParams{
		UserID: userID, Now: now, After: after, Count: int32(limit),
	})
	if err != nil {
		return nil, err
	}
	list := make([]invitation.Received, len(rows))
	for n, r := range rows {
		list[n] = invitation.Received{AccountName: r.AccountName, InviterName: r.InviterName}
		if list[n].Invitation, err = invitationOf(r.Invitation, nil); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// SweepInvitations removes those that ended before the moment, and what counts no longer.
func (s *Invitations) SweepInvitations(ctx context.Context, before, now time.Time) (int64, error) {
	var all int64
	for {
		var count int64
		err := s.in(ctx, pg.System("sweep invitations"), func(ctx context.Context, t *transaction) error {
			var err error
			if count, err = t.q.SweepInvitations(ctx, db.SweepInvitationsParams{Before: before, Count: sweepBatch}); err != nil {
				return err
			}
			return t.q.SweepInvitationMails(ctx, now.Add(-24*time.Hour))
		})
		all += count
		if err != nil || count < sweepBatch {
			return all, err
		}
	}
}

// InsertInvitation makes one.
func (t *transaction) InsertInvitation(ctx context.Context, i invitation.Invitation, key string) error {
	grants := i.Grants
	if grants == nil {
		grants = []invitation.Grant{}
	}
	raw, err := json.Marshal(grants)
	if err != nil {
		return fmt.Errorf("encode the grants of invitation %s: %w", i.ID, err)
	}
	return t.q.InsertInvitation(ctx, db.InsertInvitationParams{
		ID: i.ID, AccountID: i.AccountID, Email: i.Email, EmailKey: key, Role: string(i.Role), Grants: raw, State: string(i.State),
		InviterID: i.InviterID, Delivery: i.Delivery, Version: i.Version,
		CreateTime: i.CreateTime, SendTime: i.SendTime, ExpireTime: i.ExpireTime,
	})
}

// Invitation returns one.
func (t *transaction) Invitation(ctx context.Context, accountID, invitationID string) (invitation.Invitation, error) {
	row, err := t.q.GetInvitation(ctx, db.GetInvitationParams{AccountID: accountID, ID: invitationID})
	return invitationOf(row, err)
}

// InvitationByToken returns the one whose token has the hash.
func (t *transaction) InvitationByToken(ctx context.Context, hash invitation.Hash) (invitation.Invitation, error) {
	row, err := t.q.InvitationByToken(ctx, hash[:])
	return invitationOf(row, err)
}

// UpdateInvitation replaces one.
func (t *transaction) UpdateInvitation(ctx context.Context, i invitation.Invitation) error {
	return t.q.UpdateInvitation(ctx, db.UpdateInvitationParams{
		ID: i.ID, State: string(i.State), InviterID: i.InviterID, Delivery: i.Delivery, AcceptUserID: textOrNull(i.AcceptUserID),
		Version: i.Version, SendTime: i.SendTime, ExpireTime: i.ExpireTime, EndTime: orNull(i.EndTime),
	})
}

// SetToken replaces the hash of its token.
func (t *transaction) SetToken(ctx context.Context, invitationID string, hash *invitation.Hash) error {
	p := db.SetInvitationTokenParams{ID: invitationID}
	if hash != nil {
		p.TokenHash = hash[:]
	}
	return t.q.SetInvitationToken(ctx, p)
}

// ExpireInvitations ends the pending ones whose time has come.
func (t *transaction) ExpireInvitations(ctx context.Context, accountID string, now time.Time) error {
	return t.q.ExpireInvitations(ctx, db.ExpireInvitationsParams{AccountID: accountID, Now: now})
}

// CountPending returns how many wait in the account, and for the address.
func (t *transaction) CountPending(ctx context.Context, accountID, key string) (all, same int, err error) {
	row, err := t.q.CountPendingInvitations(ctx, db.CountPendingInvitationsParams{AccountID: accountID, EmailKey: key})
	return int(row.Pending), int(row.Same), err
}

// CountMails returns how many e-mails the account caused lately.
func (t *transaction) CountMails(ctx context.Context, accountID, key string, now time.Time) (invitation.Mails, error) {
	row, err := t.q.CountInvitationMails(ctx, db.CountInvitationMailsParams{
		AccountID: accountID, EmailKey: key, HourAgo: now.Add(-time.Hour), DayAgo: now.Add(-24 * time.Hour),
	})
	return invitation.Mails{Hourly: int(row.Hourly), ToAddress: int(row.ToAddress)}, err
}

// RecordMail records one more.
func (t *transaction) RecordMail(ctx context.Context, accountID, key string, at time.Time) error {
	return t.q.RecordInvitationMail(ctx, db.RecordInvitationMailParams{AccountID: accountID, EmailKey: key, Time: at})
}

// HasVerified reports whether the account has a member with the address, verified.
func (t *transaction) HasVerified(ctx context.Context, accountID, key string) (bool, error) {
	return t.q.HasVerifiedMember(ctx, db.HasVerifiedMemberParams{AccountID: accountID, EmailKey: key})
}

// VerifiedAddress returns the address of a person, or "".
func (t *transaction) VerifiedAddress(ctx context.Context, userID string) (string, error) {
	address, err := t.q.VerifiedAddress(ctx, userID)
	if pg.NoRows(err) {
		return "", nil
	}
	return address, err
}

// Setting returns what surrounds an invitation.
func (t *transaction) Setting(ctx context.Context, accountID, inviterID string) (invitation.Setting, error) {
	row, err := t.q.InvitationSetting(ctx, db.InvitationSettingParams{AccountID: accountID, InviterID: inviterID})
	return invitation.Setting{
		AccountState: row.State, AccountName: row.AccountName, InviterName: row.InviterName,
	}, notFound(err, invitation.ErrNotFound)
}

// invitationOf converts a row, unless reading it failed.
func invitationOf(r db.Invitation, err error) (invitation.Invitation, error) {
	if err != nil {
		return invitation.Invitation{}, notFound(err, invitation.ErrNotFound)
	}
	i := invitation.Invitation{
		ID: r.ID, AccountID: r.AccountID, Email: r.Email, Role: membership.Role(r.Role), State: invitation.State(r.State),
		InviterID: r.InviterID, Delivery: r.Delivery, AcceptUserID: orEmpty(r.AcceptUserID), Version: r.Version,
		CreateTime: r.CreateTime.UTC(), SendTime: r.SendTime.UTC(), ExpireTime: r.ExpireTime.UTC(), EndTime: orZero(r.EndTime),
	}
	if err := json.Unmarshal(r.Grants, &i.Grants); err != nil {
		return invitation.Invitation{}, fmt.Errorf("decode the grants of invitation %s: %w", r.ID, err)
	}
	return i, nil
}
