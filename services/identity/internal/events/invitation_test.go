package events_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/primecloud/primecloud/pkg/clock"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	"github.com/primecloud/primecloud/services/identity/internal/events"
	"github.com/primecloud/primecloud/services/identity/internal/invitation"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
	"github.com/primecloud/primecloud/services/identity/internal/ownership"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
)

func TestEncoder_gives_an_invitation_with_all_that_others_act_on_and_no_token(t *testing.T) {
	encode := events.Encoder(clock.NewManual(now))
	e, err := encode(t.Context(), unit.Change{Kind: invitation.Kind, Verb: "accepted", AccountID: "acc_1", ID: "inv_1", Version: 2, Snapshot: invitation.Invitation{
		ID: "inv_1", AccountID: "acc_1", Email: "bert@example.com", Role: membership.External, State: invitation.Accepted,
		Grants:    []invitation.Grant{{BucketID: "bkt_1", AccessLevel: "read"}, {BucketID: "bkt_2", AccessLevel: "write"}},
		InviterID: "usr_1", AcceptUserID: "usr_2", Delivery: 3, EndTime: now.Add(time.Hour),
	}})
	if err != nil || e.Type != "primecloud.identity.invitation.accepted.v1" {
		t.Fatalf("got %+v, %v", e, err)
	}
	var payload identityv1.InvitationChanged
	if err := proto.Unmarshal(e.Payload, &payload); err != nil {
		t.Fatal(err)
	}
	i := payload.GetInvitation()
	if len(i.GetGrants()) != 2 || i.GetGrants()[1].GetBucketId() != "bkt_2" || i.GetGrants()[1].GetAccessLevel() != "write" ||
		i.GetAcceptUserId() != "usr_2" || i.GetInviterId() != "usr_1" || i.GetDelivery() != 3 || i.GetEmail() != "bert@example.com" {
		t.Errorf("it says %v", i)
	}
	// The contract itself has no field for a token; this fails when somebody adds one.
	fields := i.ProtoReflect().Descriptor().Fields()
	for n := range fields.Len() {
		if name := string(fields.Get(n).Name()); strings.Contains(name, "token") || strings.Contains(name, "hash") || strings.Contains(name, "secret") {
			t.Errorf("an event of an invitation would show %s", name)
		}
	}
}

func TestEncoder_gives_a_transfer_in_each_of_its_states(t *testing.T) {
	encode := events.Encoder(clock.NewManual(now))
	for _, state := range []ownership.State{ownership.Pending, ownership.Confirmed, ownership.Declined, ownership.Canceled, ownership.Expired} {
		e, err := encode(t.Context(), unit.Change{Kind: ownership.Kind, Verb: "created", AccountID: "acc_1", ID: "otr_1", Version: 1, Snapshot: ownership.Transfer{
			ID: "otr_1", AccountID: "acc_1", State: state,
		}})
		if err != nil {
			t.Fatal(err)
		}
		var payload identityv1.OwnershipTransferChanged
		if err := proto.Unmarshal(e.Payload, &payload); err != nil {
			t.Fatal(err)
		}
		if name := strings.ToUpper(string(state)); payload.GetOwnershipTransfer().GetState().String() != "OWNERSHIP_TRANSFER_STATE_"+name {
			t.Errorf("%s travels as %v", state, payload.GetOwnershipTransfer().GetState())
		}
	}
}
