package events

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/primecloud/primecloud/pkg/access"
	"github.com/primecloud/primecloud/pkg/event"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
)

// Identity is the noun of the service that knows who is a member.
const Identity = "identity"

var (
	invitationAccepted = event.Type(Identity, "invitation", "accepted")
	membershipDeleted  = event.Type(Identity, "membership", "deleted")
	// memberships are what happens to one.
	memberships = []string{
		event.Type(Identity, "membership", "created"), event.Type(Identity, "membership", "updated"), membershipDeleted,
	}
)

// MemberSubjects are the events that say who is a member, and what an invitation grants.
func MemberSubjects() []string { return append(slices.Clone(memberships), invitationAccepted) }

// Members are the use cases that those events are for.
type Members interface {
	// MembershipChanged takes note of a change of a membership.
	MembershipChanged(ctx context.Context, tx grant.Tx, change grant.Membership) error
	// InvitationAccepted applies the grants of an invitation.
	InvitationAccepted(ctx context.Context, tx grant.Tx, acceptance grant.Acceptance) error
}

// HearOfMember gives an event of MemberSubjects its effect. One that contradicts itself is
// an error, and has none.
func HearOfMember(ctx context.Context, use Members, tx grant.Tx, e event.Event) error {
	if e.Type == invitationAccepted {
		acceptance, err := acceptanceOf(e)
		if err != nil || acceptance.Offers == nil {
			return err
		}
		return use.InvitationAccepted(ctx, tx, acceptance)
	}
	if !slices.Contains(memberships, e.Type) {
		return fmt.Errorf("event %s is a %s, which says nothing of members", e.ID, e.Type)
	}
	change, err := membershipOf(e)
	if err != nil {
		return err
	}
	return use.MembershipChanged(ctx, tx, change)
}

func membershipOf(e event.Event) (grant.Membership, error) {
	var payload identityv1.MembershipChanged
	if err := read(e, &payload); err != nil {
		return grant.Membership{}, err
	}
	m := payload.GetMembership()
	change := grant.Membership{
		AccountID: m.GetAccountId(), UserID: m.GetUserId(), Role: access.RoleName(m.GetRole()), Version: e.Aggregate.Version,
	}
	if e.Type == membershipDeleted {
		change.Role = ""
	} else if change.Role == "" {
		return grant.Membership{}, fmt.Errorf("event %s gives no role", e.ID)
	}
	return change, about(e, change.AccountID, change.UserID, change.Version)
}

// acceptanceOf returns an acceptance; one without offers is none that concerns storage.
func acceptanceOf(e event.Event) (grant.Acceptance, error) {
	var payload identityv1.InvitationChanged
	if err := read(e, &payload); err != nil {
		return grant.Acceptance{}, err
	}
	i := payload.GetInvitation()
	a := grant.Acceptance{
		InvitationID: i.GetId(), AccountID: i.GetAccountId(), UserID: i.GetAcceptUserId(), MembershipVersion: payload.GetMembershipVersion(),
	}
	if i.GetState() != identityv1.InvitationState_INVITATION_STATE_ACCEPTED {
		return grant.Acceptance{}, fmt.Errorf("event %s tells of the acceptance of an invitation that is %s", e.ID, i.GetState())
	}
	if access.RoleName(i.GetRole()) == grant.External {
		for _, g := range i.GetGrants() {
			a.Offers = append(a.Offers, grant.Offer{BucketID: g.GetBucketId(), AccessLevel: g.GetAccessLevel(), Prefixes: g.GetPrefixes()})
		}
	}
	return a, about(e, a.AccountID, a.UserID, a.MembershipVersion)
}

// read decodes the payload of an event.
func read(e event.Event, into proto.Message) error {
	if want := string(into.ProtoReflect().Descriptor().FullName()); e.PayloadType != want {
		return fmt.Errorf("event %s carries %s and no %s", e.ID, e.PayloadType, want)
	}
	if err := proto.Unmarshal(e.Payload, into); err != nil {
		return fmt.Errorf("event %s: %w", e.ID, err)
	}
	return nil
}

// about holds what an event says of itself against what it carries.
func about(e event.Event, accountID, userID string, version int64) error {
	switch {
	case accountID == "" || e.AccountID != accountID:
		return fmt.Errorf("event %s is about account %q, its payload about %q", e.ID, e.AccountID, accountID)
	case userID == "":
		return fmt.Errorf("event %s names no person", e.ID)
	case version <= 0:
		return fmt.Errorf("event %s carries no version of the membership", e.ID)
	default:
		return nil
	}
}
