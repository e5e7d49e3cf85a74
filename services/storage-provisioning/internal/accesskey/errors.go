package accesskey

import (
	"fmt"

	"github.com/primecloud/primecloud/pkg/errs"
)

// What the use cases answer besides the errors of their ports.
var (
	// ErrNotFound hides whether a key is absent or another account's.
	ErrNotFound = errs.New(errs.NotFound, "ACCESS_KEY_NOT_FOUND", "the account has no access key of this id")
	// ErrSecretGone is answered to a repetition after the secret was destroyed.
	ErrSecretGone = errs.New(errs.FailedPrecondition, "SECRET_GONE",
		"the secret of this access key is no longer kept; make a new key")
	// ErrETagMismatch refuses a change of what the caller has not seen.
	ErrETagMismatch = errs.New(errs.Aborted, "ETAG_MISMATCH",
		"the access key changed since it was read; read it again and retry")
	// ErrExpireTimeInvalid refuses an end that the backend could not keep.
	ErrExpireTimeInvalid = errs.New(errs.InvalidArgument, "EXPIRE_TIME_INVALID",
		"an access key ends 15 minutes to 365 days ahead, or never").WithViolation(errs.Violation{
		Field: "expire_time", Rule: "RANGE", Description: "must lie 15 minutes to 365 days ahead",
	})

	// ErrKindFixed refuses grants that the key's place on the backend has no room for.
	ErrKindFixed = errs.New(errs.FailedPrecondition, "ACCESS_KEY_KIND_FIXED",
		"a key that was made with few exact grants cannot get a pattern or so many grants; make a new key")
	// ErrEnded refuses to change a key that has ended.
	ErrEnded = errs.New(errs.FailedPrecondition, "ACCESS_KEY_ENDED", "the access key has ended; make a new one")
	// ErrTaken refuses to adopt what is managed already, or still on its way out.
	ErrTaken = errs.New(errs.AlreadyExists, "ACCESS_KEY_TAKEN",
		"this key is managed already; look for it among the account's keys, or retry in a few seconds if its adoption has just failed")
	// ErrNothingToAdopt is for a key that is not there to be taken over.
	ErrNothingToAdopt = errs.New(errs.NotFound, "NOTHING_TO_ADOPT",
		"there is no such key on the backend; check backend and access key id")
	errAdoptionUnsupported = errs.New(errs.FailedPrecondition, "ADOPTION_UNSUPPORTED", "the key is none that an account can have")
	// ErrOverlapInvalid refuses an overlap that is too long.
	ErrOverlapInvalid = errs.New(errs.InvalidArgument, "REQUEST_INVALID", "an overlap lasts from nothing to 30 days").
				WithViolation(errs.Violation{Field: "overlap", Rule: "OVERLAP", Description: "give 0 s to 2592000 s"})

	errPatternInvalid = errs.New(errs.InvalidArgument, "GRANT_PATTERN_INVALID",
		"a grant has a pattern or a prefix that cannot be kept apart from what it must not reach; see the violations")
	errNetworkInvalid = errs.New(errs.InvalidArgument, "NETWORK_INVALID",
		"networks are at most 16 CIDR ranges such as 192.0.2.0/24 or 2001:db8::/32, or single addresses")

	errGrantInvalid = errs.New(errs.InvalidArgument, "GRANT_INVALID",
		"the grants do not name buckets of the account that a key can reach; see the violations")
	errRequestInvalid = errs.New(errs.InvalidArgument, "REQUEST_INVALID", "a field breaks a rule; see the violations")
	// errForeign says that the backend has a key of this id that is not ours.
	errForeign = errs.New(errs.FailedPrecondition, "BACKEND_REJECTED",
		"the backend has another key in the place of this one; make a new key")
	// errUntried says that the backend does not take the new key.
	errUntried = errs.New(errs.Unavailable, "BACKEND_UNAVAILABLE",
		"the backend does not accept the new key yet; retry with the same idempotency key")
	// errNobodysSecret gives up a creation whose caller is gone.
	errNobodysSecret = errs.New(errs.FailedPrecondition, "SECRET_GONE",
		"the call that asked for this key was lost, and nobody could learn its secret any more; make a new key")
	// errChanged means that something else is wanted by now than what the attempt was for.
	errChanged = errs.New(errs.Aborted, "OPERATION_IN_PROGRESS", "the access key is wanted otherwise by now")
)

// grantViolation is one grant that cannot be given.
func grantViolation(index int, field, rule, ask string) errs.Violation {
	return errs.Violation{Field: fmt.Sprintf("grants[%d].%s", index, field), Rule: rule, Description: ask}
}
