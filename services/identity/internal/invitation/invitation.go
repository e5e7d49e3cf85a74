// Package invitation brings people into an account by their e-mail addresses.
//
// It guarantees that a token is used once, by a login whose provider says that the invited
// address is verified, within seven days of its sending; that sending again ends the token
// sent before, at once; that nobody invites into a role above their own, and that whoever
// answers for an invitation still could give its role when it is accepted; and that whoever
// shows a token that opens nothing for them learns nothing of why.
//
// Tokens are made at the moment of sending, for the notifier alone, and kept as hashes: an
// event says that an e-mail is due, and never carries what stands in it.
//
// It carries the grants of external people and does not read them: storage applies them when
// the acceptance event arrives.
package invitation

import (
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
)

// Kind is the resource's kind in events and the audit trail, Prefix that of its ids.
const (
	Kind   = "invitation"
	Prefix = "inv"
)

// The limits.
const (
	// Lifetime is how long an invitation waits after it was sent.
	Lifetime = 7 * 24 * time.Hour
	// MaxPending is how many may wait in an account at a time.
	MaxPending = 200
	// MaxHourly is how many e-mails an account causes within an hour.
	MaxHourly = 100
	// MaxDaily is how many e-mails one address gets from an account within 24 hours.
	MaxDaily = 5
	// MaxGrants is how many buckets an invitation grants.
	MaxGrants = 50
)

// The refusals.
var (
	// ErrInvalid is for any token that opens nothing for the caller, whatever the reason.
	ErrInvalid = errs.New(errs.NotFound, "INVITATION_INVALID",
		"this token opens no invitation for you; log in with the invited address, verified, or ask for a new invitation")
	// ErrNotFound is for an invitation that the account does not have.
	ErrNotFound = errs.New(errs.NotFound, "INVITATION_NOT_FOUND", "the account has no such invitation")
	// ErrExists is for an address that is invited already.
	ErrExists = errs.New(errs.AlreadyExists, "INVITATION_EXISTS",
		"this address has a pending invitation; send that one again, or revoke it first")
	// ErrClosed is for an invitation that has ended.
	ErrClosed = errs.New(errs.FailedPrecondition, "INVITATION_CLOSED",
		"the invitation has ended, or its inviter may not give this role any more; make a new one")
	// ErrSuperseded is for an e-mail that a later one takes the place of.
	ErrSuperseded = errs.New(errs.FailedPrecondition, "INVITATION_SUPERSEDED",
		"the invitation was sent again since; go by the later event")
	// ErrTooMany is for an account with as many pending invitations as it may have.
	ErrTooMany = errs.New(errs.ResourceExhausted, "TOO_MANY_INVITATIONS",
		"the account has 200 pending invitations, the most it may; revoke some")
	// ErrRateLimited is for an account, or an address, with too many e-mails for now.
	ErrRateLimited = errs.New(errs.ResourceExhausted, "RATE_LIMITED", "too many invitations were sent for now; wait")

	errEmailInvalid = errs.New(errs.InvalidArgument, "REQUEST_INVALID", "this is no e-mail address").
			WithViolation(errs.Violation{Field: "email", Rule: "EMAIL_VALID", Description: "give an address in ASCII, 254 characters at most"})
	errRoleInvalid = errs.New(errs.InvalidArgument, "REQUEST_INVALID", "this is no role in an account").
			WithViolation(errs.Violation{Field: "role", Rule: "ROLE_IN_ACCOUNT", Description: "give a role from owner to external"})
	errGrantsInvalid = errs.New(errs.InvalidArgument, "REQUEST_INVALID",
		"grants go with the role external alone, each bucket once, 50 at most").
		WithViolation(errs.Violation{Field: "grants", Rule: "GRANTS_OF_EXTERNAL", Description: "name each bucket once, with the role external"})
)

// State is where an invitation stands. Expired is not kept: it follows from the clock.
type State string

// The states.
const (
	// Pending waits for the person.
	Pending State = "pending"
	// Accepted made the person a member.
	Accepted State = "accepted"
	// Declined was refused by the person.
	Declined State = "declined"
	// Revoked was taken back.
	Revoked State = "revoked"
	// Expired has waited too long.
	Expired State = "expired"
)

// Grant is what an external person shall reach, in storage's words.
type Grant struct {
	// BucketID names the bucket, AccessLevel how far it goes, and Prefixes which keys it covers:
	// none for all.
	BucketID    string   `json:"bucket_id"`
	AccessLevel string   `json:"access_level"`
	Prefixes    []string `json:"prefixes,omitempty"`
}

// Invitation offers a role in an account to whoever proves an address.
type Invitation struct {
	// ID names it (`inv_…`), AccountID is the account.
	ID, AccountID string
	// Email is the address as it was given.
	Email string
	// Role is what it gives, Grants what storage adds for an external person.
	Role   membership.Role
	Grants []Grant
	// State is where it stands; At gives it by the clock.
	State State
	// InviterID is who answers for it: whoever made it, or sent it again last.
	InviterID string
	// Delivery counts its sendings.
	Delivery int32
	// AcceptUserID is who accepted it, or empty.
	AcceptUserID string
	// MembershipVersion is that of the membership which accepting it made; it is known in the
	// event alone, which others order their own by.
	MembershipVersion int64
	// Version grows with every change.
	Version int64
	// CreateTime is when it was made, SendTime when it was last sent, ExpireTime when it
	// ends by itself, EndTime when somebody ended it, or zero.
	CreateTime, SendTime, ExpireTime, EndTime time.Time
}

// At returns the invitation as it stands at the moment.
func (i Invitation) At(now time.Time) Invitation {
	if i.State == Pending && !now.Before(i.ExpireTime) {
		i.State = Expired
	}
	return i
}

// Received is an invitation as the person it is for sees it.
type Received struct {
	// Invitation is the invitation.
	Invitation Invitation
	// AccountName and InviterName are for showing.
	AccountName, InviterName string
}

// Wanted is what a new invitation shall be.
type Wanted struct {
	AccountID, Email string
	Role             membership.Role
	Grants           []Grant
}

// check holds what is wanted against the rules that need no database.
func (w Wanted) check() error {
	switch {
	case !validAddress(w.Email):
		return errEmailInvalid
	case !w.Role.Valid():
		return errRoleInvalid
	case len(w.Grants) > 0 && w.Role != membership.External, len(w.Grants) > MaxGrants:
		return errGrantsInvalid
	}
	seen := map[string]bool{}
	for _, g := range w.Grants {
		if g.BucketID == "" || g.AccessLevel == "" || seen[g.BucketID] {
			return errGrantsInvalid
		}
		seen[g.BucketID] = true
	}
	return nil
}
