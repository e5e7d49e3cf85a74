package auditchain_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/primecloud/primecloud/services/identity/internal/auditchain"
)

func TestKeysBesideTheAnchorsAreAddedToAndNeverTakenAway(t *testing.T) {
	dir := t.TempDir()
	first, firstRing := newTrail(t)
	second, secondRing := newTrail(t)
	anchor := func(tr *trail, ring *auditchain.Keyring) error {
		_, err := anchorer(tr, ring, dir).Anchor(t.Context())
		return err
	}
	must(t, anchor(first, firstRing))
	must(t, anchor(second, secondRing))
	must(t, anchor(first, firstRing))
	keys, err := auditchain.Directory(dir).Keys()
	if err != nil || len(keys) != 2 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	for _, ring := range []*auditchain.Keyring{firstRing, secondRing} {
		if id := ring.PublicKeys()[0].ID; keys[id] == nil {
			t.Errorf("key %s is gone", id)
		}
	}
	name := filepath.Join(dir, "keys.json")
	before, err := os.ReadFile(name)
	must(t, err)
	must(t, anchor(second, secondRing))
	if after, err := os.ReadFile(name); err != nil || string(after) != string(before) {
		t.Errorf("keys that are all there were written anew: %v", err)
	}
	t.Run("not even when they cannot be read", func(t *testing.T) {
		must(t, os.Remove(name))
		must(t, os.WriteFile(name, before[:len(before)/2], 0o600))
		if err := anchor(first, firstRing); err == nil {
			t.Error("it goes on")
		}
		if after, err := os.ReadFile(name); err != nil || len(after) != len(before)/2 {
			t.Errorf("it was written over: %v", err)
		}
	})
}
