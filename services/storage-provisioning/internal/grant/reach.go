package grant

import (
	"fmt"
	"slices"
	"strings"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
)

// Reach is how far a grant goes.
type Reach struct {
	// Permission is policy.Read, policy.Write or policy.ReadWrite.
	Permission policy.Permission
	// Prefixes are what keys must begin with; none for the whole bucket. In order, none within
	// another.
	Prefixes []string
}

// ReachOf returns the reach with its prefixes in their one form, or what about them can never
// be.
func ReachOf(permission policy.Permission, prefixes []string) (Reach, error) {
	refusal := errPrefixInvalid
	for i, prefix := range prefixes {
		wrong := policy.PrefixProblem(prefix)
		if prefix == "" {
			wrong = "must not be empty; give no prefixes for the whole bucket"
		}
		if wrong != "" {
			refusal = refusal.WithViolation(errs.Violation{Field: fmt.Sprintf("prefixes[%d]", i), Rule: "PREFIX", Description: wrong})
		}
	}
	if refusal != errPrefixInvalid {
		return Reach{}, refusal
	}
	reach := Reach{Permission: permission}
	for _, prefix := range slices.Sorted(slices.Values(prefixes)) {
		// What lies within another comes behind it.
		if last := len(reach.Prefixes) - 1; last < 0 || !strings.HasPrefix(prefix, reach.Prefixes[last]) {
			reach.Prefixes = append(reach.Prefixes, prefix)
		}
	}
	return reach, nil
}

// equal reports whether both go as far.
func (r Reach) equal(other Reach) bool {
	return r.Permission == other.Permission && slices.Equal(r.Prefixes, other.Prefixes)
}

// allows says whether it suffices for an act on what is named: keys, or prefixes of keys.
// Without any the act is about the whole bucket.
func (r Reach) allows(act Act, on []string) error {
	reads, writes := r.Permission == policy.Read || r.Permission == policy.ReadWrite, r.Permission == policy.Write || r.Permission == policy.ReadWrite
	switch {
	case act == See && (reads || writes):
		// Of the bucket itself they may know.
		on = slices.DeleteFunc(slices.Clone(on), func(path string) bool { return path == "" })
	case act == Download && reads, act == Upload && writes:
		if len(on) == 0 {
			on = []string{""}
		}
	default:
		return ErrTooLow
	}
	for _, path := range on {
		if !r.covers(path) {
			return ErrTooNarrow
		}
	}
	return nil
}

func (r Reach) covers(path string) bool {
	return len(r.Prefixes) == 0 || slices.ContainsFunc(r.Prefixes, func(prefix string) bool { return strings.HasPrefix(path, prefix) })
}
