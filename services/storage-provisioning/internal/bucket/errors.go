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
	// ErrFieldNotUpdatable refuses a field of the update mask.
	ErrFieldNotUpdatable = errs.New(errs.InvalidArgument, "FIELD_NOT_UPDATABLE",
		"only versioning, quota_bytes, lifecycle_rules and customer_reference can be changed")
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
