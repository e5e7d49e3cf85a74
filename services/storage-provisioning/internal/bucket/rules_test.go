package bucket_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

// broken returns the rules that the violations of err name.
func broken(t *testing.T, err error, reason string) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	e, ok := errs.As(err)
	if !ok || e.Kind() != errs.InvalidArgument || e.Reason() != reason {
		t.Fatalf("got %v, want %s", err, reason)
	}
	var rules []string
	for _, v := range e.Violations() {
		rules = append(rules, v.Rule)
	}
	return rules
}

func TestCheckName_names_each_broken_rule(t *testing.T) {
	for name, want := range map[string][]string{
		"abc":                            nil,
		"my.bucket-7":                    nil,
		"7up":                            nil,
		strings.Repeat("a", 63):          nil,
		"ab":                             {"NAME_LENGTH"},
		"":                               {"NAME_LENGTH"},
		strings.Repeat("a", 64):          {"NAME_LENGTH"},
		"Abc":                            {"NAME_CHARACTERS"},
		"a_b":                            {"NAME_CHARACTERS"},
		"bücket":                         {"NAME_CHARACTERS"},
		"a/../b":                         {"NAME_CHARACTERS", "NAME_ADJACENT_DOTS"},
		"a b*c":                          {"NAME_CHARACTERS"},
		"-abc":                           {"NAME_ENDS"},
		"abc.":                           {"NAME_ENDS"},
		"a..b":                           {"NAME_ADJACENT_DOTS"},
		"a.-b":                           {"NAME_DOT_BESIDE_HYPHEN"},
		"192.168.5.4":                    {"NAME_LIKE_ADDRESS"},
		"999.1.2.3":                      {"NAME_LIKE_ADDRESS"},
		"xn--abc":                        {"NAME_RESERVED_PREFIX"},
		"sthree-x":                       {"NAME_RESERVED_PREFIX"},
		"amzn-s3-demo-x":                 {"NAME_RESERVED_PREFIX"},
		"abc-s3alias":                    {"NAME_RESERVED_SUFFIX"},
		"abc--ol-s3":                     {"NAME_RESERVED_SUFFIX"},
		"abc.mrap":                       {"NAME_RESERVED_SUFFIX"},
		"abc--x-s3":                      {"NAME_RESERVED_SUFFIX"},
		"minio":                          {"NAME_RESERVED"},
		".minio.sys":                     {"NAME_ENDS"},
		"A-":                             {"NAME_LENGTH", "NAME_CHARACTERS", "NAME_ENDS"},
		"primecloud-0123456789abcdefghj": nil,
	} {
		if got := broken(t, bucket.CheckName("name", name), "BUCKET_NAME_INVALID"); !slices.Equal(got, want) {
			t.Errorf("%q breaks %v, want %v", name, got, want)
		}
	}
}

// A name that passes can stand in a URL, a policy and a path as it is.
func FuzzCheckName(f *testing.F) {
	for _, seed := range []string{"abc", "a.b-c", "1.2.3.4", "xn--a", "..", "A", "a*"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if bucket.CheckName("name", name) != nil {
			return
		}
		if len(name) < 3 || len(name) > 63 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" || strings.Contains(name, "..") {
			t.Errorf("%q passes", name)
		}
	})
}

func TestCheckRules(t *testing.T) {
	for _, c := range []struct {
		name  string
		rules []bucket.Rule
		want  []string
	}{
		{"none is fine", nil, nil},
		{"plain ones are fine", []bucket.Rule{{ID: "a", ExpireAfterDays: 1}, {ID: "b", Prefix: "x/", ExpireNoncurrentAfterDays: 3}}, nil},
		{"an id is needed", []bucket.Rule{{ExpireAfterDays: 1}}, []string{"RULE_ID"}},
		{"an id has plain characters", []bucket.Rule{{ID: "a b", ExpireAfterDays: 1}}, []string{"RULE_ID"}},
		{"an id stands once", []bucket.Rule{{ID: "a", ExpireAfterDays: 1}, {ID: "a", ExpireAfterDays: 2}}, []string{"RULE_ID_UNIQUE"}},
		{"a rule does something", []bucket.Rule{{ID: "a"}}, []string{"RULE_WITHOUT_ACTION"}},
		{"days are not negative", []bucket.Rule{{ID: "a", ExpireAfterDays: -1}}, []string{"RULE_DAYS"}},
		{"days have an end", []bucket.Rule{{ID: "a", ExpireAfterDays: 36501}}, []string{"RULE_DAYS"}},
		{"a prefix is UTF-8", []bucket.Rule{{ID: "a", Prefix: "\xff", ExpireAfterDays: 1}}, []string{"RULE_PREFIX"}},
		{"a prefix has no characters that XML cannot hold", []bucket.Rule{
			{ID: "a", Prefix: "a\x01b", ExpireAfterDays: 1}, {ID: "b", Prefix: "\ufffe", ExpireAfterDays: 1}, {ID: "c", Prefix: "\uffff", ExpireAfterDays: 1},
		}, []string{"RULE_PREFIX", "RULE_PREFIX", "RULE_PREFIX"}},
		{"a prefix has spaces and lines", []bucket.Rule{{ID: "a", Prefix: " a\t\n\rb é ", ExpireAfterDays: 1}}, nil},
		{"a prefix has an end", []bucket.Rule{{ID: "a", Prefix: strings.Repeat("x", 1025), ExpireAfterDays: 1}}, []string{"RULE_PREFIX"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := broken(t, bucket.CheckRules(c.rules), "LIFECYCLE_RULE_INVALID"); !slices.Equal(got, c.want) {
				t.Errorf("they break %v, want %v", got, c.want)
			}
		})
	}
}

