package envelope_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/event"
	"github.com/primecloud/primecloud/pkg/event/envelope"
)

func complete() event.Event {
	return event.Event{
		ID: "evt_1", Type: event.Type("storage", "bucket", "created"), AccountID: "acc_1",
		Actor: event.Actor{Kind: "person", ID: "usr_1"}, Aggregate: event.Aggregate{Kind: "bucket", ID: "bkt_1", Version: 7},
		Time: time.Date(2026, 11, 23, 1, 2, 3, 4, time.UTC), Traceparent: "00-00000000000000000000000000000001-0000000000000001-01",
		RequestID: "req_1", PayloadType: "primecloud.storage.v1.BucketCreated", Payload: []byte{1, 2, 3},
	}
}

func TestEncode_and_Decode_keep_every_field(t *testing.T) {
	raw, err := envelope.Encode(complete())
	if err != nil {
		t.Fatal(err)
	}
	got, err := envelope.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, complete()) {
		t.Errorf("got %+v, want %+v", got, complete())
	}
}

func TestEncode_refuses_an_incomplete_event(t *testing.T) {
	for name, change := range map[string]func(*event.Event){
		"no id":           func(e *event.Event) { e.ID = "" },
		"a strange type":  func(e *event.Event) { e.Type = "storage.bucket" },
		"no aggregate":    func(e *event.Event) { e.Aggregate.ID = "" },
		"no time":         func(e *event.Event) { e.Time = time.Time{} },
		"no payload type": func(e *event.Event) { e.PayloadType = "" },
	} {
		t.Run(name, func(t *testing.T) {
			e := complete()
			change(&e)
			if _, err := envelope.Encode(e); err == nil {
				t.Error("it was encoded")
			}
		})
	}
}

func FuzzDecode_gives_a_complete_event_or_an_error(f *testing.F) {
	raw, err := envelope.Encode(complete())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte{})
	f.Add([]byte{0x0a, 0xff})
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := envelope.Decode(raw)
		if err == nil && e.Validate() != nil {
			t.Errorf("decoded an incomplete event %+v", e)
		}
	})
}
