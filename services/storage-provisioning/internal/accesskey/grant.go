package accesskey

import (
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
		refuse("grants", "COUNT", "give 1 to 8 grants")
	}
	if refusal != errRequestInvalid {
		return refusal
	}
	return nil
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
// of the account that is usable.
func backendOf(grants []policy.Grant, buckets []GrantedBucket) (string, error) {
	known := map[string]GrantedBucket{}
	for _, b := range buckets {
		known[b.Name] = b
	}
	refusal, backend := errGrantInvalid, ""
	for i, g := range grants {
		b, ok := known[g.Bucket]
		switch {
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
		switch g.Permission {
		case policy.Read, policy.Write, policy.ReadWrite:
		default:
			refusal = refusal.WithViolation(grantViolation(i, "permission", "DEFINED_ONLY", "say read, write, or both"))
		}
	}
	if refusal != errGrantInvalid {
		return "", refusal
	}
	return backend, nil
}
