package event_test

import (
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/event"
)

func good() event.Event {
	return event.Event{
		ID: "evt_1", Type: event.Type("storage", "bucket", "created"),
		Aggregate: event.Aggregate{Kind: "bucket", ID: "bkt_1", Version: 1}, Time: time.Unix(1, 0),
	}
}

func TestValidate_accepts_an_event_with_all_it_needs(t *testing.T) {
	e := good()
	if err := e.Validate(); err != nil || e.Type != "primecloud.storage.bucket.created.v1" {
		t.Errorf("%q: %v", e.Type, err)
	}
}

func TestValidate_refuses_an_event_that_lacks_something(t *testing.T) {
	for name, spoil := range map[string]func(*event.Event){
		"no id":             func(e *event.Event) { e.ID = "" },
		"no type":           func(e *event.Event) { e.Type = "" },
		"no aggregate kind": func(e *event.Event) { e.Aggregate.Kind = "" },
		"no aggregate id":   func(e *event.Event) { e.Aggregate.ID = "" },
		"no time":           func(e *event.Event) { e.Time = time.Time{} },
	} {
		e := good()
		spoil(&e)
		if e.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestValidate_refuses_a_type_that_would_be_another_subject(t *testing.T) {
	for _, kind := range []string{
		"primecloud.storage.bucket.created", "primecloud.storage.bucket.created.v", "primecloud.storage.bucket.*.v1",
		"primecloud.storage.>.created.v1", "primecloud.storage.bucket.created.v1\n", "x.primecloud.storage.bucket.created.v1",
		"primecloud.storage.bucket.created.v1.more", "primecloud.Storage.bucket.created.v1", "primecloud.storage..created.v1",
	} {
		e := good()
		e.Type = kind
		if e.Validate() == nil {
			t.Errorf("%q is accepted", kind)
		}
	}
}
