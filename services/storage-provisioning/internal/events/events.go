// Package events is storage's side of the bus: it makes the events of its own changes, and
// reads identity's events of memberships and accepted invitations. Who calls is known from
// verified tokens alone.
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
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grpcapi"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/purge"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/quota"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/removal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/share"
)

// Noun is what storage publishes under.
const Noun = "storage"

// Encoder makes the event of a change; service is the process's long name, who acts when
// nobody called.
func Encoder(clock clock.Clock, service string) func(ctx context.Context, e change.Event) (event.Event, error) {
	return func(ctx context.Context, e change.Event) (event.Event, error) {
		payload, err := payloadOf(e.Snapshot)
		if err != nil {
			return event.Event{}, err
		}
		raw, err := proto.Marshal(payload)
		if err != nil {
			return event.Event{}, fmt.Errorf("encode %s %s: %w", e.Kind, e.ID, err)
		}
		caller := principal.FromContext(ctx)
		if caller.Kind == principal.Anonymous {
			caller = principal.Background(service)
		}
		now := clock.Now()
		return event.Event{
			ID:          id.New("evt", now),
			Type:        event.Type(Noun, e.Kind, e.Verb),
			AccountID:   e.AccountID,
			Actor:       event.Actor{Kind: string(caller.Kind), ID: caller.ID},
			Aggregate:   event.Aggregate{Kind: e.Kind, ID: e.ID, Version: e.Version},
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
	case bucket.Bucket:
		return &storagev1.BucketChanged{Bucket: grpcapi.Bucket(s)}, nil
	case accesskey.AccessKey:
		return grpcapi.AccessKeyChanged(s), nil
	case share.Share:
		return &storagev1.ShareChanged{Share: grpcapi.Share(s)}, nil
	case grant.Grant:
		return &storagev1.BucketGrantChanged{BucketGrant: grpcapi.BucketGrant(s)}, nil
	case removal.Removal:
		return &storagev1.AccountRemovalChanged{AccountRemoval: grpcapi.AccountRemoval(s)}, nil
	case purge.Purge:
		return &storagev1.BucketPurgeChanged{BucketPurge: grpcapi.BucketPurge(s)}, nil
	case quota.Told:
		return grpcapi.QuotaChanged(s), nil
	case quota.Request:
		return &storagev1.QuotaRequestChanged{QuotaRequest: grpcapi.QuotaRequest(s)}, nil
	default:
		return nil, fmt.Errorf("no event is known for %T", snapshot)
	}
}
