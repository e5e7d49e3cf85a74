package minio

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"

	"github.com/minio/minio-go/v7/pkg/lifecycle"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

// SetLifecycle replaces all rules; none removes the configuration.
func (b *Backend) SetLifecycle(ctx context.Context, name string, rules []bucket.Rule) error {
	err := b.call(ctx, "SetLifecycle", func(ctx context.Context) error {
		config := lifecycle.NewConfiguration()
		for _, rule := range rules {
			config.Rules = append(config.Rules, ruleToMinIO(rule))
		}
		// The client turns no rules into a removal.
		return b.s3.SetBucketLifecycle(ctx, name, config)
	})
	if said, ok := errors.AsType[*trouble](err); ok && said.code == "InvalidStorageClass" {
		return bucket.ErrTierUnknown.Wrap(said)
	}
	return err
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
		RuleFilter: filterToMinIO(rule),
		Expiration: lifecycle.Expiration{
			Days: lifecycle.ExpirationDays(rule.ExpireAfterDays), DeleteMarker: lifecycle.ExpireDeleteMarker(rule.ExpireMarkers),
		},
		NoncurrentVersionExpiration: lifecycle.NoncurrentVersionExpiration{
			NoncurrentDays: lifecycle.ExpirationDays(rule.ExpireNoncurrentAfterDays), NewerNoncurrentVersions: rule.KeepNewer,
		},
		Transition: lifecycle.Transition{StorageClass: rule.Tier, Days: lifecycle.ExpirationDays(rule.TransitionAfterDays)},
	}
}

// filterToMinIO names what a rule is limited to: two things or more need an And around them,
// one must not have it.
func filterToMinIO(rule bucket.Rule) lifecycle.Filter {
	all := lifecycle.And{Prefix: rule.Prefix, ObjectSizeGreaterThan: rule.SizeGreaterThan, ObjectSizeLessThan: rule.SizeLessThan}
	for _, tag := range rule.Tags {
		all.Tags = append(all.Tags, lifecycle.Tag{Key: tag.Key, Value: tag.Value})
	}
	limits := len(all.Tags)
	for _, set := range []bool{all.Prefix != "", all.ObjectSizeGreaterThan > 0, all.ObjectSizeLessThan > 0} {
		if set {
			limits++
		}
	}
	switch {
	case limits > 1:
		return lifecycle.Filter{And: all}
	case len(all.Tags) == 1:
		return lifecycle.Filter{Tag: all.Tags[0]}
	default:
		return lifecycle.Filter{Prefix: all.Prefix, ObjectSizeGreaterThan: all.ObjectSizeGreaterThan, ObjectSizeLessThan: all.ObjectSizeLessThan}
	}
}

// ruleFromMinIO reads a rule back. One that says more than ours can gets a name that none
// of ours can have, so that it always counts as different.
func ruleFromMinIO(found lifecycle.Rule) bucket.Rule {
	if found.Prefix != "" {
		// The old place of the prefix.
		found.RuleFilter.Prefix, found.Prefix = found.Prefix, ""
	}
	filter := found.RuleFilter
	rule := bucket.Rule{
		ID:                        found.ID,
		Prefix:                    cmp.Or(filter.Prefix, filter.And.Prefix),
		SizeGreaterThan:           cmp.Or(filter.ObjectSizeGreaterThan, filter.And.ObjectSizeGreaterThan),
		SizeLessThan:              cmp.Or(filter.ObjectSizeLessThan, filter.And.ObjectSizeLessThan),
		ExpireAfterDays:           int(found.Expiration.Days),
		ExpireNoncurrentAfterDays: int(found.NoncurrentVersionExpiration.NoncurrentDays),
		KeepNewer:                 found.NoncurrentVersionExpiration.NewerNoncurrentVersions,
		ExpireMarkers:             bool(found.Expiration.DeleteMarker),
		Tier:                      found.Transition.StorageClass,
		TransitionAfterDays:       int(found.Transition.Days),
		Disabled:                  found.Status == statusDisabled,
	}
	tags := filter.And.Tags
	if !filter.Tag.IsEmpty() {
		tags = append(tags, filter.Tag)
	}
	for _, tag := range tags {
		rule.Tags = append(rule.Tags, bucket.Tag{Key: tag.Key, Value: tag.Value})
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
