package id_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/pkg/id"
)

// moment draws a time to the millisecond, from 1970 until 48 bits end.
func moment() *rapid.Generator[time.Time] {
	return rapid.Map(rapid.Int64Range(0, 1<<48-1), func(ms int64) time.Time { return time.UnixMilli(ms).UTC() })
}

func TestNew_makes_ids_that_are_valid_tell_their_time_and_sort_by_it(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		earlier, later := moment().Draw(t, "earlier"), moment().Draw(t, "later")
		a, b := id.New("bkt", earlier), id.New("bkt", later)
		if !id.Valid("bkt", a) || id.Valid("acc", a) || id.Valid("", a) || len(a) != len("bkt_")+id.Length {
			t.Fatalf("%q is not a valid id", a)
		}
		if at, ok := id.Time(a); !ok || !at.Equal(earlier) {
			t.Fatalf("%q says %s, made at %s", a, at, earlier)
		}
		if order := strings.Compare(a, b); !earlier.Equal(later) && order != earlier.Compare(later) {
			t.Fatalf("%q and %q sort %d, their times %d", a, b, order, earlier.Compare(later))
		}
	})
}

func TestNew_does_not_repeat_itself(t *testing.T) {
	seen := map[string]bool{}
	for range 10_000 {
		seen[id.New("evt", time.UnixMilli(1))] = true
	}
	if len(seen) != 10_000 {
		t.Errorf("%d different ids of 10000", len(seen))
	}
}

func TestValid_refuses_every_other_spelling(t *testing.T) {
	good := "bkt_01abcdefghjkmnpqrstvwxyz04"
	if !id.Valid("bkt", good) {
		t.Fatal("the canonical spelling is refused")
	}
	for _, bad := range []string{
		"", "bkt", "bkt_", strings.ToUpper(good), good[:len(good)-1], good + "0", " " + good, good + "\n",
		"bkt-" + good[4:], "bkt_01abcdefghijkmnpqrstvwxyz0", "bkt_01abcdefghjkmnpqrstvwxyz05", "bkt_" + strings.Repeat("\n", id.Length),
	} {
		if id.Valid("bkt", bad) {
			t.Errorf("%q is accepted", bad)
		}
		// Time does not look at the prefix.
		if at, ok := id.Time(bad); ok && bad != " "+good {
			t.Errorf("%q says it was made at %s", bad, at)
		}
	}
}

// FuzzValid looks for two spellings of one id, and for one that breaks the reader.
func FuzzValid(f *testing.F) {
	f.Add("bkt_01abcdefghjkmnpqrstvwxyz04")
	f.Add("bkt_\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n")
	f.Add("_")
	f.Fuzz(func(t *testing.T, s string) {
		_, timed := id.Time(s)
		if !id.Valid("bkt", s) {
			return
		}
		if !timed || s != strings.ToLower(s) || len(s) != len("bkt_")+id.Length {
			t.Errorf("%q is valid", s)
		}
	})
}
