package object

import "github.com/primecloud/primecloud/pkg/errs"

// What a backend, or a use case, answers about objects.
var (
	// ErrNotFound is for an object, or a version, that is not there, and for a delete marker.
	ErrNotFound = errs.New(errs.NotFound, "OBJECT_NOT_FOUND", "there is no such object, or no such version of it")
	// ErrLocked is for a version that must not be removed yet.
	ErrLocked = errs.New(errs.FailedPrecondition, "OBJECT_LOCKED",
		"retention or a legal hold keeps this version; wait until it ends, or have the hold lifted")
	// ErrTooLarge is for an object that the backend does not copy in one go.
	ErrTooLarge = errs.New(errs.FailedPrecondition, "OBJECT_TOO_LARGE",
		"the backend copies objects up to 5 GiB; copy this one with an S3 client, in parts")
	// ErrAccessDenied is for what the account's policy does not allow.
	ErrAccessDenied = errs.New(errs.FailedPrecondition, "OBJECT_ACCESS_DENIED",
		"the account's policy on the backend does not allow this just now; free space if its quota is used up, or ask the operator")
	// ErrChanged is for a source that is no longer what was copied.
	ErrChanged = errs.New(errs.Aborted, "OBJECT_CHANGED",
		"the object changed while it was copied or moved; look at both places and retry")
	// ErrUploadNotFound is for an upload that is not there.
	ErrUploadNotFound = errs.New(errs.NotFound, "UPLOAD_NOT_FOUND",
		"there is no such upload for this key; it was completed or aborted, or never begun")
	// ErrPartsInvalid is for parts that make no object.
	ErrPartsInvalid = errs.New(errs.FailedPrecondition, "UPLOAD_PARTS_INVALID",
		"the parts do not make an object: one is missing, out of order, not as the backend has it, or under 5 MiB and not the last")
	// ErrApart is for two buckets that cannot be copied between.
	ErrApart = errs.New(errs.FailedPrecondition, "BUCKETS_APART",
		"the two buckets are on different backends, which do not copy from each other")
)

// invalid refuses a field of a request.
func invalid(field, rule, ask string) error {
	return errRequestInvalid.WithViolation(errs.Violation{Field: field, Rule: rule, Description: ask})
}
