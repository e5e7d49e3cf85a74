package audittrail_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/primecloud/primecloud/services/identity/internal/audittrail"
)

type reader struct{ asked int }

func (r *reader) ListEntries(context.Context, string, audittrail.Filter, audittrail.Position, int) ([]audittrail.Entry, error) {
	r.asked++
	return nil, nil
}

func (r *reader) AppendEntries(context.Context, []audittrail.Entry) error {
	r.asked++
	return nil
}

func TestList_refuses_a_period_that_ends_before_it_begins(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	cases := []struct {
		name       string
		start, end time.Time
		want       error
	}{
		{"no period", time.Time{}, time.Time{}, nil},
		{"an open end", now, time.Time{}, nil},
		{"an open start", time.Time{}, now, nil},
		{"a moment", now, now.Add(1), nil},
		{"nothing", now, now, audittrail.ErrPeriodInvalid},
		{"backwards", now, now.Add(-time.Hour), audittrail.ErrPeriodInvalid},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := &reader{}
			_, err := audittrail.New(r).List(t.Context(), "acc", audittrail.Filter{Start: c.start, End: c.end}, audittrail.Position{}, 10)
			if !errors.Is(err, c.want) || (r.asked == 1) != (c.want == nil) {
				t.Errorf("got %v, asked %d times", err, r.asked)
			}
		})
	}
}

func TestRecord_refuses_an_entry_that_the_trail_cannot_be_read_by(t *testing.T) {
	whole := audittrail.Entry{
		EventID: "evt_1", ID: "aud_1", Time: time.Now(), Service: "storage-provisioning", Action: "bucket.create",
		Outcome: "SUCCEEDED", Actor: audittrail.Actor{Kind: "person"},
	}
	r := &reader{}
	if err := audittrail.Record(t.Context(), r, whole); err != nil || r.asked != 1 {
		t.Fatalf("a whole entry: %v", err)
	}
	for name, lack := range map[string]func(*audittrail.Entry){
		"event id": func(e *audittrail.Entry) { e.EventID = "" }, "id": func(e *audittrail.Entry) { e.ID = "" },
		"time": func(e *audittrail.Entry) { e.Time = time.Time{} }, "service": func(e *audittrail.Entry) { e.Service = "" },
		"action": func(e *audittrail.Entry) { e.Action = "" }, "outcome": func(e *audittrail.Entry) { e.Outcome = "" },
		"actor": func(e *audittrail.Entry) { e.Actor.Kind = "" },
	} {
		e := whole
		lack(&e)
		if err := audittrail.Record(t.Context(), r, e); err == nil {
			t.Errorf("an entry without %s is stored", name)
		}
	}
}
