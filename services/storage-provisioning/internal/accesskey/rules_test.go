package accesskey

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/drift"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

var start = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func TestNewKeys_have_the_form_that_S3_clients_expect_and_never_repeat(t *testing.T) {
	id, secret := regexp.MustCompile(`^[A-Z2-7]{20}$`), regexp.MustCompile(`^[A-Za-z0-9_-]{40}$`)
	seen := map[string]bool{}
	for range 1000 {
		k := newAccessKey(start)
		if !id.MatchString(k.KeyID) || !secret.MatchString(k.Secret) {
			t.Fatalf("%q, %q", k.KeyID, k.Secret)
		}
		if seen[k.KeyID] || seen[k.Secret] || strings.Contains(k.Secret, k.KeyID) {
			t.Fatal("it repeats")
		}
		seen[k.KeyID], seen[k.Secret] = true, true
	}
}

func TestGrants_need_usable_buckets_of_one_backend(t *testing.T) {
	buckets := []GrantedBucket{
		{Name: "here", Backend: "a", Usable: true},
		{Name: "also", Backend: "a", Usable: true},
		{Name: "there", Backend: "b", Usable: true},
		{Name: "busy", Backend: "a"},
	}
	grant := func(names ...string) []policy.Grant {
		var list []policy.Grant
		for _, n := range names {
			list = append(list, policy.Grant{Bucket: n, Permission: policy.Read})
		}
		return list
	}
	if backend, err := backendOf(grant("here", "also"), buckets, ""); err != nil || backend != "a" {
		t.Errorf("got %q, %v", backend, err)
	}
	for name, c := range map[string]struct {
		grants []policy.Grant
		rule   string
		field  string
	}{
		"an unknown bucket":                  {grant("here", "nowhere"), "BUCKET_NOT_FOUND", "grants[1].bucket"},
		"a bucket on its way":                {grant("busy"), "BUCKET_NOT_READY", "grants[0].bucket"},
		"two backends":                       {grant("here", "also", "there"), "ONE_BACKEND", "grants[2].bucket"},
		"no permission":                      {[]policy.Grant{{Bucket: "here"}}, "DEFINED_ONLY", "grants[0].permission"},
		"a pattern beside an unknown bucket": {grant("h*", "nowhere"), "BUCKET_NOT_FOUND", "grants[1].bucket"},
		"a wild permission":                  {[]policy.Grant{{Bucket: "here", Permission: "s3:*"}}, "DEFINED_ONLY", "grants[0].permission"},
		"nobody's own bucket":                {grant("HERE"), "BUCKET_NOT_FOUND", "grants[0].bucket"},
		"an empty bucket's name":             {grant(""), "BUCKET_NOT_FOUND", "grants[0].bucket"},
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			_, err := backendOf(c.grants, buckets, "")
			e, ok := errs.As(err)
			if !ok || e.Reason() != "GRANT_INVALID" || len(e.Violations()) != 1 || e.Violations()[0].Rule != c.rule || e.Violations()[0].Field != c.field {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRequests_are_checked_as_a_whole(t *testing.T) {
	one := []policy.Grant{{Bucket: "here", Permission: policy.Read}}
	good := NewAccessKey{DisplayName: "n", Grants: one}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	bad := NewAccessKey{DisplayName: strings.Repeat("ä", 101), CustomerReference: strings.Repeat("x", 129), Grants: make([]policy.Grant, 1001)}
	if e, ok := errs.As(bad.check()); !ok || len(e.Violations()) != 3 {
		t.Errorf("got %v", e)
	}
	for ahead, fine := range map[time.Duration]bool{
		15*time.Minute - time.Second: false, 15 * time.Minute: true, 365 * 24 * time.Hour: true, 365*24*time.Hour + time.Second: false, -time.Hour: false,
	} {
		good.ExpireTime = start.Add(ahead)
		if err := good.checkExpiry(start); (err == nil) != fine {
			t.Errorf("%s ahead: %v", ahead, err)
		}
	}
}

func TestDifferences_are_found_field_by_field(t *testing.T) {
	k := newAccessKey(start)
	k.Grants, k.ExpireTime = []policy.Grant{{Bucket: "here", Permission: policy.Read}}, start.Add(time.Hour)
	document, err := policy.Key(k.Grants)
	if err != nil {
		t.Fatal(err)
	}
	wider, err := policy.Key([]policy.Grant{{Bucket: "here", Permission: policy.ReadWrite}})
	if err != nil {
		t.Fatal(err)
	}
	alike := principal.Key{Exists: true, Enabled: true, User: "u", Policy: document, ExpireTime: k.ExpireTime}
	for name, c := range map[string]struct {
		change func(*principal.Key)
		kind   drift.Kind
		field  string
	}{
		"alike":                 {func(*principal.Key) {}, "", ""},
		"made late":             {func(o *principal.Key) { o.ExpireTime = o.ExpireTime.Add(15 * time.Minute) }, "", ""},
		"absent":                {func(o *principal.Key) { *o = principal.Key{} }, drift.Missing, ""},
		"off":                   {func(o *principal.Key) { o.Enabled = false }, drift.Different, "enabled"},
		"another user's":        {func(o *principal.Key) { o.User = "other" }, drift.Different, "user"},
		"wider":                 {func(o *principal.Key) { o.Policy = wider }, drift.Different, "grants"},
		"without a policy":      {func(o *principal.Key) { o.Policy = nil }, drift.Different, "grants"},
		"without an expiry":     {func(o *principal.Key) { o.ExpireTime = time.Time{} }, drift.Different, "expire_time"},
		"with an earlier one":   {func(o *principal.Key) { o.ExpireTime = start }, drift.Different, "expire_time"},
		"with a much later one": {func(o *principal.Key) { o.ExpireTime = start.Add(48 * time.Hour) }, drift.Different, "expire_time"},
	} {
		t.Run(name, func(t *testing.T) {
			observed := alike
			c.change(&observed)
			found, err := differences(k, observed, "u")
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case c.kind == "" && len(found) != 0:
				t.Errorf("found %v", found)
			case c.kind != "" && (len(found) != 1 || found[0].Kind != c.kind || found[0].Field != c.field):
				t.Errorf("found %v", found)
			}
			for _, d := range found {
				if text := d.Desired + d.Observed; strings.Contains(text, k.KeyID) || strings.Contains(text, k.Secret) {
					t.Errorf("it shows a secret: %s", text)
				}
			}
		})
	}
}

func TestTheAuditTrail_shows_neither_secret_nor_id(t *testing.T) {
	k := newAccessKey(start)
	k.DisplayName, k.Grants = "n", []policy.Grant{{Bucket: "here", Permission: policy.Read}}
	for field, value := range described(k) {
		if text, ok := value.(string); ok && (strings.Contains(text, k.KeyID) || strings.Contains(text, k.Secret)) {
			t.Errorf("%s shows %s", field, text)
		}
	}
}

func TestASecret_is_kept_for_its_window_alone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := newAccessKey(start)
		k.Desired = rapid.SampledFrom([]Desired{Present, Absent}).Draw(t, "desired")
		k.SecretUntil = start.Add(time.Duration(rapid.IntRange(-48, 48).Draw(t, "hours")) * time.Hour)
		s := NewService(Deps{Clock: fixed{start}})
		had := k.SecretUntil
		s.keepSecret(&k, job{})
		kept := !k.SecretUntil.IsZero()
		if want := k.Desired == Present && had.After(start); kept != want {
			t.Fatalf("kept: %v", kept)
		}
		next := s.dueAgain(k, job{began: start}, s.sighted(&k, job{}))
		if kept && (next.DueAt == nil || next.DueAt.After(had)) {
			t.Fatalf("nobody destroys it in time: %v", next.DueAt)
		}
	})
}

