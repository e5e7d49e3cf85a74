package seal_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/pkg/seal"
)

func newKeyset(t *testing.T, kek seal.KEK) seal.Keyset {
	t.Helper()
	k := seal.Keyset{File: filepath.Join(t.TempDir(), "keyset.json"), KEK: kek}
	if err := k.Create(); err != nil {
		t.Fatal(err)
	}
	return k
}

func sealer(t *testing.T, k seal.Keyset) *seal.Sealer {
	t.Helper()
	s, err := k.Sealer()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// place draws from few letters and short words, so that parts often run into each other.
func place() *rapid.Generator[seal.Context] {
	word := rapid.StringMatching(`[ab|\x00]{1,3}`)
	return rapid.Custom(func(t *rapid.T) seal.Context {
		return seal.Context{
			Tenant: rapid.StringMatching(`[ab|\x00]{0,3}`).Draw(t, "tenant"),
			Table:  word.Draw(t, "table"), Column: word.Draw(t, "column"), Row: word.Draw(t, "row"),
		}
	})
}

func TestSealer_opens_what_it_sealed_in_its_own_place_and_in_no_other(t *testing.T) {
	s := sealer(t, newKeyset(t, nil))
	rapid.Check(t, func(rt *rapid.T) {
		plaintext := rapid.SliceOf(rapid.Byte()).Draw(rt, "plaintext")
		home, other := place().Draw(rt, "home"), place().Draw(rt, "other")
		sealed, err := s.Seal(t.Context(), plaintext, home)
		if err != nil {
			rt.Fatal(err)
		}
		opened, err := s.Open(t.Context(), sealed, home)
		if err != nil || !bytes.Equal(opened, plaintext) {
			rt.Fatalf("opened %q, error %v", opened, err)
		}
		if opened, err := s.Open(t.Context(), sealed, other); other != home && !errors.Is(err, seal.ErrNotOpened) {
			rt.Fatalf("%+v opened what was sealed for %+v: %q, error %v", other, home, opened, err)
		}
		again, err := s.Seal(t.Context(), plaintext, home)
		if err != nil || bytes.Equal(again, sealed) {
			rt.Fatal("the same value was sealed into the same bytes")
		}
		sealed[rapid.IntRange(0, len(sealed)-1).Draw(rt, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(rt, "bit")
		if _, err := s.Open(t.Context(), sealed, home); !errors.Is(err, seal.ErrNotOpened) {
			rt.Fatalf("a changed value was opened, error %v", err)
		}
	})
}

func TestSealer_refuses_a_place_that_is_not_named(t *testing.T) {
	s := sealer(t, newKeyset(t, nil))
	for _, place := range []seal.Context{{}, {Table: "t", Column: "c"}, {Table: "t", Row: "r"}, {Column: "c", Row: "r"}} {
		if _, err := s.Seal(t.Context(), nil, place); err == nil {
			t.Errorf("%+v was accepted", place)
		}
		if _, err := s.Open(t.Context(), nil, place); err == nil || errors.Is(err, seal.ErrNotOpened) {
			t.Errorf("%+v: %v", place, err)
		}
	}
}

func TestKeyset_can_be_rotated_without_losing_a_value(t *testing.T) {
	k := newKeyset(t, nil)
	home := seal.Context{Tenant: "acc_1", Table: "key", Column: "secret", Row: "key_1"}
	first := sealer(t, k)
	old, err := first.Seal(t.Context(), []byte("one"), home)
	if err != nil {
		t.Fatal(err)
	}
	id, err := k.AddKey()
	if err != nil {
		t.Fatal(err)
	}
	// A process that has restarted still seals with the key that the others know.
	added := sealer(t, k)
	between, err := added.Seal(t.Context(), []byte("two"), home)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := first.Open(t.Context(), between, home); err != nil || string(got) != "two" {
		t.Errorf("a process before the rotation opened %q, error %v", got, err)
	}
	if err := k.Promote(id); err != nil {
		t.Fatal(err)
	}
	promoted := sealer(t, k)
	fresh, err := promoted.Seal(t.Context(), []byte("three"), home)
	if err != nil {
		t.Fatal(err)
	}
	for sealed, want := range map[string]string{string(old): "one", string(between): "two", string(fresh): "three"} {
		for name, s := range map[string]*seal.Sealer{"promoted": promoted, "added": added} {
			if got, err := s.Open(t.Context(), []byte(sealed), home); err != nil || string(got) != want {
				t.Errorf("%s opened %q, want %q, error %v", name, got, want, err)
			}
		}
	}
	if _, err := first.Open(t.Context(), fresh, home); !errors.Is(err, seal.ErrNotOpened) {
		t.Errorf("a keyset without the new key opened its value, error %v", err)
	}
	if err := k.Promote(id + 1); err == nil {
		t.Error("an absent key was promoted")
	}
}

func TestKeyset_file_is_private_and_never_overwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyset.json")
	if err := seal.NewKeysetFile(path); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := seal.NewKeysetFile(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second creation: %v", err)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the keyset changed, error %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind %q, error %v", left, err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := (seal.Keyset{File: path}).Sealer(); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a keyset that everybody can read was used: %v", err)
	}
}

func TestKeyset_under_a_key_encryption_key_shows_no_key(t *testing.T) {
	master := func() seal.KEK {
		handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
		if err != nil {
			t.Fatal(err)
		}
		kek, err := aead.New(handle)
		if err != nil {
			t.Fatal(err)
		}
		return kek
	}
	k := newKeyset(t, master())
	if _, err := k.AddKey(); err != nil {
		t.Fatal(err)
	}
	sealer(t, k)
	raw, err := os.ReadFile(k.File)
	if err != nil || !strings.Contains(string(raw), "encryptedKeyset") || strings.Contains(string(raw), `"keyData"`) {
		t.Errorf("the file holds %s, error %v", raw, err)
	}
	for name, other := range map[string]seal.KEK{"another": master(), "no": nil} {
		if _, err := (seal.Keyset{File: k.File, KEK: other}).Sealer(); err == nil {
			t.Errorf("%s key encryption key opened the keyset", name)
		}
	}
}

func TestKeyset_that_is_missing_or_broken_is_an_error_that_names_the_file(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyset.json")
	if _, err := (seal.Keyset{File: path}).Sealer(); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("missing: %v", err)
	}
	if err := os.WriteFile(path, []byte(`{"primaryKeyId":1,"key":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (seal.Keyset{File: path}).Sealer(); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("broken: %v", err)
	}
}
