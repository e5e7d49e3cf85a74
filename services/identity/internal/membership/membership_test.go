package membership_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/services/identity/internal/membership"
	"github.com/primecloud/primecloud/services/identity/internal/revocation"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
)

// memory is one account in memory, enough for the rules: what is not committed is dropped.
type memory struct {
	members  map[string]membership.Membership
	version  int64
	revoked  []revocation.Entry
	audited  []audit.Entry
	changes  []unit.Change
	finished map[string]string // by idempotency key
	key      string
}

func newMemory(roles map[string]membership.Role) *memory {
	m := &memory{members: map[string]membership.Membership{}, finished: map[string]string{}}
	for user, role := range roles {
		m.version++
		m.members[user] = membership.Membership{AccountID: "acc", UserID: user, Role: role, Version: m.version}
	}
	return m
}

func (m *memory) InAccount(ctx context.Context, _ string, fn func(context.Context, membership.Tx) error) error {
	before := *m
	before.members, before.finished = maps.Clone(m.members), maps.Clone(m.finished)
	before.revoked, before.audited, before.changes = slices.Clone(m.revoked), slices.Clone(m.audited), slices.Clone(m.changes)
	if err := fn(ctx, m); err != nil {
		*m = before
		return err
	}
	return nil
}

func (m *memory) ListMemberships(context.Context, string, membership.Position, int) ([]membership.Membership, error) {
	return slices.Collect(maps.Values(m.members)), nil
}

func (m *memory) Begin(_ context.Context, r unit.Resource) (string, error) {
	if id, found := m.finished[m.key]; found && m.key != "" {
		return id, nil
	}
	m.finished[m.key] = r.ID
	return "", nil
}

func (m *memory) Audit(_ context.Context, e audit.Entry) error {
	m.audited = append(m.audited, e)
	return nil
}

func (m *memory) Publish(_ context.Context, c unit.Change) error {
	m.changes = append(m.changes, c)
	return nil
}

func (m *memory) LockAccount(context.Context, string) (int, int64, error) {
	m.version++
	return m.owners(), m.version, nil
}

func (m *memory) owners() int {
	owners := 0
	for _, one := range m.members {
		if one.Role == membership.Owner {
			owners++
		}
	}
	return owners
}

func (m *memory) Membership(_ context.Context, _, userID string) (membership.Membership, error) {
	if one, found := m.members[userID]; found {
		return one, nil
	}
	return membership.Membership{}, membership.ErrNotFound
}

func (m *memory) HasUser(_ context.Context, userID string) (bool, error) {
	return userID != "ghost", nil
}

func (m *memory) SaveMembership(_ context.Context, one membership.Membership) error {
	m.members[one.UserID] = one
	return nil
}

func (m *memory) RemoveMembership(_ context.Context, _, userID string) error {
	delete(m.members, userID)
	return nil
}

func (m *memory) Revoke(_ context.Context, e revocation.Entry) error {
	m.revoked = append(m.revoked, e)
	return nil
}

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func as(user string) context.Context {
	return principal.NewContext(context.Background(), principal.Principal{Kind: principal.Person, ID: user, AccountID: "acc"})
}

// team has one of each; cleo is an owner beside anna.
func team() map[string]membership.Role {
	return map[string]membership.Role{
		"anna": membership.Owner, "bert": membership.Admin, "dora": membership.Developer,
		"emil": membership.Billing, "vera": membership.Viewer, "xeno": membership.External,
	}
}

func TestRules_of_who_may_do_what_to_whom(t *testing.T) {
	create := func(user string, role membership.Role) func(*membership.Members, context.Context) error {
		return func(s *membership.Members, ctx context.Context) error {
			_, err := s.Create(ctx, "acc", user, role)
			return err
		}
	}
	update := func(user string, role membership.Role, etag string) func(*membership.Members, context.Context) error {
		return func(s *membership.Members, ctx context.Context) error {
			_, err := s.Update(ctx, "acc", user, role, etag)
			return err
		}
	}
	remove := func(user string) func(*membership.Members, context.Context) error {
		return func(s *membership.Members, ctx context.Context) error { return s.Delete(ctx, "acc", user, "") }
	}
	cases := []struct {
		name   string
		caller string
		do     func(*membership.Members, context.Context) error
		want   error
	}{
		{"an owner adds an owner", "anna", create("new", membership.Owner), nil},
		{"an admin adds an admin", "bert", create("new", membership.Admin), nil},
		{"an admin cannot add an owner", "bert", create("new", membership.Owner), membership.ErrRoleTooHigh},
		{"a member cannot be added twice", "anna", create("bert", membership.Viewer), membership.ErrExists},
		{"a stranger to the provider cannot be added", "anna", create("ghost", membership.Viewer), membership.ErrUserNotFound},
		{"a developer cannot add anybody", "dora", create("new", membership.External), membership.ErrRoleNotAllowed},
		{"somebody who was removed finds no account", "gone", create("new", membership.External), membership.ErrAccountNotFound},
		{"an admin raises a viewer to admin", "bert", update("vera", membership.Admin, ""), nil},
		{"an admin cannot raise a viewer to owner", "bert", update("vera", membership.Owner, ""), membership.ErrRoleTooHigh},
		{"an admin cannot demote an owner", "bert", update("anna", membership.Viewer, ""), membership.ErrRoleTooHigh},
		{"the last owner cannot step down", "anna", update("anna", membership.Admin, ""), membership.ErrLastOwner},
		{"a stale etag is refused", "anna", update("vera", membership.Admin, "v0"), unit.ErrETagMismatch},
		{"a stranger cannot be changed", "anna", update("nobody", membership.Viewer, ""), membership.ErrNotFound},
		{"an admin removes a developer", "bert", remove("dora"), nil},
		{"an admin cannot remove an owner", "bert", remove("anna"), membership.ErrRoleTooHigh},
		{"the last owner cannot leave", "anna", remove("anna"), membership.ErrLastOwner},
		{"a stranger cannot be removed", "anna", remove("nobody"), membership.ErrNotFound},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			store := newMemory(team())
			err := c.do(membership.New(store, clock.NewManual(now)), as(c.caller))
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			wantTold := 1
			if c.want != nil {
				wantTold = 0
			}
			if len(store.audited) != wantTold || len(store.changes) != wantTold {
				t.Errorf("audited %d and published %d, want %d of each", len(store.audited), len(store.changes), wantTold)
			}
		})
	}
}

