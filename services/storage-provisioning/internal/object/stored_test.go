package object

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/pkg/errs"
)

func TestWhatever_can_be_listed_can_be_named(t *testing.T) {
	for _, key := range []string{"a\nb", "a\x01", " ", "a*", "${x}", "...", "a\\b", strings.Repeat("k", 1024), "a/"} {
		if err := checkStored(Ref{Key: key, VersionID: "0b1f-22"}); err != nil {
			t.Errorf("%q: %v", key, err)
		}
	}
}

func TestWhat_a_backend_would_take_for_another_key_is_refused(t *testing.T) {
	for _, key := range []string{"", "/a", "a//b", "..", "a/../b", "a/.", `a\..\b`, "a\x00b", "a\xff", strings.Repeat("k", 1025), "a__XLDIR__"} {
		if got := errs.ReasonOf(checkStored(Ref{Key: key})); got != "OBJECT_KEY_INVALID" {
			t.Errorf("%q: %q", key, got)
		}
	}
	for _, version := range []string{"../x", "a b", "A", "a&b=c"} {
		if got := errs.ReasonOf(checkStored(Ref{Key: "k", VersionID: version})); got != "REQUEST_INVALID" {
			t.Errorf("version %q: %q", version, got)
		}
	}
}

func TestWhatever_a_URL_is_signed_for_can_be_deleted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.String().Draw(t, "key")
		if CheckKey(key) == nil && checkStored(Ref{Key: key}) != nil {
			t.Fatalf("%q can be made and not named", key)
		}
	})
}

func TestSearch_asks_for_all_that_is_set(t *testing.T) {
	o := Object{Ref: Ref{Key: "logs/Day-1.TXT"}, Tags: map[string]string{"kind": "log", "empty": ""}}
	for _, c := range []struct {
		q    Search
		want bool
	}{
		{Search{}, true},
		{Search{Contains: "day-1.txt"}, true},
		{Search{Query: Query{Prefix: "logs/"}, Contains: "logs"}, false},
		{Search{Tags: map[string]string{"kind": ""}}, true},
		{Search{Tags: map[string]string{"kind": "log", "empty": ""}}, true},
		{Search{Tags: map[string]string{"kind": "other"}}, false},
		{Search{Contains: "day", Tags: map[string]string{"absent": ""}}, false},
	} {
		if got := c.q.matches(o); got != c.want {
			t.Errorf("%+v: %t", c.q, got)
		}
	}
}

func TestTheEtag_of_an_upload_in_parts_is_that_of_S3(t *testing.T) {
	// Two parts whose etags are those of "a" and "b".
	parts := []Part{{Number: 1, ETag: "0cc175b9c0f1b6a831c399e269772661"}, {Number: 2, ETag: "92eb5ffee6ae2fec3ad71c777531578f"}}
	if got := etagOf(parts); got != "96e024ba2074fe77e8e965ba43a704be-2" {
		t.Errorf("it is %s", got)
	}
	for _, bad := range [][]Part{nil, {parts[1], parts[0]}, {parts[0], parts[0]}, {{Number: 0, ETag: parts[0].ETag}}, {{Number: 10_001, ETag: parts[0].ETag}}, {{Number: 1, ETag: "x"}}} {
		if checkParts(bad) == nil {
			t.Errorf("%v pass", bad)
		}
	}
}
