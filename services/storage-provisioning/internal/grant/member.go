package grant

import (
	"cmp"
	"context"
	"slices"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/errs"
)

// Membership is a membership after a change, as identity tells of it.
type Membership struct {
	AccountID, UserID string
	// Role is empty for a removed one.
	Role string
	// Version orders the changes of all memberships of an account.
	Version int64
}

// MembershipChanged takes note of a change of a membership. Every one ends the grants that
// belong to an earlier version, whichever comes first: roles are all that changes in a
// membership, and whoever gets another one begins anew.
func (s *Service) MembershipChanged(ctx context.Context, tx Tx, change Membership) error {
	m, err := tx.Grants.Member(ctx, change.AccountID, change.UserID)
	if err != nil {
		return err
	}
	if m.Version < change.Version {
		m.Version, m.Role = change.Version, change.Role
		if err := tx.Grants.SaveMember(ctx, m, s.now()); err != nil {
			return err
		}
	}
	return endEarlier(ctx, tx, change.AccountID, change.UserID, change.Version)
}

func endEarlier(ctx context.Context, tx Tx, accountID, userID string, before int64) error {
	ended, err := tx.Grants.EndEarlier(ctx, accountID, userID, before)
	if err != nil {
		return err
	}
	return tellEnded(ctx, tx.Record, ended)
}

// Offer is one grant of an invitation, in its words.
type Offer struct {
	// BucketID names the bucket, AccessLevel how far it goes.
	BucketID, AccessLevel string
	// Prefixes are what keys must begin with; none for the whole bucket.
	Prefixes []string
}

// Acceptance is an invitation of an external person that was accepted.
type Acceptance struct {
	// InvitationID is the invitation, AccountID its account, UserID who accepted it.
	InvitationID, AccountID, UserID string
	// MembershipVersion is the version of the membership that it made.
	MembershipVersion int64
	// Offers are what it grants.
	Offers []Offer
}

// InvitationAccepted applies the grants of an invitation, once, unless the membership has
// changed since. A grant that cannot be is left out and told in the trail. While a bucket is
// being made or removed it is an error of kind errs.Aborted: the event must come again.
func (s *Service) InvitationAccepted(ctx context.Context, tx Tx, a Acceptance) error {
	m, err := tx.Grants.Member(ctx, a.AccountID, a.UserID)
	if err != nil || m.Applied >= a.MembershipVersion {
		return err
	}
	// The event of the membership may still be on its way; this one says as much.
	if m.Version < a.MembershipVersion {
		m.Version, m.Role = a.MembershipVersion, External
		if err := endEarlier(ctx, tx, a.AccountID, a.UserID, m.Version); err != nil {
			return err
		}
	}
	m.Applied = a.MembershipVersion
	if err := tx.Grants.SaveMember(ctx, m, s.now()); err != nil {
		return err
	}
	// Buckets are locked in one order, whatever order the invitation names them in.
	offers := slices.SortedFunc(slices.Values(a.Offers), func(a, b Offer) int { return cmp.Compare(a.BucketID, b.BucketID) })
	for _, offer := range offers {
		refusal, err := s.apply(ctx, tx, m, a.MembershipVersion, offer)
		if err == nil && refusal != nil {
			err = tx.Record.Audit(ctx, leftOut(a, offer, refusal))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// apply gives the member what was offered, or says why not.
func (s *Service) apply(ctx context.Context, tx Tx, m Member, version int64, offer Offer) (refusal *errs.Error, err error) {
	if m.Version != version || m.Role != External {
		return errMembershipChanged, nil
	}
	permission, known := levels[offer.AccessLevel]
	if !known {
		return errLevelUnknown, nil
	}
	reach, err := ReachOf(permission, offer.Prefixes)
	if err != nil {
		refusal, _ = errs.As(err)
		return refusal, nil
	}
	b, ok, err := tx.Grants.BucketByID(ctx, m.AccountID, offer.BucketID)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return ErrBucketNotFound, nil
	case b.Making || b.Deleting:
		return nil, errBusy
	}
	// Who was faster has set it on purpose, in this very membership.
	_, found, err := tx.Grants.Find(ctx, b, m.UserID)
	if err != nil || found {
		return nil, err
	}
	_, err = s.insert(ctx, tx, m, b, reach)
	return nil, err
}

// leftOut is what the trail says of an offer that came to nothing.
func leftOut(a Acceptance, offer Offer, refusal *errs.Error) audit.Entry {
	return audit.Entry{
		Action: Kind + ".create", Severity: audit.Warning, Outcome: audit.Failed, Reason: refusal.Reason(), AccountID: a.AccountID,
		Target: audit.Target{Kind: "bucket", ID: offer.BucketID},
		After:  map[string]any{"user_id": a.UserID, "access_level": offer.AccessLevel, "invitation_id": a.InvitationID},
	}
}
