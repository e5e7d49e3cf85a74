package minio

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7/pkg/signer"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/connection"
)

var _ connection.Prober = (*Backend)(nil)

// probeTimeout bounds one request of a probe.
const probeTimeout = 5 * time.Second

// Reach asks the public endpoint whether it is there, without a login.
func (b *Backend) Reach(ctx context.Context) (connection.Reached, error) {
	return value(ctx, b, "Reach", func(ctx context.Context) (connection.Reached, error) {
		reached := connection.Reached{Secure: b.public.Scheme == "https"}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.public.String()+"/_door/health", nil)
		if err != nil {
			return reached, errRejected.WithMessage("the endpoint cannot be asked")
		}
		res, err := b.probe(req)
		if err != nil {
			reached.Trouble, reached.Reason = troubleOf(err)
			return reached, nil
		}
		defer func() { _ = res.Body.Close() }()
		reached.Door = res.StatusCode == http.StatusOK
		reached.Time, _ = http.ParseTime(res.Header.Get("Date")) // zero when it does not say
		return reached, nil
	})
}

// Use asks for the location of a bucket, which every key may of what it was granted.
func (b *Backend) Use(ctx context.Context, attempt connection.Attempt) (string, error) {
	return value(ctx, b, "Use", func(ctx context.Context) (string, error) {
		bucket := attempt.Bucket
		if bucket == "" {
			bucket = nowhere
		}
		at := *b.public
		at.Path, at.RawQuery = "/"+bucket+"/", "location="
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
		if err != nil {
			return "InvalidBucketName", nil
		}
		req.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
		req = signer.SignV4(*req, attempt.ID, attempt.Secret, "", b.cfg.Region)
		res, err := b.probe(req)
		if err != nil {
			return "UNREACHABLE", nil
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode < http.StatusMultipleChoices {
			return "", nil
		}
		body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
		if err != nil {
			return "UNREACHABLE", nil
		}
		return spelled(explain(res.Header, body)), nil
	})
}

// probe sends a request past the transport that makes trouble of every refusal.
func (b *Backend) probe(req *http.Request) (*http.Response, error) {
	client := &http.Client{
		Transport: b.outside, Timeout: probeTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return client.Do(req)
}

// troubleOf says in words why there is no answer. It repeats nothing of the request.
func troubleOf(err error) (trouble, reason string) {
	if isTLS(err) {
		switch {
		case isA[x509.UnknownAuthorityError](err):
			return "TLS", "it comes from an unknown authority"
		case isA[x509.HostnameError](err):
			return "TLS", "it is for another name"
		case isA[x509.CertificateInvalidError](err):
			return "TLS", "it has expired, or must not be used so"
		default:
			return "TLS", "the endpoint does not speak TLS as expected"
		}
	}
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		return "NETWORK", "its name is not known"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "NETWORK", "it does not answer in time"
	default:
		return "NETWORK", "the connection is refused or broken"
	}
}

func isTLS(err error) bool {
	return isA[*tls.CertificateVerificationError](err) || isA[tls.RecordHeaderError](err) || isA[tls.AlertError](err) ||
		// What the client makes of an answer in plain HTTP.
		errors.Is(err, http.ErrSchemeMismatch) ||
		isA[x509.UnknownAuthorityError](err) || isA[x509.HostnameError](err) || isA[x509.CertificateInvalidError](err)
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