func TestAnEnd_that_comes_while_a_look_is_under_way_is_due_at_once(t *testing.T) {
	began, ended, now := start, start.Add(time.Second), start.Add(2*time.Second)
	s := NewService(Deps{Clock: fixed{now}})
	for name, set := range map[string]func(*AccessKey, time.Time){
		"of an overlap": func(k *AccessKey, at time.Time) { k.FormerKeyID, k.FormerEnd = "before", at },
		"of the key":    func(k *AccessKey, at time.Time) { k.ExpireTime = at },
	} {
		t.Run(name, func(t *testing.T) {
			k := newAccessKey(start)
			set(&k, ended)
			if next := s.dueAgain(k, job{began: began}, reconcile.Next{}); next.DueAt == nil || !next.DueAt.Equal(ended) {
				t.Errorf("due %v", next.DueAt)
			}
			// What had come before was seen to, or cannot be: it is not looked at over and over.
			if next := s.dueAgain(k, job{began: now}, reconcile.Next{}); next.DueAt != nil {
				t.Errorf("due again %v", next.DueAt)
			}
		})
	}
}

// fixed is a clock that stands.
type fixed struct{ at time.Time }

func (f fixed) Now() time.Time                     { return f.at }
func (fixed) After(time.Duration) <-chan time.Time { return nil }