var marks = []bucket.Mark{{}, {ID: "bkt_1", AccountID: "acc_1"}, {ID: "bkt_1", AccountID: "acc_2"}, {ID: "bkt_2", AccountID: "acc_1"}}

func drawSpec(t *rapid.T, label string) bucket.Spec {
	s := bucket.Spec{
		Versioning: rapid.SampledFrom([]bucket.Versioning{bucket.VersioningOff, bucket.VersioningEnabled, bucket.VersioningSuspended}).Draw(t, label+" versioning"),
		QuotaBytes: rapid.Int64Range(0, 2).Draw(t, label+" quota"),
	}
	if rapid.Bool().Draw(t, label+" rules") {
		s.Lifecycle = []bucket.Rule{{ID: "a", ExpireAfterDays: rapid.IntRange(1, 2).Draw(t, label+" days")}}
	}
	if rapid.Bool().Draw(t, label+" tags") {
		s.Tags = map[string]string{"k": rapid.SampledFrom([]string{"a", "b"}).Draw(t, label+" tag")}
	}
	if rapid.Bool().Draw(t, label+" lock") {
		s.Lock = bucket.Lock{Enabled: true}
	}
	s.Encryption = rapid.SampledFrom([]bucket.Encryption{bucket.EncryptionNone, bucket.EncryptionSSES3}).Draw(t, label+" encryption")
	s.Public.Read = rapid.Bool().Draw(t, label+" public")
	return s.Normal()
}

func TestJudge_never_takes_what_is_not_ours(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := bucket.Bucket{ID: "bkt_1", AccountID: "acc_1", Spec: drawSpec(t, "wanted"), Marked: rapid.Bool().Draw(t, "marked")}
		b.Desired = rapid.SampledFrom([]bucket.Desired{bucket.Present, bucket.Absent}).Draw(t, "desired")
		if rapid.Bool().Draw(t, "seen absent") {
			b.SeenAbsentAt = start
		}
		b.Adopting = rapid.Bool().Draw(t, "adopting")
		b.State = rapid.SampledFrom([]bucket.State{bucket.Ready, bucket.Purging}).Draw(t, "state")
		o := bucket.Observed{Exists: rapid.Bool().Draw(t, "exists")}
		if o.Exists {
			o.Mark, o.Spec = rapid.SampledFrom(marks).Draw(t, "mark"), drawSpec(t, "observed")
		}
		verdict := bucket.Judge(b, o)
		ours := o.Exists && o.Mark == b.Mark()
		reserved := o.Exists && o.Mark == (bucket.Mark{}) && !b.SeenAbsentAt.IsZero() && !b.Marked
		switch verdict {
		case bucket.Agrees:
			if b.State == bucket.Purging && !o.Exists {
				return // it is to go: nobody makes it again
			}
			if b.Desired == bucket.Absent && o.Exists && (!b.Adopting || ours) || b.Desired == bucket.Present && (!ours || !b.Wanted().MetBy(o.Spec)) {
				t.Fatalf("%+v agrees with %+v", o, b)
			}
		case bucket.IsMissing:
			if o.Exists || b.Desired == bucket.Absent || b.State == bucket.Purging {
				t.Fatalf("%+v is missing for %+v", o, b)
			}
		case bucket.Differs, bucket.Leftover:
			if !ours || (verdict == bucket.Leftover) != (b.Desired == bucket.Absent) {
				t.Fatalf("%+v would be touched for %+v", o, b)
			}
		case bucket.Unmarked:
			if !reserved {
				t.Fatalf("%+v would be adopted for %+v", o, b)
			}
		case bucket.Adoptable:
			if !b.Adopting || b.Desired == bucket.Absent || o.Mark != (bucket.Mark{}) || !o.Exists {
				t.Fatalf("%+v would be adopted for %+v", o, b)
			}
		case bucket.NothingToAdopt:
			if !b.Adopting || o.Exists {
				t.Fatalf("%+v is missing for %+v", o, b)
			}
		case bucket.Taken:
			if !b.Adopting || b.Desired == bucket.Present || !ours {
				t.Fatalf("the mark would be taken off %+v for %+v", o, b)
			}
		case bucket.Foreign:
			if !o.Exists || ours || reserved {
				t.Fatalf("%+v is taken for foreign by %+v", o, b)
			}
		}
	})
}

func TestSpec_versioning_that_is_on_can_only_be_suspended(t *testing.T) {
	off, on, suspended := bucket.NewSpec(), bucket.Spec{Versioning: bucket.VersioningEnabled}, bucket.Spec{Versioning: bucket.VersioningSuspended}
	if !off.MetBy(suspended) || off.MetBy(on) || on.MetBy(off) || suspended.MetBy(off) {
		t.Error("off is met by suspended, and nothing else by anything else")
	}
}
