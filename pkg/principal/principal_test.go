package principal_test

import (
	"reflect"
	"testing"

	"github.com/primecloud/primecloud/pkg/principal"
)

func TestContext_carries_the_caller_or_nobody(t *testing.T) {
	want := principal.Principal{Kind: principal.Machine, ID: "key_1", AccountID: "acc_1", Scopes: []string{"storage.read"}}
	ctx := principal.NewContext(t.Context(), want)
	if got := principal.FromContext(ctx); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if got := principal.FromContext(t.Context()); !reflect.DeepEqual(got, principal.Nobody()) || got.Kind != principal.Anonymous {
		t.Errorf("a bare context carries %+v", got)
	}
}

func TestSubject_tells_callers_of_different_kinds_apart(t *testing.T) {
	person, machine := principal.Principal{Kind: principal.Person, ID: "x"}, principal.Principal{Kind: principal.Machine, ID: "x"}
	if person.Subject() != "person:x" || machine.Subject() == person.Subject() {
		t.Errorf("%q and %q", person.Subject(), machine.Subject())
	}
	if got := principal.Background("identity"); got.Subject() != "system:identity" || got.AccountID != "" {
		t.Errorf("got %+v", got)
	}
}
