// Package minio is the adapter of one MinIO deployment: it implements the ports that the
// packages bucket, principal, accesskey and object state.
//
// It guarantees: every call runs through the decorator as "minio.<Method>"; every call
// ends when its context does, and after Config.CallTimeout at the latest, whether the
// server refuses, hangs or is frozen; a request is sent once, retrying is up to the
// caller; errors are classified in errors.go and name neither key ids nor secrets.
//
// It does not: decide anything, or check names; the concepts did.
//
// The internal endpoint is the one called. The public one is only signed for.
package minio

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/minio/madmin-go/v3"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/primecloud/primecloud/pkg/port"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

// Config says how to reach one MinIO.
type Config struct {
	// Endpoint is where we call it: http(s)://host[:port].
	Endpoint string
	// PublicEndpoint is where clients call it, through the door; Endpoint when empty.
	PublicEndpoint string
	// Region is what requests are signed for; us-east-1 when empty.
	Region string
	// AdminKey and AdminSecret are root's credentials, or those of a user that may do what
	// root may.
	AdminKey, AdminSecret string
	// TLS is used for an https endpoint; the system's defaults when nil.
	TLS *tls.Config
	// CallTimeout bounds each call besides its context; 10 s when zero.
	CallTimeout time.Duration
	// CensusTimeout bounds, in place of CallTimeout, a call whose answer is about everything:
	// some 20 s for 50 000 buckets on two cores; 5 min when zero.
	CensusTimeout time.Duration
	// Stretch is about how many versions one TallyBucket counts; 20 000, which take a second
	// or two, when zero.
	Stretch int
	// Around decorates each call; plain when nil.
	Around port.Around
}

// Backend is one MinIO. It is safe for concurrent use.
type Backend struct {
	s3    *minio.Client
	admin *madmin.AdminClient
	http  *http.Client
	// outside is how the public endpoint is tried.
	outside *http.Transport
	public  *url.URL
	cfg     Config
	// sessions are temporary credentials for signing with.
	sessions sessions
	// confidential says that nobody can read what we send: see import.go.
	confidential bool
}

// The ports of the concepts.
var (
	_ bucket.BackendReader = (*Backend)(nil)
	_ bucket.BackendWriter = (*Backend)(nil)

	_ bucket.BackendSettings = (*Backend)(nil)
	_ bucket.BackendFeatures = (*Backend)(nil)

	_ principal.Users = (*Backend)(nil)
	_ accesskey.Keys  = (*Backend)(nil)
)

// New checks the configuration and returns the backend. It does not call it: a MinIO that
// is down does not keep a service from starting.
func New(cfg Config) (*Backend, error) {
	if cfg.AdminKey == "" || cfg.AdminSecret == "" {
		return nil, errors.New("minio: the administrator's key and secret must be set")
	}
	if cfg.PublicEndpoint == "" {
		cfg.PublicEndpoint = cfg.Endpoint
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if cfg.CallTimeout <= 0 {
		cfg.CallTimeout = 10 * time.Second
	}
	if cfg.CensusTimeout <= 0 {
		cfg.CensusTimeout = 5 * time.Minute
	}
	if cfg.Stretch <= 0 {
		cfg.Stretch = 20000
	}
	if cfg.Around == nil {
		cfg.Around = port.Plain
	}
	internal, err := endpoint(cfg.Endpoint)
	if err != nil {
		return nil, err
	}
	public, err := endpoint(cfg.PublicEndpoint)
	if err != nil {
		return nil, err
	}
	secure := internal.Scheme == "https"
	b := &Backend{cfg: cfg, public: public, confidential: secure || loopback(internal.Hostname())}
	transport := &once{base: newTransport(cfg.TLS)}
	b.http = &http.Client{Transport: transport}
	b.outside = newTransport(cfg.TLS)
	b.outside.DisableKeepAlives = true
	creds := credentials.NewStaticV4(cfg.AdminKey, cfg.AdminSecret, "")
	b.s3, err = minio.New(internal.Host, &minio.Options{
		Creds: creds, Secure: secure, Transport: transport, Region: cfg.Region,
		BucketLookup: minio.BucketLookupPath, MaxRetries: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("minio: S3 client: %w", err)
	}
	b.admin, err = madmin.NewWithOptions(internal.Host, &madmin.Options{Creds: creds, Secure: secure, Transport: transport})
	if err != nil {
		return nil, fmt.Errorf("minio: admin client: %w", err)
	}
	return b, nil
}

// Close closes idle connections.
func (b *Backend) Close() { b.http.CloseIdleConnections() }

func endpoint(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || (u.Scheme != "http" && u.Scheme != "https") {
		// The text is not repeated: somebody may have put credentials into it.
		return nil, errors.New("minio: an endpoint must be http(s)://host[:port] without a path")
	}
	if u.User != nil {
		return nil, errors.New("minio: an endpoint must not hold credentials")
	}
	return u, nil
}

// loopback reports whether a host is this very machine. A name other than localhost is
// not looked up: what it points to may change.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func newTransport(tlsConfig *tls.Config) *http.Transport {
	dialer := &net.Dialer{Timeout: 3 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Transport{
		DialContext:         dialer.DialContext,
		TLSClientConfig:     tlsConfig,
		TLSHandshakeTimeout: 3 * time.Second,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     30 * time.Second,
		// Compressed answers would only cost time.
		DisableCompression: true,
	}
}
