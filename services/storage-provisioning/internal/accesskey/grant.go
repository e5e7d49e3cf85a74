package accesskey

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
)

// How far ahead an expiry lies.
const (
	minLifetime = 15 * time.Minute
	maxLifetime = 365 * 24 * time.Hour
)

const (
	maxName      = 100
	maxReference = 128
)

// GrantedBucket is a bucket of the account, as far as a grant needs it.
type GrantedBucket struct {
	// Name and Backend say which it is.
	Name, Backend string
	// Usable says that it stands on the backend and is not on its way out.
	Usable bool
}

// check reports what about a request can never be.
func (in NewAccessKey) check() error {
	refusal := errRequestInvalid
	refuse := func(field, rule, ask string) {
		refusal = refusal.WithViolation(errs.Violation{Field: field, Rule: rule, Description: ask})
	}
	if n := utf8.RuneCountInString(in.DisplayName); n == 0 || n > maxName {
		refuse("display_name", "LENGTH", "use 1 to 100 characters")
	}
	if utf8.RuneCountInString(in.CustomerReference) > maxReference {
		refuse("customer_reference", "LENGTH", "use 128 characters at most")
	}
	if len(in.Grants) == 0 || len(in.Grants) > policy.MaxGrants {
		refuse("grants", "COUNT", "give 1 to 1000 grants")
	}
	if refusal != errRequestInvalid {
		return refusal
	}
	return checkGrants(in.Grants)
}

// checkGrants reports patterns and prefixes that could reach further than they say.
func checkGrants(grants []policy.Grant) error {
	refusal := errPatternInvalid
	for i, g := range grants {
		if wrong := policy.PatternProblem(g.Bucket); policy.IsPattern(g.Bucket) && wrong != "" {
			refusal = refusal.WithViolation(grantViolation(i, "bucket", "PATTERN", wrong))
		}
		if wrong := policy.PrefixProblem(g.Prefix); wrong != "" {
			refusal = refusal.WithViolation(grantViolation(i, "prefix", "PREFIX", wrong))
		}
	}
	if refusal != errPatternInvalid {
		return refusal
	}
	return nil
}

// spellNetworks returns networks in their one spelling, each once and in order.
func spellNetworks(texts []string) ([]string, error) {
	if len(texts) > policy.MaxNetworks {
		return nil, errNetworkInvalid.WithViolation(errs.Violation{Field: "networks", Rule: "COUNT", Description: "give 16 at most"})
	}
	var networks []string
	for i, text := range texts {
		network, wrong := policy.ParseNetwork(text)
		if wrong != "" {
			return nil, errNetworkInvalid.WithViolation(errs.Violation{
				Field: fmt.Sprintf("networks[%d]", i), Rule: "NETWORK", Description: wrong,
			})
		}
		networks = append(networks, network)
	}
	slices.Sort(networks)
	return slices.Compact(networks), nil
}

// named returns the bucket names of the grants, or nil for all buckets when one has a pattern.
func named(grants []policy.Grant) []string {
	names := make([]string, 0, len(grants))
	for _, g := range grants {
		if policy.IsPattern(g.Bucket) {
			return nil
		}
		names = append(names, g.Bucket)
	}
	return names
}

// trialOf returns what to try a new key on: a usable bucket that it was granted.
func trialOf(grants []policy.Grant, buckets []GrantedBucket, backend string) policy.Grant {
	for _, g := range grants {
		for _, b := range buckets {
			if b.Usable && b.Backend == backend && policy.Matches(g.Bucket, b.Name) {
				return policy.Grant{Bucket: b.Name, Permission: g.Permission, Prefix: g.Prefix}
			}
		}
	}
	return policy.Grant{}
}

// checkExpiry reports an expiry that no backend takes.
func (in NewAccessKey) checkExpiry(now time.Time) error {
	if in.ExpireTime.IsZero() {
		return nil
	}
	if ahead := in.ExpireTime.Sub(now); ahead < minLifetime || ahead > maxLifetime {
		return ErrExpireTimeInvalid
	}
	return nil
}

// backendOf returns the one backend of the granted buckets. Every grant must name a bucket
// of the account that is usable, or a pattern. Where only patterns are granted it is the one
// of the buckets that they mean now, and "" if there are none. asked is the one that the
// caller has named, or "".
func backendOf(grants []policy.Grant, buckets []GrantedBucket, asked string) (string, error) {
	known := map[string]GrantedBucket{}
	for _, b := range buckets {
		known[b.Name] = b
	}
	refusal, backend := errGrantInvalid, asked
	for i, g := range grants {
		b, ok := known[g.Bucket]
		switch {
		case policy.IsPattern(g.Bucket):
		case !ok:
			refusal = refusal.WithViolation(grantViolation(i, "bucket", "BUCKET_NOT_FOUND", "name a bucket of the account"))
		case !b.Usable:
			refusal = refusal.WithViolation(grantViolation(i, "bucket", "BUCKET_NOT_READY", "wait until the bucket is ready"))
		case backend != "" && b.Backend != backend:
			refusal = refusal.WithViolation(grantViolation(i, "bucket", "ONE_BACKEND", "name buckets of one backend; make a key for each"))
		}
		if ok && backend == "" {
			backend = b.Backend
		}
		if !g.Permission.Known() {
			refusal = refusal.WithViolation(grantViolation(i, "permission", "DEFINED_ONLY", "say list, read, write, or read and write"))
		}
	}
	if refusal != errGrantInvalid {
		return "", refusal
	}
	if backend != "" {
		return backend, nil
	}
	return backendOfPatterns(grants, buckets)
}

// backendOfPatterns returns the one backend of the buckets that the patterns mean.
func backendOfPatterns(grants []policy.Grant, buckets []GrantedBucket) (string, error) {
	backend := ""
	for i, g := range grants {
		for _, b := range buckets {
			switch {
			case !policy.Matches(g.Bucket, b.Name):
			case backend != "" && b.Backend != backend:
				return "", errGrantInvalid.WithViolation(grantViolation(i, "bucket", "ONE_BACKEND", "its buckets are on several backends; name the backend"))
			default:
				backend = b.Backend
			}
		}
	}
	return backend, nil
}
