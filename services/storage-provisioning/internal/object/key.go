package object

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/primecloud/primecloud/pkg/errs"
)

const (
	maxKey = 1024
	// maxSegment is the longest name of a file on the backend's disks.
	maxSegment = 255
	// dirSuffix is how MinIO spells a slash at the end on its disks: a key with it is
	// listed as another one.
	dirSuffix = "__XLDIR__"
)

var errKeyInvalid = errs.New(errs.InvalidArgument, "OBJECT_KEY_INVALID",
	"this object key cannot be used; see the violations")

// keyRule is one rule for object keys.
type keyRule struct {
	name, ask string
	broken    func(key string) bool
}

// keyRules are tried on the real server: what it refuses, and what it or S3 clients make
// another key of.
var keyRules = []keyRule{
	{"KEY_LENGTH", "use 1 to 1024 bytes", func(k string) bool { return k == "" || len(k) > maxKey }},
	{"KEY_UTF8", "use UTF-8", func(k string) bool { return !utf8.ValidString(k) }},
	{"KEY_CONTROL_CHARACTER", "use no control characters", func(k string) bool { return strings.ContainsFunc(k, unicode.IsControl) }},
	{"KEY_BLANK", "use more than white space", func(k string) bool { return k != "" && strings.TrimSpace(k) == "" }},
	{"KEY_LEADING_SLASH", "do not begin with a slash", func(k string) bool { return strings.HasPrefix(k, "/") }},
	{"KEY_DOUBLE_SLASH", "put no two slashes next to each other", func(k string) bool { return strings.Contains(k, "//") }},
	{"KEY_DOT_SEGMENT", "use no segments . and ..", hasDotSegment},
	{"KEY_SEGMENT_LENGTH", "use 255 bytes between slashes at most", func(k string) bool {
		for segment := range strings.SplitSeq(k, "/") {
			if len(segment) > maxSegment {
				return true
			}
		}
		return false
	}},
	{"KEY_RESERVED", "do not use " + dirSuffix, func(k string) bool { return strings.Contains(k, dirSuffix) }},
}

// hasDotSegment takes a backslash for a separator too and drops white space around a
// segment, as the server does.
func hasDotSegment(key string) bool {
	for segment := range strings.FieldsFuncSeq(key, func(r rune) bool { return r == '/' || r == '\\' }) {
		if s := strings.TrimSpace(segment); s == "." || s == ".." {
			return true
		}
	}
	return false
}

// CheckKey reports every rule that an object key breaks.
func CheckKey(key string) error {
	refusal := errKeyInvalid
	for _, rule := range keyRules {
		if rule.broken(key) {
			refusal = refusal.WithViolation(violation(rule.name, rule.ask))
		}
	}
	if refusal == errKeyInvalid {
		return nil
	}
	return refusal
}

func violation(rule, ask string) errs.Violation {
	return errs.Violation{Field: "key", Rule: rule, Description: ask}
}

// errNotExact refuses an upload whose key the backend's policies cannot name exactly.
func errNotExact(cause error) error {
	return errKeyInvalid.WithViolation(violation("KEY_PATTERN",
		"for an upload by URL, use none of * ? ${: the backend takes them for patterns")).Wrap(cause)
}

// errTooLong refuses an upload whose key does not fit into a session policy.
func errTooLong(cause error) error {
	return errKeyInvalid.WithViolation(violation("KEY_ESCAPED_LENGTH", fmt.Sprintf(
		"for an upload by URL, use a shorter key: < > & \" and \\ count up to six times, and %d bytes is all there is", maxSession))).Wrap(cause)
}

// maxSession is about what a session policy leaves for the key.
const maxSession = 1700

// actRules are the rules for keys that name what is there already. The server keeps no such
// key: it refuses it, or takes it for another one, which must not be hit.
var actRules = map[string]bool{
	"KEY_LENGTH": true, "KEY_UTF8": true, "KEY_LEADING_SLASH": true, "KEY_DOUBLE_SLASH": true, "KEY_DOT_SEGMENT": true, "KEY_RESERVED": true,
}

// checkStored reports what keeps a key from naming an object that is there: less than what
// keeps one from being made, so that whatever is listed can be read and deleted.
func checkStored(ref Ref) error {
	refusal := errKeyInvalid
	for _, rule := range keyRules {
		if actRules[rule.name] && rule.broken(ref.Key) || rule.name == "KEY_LENGTH" && strings.Contains(ref.Key, "\x00") {
			refusal = refusal.WithViolation(violation(rule.name, rule.ask))
		}
	}
	if refusal != errKeyInvalid {
		return refusal
	}
	for _, c := range ref.VersionID {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && c != '-' {
			return invalid("version_id", "VERSION_ID", "use a version id as it was listed")
		}
	}
	return nil
}