func TestA_changed_or_removed_role_ends_the_tokens_that_carry_it(t *testing.T) {
	store := newMemory(team())
	s := membership.New(store, clock.NewManual(now))
	if _, err := s.Update(as("anna"), "acc", "vera", membership.Viewer, ""); err != nil || len(store.revoked) != 0 {
		t.Fatalf("the same role again: error %v, %d revocations", err, len(store.revoked))
	}
	if _, err := s.Update(as("anna"), "acc", "vera", membership.Admin, ""); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(as("anna"), "acc", "dora", ""); err != nil {
		t.Fatal(err)
	}
	var subjects []string
	for _, e := range store.revoked {
		subjects = append(subjects, string(e.Kind)+" "+e.Subject)
	}
	if want := []string{"membership vera/acc", "membership dora/acc"}; !slices.Equal(subjects, want) {
		t.Errorf("revoked %v, want %v", subjects, want)
	}
}

func TestA_repetition_with_its_key_gives_the_same_and_changes_nothing(t *testing.T) {
	store := newMemory(team())
	s := membership.New(store, clock.NewManual(now))
	store.key = "k1"
	first, err := s.Create(as("anna"), "acc", "new", membership.Viewer)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Create(as("anna"), "acc", "new", membership.Viewer)
	if err != nil || again != first || len(store.audited) != 1 {
		t.Fatalf("again gave %+v, %v, audited %d", again, err, len(store.audited))
	}
	store.key = "k2"
	for range 2 {
		if err := s.Delete(as("anna"), "acc", "new", ""); err != nil {
			t.Fatal(err)
		}
	}
	if len(store.audited) != 2 || len(store.revoked) != 1 {
		t.Errorf("audited %d, revoked %d", len(store.audited), len(store.revoked))
	}
}

func TestVersions_grow_when_somebody_is_removed_and_added_again(t *testing.T) {
	store := newMemory(team())
	s := membership.New(store, clock.NewManual(now))
	etag := store.members["vera"].ETag()
	if err := s.Delete(as("anna"), "acc", "vera", etag); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(as("anna"), "acc", "vera", membership.Viewer); err != nil {
		t.Fatal(err)
	}
	if store.changes[1].Version <= store.changes[0].Version {
		t.Errorf("version %d follows %d", store.changes[1].Version, store.changes[0].Version)
	}
	if err := s.Delete(as("anna"), "acc", "vera", etag); !errors.Is(err, unit.ErrETagMismatch) {
		t.Errorf("the old etag gave %v", err)
	}
}

func TestWhatever_happens_an_account_keeps_an_owner_and_nobody_rises_above_who_raised_them(t *testing.T) {
	roles := []membership.Role{
		membership.Owner, membership.Admin, membership.Developer, membership.Billing, membership.Viewer, membership.External,
	}
	people := []string{"anna", "bert", "cleo", "dora", "emil"}
	rapid.Check(t, func(t *rapid.T) {
		store := newMemory(map[string]membership.Role{"anna": membership.Owner})
		s := membership.New(store, clock.NewManual(now))
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			caller, target := rapid.SampledFrom(people).Draw(t, "caller"), rapid.SampledFrom(people).Draw(t, "target")
			role := rapid.SampledFrom(roles).Draw(t, "role")
			callerRole, targetRole := store.members[caller].Role, store.members[target].Role
			var err error
			switch rapid.SampledFrom([]string{"create", "update", "delete"}).Draw(t, "verb") {
			case "create":
				_, err = s.Create(as(caller), "acc", target, role)
			case "update":
				_, err = s.Update(as(caller), "acc", target, role, "")
			default:
				err = s.Delete(as(caller), "acc", target, "")
			}
			if store.owners() == 0 {
				t.Fatalf("the account has no owner: %v", store.members)
			}
			after := store.members[target].Role
			if err == nil && after != targetRole && (after.Above(callerRole) || targetRole.Above(callerRole) || !callerRole.Manages()) {
				t.Fatalf("a %s made a %s of a %s", callerRole, after, targetRole)
			}
			if err != nil && after != targetRole {
				t.Fatal(fmt.Errorf("refused, and changed all the same: %w", err))
			}
		}
	})
}
