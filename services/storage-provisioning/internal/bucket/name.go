package bucket

import (
	"net/netip"
	"strings"

	"github.com/primecloud/primecloud/pkg/errs"
)

// nameRule is one rule of S3 for names.
type nameRule struct {
	// name is what the violation calls it.
	name string
	// ask says what to do.
	ask    string
	broken func(name string) bool
}

var nameRules = []nameRule{
	{"NAME_LENGTH", "use 3 to 63 characters", func(n string) bool { return len(n) < 3 || len(n) > 63 }},
	{"NAME_CHARACTERS", "use only lower-case letters a to z, digits, dots and hyphens", func(n string) bool {
		return strings.ContainsFunc(n, func(r rune) bool { return !isAlphanumeric(r) && r != '.' && r != '-' })
	}},
	{"NAME_ENDS", "begin and end with a letter or a digit", func(n string) bool {
		return n != strings.Trim(n, ".-")
	}},
	{"NAME_ADJACENT_DOTS", "put no two dots next to each other", func(n string) bool { return strings.Contains(n, "..") }},
	// S3 itself takes these; virtual-hosted addresses and some backends do not.
	{"NAME_DOT_BESIDE_HYPHEN", "put no dot next to a hyphen", func(n string) bool {
		return strings.Contains(n, ".-") || strings.Contains(n, "-.")
	}},
	{"NAME_LIKE_ADDRESS", "do not use the form of an IP address", func(n string) bool {
		_, err := netip.ParseAddr(n)
		return err == nil || fourNumbers(n)
	}},
	{"NAME_RESERVED_PREFIX", "do not begin with " + strings.Join(reservedPrefixes, ", "), func(n string) bool {
		return anyOf(reservedPrefixes, n, strings.HasPrefix)
	}},
	{"NAME_RESERVED_SUFFIX", "do not end with " + strings.Join(reservedSuffixes, ", "), func(n string) bool {
		return anyOf(reservedSuffixes, n, strings.HasSuffix)
	}},
	// The backend's own; it answers for them in ways of its own.
	{"NAME_RESERVED", "choose another name, this one is the backend's own", func(n string) bool {
		return n == "minio"
	}},
}

var (
	reservedPrefixes = []string{"xn--", "sthree-", "amzn-s3-demo-"}
	reservedSuffixes = []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"}
)

// CheckName reports every rule of S3 that a bucket name breaks, as violations of field.
func CheckName(field, name string) error {
	refusal := errNameInvalid
	for _, rule := range nameRules {
		if rule.broken(name) {
			refusal = refusal.WithViolation(errs.Violation{Field: field, Rule: rule.name, Description: rule.ask})
		}
	}
	if refusal == errNameInvalid {
		return nil
	}
	return refusal
}

func isAlphanumeric(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' }

// fourNumbers tells names such as 999.1.2.3, which are no address and look like one.
func fourNumbers(name string) bool {
	parts := strings.Split(name, ".")
	if len(parts) != 4 {
		return false
	}
	for _, part := range parts {
		if part == "" || strings.Trim(part, "0123456789") != "" {
			return false
		}
	}
	return true
}

func anyOf(list []string, name string, is func(s, part string) bool) bool {
	for _, part := range list {
		if is(name, part) {
			return true
		}
	}
	return false
}
