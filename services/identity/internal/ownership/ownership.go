// Package ownership hands an account over: an owner proposes a member, and that member
// confirms. Nobody becomes an owner this way without having said so themselves.
//
// It guarantees that an account has one pending transfer at most; that whoever proposed it
// still is an owner when it is confirmed; that the new owner is one before the old one
// stops being one, in one transaction; and that the tokens of both end with their roles.
//
// It does not keep the last owner from leaving, nor an owner from making another one without
// asking: package membership has the rules for both.
package ownership

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
)

// Kind is the resource's kind in events and the audit trail, Prefix that of its ids.
const (
	Kind   = "ownership_transfer"
	Prefix = "otr"
)

// Lifetime is how long a transfer waits for its answer.
const Lifetime = 7 * 24 * time.Hour

// The refusals.
var (
	// ErrNotFound is for a transfer that the account does not have.
	ErrNotFound = errs.New(errs.NotFound, "OWNERSHIP_TRANSFER_NOT_FOUND", "the account has no such ownership transfer")
	// ErrExists is for a second one at a time.
	ErrExists = errs.New(errs.AlreadyExists, "OWNERSHIP_TRANSFER_EXISTS",
		"an ownership transfer waits already; have it answered, or cancel it first")
	// ErrClosed is for one that has ended.
	ErrClosed = errs.New(errs.FailedPrecondition, "OWNERSHIP_TRANSFER_CLOSED",
		"the transfer has ended, or its proposer is no owner any more; propose a new one")
	// ErrNotYours is for an answer by somebody else.
	ErrNotYours = errs.New(errs.PermissionDenied, "OWNERSHIP_TRANSFER_NOT_YOURS",
		"the transfer names somebody else; only they may confirm or decline it")
	// ErrTargetInvalid is for somebody who cannot be proposed.
	ErrTargetInvalid = errs.New(errs.FailedPrecondition, "OWNERSHIP_TRANSFER_TARGET_INVALID",
		"name a member who is neither you, nor an owner already, nor external")
)

// State is where a transfer stands. Expired is kept only once a new one takes its place.
type State string

// The states.
const (
	// Pending waits for the new owner.
	Pending State = "pending"
	// Confirmed has happened.
	Confirmed State = "confirmed"
	// Declined was refused by the member.
	Declined State = "declined"
	// Canceled was taken back by an owner.
	Canceled State = "canceled"
	// Expired has waited too long.
	Expired State = "expired"
)

// Transfer is a proposal to make somebody an owner.
type Transfer struct {
	// ID names it (`otr_…`), AccountID is the account.
	ID, AccountID string
	// FromUserID proposes, ToUserID shall become an owner.
	FromUserID, ToUserID string
	// KeepOwnership says that the proposer stays an owner; otherwise they become an admin.
	KeepOwnership bool
	// State is where it stands; At gives it by the clock.
	State State
	// Version grows with every change.
	Version int64
	// CreateTime is when it was proposed, ExpireTime when it ends by itself, EndTime when
	// somebody ended it, or zero.
	CreateTime, ExpireTime, EndTime time.Time
}

// At returns the transfer as it stands at the moment.
func (t Transfer) At(now time.Time) Transfer {
	if t.State == Pending && !now.Before(t.ExpireTime) {
		t.State = Expired
	}
	return t
}

// Tx is what a change of transfers needs of its transaction: the memberships that a
// confirmation changes, and the rows of its own.
type Tx interface {
	membership.Tx
	Rows
}

// Rows are the rows of transfers within a transaction. Whoever changes one has locked the account.
type Rows interface {
	// InsertTransfer makes one.
	InsertTransfer(ctx context.Context, t Transfer) error
	// Transfer returns one, or ErrNotFound.
	Transfer(ctx context.Context, accountID, transferID string) (Transfer, error)
	// EndTransfer sets its state, version and end.
	EndTransfer(ctx context.Context, t Transfer) error
	// ExpireTransfers ends the account's pending one if its time has come.
	ExpireTransfers(ctx context.Context, accountID string, now time.Time) error
	// HasPendingTransfer reports whether one waits in the account.
	HasPendingTransfer(ctx context.Context, accountID string) (bool, error)
}

// Store keeps transfers.
type Store interface {
	// InAccount runs fn in one transaction that sees nothing but the account.
	InAccount(ctx context.Context, accountID string, fn func(ctx context.Context, tx Tx) error) error
	// Transfer returns one, or ErrNotFound.
	Transfer(ctx context.Context, accountID, transferID string) (Transfer, error)
	// ListTransfers returns up to limit of the account's, by id, behind the given id.
	ListTransfers(ctx context.Context, accountID, after string, limit int) ([]Transfer, error)
}
