// Package envelope writes an event as the bytes that travel, a primecloud.event.v1.Envelope,
// and reads them again. It owns that translation and nothing else.
package envelope

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/primecloud/primecloud/pkg/event"
	eventv1 "github.com/primecloud/primecloud/proto/gen/primecloud/event/v1"
)

const typePrefix = "type.googleapis.com/"

// Encode writes an event that is complete.
func Encode(e event.Event) ([]byte, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	if e.PayloadType == "" {
		return nil, fmt.Errorf("event %s has no payload type", e.ID)
	}
	raw, err := proto.Marshal(&eventv1.Envelope{
		Id:          e.ID,
		Type:        e.Type,
		AccountId:   e.AccountID,
		Actor:       &eventv1.Actor{Kind: e.Actor.Kind, Id: e.Actor.ID},
		Aggregate:   &eventv1.Aggregate{Kind: e.Aggregate.Kind, Id: e.Aggregate.ID, Version: e.Aggregate.Version},
		Time:        timestamppb.New(e.Time),
		Traceparent: e.Traceparent,
		RequestId:   e.RequestID,
		Payload:     &anypb.Any{TypeUrl: typePrefix + e.PayloadType, Value: e.Payload},
	})
	if err != nil {
		return nil, fmt.Errorf("encode event %s: %w", e.ID, err)
	}
	return raw, nil
}

// Decode reads an event and checks that it is complete. It never trusts the bytes: any
// input gives an event or an error.
func Decode(raw []byte) (event.Event, error) {
	var e eventv1.Envelope
	if err := proto.Unmarshal(raw, &e); err != nil {
		return event.Event{}, fmt.Errorf("decode an event: %w", err)
	}
	if !e.GetTime().IsValid() {
		return event.Event{}, fmt.Errorf("event %s has no valid time", e.GetId())
	}
	url := e.GetPayload().GetTypeUrl()
	if len(url) <= len(typePrefix) || url[:len(typePrefix)] != typePrefix {
		return event.Event{}, fmt.Errorf("event %s has a payload of type %q", e.GetId(), url)
	}
	decoded := event.Event{
		ID:          e.GetId(),
		Type:        e.GetType(),
		AccountID:   e.GetAccountId(),
		Actor:       event.Actor{Kind: e.GetActor().GetKind(), ID: e.GetActor().GetId()},
		Aggregate:   event.Aggregate{Kind: e.GetAggregate().GetKind(), ID: e.GetAggregate().GetId(), Version: e.GetAggregate().GetVersion()},
		Time:        e.GetTime().AsTime(),
		Traceparent: e.GetTraceparent(),
		RequestID:   e.GetRequestId(),
		PayloadType: url[len(typePrefix):],
		Payload:     e.GetPayload().GetValue(),
	}
	return decoded, decoded.Validate()
}
