package storage_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/primecloud/primecloud/pkg/access"
	"github.com/primecloud/primecloud/pkg/bus"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/event"
	"github.com/primecloud/primecloud/pkg/event/envelope"
	"github.com/primecloud/primecloud/pkg/testkit"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// says publishes events as identity does, in their order.
func (w *world) says(events ...event.Event) {
	w.t.Helper()
	conn, err := nats.Connect(w.nats.URL())
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := bus.EnsureStream(testkit.Context(w.t), js, "identity"); err != nil {
		w.t.Fatal(err)
	}
	for _, e := range events {
		raw, err := envelope.Encode(e)
		if err != nil {
			w.t.Fatal(err)
		}
		if _, err := js.Publish(testkit.Context(w.t), e.Type, raw); err != nil {
			w.t.Fatal(err)
		}
	}
}

func identityEvent(resource, verb, account, id string, version int64, payload proto.Message) event.Event {
	raw, err := proto.Marshal(payload)
	if err != nil {
		panic(err) // a message that the test made
	}
	return event.Event{
		ID: "evt_" + random(), Type: event.Type("identity", resource, verb), AccountID: account, Time: time.Now(),
		Aggregate:   event.Aggregate{Kind: resource, ID: id, Version: version},
		PayloadType: string(payload.ProtoReflect().Descriptor().FullName()), Payload: raw,
	}
}

// membership is the event of a membership: verb is created, updated or deleted.
func membership(verb, account, user, role string, version int64) event.Event {
	return identityEvent("membership", verb, account, user+"/"+account, version, &identityv1.MembershipChanged{
		Membership: &identityv1.Membership{AccountId: account, UserId: user, Role: access.RoleOf(role)},
	})
}

// offer is a grant as an invitation has it.
func offer(bucketID, level string) *identityv1.BucketGrant {
	return &identityv1.BucketGrant{BucketId: bucketID, AccessLevel: level}
}

// acceptance is the event of an external person's accepted invitation.
func acceptance(account, user string, version int64, offers ...*identityv1.BucketGrant) event.Event {
	id := "inv_" + random()
	return identityEvent("invitation", "accepted", account, id, 2, &identityv1.InvitationChanged{
		MembershipVersion: version, Invitation: &identityv1.Invitation{
			Id: id, AccountId: account, AcceptUserId: user, Role: access.RoleOf("external"), Grants: offers,
			State: identityv1.InvitationState_INVITATION_STATE_ACCEPTED,
		},
	})
}

// person returns the id of somebody new.
func person() string { return "usr_" + random() }

// seen returns the names of the buckets that a caller finds, a page of the size at a time.
func (w *world) seen(ctx context.Context, account string, size int32) []string {
	w.t.Helper()
	names, token := []string{}, ""
	for {
		page, err := w.buckets.ListBuckets(ctx, &storagev1.ListBucketsRequest{AccountId: account, PageSize: size, PageToken: token})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, b := range page.GetBuckets() {
			names = append(names, b.GetName())
		}
		if token = page.GetNextPageToken(); token == "" {
			return names
		}
	}
}

// sees waits until the external person finds exactly these buckets.
func (w *world) sees(account, user string, want ...string) {
	w.t.Helper()
	slices.Sort(want)
	testkit.Eventually(w.t, patience, func() error {
		if got := w.seen(w.asPerson(account, user, "external"), account, 0); !slices.Equal(got, want) {
			return fmt.Errorf("they see %v, want %v", got, want)
		}
		return nil
	})
}

// upload and download ask for a URL and return why there is none.
func (w *world) upload(ctx context.Context, account, bucket string) error {
	_, err := w.objects.PresignUpload(ctx, &storagev1.PresignUploadRequest{AccountId: account, Bucket: bucket, Key: "k"})
	return err
}

func (w *world) download(ctx context.Context, account, bucket string) error {
	_, err := w.objects.PresignDownload(ctx, &storagev1.PresignDownloadRequest{AccountId: account, Bucket: bucket, Key: "k"})
	return err
}

func (w *world) read(ctx context.Context, account, bucket string) error {
	_, err := w.buckets.GetBucket(ctx, &storagev1.GetBucketRequest{AccountId: account, Bucket: bucket})
	return err
}

// reachesNothing fails the test unless the bucket looks to the caller like one that never was.
func (w *world) reachesNothing(ctx context.Context, account, bucket string) {
	w.t.Helper()
	for _, call := range []func(context.Context, string, string) error{w.read, w.upload, w.download, func(ctx context.Context, account, bucket string) error {
		_, err := w.grants.ExplainBucketAccess(ctx, &storagev1.ExplainBucketAccessRequest{AccountId: account, Bucket: bucket})
		return err
	}} {
		hidden, absent := call(ctx, account, bucket), call(ctx, account, "never-was")
		refused(w.t, hidden, errs.NotFound, "BUCKET_NOT_FOUND")
		if hidden.Error() != absent.Error() {
			w.t.Errorf("a hidden bucket answers %q, an absent one %q", hidden, absent)
		}
	}
}

// tells waits until the account's trail holds so many entries that say so.
func (w *world) tells(account string, many int, entry string) {
	w.t.Helper()
	testkit.Eventually(w.t, patience, func() error {
		events, err := w.published()
		if err != nil {
			return err
		}
		said := trail(w.t, events, account)
		found := 0
		for _, s := range said {
			if strings.Contains(s, entry) {
				found++
			}
		}
		if found != many {
			return fmt.Errorf("%q stands %d times in the trail and not %d times:\n%s", entry, found, many, strings.Join(said, "\n"))
		}
		return nil
	})
}

// grantEvents returns what happened to grants, as the stream has it.
func (w *world) grantEvents(t *testing.T) []string {
	t.Helper()
	events, err := w.published()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range events {
		if e.Aggregate.Kind != "bucket_grant" {
			continue
		}
		var payload storagev1.BucketGrantChanged
		if err := proto.Unmarshal(e.Payload, &payload); err != nil {
			t.Fatal(err)
		}
		g := payload.GetBucketGrant()
		if e.Aggregate.ID != g.GetId() || e.AccountID != g.GetAccountId() {
			t.Errorf("event %+v carries %v", e, g)
		}
		list = append(list, fmt.Sprintf("%s %s %d", strings.TrimSuffix(strings.TrimPrefix(e.Type, "primecloud.storage.bucket_grant."), ".v1"),
			strings.TrimPrefix(g.GetPermission().String(), "PERMISSION_"), e.Aggregate.Version))
	}
	return list
}
