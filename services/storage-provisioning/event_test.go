package storage_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/primecloud/primecloud/pkg/event"
	"github.com/primecloud/primecloud/pkg/event/envelope"
	"github.com/primecloud/primecloud/pkg/testkit"
	auditv1 "github.com/primecloud/primecloud/proto/gen/primecloud/audit/v1"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// published returns all that is in the stream, in its order.
func (w *world) published() ([]event.Event, error) {
	conn, err := nats.Connect(w.nats.URL())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	stream, err := js.Stream(w.t.Context(), "STORAGE")
	if err != nil {
		return nil, err
	}
	var list []event.Event
	for seq := uint64(1); seq <= stream.CachedInfo().State.LastSeq; seq++ {
		message, err := stream.GetMsg(w.t.Context(), seq)
		if err != nil {
			return nil, err
		}
		e, err := envelope.Decode(message.Data)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

// trail returns what the account's audit entries say, in the order of their time.
func trail(t *testing.T, events []event.Event, account string) []string {
	t.Helper()
	var entries []*auditv1.AuditEntry
	for _, e := range events {
		if e.Type != "primecloud.storage.audit.recorded.v1" || e.AccountID != account {
			continue
		}
		var payload auditv1.AuditRecorded
		if err := proto.Unmarshal(e.Payload, &payload); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, payload.GetAuditEntry())
	}
	slices.SortStableFunc(entries, func(a, b *auditv1.AuditEntry) int {
		return a.GetTime().AsTime().Compare(b.GetTime().AsTime())
	})
	var said []string
	for _, a := range entries {
		said = append(said, strings.TrimSpace(fmt.Sprintf("%s %s by %s %s", a.GetAction(),
			strings.TrimPrefix(a.GetOutcome().String(), "OUTCOME_"), a.GetActor().GetId(), a.GetReason())))
	}
	return said
}

func TestEvents_tell_of_every_change_and_who_made_it(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket := account(), name()
	created := w.create(acc, bucket)
	if _, err := w.buckets.UpdateBucket(w.as(acc), &storagev1.UpdateBucketRequest{AccountId: acc, BucketName: bucket, Bucket: &storagev1.Bucket{QuotaBytes: 7 << 20}}); err != nil {
		t.Fatal(err)
	}
	w.put(bucket, "a")
	if _, err := w.buckets.DeleteBucket(w.as(acc), &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: bucket}); err == nil {
		t.Fatal("a full bucket was deleted")
	}
	if err := w.s3().RemoveObject(testkit.Context(t), bucket, "a", removeLatest); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 10*time.Second, func() error {
		_, err := w.buckets.DeleteBucket(w.as(acc), &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: bucket})
		return err
	})
	who := "usr_" + acc
	want := []string{
		"bucket.create STARTED by " + who, "bucket.create SUCCEEDED by " + who,
		"bucket.update STARTED by " + who, "bucket.update SUCCEEDED by " + who,
		"bucket.delete STARTED by " + who, "bucket.delete FAILED by " + who + " BUCKET_NOT_EMPTY",
		"bucket.delete STARTED by " + who, "bucket.delete SUCCEEDED by " + who,
	}
	var events []event.Event
	testkit.Eventually(t, patience, func() error {
		var err error
		if events, err = w.published(); err != nil {
			return err
		}
		if got := trail(t, events, acc); !slices.Equal(got, want) {
			return fmt.Errorf("the trail has\n%s", strings.Join(got, "\n"))
		}
		// The last audit entry may be in the stream a moment before the event of the same commit.
		if got := bucketEvents(events); !slices.Equal(got, []string{
			"primecloud.storage.bucket.created.v1", "primecloud.storage.bucket.updated.v1", "primecloud.storage.bucket.deleted.v1",
		}) {
			return fmt.Errorf("the events are %v", got)
		}
		return nil
	})
	var version int64
	for _, e := range events {
		if e.Aggregate.Kind != "bucket" {
			continue
		}
		var payload storagev1.BucketChanged
		if err := proto.Unmarshal(e.Payload, &payload); err != nil {
			t.Fatal(err)
		}
		if payload.GetBucket().GetName() != bucket || e.Aggregate.ID != created.GetId() || e.Actor.ID != who || e.Aggregate.Version <= version {
			t.Errorf("the event is %+v", e)
		}
		version = e.Aggregate.Version
	}
}

// bucketEvents returns the types of the events about buckets.
func bucketEvents(events []event.Event) []string {
	var types []string
	for _, e := range events {
		if e.Aggregate.Kind == "bucket" {
			types = append(types, e.Type)
		}
	}
	return types
}

func TestEvents_wait_while_NATS_is_down(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	if err := w.nats.Kill(); err != nil {
		t.Fatal(err)
	}
	acc := account()
	w.create(acc, name())
	if err := w.nats.Start(testkit.Context(t)); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 30*time.Second, func() error {
		events, err := w.published()
		if err == nil && len(trail(t, events, acc)) != 2 {
			err = fmt.Errorf("the stream has %d events", len(events))
		}
		return err
	})
}

func TestRefusals_are_told(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc := account()
	_, err := w.buckets.CreateBucket(w.asRole(acc, "viewer"), &storagev1.CreateBucketRequest{AccountId: acc, Name: name()})
	if err == nil {
		t.Fatal("a viewer may write")
	}
	testkit.Eventually(t, 30*time.Second, func() error {
		events, err := w.published()
		if err != nil {
			return err
		}
		got := trail(t, events, acc)
		if len(got) != 1 || !strings.Contains(got[0], "DENIED by usr_"+acc+" ROLE_NOT_ALLOWED") {
			return fmt.Errorf("the trail has %v", got)
		}
		return nil
	})
}
