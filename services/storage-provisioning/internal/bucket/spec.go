package bucket

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Versioning says whether old versions of objects are kept.
type Versioning string

// The states of versioning. Once on, it never goes back to off: S3 knows no way.
const (
	// VersioningOff was never switched on.
	VersioningOff Versioning = "OFF"
	// VersioningEnabled keeps old versions.
	VersioningEnabled Versioning = "ENABLED"
	// VersioningSuspended was on; versions stay, new ones are not made.
	VersioningSuspended Versioning = "SUSPENDED"
)

// Rule is one thing that happens to objects by itself: the backend does all but the abortion
// of incomplete uploads, which is ours.
type Rule struct {
	// ID is unique in the bucket.
	ID string `json:"id"`
	// Prefix limits the rule to objects whose keys begin so; empty for all.
	Prefix string `json:"prefix,omitempty"`
	// Tags limits it to objects that have all of them, by key; nil for all.
	Tags []Tag `json:"tags,omitempty"`
	// SizeGreaterThan and SizeLessThan limit it to objects of more and of fewer bytes; zero
	// for all.
	SizeGreaterThan int64 `json:"size_greater_than,omitempty"`
	SizeLessThan    int64 `json:"size_less_than,omitempty"`
	// ExpireAfterDays deletes objects; zero for never.
	ExpireAfterDays int `json:"expire_after_days,omitempty"`
	// ExpireNoncurrentAfterDays deletes old versions; zero for never, unless KeepNewer says.
	ExpireNoncurrentAfterDays int `json:"expire_noncurrent_after_days,omitempty"`
	// KeepNewer spares the newest so many old versions of an object and deletes the others.
	KeepNewer int `json:"keep_newer_noncurrent,omitempty"`
	// ExpireMarkers deletes delete markers without a version below them.
	ExpireMarkers bool `json:"expire_delete_markers,omitempty"`
	// Tier is where objects move after TransitionAfterDays; empty for nowhere.
	Tier                string `json:"tier,omitempty"`
	TransitionAfterDays int    `json:"transition_after_days,omitempty"`
	// AbortAfterDays aborts incomplete uploads; zero leaves them to the default.
	AbortAfterDays int `json:"abort_incomplete_upload_after_days,omitempty"`
	// Disabled keeps the rule without applying it.
	Disabled bool `json:"disabled,omitempty"`
}

// Tag is one tag of an object.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Equal reports whether two rules in normal form say the same.
func (r Rule) Equal(other Rule) bool { return reflect.DeepEqual(r, other) }

// acts says whether the backend has anything to do for the rule.
func (r Rule) acts() bool {
	return r.ExpireAfterDays > 0 || r.ExpireNoncurrentAfterDays > 0 || r.KeepNewer > 0 || r.ExpireMarkers || r.Tier != ""
}

// Spec is what the owner wants a bucket to be on its backend. The zero value is not
// valid; NewSpec is a plain bucket.
type Spec struct {
	// Versioning says whether old versions are kept.
	Versioning Versioning `json:"versioning"`
	// QuotaBytes is the hard quota; zero for none.
	QuotaBytes int64 `json:"quota_bytes,omitempty"`
	// Lifecycle are the rules, ordered by id, each id once.
	Lifecycle []Rule `json:"lifecycle,omitempty"`
	// Tags are the owner's tags on the bucket; our mark is not among them.
	Tags map[string]string `json:"tags,omitempty"`
	// Lock keeps objects from being removed.
	Lock Lock `json:"object_lock,omitzero"`
	// Encryption says how objects are encrypted whose upload does not say.
	Encryption Encryption `json:"default_encryption,omitempty"`
	// Public is what everybody may read.
	Public Public `json:"public_access,omitzero"`
}

// NewSpec returns what a fresh bucket is on every backend: no versioning, no quota, no
// rules.
func NewSpec() Spec { return Spec{Versioning: VersioningOff} }

// Normal returns the spec in the one form that is stored and compared: versioning off
// unless set or needed, rules ordered by id.
func (s Spec) Normal() Spec {
	if s.Versioning == "" {
		s.Versioning = VersioningOff
	}
	if s.Lock.Enabled && s.Versioning == VersioningOff {
		s.Versioning = VersioningEnabled // it comes with the lock
	}
	if len(s.Tags) == 0 {
		s.Tags = nil
	}
	s.Lifecycle = SortedRules(s.Lifecycle)
	return s
}

// Equal reports whether two specs in normal form ask for the same.
func (s Spec) Equal(other Spec) bool {
	return s.Versioning == other.Versioning && s.QuotaBytes == other.QuotaBytes && s.Lock == other.Lock &&
		s.Encryption == other.Encryption && s.Public == other.Public && maps.Equal(s.Tags, other.Tags) &&
		slices.EqualFunc(s.Lifecycle, other.Lifecycle, Rule.Equal)
}

// MetBy reports whether a backend that has the other spec has what this one asks for.
// Versioning that was switched on behind our back can be suspended, never taken away: that
// is as near to off as S3 allows. An object lock that nobody asked for is met once it retains
// nothing by itself.
func (s Spec) MetBy(have Spec) bool { return len(specDifferences(s, have)) == 0 }

func (s Spec) versioningMetBy(have Spec) bool {
	return s.Versioning == have.Versioning || s.Versioning == VersioningOff && have.Versioning == VersioningSuspended ||
		!s.Lock.Enabled && have.Lock.Enabled && have.Versioning == VersioningEnabled
}

// lockMetBy is so for the lock. It needs versioning, so where there is one that nobody asked
// for, versioning cannot be suspended either.
func (s Spec) lockMetBy(have Spec) bool {
	return s.Lock == have.Lock || !s.Lock.Enabled && have.Lock == Lock{Enabled: true}
}

// ForBackend returns the rules that the backend has something to do for, as it is told them.
func ForBackend(rules []Rule) []Rule {
	var told []Rule
	for _, r := range rules {
		if r.AbortAfterDays = 0; r.acts() {
			told = append(told, r)
		}
	}
	return told
}

// SortedRules returns the rules ordered by id, their tags by key, and nil for none.
func SortedRules(rules []Rule) []Rule {
	if len(rules) == 0 {
		return nil
	}
	sorted := slices.Clone(rules)
	for i, r := range sorted {
		sorted[i].Tags = sortedTags(r.Tags)
	}
	slices.SortFunc(sorted, func(a, b Rule) int { return strings.Compare(a.ID, b.ID) })
	return sorted
}

func sortedTags(tags []Tag) []Tag {
	if len(tags) == 0 {
		return nil
	}
	sorted := slices.Clone(tags)
	slices.SortFunc(sorted, func(a, b Tag) int { return strings.Compare(a.Key, b.Key) })
	return sorted
}
