package grant_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
)

// book is what was granted, by bucket and person; asked counts the looks into it.
type book struct {
	held  map[[2]string]policy.Permission
	asked int
	fails error
	// prefixes are those of every grant.
	prefixes []string
}

func (b *book) Held(_ context.Context, accountID, bucket, userID string) (grant.Grant, bool, error) {
	b.asked++
	permission, ok := b.held[[2]string{bucket, userID}]
	return grant.Grant{AccountID: accountID, Bucket: bucket, UserID: userID, Reach: grant.Reach{Permission: permission, Prefixes: b.prefixes}}, ok, b.fails
}

func as(p principal.Principal) context.Context { return principal.NewContext(context.Background(), p) }

var external = principal.Principal{Kind: principal.Person, ID: "usr_1", AccountID: "acc_1", Role: "external"}

func TestTheGateLetsAnExternalPersonDoWhatTheirGrantSays(t *testing.T) {
	gate := grant.NewGate(&book{held: map[[2]string]policy.Permission{
		{"r", "usr_1"}: policy.Read, {"w", "usr_1"}: policy.Write, {"rw", "usr_1"}: policy.ReadWrite, {"odd", "usr_1"}: "", {"r2", "usr_2"}: policy.Read,
	}})
	for _, c := range []struct {
		bucket string
		act    grant.Act
		want   error
	}{
		{"r", grant.See, nil},
		{"r", grant.Download, nil},
		{"r", grant.Upload, grant.ErrTooLow},
		{"w", grant.See, nil},
		{"w", grant.Download, grant.ErrTooLow},
		{"w", grant.Upload, nil},
		{"rw", grant.See, nil},
		{"rw", grant.Download, nil},
		{"rw", grant.Upload, nil},
		{"rw", "ANOTHER", grant.ErrTooLow},
		{"odd", grant.See, grant.ErrTooLow},
		{"r2", grant.See, grant.ErrBucketNotFound},
		{"none", grant.Upload, grant.ErrBucketNotFound},
	} {
		if err := gate.Admit(as(external), "acc_1", c.bucket, c.act); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s of %s: %v, want %v", c.act, c.bucket, err, c.want)
		}
	}
}

func TestTheGateAsksNobodyAboutAMember(t *testing.T) {
	b := &book{fails: errors.New("away")}
	gate := grant.NewGate(b)
	for _, role := range []string{"owner", "admin", "developer", "viewer"} {
		member := external
		member.Role = role
		if err := gate.Admit(as(member), "acc_1", "any", grant.Upload); err != nil {
			t.Errorf("%s: %v", role, err)
		}
		if scope := gate.Scope(as(member)); !scope.All {
			t.Errorf("%s sees %+v", role, scope)
		}
	}
	if b.asked != 0 {
		t.Errorf("it asked %d times", b.asked)
	}
	if err := gate.Admit(as(external), "acc_1", "any", grant.See); err == nil {
		t.Error("an external person is let in while grants cannot be read")
	}
}

func TestAGrantIsForPeopleAlone(t *testing.T) {
	gate := grant.NewGate(&book{held: map[[2]string]policy.Permission{{"b", "usr_1"}: policy.Read, {"b", "apk_1"}: policy.Read}})
	machine := principal.Principal{Kind: principal.Machine, ID: "apk_1", AccountID: "acc_1", Role: "external"}
	if err := gate.Admit(as(machine), "acc_1", "b", grant.See); !errors.Is(err, grant.ErrBucketNotFound) {
		t.Errorf("a machine: %v", err)
	}
	if scope := gate.Scope(as(machine)); scope != (grant.Scope{}) {
		t.Errorf("a machine sees %+v", scope)
	}
	machine.UserID = "usr_1" // the person's own key is the person
	if err := gate.Admit(as(machine), "acc_1", "b", grant.See); err != nil {
		t.Errorf("a personal key: %v", err)
	}
}

func TestTheGateKeepsAGrantWithinItsPrefixes(t *testing.T) {
	gate := grant.NewGate(&book{
		held:     map[[2]string]policy.Permission{{"rw", "usr_1"}: policy.ReadWrite, {"r", "usr_1"}: policy.Read},
		prefixes: []string{"inbox/", "team/a/"},
	})
	for name, c := range map[string]struct {
		bucket string
		act    grant.Act
		on     []string
		want   error
	}{
		"a key within":                     {"rw", grant.Upload, []string{"inbox/k"}, nil},
		"a key within the other":           {"rw", grant.Download, []string{"team/a/b/k"}, nil},
		"a prefix itself":                  {"rw", grant.Download, []string{"team/a/"}, nil},
		"several within":                   {"rw", grant.Upload, []string{"inbox/1", "team/a/2"}, nil},
		"one of several outside":           {"rw", grant.Upload, []string{"inbox/1", "team/b/2"}, grant.ErrTooNarrow},
		"a key outside":                    {"rw", grant.Download, []string{"other/k"}, grant.ErrTooNarrow},
		"the beginning of a prefix":        {"rw", grant.Download, []string{"team/"}, grant.ErrTooNarrow},
		"what begins alike":                {"rw", grant.Download, []string{"inbox"}, grant.ErrTooNarrow},
		"another folder that begins alike": {"rw", grant.Download, []string{"inbox-b/k"}, grant.ErrTooNarrow},
		"other capitals":                   {"rw", grant.Download, []string{"Inbox/k"}, grant.ErrTooNarrow},
		"the whole bucket, named":          {"rw", grant.Download, []string{""}, grant.ErrTooNarrow},
		"the whole bucket":                 {"rw", grant.Upload, nil, grant.ErrTooNarrow},
		"to know of the bucket":            {"rw", grant.See, nil, nil},
		"to note the bucket":               {"rw", grant.See, []string{""}, nil},
		"to note what lies outside":        {"rw", grant.See, []string{"other/"}, grant.ErrTooNarrow},
		"too much, within":                 {"r", grant.Upload, []string{"inbox/k"}, grant.ErrTooLow},
		"too much, outside":                {"r", grant.Upload, []string{"other/k"}, grant.ErrTooLow},
	} {
		if err := gate.Admit(as(external), "acc_1", c.bucket, c.act, c.on...); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestTheReachOfAGrantHasOneForm(t *testing.T) {
	reach, err := grant.ReachOf(policy.Read, []string{"b/", "a/x/", "a/", "b/", "a-b/"})
	if want := []string{"a-b/", "a/", "b/"}; err != nil || !slices.Equal(reach.Prefixes, want) {
		t.Errorf("%q, %v", reach.Prefixes, err)
	}
	for _, prefix := range []string{"", "a", "/", "/a/", "a//", "a/../", "./", "a*/", "a?/", "${x}/", "a\n/", "a\\/", strings.Repeat("a", 600) + "/"} {
		if _, err := grant.ReachOf(policy.Read, []string{"ok/", prefix}); errs.ReasonOf(err) != "GRANT_PATTERN_INVALID" {
			t.Errorf("%q: %v", prefix, err)
		}
	}
}
