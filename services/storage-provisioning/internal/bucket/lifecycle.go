package bucket

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/primecloud/primecloud/pkg/errs"
)

const (
	maxRules    = 100
	maxDays     = 36500
	maxRuleID   = 64
	maxPrefix   = 1024
	maxQuota    = 1 << 60
	maxKept     = 10000
	maxRuleTags = 10
	rulesInCall = fieldRules
)

// MaxAbortDays is the longest that an incomplete upload is kept: a default rule that every
// bucket has aborts it then, so a rule can only say sooner.
const MaxAbortDays = 7

// CheckSpec reports everything about a spec that no backend could be brought to.
func CheckSpec(s Spec) error {
	switch s.Versioning {
	case VersioningOff, VersioningEnabled, VersioningSuspended:
	default:
		return errs.New(errs.InvalidArgument, "REQUEST_INVALID", "versioning must be off, enabled or suspended").
			WithViolation(errs.Violation{Field: "versioning", Rule: "DEFINED_ONLY", Description: "must be off, enabled or suspended"})
	}
	if s.QuotaBytes < 0 || s.QuotaBytes > maxQuota {
		return errs.New(errs.InvalidArgument, "REQUEST_INVALID", "quota_bytes must lie between 0 and 2^60").
			WithViolation(errs.Violation{Field: "quota_bytes", Rule: "RANGE", Description: "must lie between 0 and 2^60"})
	}
	if err := CheckRules(s.Lifecycle); err != nil {
		return err
	}
	return checkSettings(s)
}

// CheckRules reports every lifecycle rule that the backend could not apply.
func CheckRules(rules []Rule) error {
	refusal := errRuleInvalid
	refuse := func(field, rule, ask string) {
		refusal = refusal.WithViolation(errs.Violation{Field: field, Rule: rule, Description: ask})
	}
	if len(rules) > maxRules {
		refuse(rulesInCall, "RULE_COUNT", fmt.Sprintf("give %d rules at most", maxRules))
	}
	seen := map[string]bool{}
	for i, r := range rules {
		at := fmt.Sprintf("%s[%d]", rulesInCall, i)
		if !validRuleID(r.ID) {
			refuse(at+".id", "RULE_ID", "use 1 to 64 characters of A-Z a-z 0-9 . _ -")
		}
		if seen[r.ID] {
			refuse(at+".id", "RULE_ID_UNIQUE", "give every rule an id of its own")
		}
		seen[r.ID] = true
		if len(r.Prefix) > maxPrefix || !utf8.ValidString(r.Prefix) || strings.ContainsFunc(r.Prefix, notInXML) {
			refuse(at+".prefix", "RULE_PREFIX", "use 1024 bytes of UTF-8 at most, and no control characters")
		}
		for _, broken := range brokenRules(r) {
			refuse(at+broken.Field, broken.Rule, broken.Description)
		}
	}
	if refusal == errRuleInvalid {
		return nil
	}
	return refusal
}

// brokenRules is what is wrong with what a rule does and to which objects. Fields are below
// the rule.
func brokenRules(r Rule) []errs.Violation {
	var broken []errs.Violation
	refuse := func(field, rule, ask string) {
		broken = append(broken, errs.Violation{Field: field, Rule: rule, Description: ask})
	}
	days := []int{r.ExpireAfterDays, r.ExpireNoncurrentAfterDays, r.TransitionAfterDays, r.AbortAfterDays}
	switch {
	case !validDays(days):
		refuse("", "RULE_DAYS", fmt.Sprintf("days must lie between 0 and %d", maxDays))
	case !r.acts() && r.AbortAfterDays == 0:
		refuse("", "RULE_WITHOUT_ACTION", "say after how many days something is to happen")
	}
	if r.KeepNewer < 0 || r.KeepNewer > maxKept {
		refuse(".keep_newer_noncurrent", "RULE_KEPT", fmt.Sprintf("keep %d at most", maxKept))
	}
	if r.SizeGreaterThan < 0 || r.SizeLessThan < 0 || r.SizeLessThan > 0 && r.SizeLessThan-1 <= r.SizeGreaterThan {
		refuse(".size_less_than", "RULE_SIZE", "leave room between the two sizes, and use no negative one")
	}
	if r.ExpireMarkers && r.ExpireAfterDays > 0 {
		refuse(".expire_delete_markers", "RULE_MARKERS_WITH_DAYS", "leave it out: expire_after_days removes such delete markers too")
	}
	if filtered := len(r.Tags) > 0; filtered && (r.ExpireMarkers || r.AbortAfterDays > 0) {
		refuse(".tags", "RULE_TAGS_NEVER", "leave them out: delete markers and incomplete uploads have no tags")
	}
	if r.AbortAfterDays > MaxAbortDays {
		refuse(".abort_incomplete_upload_after_days", "RULE_ABORT_DAYS", fmt.Sprintf("say %d days at most: after those the default rule aborts", MaxAbortDays))
	}
	if r.AbortAfterDays > 0 && (r.SizeGreaterThan > 0 || r.SizeLessThan > 0) {
		refuse(".abort_incomplete_upload_after_days", "RULE_SIZE_NEVER", "leave the sizes out: an incomplete upload has none")
	}
	if len(r.Tags) > maxRuleTags {
		refuse(".tags", "RULE_TAG_COUNT", fmt.Sprintf("give %d tags at most", maxRuleTags))
	}
	for _, tag := range r.Tags {
		if !validTag(tag.Key, 1, maxTagKey) || !validTag(tag.Value, 0, maxTagValue) {
			refuse(".tags", "TAG_CHARACTERS", tagCharacters)
		}
	}
	if r.Tier == "" && r.TransitionAfterDays > 0 || len(r.Tier) > maxRuleID || strings.ContainsFunc(r.Tier, notInXML) {
		refuse(".transition.tier", "RULE_TIER", "name a tier of the backend")
	}
	return broken
}

// notInXML tells the characters that no XML document can hold, and rules travel in one: the
// backend would be given another prefix than was asked for.
func notInXML(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == '\ufffe' || r == '\uffff'
}

func validRuleID(id string) bool {
	if id == "" || len(id) > maxRuleID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

func validDays(days []int) bool {
	for _, d := range days {
		if d < 0 || d > maxDays {
			return false
		}
	}
	return true
}
