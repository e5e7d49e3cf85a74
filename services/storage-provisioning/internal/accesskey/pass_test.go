package accesskey_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/drift"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

// strays and rows are ports that only what is asked for is made of.
type (
	strays = accesskey.Strays
	rows   = drift.Rows
)

// vague is a backend whose answers about everything leave out what is not in users and keys.
type vague struct {
	accesskey.Backends
	strays
	users  map[string]principal.User
	keys   map[string][]string
	stands map[string]error
	asked  int
}

func (*inventory) Keys(context.Context, string, string, int) ([]accesskey.AccessKey, error) {
	return nil, nil
}

func (v *vague) Strays(string) (accesskey.Strays, error) { return v, nil }

// keysOf is a vague backend as keys see it.
type keysOf struct {
	accesskey.Keys
	of *vague
}

func (v *vague) Keys(string) (accesskey.Keys, error) { return keysOf{of: v}, nil }

func (v *vague) ListUsers(context.Context) (map[string]principal.User, error) { return v.users, nil }

func (v *vague) ListKeys(_ context.Context, users []string) (map[string][]string, error) {
	found := map[string][]string{}
	for _, u := range users {
		found[u] = v.keys[u]
	}
	return found, nil
}

func (v *vague) ObserveUser(_ context.Context, id string) (principal.User, error) {
	v.asked++
	err, stands := v.stands[id]
	return principal.User{Exists: stands && err == nil}, err
}

func (k keysOf) ObserveKey(_ context.Context, id string) (principal.Key, error) {
	for _, ids := range k.of.keys {
		if slices.Contains(ids, id) {
			return principal.Key{Exists: true}, nil
		}
	}
	return principal.Key{}, nil
}

// inventory is the record of a backend: what is managed, and the findings that are open.
type inventory struct {
	rows
	managed map[string]bool
	open    map[string]accesskey.Stray
	told    []string
}

func (i *inventory) Unmanaged(_ context.Context, _ string, ids []string) ([]string, error) {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return i.managed[id] }), nil
}

func (*inventory) Owners(context.Context, []string) (map[string]string, error) {
	return map[string]string{"primecloud-pri_1": "acc_1"}, nil
}

func (i *inventory) Kept(context.Context, string) ([]accesskey.Stray, error) {
	return slices.Collect(maps.Values(i.open)), nil
}

func (*inventory) ByFinding(context.Context, string) (accesskey.Stray, bool, bool, error) {
	return accesskey.Stray{}, false, false, nil
}

func (i *inventory) InPlatform(ctx context.Context, fn func(context.Context, accesskey.PlatformTx) error) error {
	return fn(ctx, accesskey.PlatformTx{Tx: change.Tx{Record: told{}}, Drifts: i, Strays: i})
}

func (i *inventory) Keep(_ context.Context, strays []accesskey.Stray) error {
	for _, s := range strays {
		i.open[s.Place] = s
	}
	return nil
}

func (*inventory) Forget(context.Context, time.Time) error { return nil }

func (i *inventory) Record(_ context.Context, f drift.Finding) (bool, error) {
	i.told = append(i.told, f.Observed)
	return true, nil
}

// told is a trail that nobody reads.
type told struct{}

func (told) Audit(context.Context, audit.Entry) error { return nil }

func (told) Publish(context.Context, change.Event) error { return nil }

func (i *inventory) GoneExtras(_ context.Context, _, _ string, still []string, _ time.Time) (int64, error) {
	maps.DeleteFunc(i.open, func(place string, _ accesskey.Stray) bool { return !slices.Contains(still, place) })
	return 0, nil
}

func hash(id string) []byte { sum := sha256.Sum256([]byte(id)); return sum[:] }

func place(id string) string { return "b1/" + hex.EncodeToString(hash(id)[:16]) }

func passOver(t *testing.T, on *vague, known *inventory) {
	t.Helper()
	s := accesskey.NewService(accesskey.Deps{Backends: on, Inventory: known, Hash: hash, Clock: clock.System()})
	if _, err := s.PassOver(t.Context(), "b1"); err != nil {
		t.Fatal(err)
	}
}

func TestAPass_reports_what_nobody_manages_and_nothing_of_ours(t *testing.T) {
	own, holder := "pcu0123456789abcdef0123", "pch0123456789abcdef0123"
	on := &vague{
		users: map[string]principal.User{
			own: {Enabled: true, Policies: []string{"primecloud-pri_1"}}, holder: {Enabled: true},
			"alice": {Enabled: true}, "bob": {}, "adopted": {Enabled: true},
		},
		keys: map[string][]string{own: {"managed", "PCR0123456789ABCDEF", "stray"}, holder: {"odd"}, "alice": {"hers"}},
	}
	known := &inventory{managed: map[string]bool{"managed": true, "adopted": true}, open: map[string]accesskey.Stray{}}
	passOver(t, on, known)
	slices.Sort(known.told)
	want := []string{
		"a service account of a key's own user, of no account", "a service account of the user of acc_1",
		"a user, switched off", "a user, switched on",
	}
	if !slices.Equal(known.told, want) || len(known.open) != 4 {
		t.Errorf("told %v, open %v", known.told, known.open)
	}
	if k := known.open[place("stray")]; k.KeyID != "stray" {
		t.Errorf("%v", k)
	}
}

func TestAFinding_about_a_key_that_an_answer_leaves_out_is_closed_only_when_the_key_is_gone(t *testing.T) {
	away := errs.New(errs.Unavailable, "BACKEND_UNAVAILABLE", "no answer")
	refusal := errs.New(errs.FailedPrecondition, "BACKEND_REJECTED", "no")
	for name, c := range map[string]struct {
		stands map[string]error
		left   []string
	}{
		"one stands and one is gone":         {map[string]error{"a": nil}, []string{"a"}},
		"about one the backend says nothing": {map[string]error{"a": refusal, "b": nil}, []string{"a", "b"}},
		"the backend does not answer":        {map[string]error{"a": away, "b": away}, []string{"a", "b"}},
		"all are gone":                       {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			known := &inventory{managed: map[string]bool{"adopted": true}, open: map[string]accesskey.Stray{}}
			for _, id := range []string{"a", "b", "adopted"} {
				known.open[place(id)] = accesskey.Stray{Place: place(id), KeyID: id}
			}
			on := &vague{stands: c.stands}
			passOver(t, on, known)
			if len(known.open) != len(c.left) || name == "the backend does not answer" && on.asked != 1 {
				t.Errorf("left %v, asked %d times", known.open, on.asked)
			}
			for _, id := range c.left {
				if _, ok := known.open[place(id)]; !ok {
					t.Errorf("the finding about %s was closed", id)
				}
			}
		})
	}
}
