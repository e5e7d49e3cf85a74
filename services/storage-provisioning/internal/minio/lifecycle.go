package minio

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/minio/minio-go/v7/pkg/lifecycle"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

// SetLifecycle replaces all rules; none removes the configuration.
func (b *Backend) SetLifecycle(ctx context.Context, name string, rules []bucket.Rule) error {
	return b.call(ctx, "SetLifecycle", func(ctx context.Context) error {
		config := lifecycle.NewConfiguration()
		for _, rule := range rules {
			config.Rules = append(config.Rules, ruleToMinIO(rule))
		}
		// The client turns no rules into a removal.
		return b.s3.SetBucketLifecycle(ctx, name, config)
	})
}

func (b *Backend) lifecycle(ctx context.Context, name string) ([]bucket.Rule, error) {
	config, err := b.s3.GetBucketLifecycle(ctx, name)
	if err != nil {
		return nil, err
	}
	rules := make([]bucket.Rule, 0, len(config.Rules))
	for _, rule := range config.Rules {
		rules = append(rules, ruleFromMinIO(rule))
	}
	return bucket.SortedRules(rules), nil
}

const (
	statusEnabled  = "Enabled"
	statusDisabled = "Disabled"
)

func ruleToMinIO(rule bucket.Rule) lifecycle.Rule {
	status := statusEnabled
	if rule.Disabled {
		status = statusDisabled
	}
	return lifecycle.Rule{
		ID:         rule.ID,
		Status:     status,
		RuleFilter: lifecycle.Filter{Prefix: rule.Prefix},
		Expiration: lifecycle.Expiration{Days: lifecycle.ExpirationDays(rule.ExpireAfterDays)},
		NoncurrentVersionExpiration: lifecycle.NoncurrentVersionExpiration{
			NoncurrentDays: lifecycle.ExpirationDays(rule.ExpireNoncurrentAfterDays),
		},
	}
}

// ruleFromMinIO reads a rule back. One that says more than ours can gets a name that none
// of ours can have, so that it always counts as different.
func ruleFromMinIO(found lifecycle.Rule) bucket.Rule {
	rule := bucket.Rule{
		ID:                        found.ID,
		Prefix:                    found.RuleFilter.Prefix,
		ExpireAfterDays:           int(found.Expiration.Days),
		ExpireNoncurrentAfterDays: int(found.NoncurrentVersionExpiration.NoncurrentDays),
		Disabled:                  found.Status == statusDisabled,
	}
	if found.Prefix != "" {
		// The old place of the prefix.
		rule.Prefix, found.RuleFilter.Prefix, found.Prefix = found.Prefix, found.Prefix, ""
	}
	if !same(found, ruleToMinIO(rule)) {
		rule.ID += " (says more than our rules can)"
	}
	return rule
}

// same compares two rules by what they say, whatever elements they were read from.
func same(a, b lifecycle.Rule) bool {
	left, errLeft := json.Marshal(a)
	right, errRight := json.Marshal(b)
	return errLeft == nil && errRight == nil && bytes.Equal(left, right)
}
