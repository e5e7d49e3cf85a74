package bucket

import "slices"

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

// Rule is one thing that the backend does to objects by itself.
type Rule struct {
	// ID is unique in the bucket.
	ID string `json:"id"`
	// Prefix limits the rule to objects whose keys begin so; empty for all.
	Prefix string `json:"prefix,omitempty"`
	// ExpireAfterDays deletes objects; zero for never.
	ExpireAfterDays int `json:"expire_after_days,omitempty"`
	// ExpireNoncurrentAfterDays deletes old versions; zero for never.
	ExpireNoncurrentAfterDays int `json:"expire_noncurrent_after_days,omitempty"`
	// Disabled keeps the rule without applying it.
	Disabled bool `json:"disabled,omitempty"`
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
}

// NewSpec returns what a fresh bucket is on every backend: no versioning, no quota, no
// rules.
func NewSpec() Spec { return Spec{Versioning: VersioningOff} }

// Normal returns the spec in the one form that is stored and compared: versioning off
// unless set, rules ordered by id.
func (s Spec) Normal() Spec {
	if s.Versioning == "" {
		s.Versioning = VersioningOff
	}
	s.Lifecycle = SortedRules(s.Lifecycle)
	return s
}

// Equal reports whether two specs in normal form ask for the same.
func (s Spec) Equal(other Spec) bool {
	return s.Versioning == other.Versioning && s.QuotaBytes == other.QuotaBytes &&
		slices.Equal(s.Lifecycle, other.Lifecycle)
}

// MetBy reports whether a backend that has the other spec has what this one asks for.
// Versioning that was switched on behind our back can be suspended, never taken away: that
// is as near to off as S3 allows.
func (s Spec) MetBy(have Spec) bool {
	return s.versioningMetBy(have) && s.QuotaBytes == have.QuotaBytes && slices.Equal(s.Lifecycle, have.Lifecycle)
}

func (s Spec) versioningMetBy(have Spec) bool {
	return s.Versioning == have.Versioning || s.Versioning == VersioningOff && have.Versioning == VersioningSuspended
}

// SortedRules returns the rules ordered by id, and nil for none.
func SortedRules(rules []Rule) []Rule {
	if len(rules) == 0 {
		return nil
	}
	sorted := slices.Clone(rules)
	slices.SortFunc(sorted, func(a, b Rule) int {
		switch {
		case a.ID < b.ID:
			return -1
		case a.ID > b.ID:
			return 1
		default:
			return 0
		}
	})
	return sorted
}
