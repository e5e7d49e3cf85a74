package minio

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

// retryAfter is what a caller is asked to wait for a backend that is down.
const retryAfter = 5 * time.Second

var (
	errUnavailable = errs.New(errs.Unavailable, "BACKEND_UNAVAILABLE",
		"the storage backend does not answer; retry with the same idempotency key").WithRetryAfter(retryAfter)
	errRejected = errs.New(errs.FailedPrecondition, "BACKEND_REJECTED", "the storage backend refused this")
)

// Codes of the server that a port gives a meaning. They stay inside the adapter.
var (
	errNoBucket = &trouble{code: "NoSuchBucket"}
	errAbsent   = errors.New("minio: absent")
)

// absentCodes are the server's ways to say that something is not there.
var absentCodes = map[string]bool{
	"NoSuchTagSet": true, "NoSuchTagSetError": true, "NoSuchLifecycleConfiguration": true,
	"XMinioAdminNoSuchUser": true, "XMinioAdminNoSuchPolicy": true,
	"XMinioAdminServiceAccountNotFound": true, "XMinioInvalidIAMCredentials": true,
	"XMinioAdminNoSuchQuotaConfiguration": true,
}

// busyCodes are answers that another try may turn into success, whatever their status.
var busyCodes = map[string]bool{
	"SlowDown": true, "SlowDownRead": true, "SlowDownWrite": true, "RequestTimeout": true, "InternalError": true,
	"XMinioServerNotInitialized": true, "XMinioIAMNotInitialized": true, "OperationTimedOut": true,
	"ServerBusy": true, "XMinioBackendDown": true,
}

// classify is the one place where trouble becomes an error of ours.
func classify(parent context.Context, err error) error {
	if _, ok := errs.As(err); ok {
		return err
	}
	if said, ok := errors.AsType[minio.ErrorResponse](err); ok {
		// The client refused before it asked.
		return errRejected.WithMessage("the storage client refused this (%s)", spelled(said.Code))
	}
	t, ok := errors.AsType[*trouble](err)
	if !ok {
		return unanswered(parent, err)
	}
	switch {
	case t.cause != nil:
		return unanswered(parent, t.cause)
	case t.code == "NoSuchBucket":
		return bucket.ErrVanished.Wrap(errNoBucket)
	case t.code == "BucketAlreadyOwnedByYou" || t.code == "BucketAlreadyExists":
		return bucket.ErrExists
	case t.code == "BucketNotEmpty":
		return bucket.ErrNotEmpty
	case absentCodes[t.code]:
		return errRejected.WithMessage("the storage backend does not know this (%s)", spelled(t.code)).Wrap(errAbsent)
	case busyCodes[t.code] || t.status >= http.StatusInternalServerError ||
		t.status == http.StatusTooManyRequests || t.status == http.StatusRequestTimeout:
		return errUnavailable.WithMessage("the storage backend is in trouble (%s); retry with the same idempotency key", spelled(t.code)).Wrap(t)
	default:
		// The server's own words may repeat the request, and with it a key id: only its code is passed on.
		return errRejected.WithMessage("the storage backend refused this (%s)", spelled(t.code)).Wrap(t)
	}
}

// unanswered classifies trouble without an answer.
func unanswered(parent context.Context, err error) error {
	if errors.Is(parent.Err(), context.Canceled) {
		return errs.New(errs.Canceled, "CANCELED", "the caller went away").Wrap(context.Canceled)
	}
	return errUnavailable.Wrap(scrub(err))
}

var plainCode = regexp.MustCompile(`^[A-Za-z0-9]{1,64}$`)

// spelled returns a server's code if it looks like one.
func spelled(code string) string {
	if plainCode.MatchString(code) {
		return code
	}
	return "no code"
}

// scrub drops the URL that clients put around an error: it holds key ids.
func scrub(err error) error {
	if urlError, ok := errors.AsType[*url.Error](err); ok {
		return urlError.Err
	}
	return err
}
