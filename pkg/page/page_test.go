package page_test

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/page"
)

func codec(t testing.TB, fill byte) *page.Codec {
	t.Helper()
	c, err := page.NewCodec(bytes.Repeat([]byte{fill}, page.MinKeyLength))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func position() *rapid.Generator[page.Position] {
	return rapid.Custom(func(t *rapid.T) page.Position {
		return rapid.SliceOfN(rapid.String(), 1, 4).Draw(t, "position")
	})
}

// binding draws from few letters, so that parts often run into each other.
func binding() *rapid.Generator[page.Binding] {
	word := rapid.StringMatching(`[ab]{0,2}`)
	return rapid.Custom(func(t *rapid.T) page.Binding {
		return page.Binding{
			Method: word.Draw(t, "method"), Account: word.Draw(t, "account"),
			Query: rapid.SliceOfN(word, 0, 3).Draw(t, "query"),
		}
	})
}

func TestCodec_reads_back_what_it_wrote_for_the_same_list_only(t *testing.T) {
	c, foreign := codec(t, 1), codec(t, 2)
	rapid.Check(t, func(t *rapid.T) {
		want, home, other := position().Draw(t, "position"), binding().Draw(t, "home"), binding().Draw(t, "other")
		token := c.Encode(want, home)
		if got, err := c.Decode(token, home); err != nil || !slices.Equal(got, want) {
			t.Fatalf("read %q, error %v", got, err)
		}
		if len(home.Query) == 0 {
			home.Query = other.Query[:0]
		}
		if _, err := c.Decode(token, other); !reflect.DeepEqual(home, other) && !errors.Is(err, page.ErrInvalid) {
			t.Fatalf("a token for %+v was read for %+v", home, other)
		}
		if _, err := foreign.Decode(token, home); !errors.Is(err, page.ErrInvalid) {
			t.Fatal("a token of another key was read")
		}
	})
}

func TestCodec_refuses_a_token_with_any_character_changed(t *testing.T) {
	c, b := codec(t, 1), page.Binding{Method: "/m", Account: "acc_1"}
	rapid.Check(t, func(t *rapid.T) {
		token := c.Encode(position().Draw(t, "position"), b)
		at := rapid.IntRange(0, len(token)).Draw(t, "at")
		changed := token[:at] + rapid.StringMatching(`[A-Za-z0-9_\-\n=]{1}`).Draw(t, "letter")
		if rapid.Bool().Draw(t, "replace") && at < len(token) {
			changed += token[at+1:]
		} else {
			changed += token[at:]
		}
		if got, err := c.Decode(changed, b); changed != token && !errors.Is(err, page.ErrInvalid) {
			t.Fatalf("%q, made of %q, was read as %q", changed, token, got)
		}
	})
}

func TestCodec_the_ends_of_a_list_have_no_token(t *testing.T) {
	c := codec(t, 1)
	if token := c.Encode(nil, page.Binding{}); token != "" {
		t.Errorf("the end has token %q", token)
	}
	if position, err := c.Decode("", page.Binding{}); err != nil || len(position) != 0 {
		t.Errorf("the start is %q, error %v", position, err)
	}
}

func TestCodec_says_to_start_again(t *testing.T) {
	_, err := codec(t, 1).Decode("forged", page.Binding{})
	e, ok := errs.As(err)
	if !ok || e.Kind() != errs.InvalidArgument || e.Reason() != "PAGE_TOKEN_INVALID" ||
		!strings.Contains(e.Message(), "start again without page_token") || e.Violations()[0].Field != "page_token" {
		t.Errorf("got %v", err)
	}
}

func TestNewCodec_refuses_a_short_key(t *testing.T) {
	if _, err := page.NewCodec(make([]byte, page.MinKeyLength-1)); err == nil {
		t.Error("no error")
	}
}

func TestSize_follows_AIP_158(t *testing.T) {
	for requested, want := range map[int32]int{0: 50, 1: 1, 50: 50, 1000: 1000, 1001: 1000, 1<<31 - 1: 1000} {
		if got, err := page.Size(requested, page.DefaultSize, page.MaxSize); err != nil || got != want {
			t.Errorf("%d gives %d, want %d, error %v", requested, got, want, err)
		}
	}
	if _, err := page.Size(-1, page.DefaultSize, page.MaxSize); errs.KindOf(err) != errs.InvalidArgument {
		t.Errorf("a negative size: %v", err)
	}
}

// FuzzDecode looks for a token that nobody made, or one that breaks the reader.
func FuzzDecode(f *testing.F) {
	c, b := codec(f, 1), page.Binding{Method: "/m", Account: "acc_1", Query: []string{"name"}}
	f.Add(c.Encode(page.Position{"a", ""}, b))
	f.Add("AQ\n")
	f.Add(strings.Repeat("A", 30))
	f.Fuzz(func(t *testing.T, token string) {
		position, err := c.Decode(token, b)
		if err == nil && c.Encode(position, b) != token {
			t.Errorf("%q was read as %q", token, position)
		}
		if err != nil && !errors.Is(err, page.ErrInvalid) {
			t.Errorf("%q: %v", token, err)
		}
	})
}
