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
	rulesInCall = "lifecycle_rules"
)

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
	return CheckRules(s.Lifecycle)
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
		if days := []int{r.ExpireAfterDays, r.ExpireNoncurrentAfterDays}; !validDays(days) {
			refuse(at, "RULE_DAYS", fmt.Sprintf("days must lie between 0 and %d", maxDays))
		} else if days[0] == 0 && days[1] == 0 {
			refuse(at, "RULE_WITHOUT_ACTION", "say after how many days something is to happen")
		}
	}
	if refusal == errRuleInvalid {
		return nil
	}
	return refusal
}

// ErrAbortUnsupported refuses a rule about incomplete uploads: the backend has its own,
// one day, and does not take another.
func ErrAbortUnsupported(index int) error {
	return errRuleInvalid.WithViolation(errs.Violation{
		Field:       fmt.Sprintf("%s[%d].abort_incomplete_upload_after_days", rulesInCall, index),
		Rule:        "RULE_ABORT_UNSUPPORTED",
		Description: "leave it out: the backend aborts incomplete uploads by itself after one day",
	})
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
