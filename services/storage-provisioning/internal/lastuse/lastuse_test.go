package lastuse

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
)

type store struct {
	fails   error
	written []Counted
}

func (s *store) RecordUses(_ context.Context, uses []Counted, _ time.Time) error {
	if s.fails != nil {
		return s.fails
	}
	s.written = append(s.written, uses...)
	return nil
}

func (*store) UsesOf(context.Context, string, string, time.Time) ([]accesskey.Use, time.Time, error) {
	return nil, time.Time{}, nil
}

func TestUses_are_counted_together_and_outlive_a_database_that_is_away(t *testing.T) {
	kept := &store{fails: errs.New(errs.Unavailable, "DATABASE_UNAVAILABLE", "away")}
	s := NewService(NewLookup([]byte("secret")), Deps{Store: kept, Clock: clock.System(), Logger: slog.New(slog.DiscardHandler)})
	at := time.Now()
	use := func(id, operation string, after time.Duration) {
		s.Hear(Heard{KeyID: id, Use: accesskey.Use{Time: at.Add(after), Operation: operation, Address: "192.0.2.1"}})
	}
	use("A", "PutObject", 2*time.Second)
	use("A", "PutObject", time.Second)
	use("A", "GetObject", 0)
	s.flush(t.Context())
	use("A", "PutObject", 3*time.Second)
	kept.fails = nil
	s.flush(t.Context())
	s.flush(t.Context())
	if len(kept.written) != 2 {
		t.Fatalf("wrote %v", kept.written)
	}
	for _, u := range kept.written {
		if bytes.Contains(u.Lookup, []byte("A")) && len(u.Lookup) < 32 {
			t.Error("the id is kept")
		}
		if u.Operation == "PutObject" && (u.Count != 3 || !u.Time.Equal(at.Add(3*time.Second))) {
			t.Errorf("counted %+v", u)
		}
	}
}

func TestUses_that_the_database_refuses_do_not_keep_others_from_being_written(t *testing.T) {
	kept := &store{fails: errors.New("no such character")}
	s := NewService(NewLookup([]byte("secret")), Deps{Store: kept, Clock: clock.System(), Logger: slog.New(slog.DiscardHandler)})
	s.Hear(Heard{KeyID: "A", Use: accesskey.Use{Time: time.Now(), Operation: "refused"}})
	s.flush(t.Context())
	kept.fails = nil
	s.Hear(Heard{KeyID: "A", Use: accesskey.Use{Time: time.Now(), Operation: "sound"}})
	s.flush(t.Context())
	if len(kept.written) != 1 || kept.written[0].Operation != "sound" {
		t.Errorf("wrote %v", kept.written)
	}
}

func TestALookup_depends_on_the_secret_and_gives_no_id_away(t *testing.T) {
	a, b := NewLookup([]byte("one")), NewLookup([]byte("two"))
	if bytes.Equal(a.Of("K"), b.Of("K")) || bytes.Equal(a.Of("K"), a.Of("L")) || !bytes.Equal(a.Of("K"), NewLookup([]byte("one")).Of("K")) || a.Mark() == b.Mark() {
		t.Error("it does not")
	}
}
