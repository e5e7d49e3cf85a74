package minio

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"syscall"
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

// plainCode is a server's code, such as NoSuchBucket. A key's id has digits, or is in one case.
var plainCode = regexp.MustCompile(`^[A-Z]+[a-z][A-Za-z]*$`)

const longestCode = 64

// spelled returns a server's code if it looks like one: whatever else stands in its place may
// be anything, such as the request with a key id in it.
func spelled(code string) string {
	if len(code) <= longestCode && plainCode.MatchString(code) {
		return code
	}
	return "no code"
}

// scrub leaves of an error what cannot hold a key id. Clients put the URL around it, which does;
// and an answer that they cannot make sense of, which may repeat the request, into it.
func scrub(err error) error {
	if urlError, ok := errors.AsType[*url.Error](err); ok {
		err = urlError.Err
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return err
	}
	for _, plain := range []error{io.EOF, io.ErrUnexpectedEOF, context.Canceled, context.DeadlineExceeded, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, plain) {
			return plain
		}
	}
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return certificate
	}
	return fmt.Errorf("minio: the exchange failed (%T)", err)
}
