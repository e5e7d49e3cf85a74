package policy

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/primecloud/primecloud/pkg/network"
)

const maxPrefix = 512

// IsPattern says whether a grant's bucket is a pattern of names.
func IsPattern(bucket string) bool { return strings.Contains(bucket, "*") }

// PatternProblem says what is wrong with a pattern: it is made of what bucket names are made
// of, and `*`.
func PatternProblem(pattern string) string {
	if len(pattern) > 63 || strings.Trim(pattern, "abcdefghijklmnopqrstuvwxyz0123456789-.*") != "" {
		return "must be made of a-z, 0-9, hyphens, dots and *, 63 at most"
	}
	for _, c := range pattern {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-.*", c) {
			return "must be made of a-z, 0-9, hyphens, dots and *"
		}
	}
	return ""
}

// Matches says whether a grant's bucket, name or pattern, means the bucket of that name.
func Matches(granted, name string) bool {
	if !IsPattern(granted) {
		return granted == name
	}
	if PatternProblem(granted) != "" || !plainName(name) {
		return false
	}
	fits, err := path.Match(granted, name)
	return err == nil && fits
}

// PrefixProblem says what is wrong with a prefix of object keys, or nothing. It ends with a
// slash, so that what it names is a folder and not the beginning of several; and it has
// nothing in it that the server takes for a pattern, a variable or a way out.
func PrefixProblem(prefix string) string {
	switch {
	case prefix == "":
		return ""
	case len(prefix) > maxPrefix:
		return fmt.Sprintf("must have %d bytes at most", maxPrefix)
	case !utf8.ValidString(prefix) || strings.ContainsFunc(prefix, unicode.IsControl):
		return "must be UTF-8 without control characters"
	case strings.ContainsAny(prefix, `*?$\`):
		return `must not have *, ?, $ or \ in it`
	case !strings.HasSuffix(prefix, "/"):
		return "must end with a slash"
	case strings.HasPrefix(prefix, "/") || strings.Contains(prefix, "//"):
		return "must not begin with a slash or have two together"
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(prefix, "/"), "/") {
		if s := strings.TrimSpace(segment); s == "." || s == ".." {
			return "must not have dot segments"
		}
	}
	return ""
}

// ParseNetwork reads a network as a caller spells it and returns its one spelling, or what is
// wrong with it.
func ParseNetwork(text string) (spelled, wrong string) {
	parsed, wrong := network.Parse(text)
	if wrong != "" {
		return "", wrong
	}
	return parsed.String(), ""
}

func checkNetworks(networks []string) error {
	if len(networks) > MaxNetworks {
		return fmt.Errorf("policy: %d networks are too many", len(networks))
	}
	for _, n := range networks {
		if spelled, wrong := ParseNetwork(n); wrong != "" || spelled != n {
			return fmt.Errorf("policy: the network %q is not in its one spelling", n)
		}
	}
	return nil
}

// Resolve returns the grants with each pattern replaced by those of the buckets that it
// means, and without those of other buckets: what they reach as things stand.
func (s Scope) Resolve(buckets []string) Scope {
	resolved := Scope{Networks: s.Networks}
	own := make(map[string]bool, len(buckets))
	for _, name := range buckets {
		own[name] = true
	}
	for _, g := range s.Grants {
		if !IsPattern(g.Bucket) {
			if own[g.Bucket] {
				resolved.Grants = append(resolved.Grants, g)
			}
			continue
		}
		for _, name := range buckets {
			if Matches(g.Bucket, name) {
				one := g
				one.Bucket = name
				resolved.Grants = append(resolved.Grants, one)
			}
		}
	}
	return resolved
}
