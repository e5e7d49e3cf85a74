// Package events is identity's side of the bus: it makes the events of its own changes, and
// stores the audit entries that every service publishes. Between an event and a use case
// it only converts.
package events

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/primecloud/primecloud/pkg/audit/auditlog"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/event"
	"github.com/primecloud/primecloud/pkg/id"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/principal"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	"github.com/primecloud/primecloud/services/identity/internal/account"
	"github.com/primecloud/primecloud/services/identity/internal/apikey"
	"github.com/primecloud/primecloud/services/identity/internal/grpcapi"
	"github.com/primecloud/primecloud/services/identity/internal/invitation"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
	"github.com/primecloud/primecloud/services/identity/internal/operator"
	"github.com/primecloud/primecloud/services/identity/internal/ownership"
	"github.com/primecloud/primecloud/services/identity/internal/profile"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
	"github.com/primecloud/primecloud/services/identity/internal/user"
)

// Noun is what identity publishes under.
const Noun = "identity"

// Encoder makes the event of a change.
func Encoder(clock clock.Clock) func(ctx context.Context, c unit.Change) (event.Event, error) {
	return func(ctx context.Context, c unit.Change) (event.Event, error) {
		payload, err := payloadOf(c.Snapshot)
		if err != nil {
			return event.Event{}, err
		}
		raw, err := proto.Marshal(payload)
		if err != nil {
			return event.Event{}, fmt.Errorf("encode %s %s: %w", c.Kind, c.ID, err)
		}
		now, caller := unit.Now(clock), principal.FromContext(ctx)
		return event.Event{
			ID:          id.New("evt", now),
			Type:        event.Type(Noun, c.Kind, c.Verb),
			AccountID:   c.AccountID,
			Actor:       event.Actor{Kind: string(caller.Kind), ID: caller.ID},
			Aggregate:   event.Aggregate{Kind: c.Kind, ID: c.ID, Version: c.Version},
			Time:        now,
			Traceparent: auditlog.Traceparent(ctx),
			RequestID:   observe.RequestID(ctx),
			PayloadType: string(payload.ProtoReflect().Descriptor().FullName()),
			Payload:     raw,
		}, nil
	}
}

// payloadOf returns a concept's value as it travels.
func payloadOf(snapshot any) (proto.Message, error) {
	switch s := snapshot.(type) {
	case account.Account:
		return &identityv1.AccountChanged{Account: grpcapi.Account(s)}, nil
	case profile.Profile:
		return &identityv1.AccountProfileChanged{Profile: grpcapi.Profile(s)}, nil
	case operator.Access:
		return &identityv1.OperatorAccessChanged{OperatorAccess: grpcapi.OperatorAccess(s)}, nil
	case membership.Membership:
		return &identityv1.MembershipChanged{Membership: grpcapi.Membership(s)}, nil
	case invitation.Invitation:
		return &identityv1.InvitationChanged{Invitation: grpcapi.Invitation(s), MembershipVersion: s.MembershipVersion}, nil
	case ownership.Transfer:
		return &identityv1.OwnershipTransferChanged{OwnershipTransfer: grpcapi.OwnershipTransfer(s)}, nil
	case user.User:
		return &identityv1.UserChanged{User: grpcapi.User(s)}, nil
	case apikey.Key:
		return &identityv1.ApiKeyChanged{ApiKey: grpcapi.APIKey(s)}, nil
	default:
		return nil, fmt.Errorf("no event is known for %T", snapshot)
	}
}
