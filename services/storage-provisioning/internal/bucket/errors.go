package bucket

import "github.com/primecloud/primecloud/pkg/errs"

// What the use cases answer besides the errors of their ports.
var (
	// ErrNameTaken is the answer for a name that exists, whoever has it.
	ErrNameTaken = errs.New(errs.AlreadyExists, "BUCKET_NAME_TAKEN",
		"this bucket name is taken; choose another name")
	// ErrNotFound hides whether a bucket is absent or another account's.
	ErrNotFound = errs.New(errs.NotFound, "BUCKET_NOT_FOUND", "the account has no bucket of this name")
	// ErrDeleting refuses to change a bucket on its way out.
	ErrDeleting = errs.New(errs.FailedPrecondition, "BUCKET_DELETING", "the bucket is being removed")
	// ErrPurging refuses to change or use a bucket that is being purged.
	ErrPurging = errs.New(errs.FailedPrecondition, "BUCKET_PURGING",
		"the bucket is being purged; cancel the purge first, or wait for its end")
	// ErrConflict says that something that is not ours stands in the bucket's place.
	ErrConflict = errs.New(errs.FailedPrecondition, "BUCKET_CONFLICT",
		"what stands on the backend under this name does not carry our mark; an operator must look at it")
	// ErrETagMismatch refuses a change of what the caller has not seen.
	ErrETagMismatch = errs.New(errs.Aborted, "ETAG_MISMATCH",
		"the bucket changed since it was read; read it again and retry")
	// ErrVersioningIrreversible refuses to switch versioning off.
	ErrVersioningIrreversible = errs.New(errs.FailedPrecondition, "VERSIONING_IRREVERSIBLE",
		"versioning cannot go back to off once it was on; suspend it instead")
	// ErrNothingToAdopt is for a bucket that is not there to be taken over.
	ErrNothingToAdopt      = errs.New(errs.NotFound, "NOTHING_TO_ADOPT", "there is no such bucket on the backend; check backend and name")
	errAdoptionUnsupported = errs.New(errs.FailedPrecondition, "ADOPTION_UNSUPPORTED",
		"the bucket has a setting on the backend that is none of ours; remove it there first")
	// ErrFieldNotUpdatable refuses a field of the update mask.
	ErrFieldNotUpdatable = errs.New(errs.InvalidArgument, "FIELD_NOT_UPDATABLE",
		"only versioning, quota_bytes, lifecycle_rules, customer_reference, tags, labels, object_lock, default_encryption and cors_rules can be changed so")
	// ErrLockOnlyAtCreation refuses object lock for a bucket that was made without it.
	ErrLockOnlyAtCreation = errs.New(errs.FailedPrecondition, "OBJECT_LOCK_ONLY_AT_CREATION",
		"object lock can only be asked for when a bucket is made; make another and copy the objects")
	// ErrLockIrreversible refuses to take the object lock away, or what it needs.
	ErrLockIrreversible = errs.New(errs.FailedPrecondition, "OBJECT_LOCK_IRREVERSIBLE",
		"object lock cannot be taken away, nor its versioning; only its default retention can change")
	// ErrCORSUnsupported refuses rules for other origins.
	ErrCORSUnsupported = errs.New(errs.FailedPrecondition, "CORS_UNSUPPORTED",
		"this backend keeps no rules for other origins by bucket; leave cors_rules out")
	// ErrPublicPrefixInvalid refuses a prefix that cannot be named exactly.
	ErrPublicPrefixInvalid = errs.New(errs.InvalidArgument, "PUBLIC_PREFIX_INVALID",
		"the prefix of public access must be 512 bytes of plain path at most, without *, ?, ${, empty parts, . and ..").
		WithViolation(errs.Violation{Field: "prefix", Rule: "PUBLIC_PREFIX_INVALID", Description: "give a prefix without *, ?, ${, empty parts, . and .."})
	// ErrRuleNotFound is for a rule that the bucket does not have.
	ErrRuleNotFound = errs.New(errs.NotFound, "LIFECYCLE_RULE_NOT_FOUND", "the bucket has no lifecycle rule of this id")
	// ErrRuleExists refuses a second rule of an id.
	ErrRuleExists = errs.New(errs.AlreadyExists, "LIFECYCLE_RULE_EXISTS",
		"the bucket has a lifecycle rule of this id; choose another id, or change that rule")
	// ErrBackendUnknown is for a backend that is not configured.
	ErrBackendUnknown = errs.New(errs.InvalidArgument, "BACKEND_UNKNOWN",
		"no such backend; list the backends").WithViolation(errs.Violation{
		Field: "backend", Rule: "BACKEND_UNKNOWN", Description: "list the backends and name one of them",
	})
)

var (
	errNameInvalid = errs.New(errs.InvalidArgument, "BUCKET_NAME_INVALID",
		"the bucket name breaks a rule of S3; see the violations")
	errRuleInvalid = errs.New(errs.InvalidArgument, "LIFECYCLE_RULE_INVALID",
		"a lifecycle rule is not one that the backend can apply; see the violations")
)

// NotUpdatable refuses a field of the update mask by its name.
func NotUpdatable(path string) error {
	return ErrFieldNotUpdatable.WithViolation(errs.Violation{
		Field: "update_mask", Rule: "FIELD_NOT_UPDATABLE", Description: "drop " + path + " from the mask",
	})
}

// RuleNotUpdatable refuses a field of the mask of a lifecycle rule by its name.
func RuleNotUpdatable(path string) error {
	return errs.New(errs.InvalidArgument, "FIELD_NOT_UPDATABLE", "a lifecycle rule has no such field that can be changed").
		WithViolation(errs.Violation{Field: "update_mask", Rule: "FIELD_NOT_UPDATABLE", Description: "drop " + path + " from the mask"})
}
