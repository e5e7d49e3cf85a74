package invitation

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/services/identity/internal/membership"
)

// Tx is what a change of invitations needs of its transaction: the membership that an
// acceptance makes, and two groups of its own.
type Tx interface {
	membership.Tx
	Rows
	Limits
	// VerifiedAddress returns the address of a person, or "" when their provider does not say
	// that it is verified.
	VerifiedAddress(ctx context.Context, userID string) (string, error)
	// Setting returns what surrounds an invitation.
	Setting(ctx context.Context, accountID, inviterID string) (Setting, error)
}

// Rows are the rows of invitations within a transaction. Whoever changes one has locked the
// account.
type Rows interface {
	// InsertInvitation makes one.
	InsertInvitation(ctx context.Context, i Invitation, key string) error
	// Invitation returns one, or ErrNotFound.
	Invitation(ctx context.Context, accountID, invitationID string) (Invitation, error)
	// InvitationByToken returns the one whose token has the hash, or ErrNotFound.
	InvitationByToken(ctx context.Context, hash Hash) (Invitation, error)
	// UpdateInvitation replaces one.
	UpdateInvitation(ctx context.Context, i Invitation) error
	// SetToken replaces the hash of its token; nil leaves it without one.
	SetToken(ctx context.Context, invitationID string, hash *Hash) error
	// ExpireInvitations ends the account's pending ones whose time has come.
	ExpireInvitations(ctx context.Context, accountID string, now time.Time) error
}

// Limits are what bounds the e-mails that an account causes.
type Limits interface {
	// CountPending returns how many invitations wait in the account, and how many of them
	// for the address.
	CountPending(ctx context.Context, accountID, key string) (all, same int, err error)
	// CountMails returns how many e-mails the account caused lately.
	CountMails(ctx context.Context, accountID, key string, now time.Time) (Mails, error)
	// RecordMail records one more.
	RecordMail(ctx context.Context, accountID, key string, at time.Time) error
	// HasVerified reports whether the account has a member with the address, verified.
	HasVerified(ctx context.Context, accountID, key string) (bool, error)
}

// Mails are how many e-mails an account caused lately.
type Mails struct {
	// Hourly are those within an hour, to whomever; ToAddress those to one address within a day.
	Hourly, ToAddress int
}

// Setting is what surrounds an invitation.
type Setting struct {
	// AccountState is where the account stands, as tokens carry it.
	AccountState string
	// AccountName and InviterName are for showing.
	AccountName, InviterName string
}

// Store keeps invitations.
type Store interface {
	// InAccount runs fn in one transaction that sees nothing but the account.
	InAccount(ctx context.Context, accountID string, fn func(ctx context.Context, tx Tx) error) error
	// BeyondAccounts runs fn in one transaction that sees all accounts: whoever shows a
	// token has not said of which.
	BeyondAccounts(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	// Invitation returns one, or ErrNotFound.
	Invitation(ctx context.Context, accountID, invitationID string) (Invitation, error)
	// ListInvitations returns up to limit of the account's, by id, behind the given id.
	ListInvitations(ctx context.Context, accountID, after string, limit int) ([]Invitation, error)
	// ListReceived returns up to limit of those that wait for the person's verified address,
	// by id, behind the given id.
	ListReceived(ctx context.Context, userID string, now time.Time, after string, limit int) ([]Received, error)
	// SweepInvitations removes those that ended, or were last sent, before the moment, and
	// the record of e-mails that count no longer.
	SweepInvitations(ctx context.Context, before, now time.Time) (int64, error)
}
