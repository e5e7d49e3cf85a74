package user_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
	"github.com/primecloud/primecloud/services/identity/internal/user"
)

// register is a table of people in memory.
type register struct {
	people  map[[2]string]user.User
	audited []string
	actors  []string
	events  int
}

func (r *register) Begin(context.Context, unit.Resource) (string, error) { return "", nil }
func (r *register) Audit(ctx context.Context, e audit.Entry) error {
	r.audited = append(r.audited, e.Action)
	r.actors = append(r.actors, principal.FromContext(ctx).Subject())
	return nil
}

func (r *register) Publish(context.Context, unit.Change) error {
	r.events++
	return nil
}

func (r *register) InsertUser(_ context.Context, u user.User) (bool, error) {
	key := [2]string{u.Issuer, u.Subject}
	if _, known := r.people[key]; known {
		return false, nil
	}
	r.people[key] = u
	return true, nil
}

func (r *register) UserForUpdate(_ context.Context, issuer, subject string) (user.User, error) {
	if u, known := r.people[[2]string{issuer, subject}]; known {
		return u, nil
	}
	return user.User{}, user.ErrNotFound
}

func (r *register) LockLogin(_ context.Context, issuer, subject string) (string, error) {
	return r.people[[2]string{issuer, subject}].ID, nil
}

func (r *register) UpdateUser(_ context.Context, u user.User) error {
	r.people[[2]string{u.Issuer, u.Subject}] = u
	return nil
}

func TestSignIn_goes_by_issuer_and_subject_alone(t *testing.T) {
	r := &register{people: map[[2]string]user.User{}}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	sign := func(login user.Login) user.User {
		t.Helper()
		now = now.Add(time.Minute)
		u, err := user.SignIn(t.Context(), r, login, now)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	anna := user.Login{Issuer: "https://one", Subject: "1", Email: "anna@example.com", EmailVerified: true, DisplayName: "Anna"}
	first := sign(anna)
	if again := sign(anna); again != first || r.events != 1 {
		t.Errorf("the same login again: %+v, %d events", again, r.events)
	}
	elsewhere, namesake := anna, anna
	elsewhere.Issuer, namesake.Subject = "https://two", "2"
	if sign(elsewhere).ID == first.ID || sign(namesake).ID == first.ID {
		t.Error("an e-mail address links two people")
	}
	renamed := anna
	renamed.Email = "anna@example.org"
	changed := sign(renamed)
	if changed.ID != first.ID || changed.Version != 2 || changed.Email != "anna@example.org" || !changed.CreateTime.Equal(first.CreateTime) {
		t.Errorf("a changed profile: %+v", changed)
	}
	if got := strings.Join(r.audited, " "); got != "user.create user.create user.create user.update" {
		t.Errorf("audited %s", got)
	}
	if r.actors[0] != "person:"+first.ID {
		t.Errorf("the actor is %s", r.actors[0])
	}
}

func TestSignIn_keeps_a_profile_within_bounds(t *testing.T) {
	r := &register{people: map[[2]string]user.User{}}
	u, err := user.SignIn(t.Context(), r, user.Login{
		Issuer: "https://one", Subject: "1", Email: " a\x00b@example.com ", DisplayName: strings.Repeat("ä", 1000),
	}, time.Now())
	if err != nil || u.Email != "ab@example.com" || len([]rune(u.DisplayName)) != 320 {
		t.Errorf("kept %d characters and %q, %v", len([]rune(u.DisplayName)), u.Email, err)
	}
	u, err = user.SignIn(t.Context(), r, user.Login{Issuer: "https://one", Subject: "2", Email: "x@example.com"}, time.Now())
	if err != nil || u.DisplayName != "x@example.com" {
		t.Errorf("without a name: %q, %v", u.DisplayName, err)
	}
}
