package grpcapi

import (
	"context"
	"maps"
	"slices"

	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

func (s *buckets) SetBucketPublicAccess(ctx context.Context, r *storagev1.SetBucketPublicAccessRequest) (*storagev1.SetBucketPublicAccessResponse, error) {
	done, err := s.use.SetPublic(ctx, r.GetAccountId(), r.GetBucket(), r.GetEtag(), bucket.Public{Read: r.GetRead(), Prefix: r.GetPrefix()})
	if err != nil {
		return nil, err
	}
	return &storagev1.SetBucketPublicAccessResponse{Bucket: Bucket(done.Bucket)}, begun(ctx, done.OperationID)
}

var encryption = map[bucket.Encryption]storagev1.DefaultEncryption{
	bucket.EncryptionNone:  storagev1.DefaultEncryption_DEFAULT_ENCRYPTION_NONE,
	bucket.EncryptionSSES3: storagev1.DefaultEncryption_DEFAULT_ENCRYPTION_SSE_S3,
}

func encryptionOf(e storagev1.DefaultEncryption) bucket.Encryption {
	if e == storagev1.DefaultEncryption_DEFAULT_ENCRYPTION_SSE_S3 {
		return bucket.EncryptionSSES3
	}
	return bucket.EncryptionNone
}

var retentionModes = map[bucket.RetentionMode]storagev1.RetentionMode{
	bucket.Governance: storagev1.RetentionMode_RETENTION_MODE_GOVERNANCE,
	bucket.Compliance: storagev1.RetentionMode_RETENTION_MODE_COMPLIANCE,
}

func lock(l bucket.Lock) *storagev1.ObjectLock {
	if !l.Enabled {
		return nil
	}
	out := &storagev1.ObjectLock{}
	if l.Mode != "" {
		out.DefaultRetention = &storagev1.DefaultRetention{Mode: retentionModes[l.Mode], Days: int32(l.Days), Years: int32(l.Years)}
	}
	return out
}

func lockOf(l *storagev1.ObjectLock) bucket.Lock {
	if l == nil {
		return bucket.Lock{}
	}
	out := bucket.Lock{Enabled: true, Days: int(l.GetDefaultRetention().GetDays()), Years: int(l.GetDefaultRetention().GetYears())}
	switch l.GetDefaultRetention().GetMode() {
	case storagev1.RetentionMode_RETENTION_MODE_GOVERNANCE:
		out.Mode = bucket.Governance
	case storagev1.RetentionMode_RETENTION_MODE_COMPLIANCE:
		out.Mode = bucket.Compliance
	default:
	}
	return out
}

func public(b bucket.Bucket) *storagev1.PublicAccess {
	return &storagev1.PublicAccess{
		Read: b.Spec.Public.Read, Prefix: b.Spec.Public.Prefix, Stopped: b.Stopped && b.Spec.Public.Read,
	}
}

func rule(r bucket.Rule) *storagev1.LifecycleRule {
	out := &storagev1.LifecycleRule{
		Id: r.ID, Prefix: r.Prefix, Disabled: r.Disabled,
		SizeGreaterThan: r.SizeGreaterThan, SizeLessThan: r.SizeLessThan,
		ExpireAfterDays: int32(r.ExpireAfterDays), ExpireNoncurrentAfterDays: int32(r.ExpireNoncurrentAfterDays),
		KeepNewerNoncurrent: int32(r.KeepNewer), ExpireDeleteMarkers: r.ExpireMarkers,
		AbortIncompleteUploadAfterDays: int32(r.AbortAfterDays),
	}
	if len(r.Tags) > 0 {
		out.Tags = map[string]string{}
	}
	for _, tag := range r.Tags {
		out.Tags[tag.Key] = tag.Value
	}
	if r.Tier != "" {
		out.Transition = &storagev1.LifecycleRule_Transition{AfterDays: int32(r.TransitionAfterDays), Tier: r.Tier}
	}
	return out
}

func ruleOf(r *storagev1.LifecycleRule) bucket.Rule {
	out := bucket.Rule{
		ID: r.GetId(), Prefix: r.GetPrefix(), Disabled: r.GetDisabled(),
		SizeGreaterThan: r.GetSizeGreaterThan(), SizeLessThan: r.GetSizeLessThan(),
		ExpireAfterDays: int(r.GetExpireAfterDays()), ExpireNoncurrentAfterDays: int(r.GetExpireNoncurrentAfterDays()),
		KeepNewer: int(r.GetKeepNewerNoncurrent()), ExpireMarkers: r.GetExpireDeleteMarkers(),
		AbortAfterDays: int(r.GetAbortIncompleteUploadAfterDays()),
		Tier:           r.GetTransition().GetTier(), TransitionAfterDays: int(r.GetTransition().GetAfterDays()),
	}
	for _, key := range slices.Sorted(maps.Keys(r.GetTags())) {
		out.Tags = append(out.Tags, bucket.Tag{Key: key, Value: r.GetTags()[key]})
	}
	return out
}
