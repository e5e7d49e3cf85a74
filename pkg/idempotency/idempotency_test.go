package idempotency_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/idempotency"
)

func TestCheck_accepts_visible_ASCII_up_to_its_longest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringMatching(`[!-~]{1,255}`).Draw(t, "key")
		if err := idempotency.Check(key); err != nil {
			t.Fatalf("%q is refused: %v", key, err)
		}
		at := rapid.IntRange(0, len(key)).Draw(t, "at")
		strange := rapid.SampledFrom([]string{" ", "\x00", "\n", "\x7f", "\x80", "é"}).Draw(t, "strange")
		if err := idempotency.Check(key[:at] + strange + key[at:]); !errors.Is(err, idempotency.ErrInvalid) {
			t.Fatalf("%q in the key is accepted, error %v", strange, err)
		}
	})
}

func TestCheck_refuses_no_key_and_one_that_is_too_long(t *testing.T) {
	for _, key := range []string{"", strings.Repeat("k", idempotency.MaxLength+1)} {
		if err := idempotency.Check(key); !errors.Is(err, idempotency.ErrInvalid) {
			t.Errorf("a key of %d bytes: %v", len(key), err)
		}
	}
}

// FuzzCheck holds that what is accepted can go through a header as it is.
func FuzzCheck(f *testing.F) {
	f.Add("order-1")
	f.Add("a b")
	f.Fuzz(func(t *testing.T, key string) {
		if idempotency.Check(key) != nil {
			return
		}
		if key == "" || len(key) > 255 || strings.TrimSpace(key) != key || strings.ContainsFunc(key, func(r rune) bool { return r < '!' || r > '~' }) {
			t.Errorf("%q is accepted", key)
		}
	})
}

func TestContext_carries_the_key_or_none(t *testing.T) {
	want := idempotency.Key{Principal: "person:usr_1", Method: "/m", Value: "k", RequestHash: [32]byte{1}}
	if got := idempotency.FromContext(idempotency.NewContext(t.Context(), want)); got != want {
		t.Errorf("got %+v", got)
	}
	if got := idempotency.FromContext(t.Context()); got != (idempotency.Key{}) {
		t.Errorf("a bare context carries %+v", got)
	}
}

func TestErrors_tell_a_client_whether_to_retry(t *testing.T) {
	for err, retry := range map[error]bool{idempotency.ErrReused: false, idempotency.ErrInvalid: false, idempotency.ErrInProgress: true} {
		if errs.Retriable(err) != retry {
			t.Errorf("%v: retriable is %t", err, !retry)
		}
	}
}
