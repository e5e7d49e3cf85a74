package account

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/pkg/principal"
)

var (
	start  = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	policy = Policy{Trial: 24 * time.Hour, Retention: 30 * 24 * time.Hour}
	allOf  = []State{Pending, Active, Suspended, Closing, Closed}
)

func standing(state State) Account {
	a := Account{ID: "acc_1", State: state, Version: 1, CreateTime: start, UpdateTime: start}
	if state == Closing {
		a.Resumes, a.CloseTime = Suspended, start.Add(policy.Retention)
	}
	return a
}

func TestOnly_declared_steps_are_taken(t *testing.T) {
	declared := map[State]map[Act]State{
		Pending:   {Approve: Active, Reject: Closed, Close: Closing},
		Active:    {Suspend: Suspended, Close: Closing},
		Suspended: {Restore: Active, Close: Closing},
		Closing:   {Reopen: Suspended, End: Closed},
		Closed:    {},
	}
	for _, from := range allOf {
		for _, act := range []Act{Approve, Reject, Suspend, Restore, Close, Reopen, End, "", "delete"} {
			after, err := policy.after(standing(from), act, Step{Reason: "r", ActorKind: "operator", ActorID: "usr_1", Time: start})
			to, may := declared[from][act]
			switch {
			case !may:
				if !errors.Is(err, ErrStateInvalid) {
					t.Errorf("%s of %s gave %v, %v", act, from, after.State, err)
				}
			case err != nil || after.State != to || after.Version != 2 || after.Last.Reason != "r" || after.Last.ActorID != "usr_1":
				t.Errorf("%s of %s gave %+v, %v", act, from, after, err)
			}
		}
	}
}

func TestA_closing_is_taken_back_to_where_it_began_and_not_after_its_end(t *testing.T) {
	for _, from := range []State{Pending, Active, Suspended} {
		closing, err := policy.after(standing(from), Close, Step{Time: start})
		if err != nil || !closing.CloseTime.Equal(start.Add(policy.Retention)) {
			t.Fatalf("%+v, %v", closing, err)
		}
		back, err := policy.after(closing, Reopen, Step{Time: closing.CloseTime.Add(-time.Second)})
		if err != nil || back.State != from || back.Resumes != "" || !back.CloseTime.IsZero() {
			t.Errorf("%s came back as %+v, %v", from, back, err)
		}
		if late, err := policy.after(closing, Reopen, Step{Time: closing.CloseTime}); !errors.Is(err, ErrStateInvalid) {
			t.Errorf("%s was reopened after its end: %+v", from, late)
		}
	}
}

func TestA_trial_begins_with_the_life_in_use(t *testing.T) {
	made := standing("")
	policy.begin(&made, principal.Principal{Kind: principal.Person, ID: "usr_1"})
	if made.State != Active || !made.TrialEndTime.Equal(start.Add(policy.Trial)) || made.Last.ActorID != "usr_1" {
		t.Errorf("it begins as %+v", made)
	}
	waiting := standing("")
	asking := Policy{Approval: true, Trial: policy.Trial}
	asking.begin(&waiting, principal.Principal{})
	if waiting.State != Pending || !waiting.TrialEndTime.IsZero() {
		t.Errorf("it waits as %+v", waiting)
	}
	later := start.Add(time.Hour)
	approved, err := asking.after(waiting, Approve, Step{Time: later})
	if err != nil || !approved.TrialEndTime.Equal(later.Add(policy.Trial)) {
		t.Errorf("approved it is %+v, %v", approved, err)
	}
	granted := waiting
	granted.TrialEndTime = start.Add(90 * 24 * time.Hour)
	if kept, err := asking.after(granted, Approve, Step{Time: later}); err != nil || !kept.TrialEndTime.Equal(granted.TrialEndTime) {
		t.Errorf("approved it is %+v, %v: the trial that it was given is lost", kept, err)
	}
	granted.TrialEndTime = start
	if anew, err := asking.after(granted, Approve, Step{Time: later}); err != nil || !anew.TrialEndTime.Equal(later.Add(policy.Trial)) {
		t.Errorf("approved it is %+v, %v: a trial that is over would end it at once", anew, err)
	}
	ended := standing(Suspended)
	ended.TrialEndTime = start
	restored, err := policy.after(ended, Restore, Step{Time: later})
	if err != nil || !restored.TrialEndTime.IsZero() {
		t.Errorf("restored it is %+v, %v: the trial would end it again", restored, err)
	}
}

func TestA_slug_that_is_made_from_a_name_is_well_formed(t *testing.T) {
	for name, want := range map[string]string{
		"Acme": "acme", "  Ação & Cia. Ltda ": "acao-cia-ltda", "7 Seas": "seas", "A--B": "a-b", "Straße": "stra-e",
		strings.Repeat("ab ", 40): "ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab",
	} {
		if got := slugOf(name); got != want {
			t.Errorf("%q became %q, want %q", name, got, want)
		}
	}
	for _, bad := range []string{"", "ab", "1ab", "-abc", "abc-", "a--b", "Abc", "a_b", "ábc", strings.Repeat("a", 41), "abc\n"} {
		if validSlug(bad) {
			t.Errorf("%q is taken", bad)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		if slug := slugOf(name); !validSlug(slug) || !validSlug(distinct(slug)) {
			t.Fatalf("%q became %q", name, slug)
		}
	})
}
