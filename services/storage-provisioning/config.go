package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/page"
	"github.com/primecloud/primecloud/pkg/pki"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/quota"
)

// Config is what an operator sets.
type Config struct {
	Listen      string `env:"PRIMECLOUD_STORAGE_LISTEN" default:"127.0.0.1:7002" doc:"Address that the gRPC server listens on."`
	AdminListen string `env:"PRIMECLOUD_STORAGE_ADMIN_LISTEN" default:"127.0.0.1:7102" doc:"Address for /metrics, /healthz and /readyz."`
	PKICert     string `env:"PRIMECLOUD_STORAGE_PKI_CERT" doc:"PEM file with this service's own certificate."`
	PKIKey      string `env:"PRIMECLOUD_STORAGE_PKI_KEY" doc:"PEM file with the key of that certificate."`
	PKICA       string `env:"PRIMECLOUD_STORAGE_PKI_CA" doc:"PEM file with the authority that other processes' certificates come from."`

	DatabaseURL      config.Secret `env:"PRIMECLOUD_STORAGE_DATABASE_URL" required:"true" doc:"PostgreSQL URL of the serving role, storage_app."`
	DatabaseOwnerURL config.Secret `env:"PRIMECLOUD_STORAGE_DATABASE_OWNER_URL" doc:"PostgreSQL URL of the owner, storage_owner; for migrate alone."`
	DatabaseConns    int64         `env:"PRIMECLOUD_STORAGE_DATABASE_CONNS" default:"16" doc:"Most connections to PostgreSQL."`

	NATSURL      string        `env:"PRIMECLOUD_STORAGE_NATS_URL" default:"nats://127.0.0.1:4222" doc:"Where NATS is."`
	NATSUser     string        `env:"PRIMECLOUD_STORAGE_NATS_USER" doc:"User at NATS."`
	NATSPassword config.Secret `env:"PRIMECLOUD_STORAGE_NATS_PASSWORD" doc:"Password of that user."`
	NATSCA       string        `env:"PRIMECLOUD_STORAGE_NATS_CA" doc:"PEM file with the authority of the NATS server's certificate, if it speaks TLS."`

	SealKeyset string        `env:"PRIMECLOUD_STORAGE_SEAL_KEYSET" required:"true" doc:"File with the keyset that seals the secrets of users and keys. Back it up with the database."`
	PageKey    config.Secret `env:"PRIMECLOUD_STORAGE_PAGE_KEY" required:"true" doc:"Key that authenticates page tokens, 32 characters or more, the same for all replicas."`

	IdentityTarget string `env:"PRIMECLOUD_STORAGE_IDENTITY_TARGET" default:"127.0.0.1:7001" doc:"Host and port of identity, which gives out the keys that tokens are verified with, and revocations."`
	TokenIssuer    string `env:"PRIMECLOUD_STORAGE_TOKEN_ISSUER" default:"primecloud" doc:"Issuer that access tokens must name."`
	TokenAudience  string `env:"PRIMECLOUD_STORAGE_TOKEN_AUDIENCE" default:"primecloud" doc:"Audience that access tokens must name."`
	KeyCache       string `env:"PRIMECLOUD_STORAGE_KEY_CACHE" doc:"File that keeps the last key set, to start while identity is away; without one tokens cannot be verified until it answers."`

	BackendName           string        `env:"PRIMECLOUD_STORAGE_BACKEND_NAME" default:"local" doc:"Name of the default backend in requests; never change it once it has buckets."`
	BackendEndpoint       string        `env:"PRIMECLOUD_STORAGE_BACKEND_ENDPOINT" required:"true" doc:"Where this service reaches the default backend: http or https, host and port."`
	BackendPublicEndpoint string        `env:"PRIMECLOUD_STORAGE_BACKEND_PUBLIC_ENDPOINT" doc:"Where clients reach it, through the door: what URLs are signed for. The other endpoint when empty."`
	BackendRegion         string        `env:"PRIMECLOUD_STORAGE_BACKEND_REGION" default:"us-east-1" doc:"Region that requests to it are signed for."`
	BackendAdminUser      string        `env:"PRIMECLOUD_STORAGE_BACKEND_ADMIN_USER" required:"true" secret:"true" doc:"Access key id of its administrator."`
	BackendAdminPassword  config.Secret `env:"PRIMECLOUD_STORAGE_BACKEND_ADMIN_PASSWORD" required:"true" doc:"Secret of its administrator."`
	MoreBackends          config.Secret `env:"PRIMECLOUD_STORAGE_MORE_BACKENDS" doc:"Further backends: a JSON list of objects with name, endpoint, public_endpoint, region, admin_user, admin_password."`

	Attempt      time.Duration `env:"PRIMECLOUD_STORAGE_ATTEMPT" default:"10s" doc:"How long a call may work on a backend at most, whatever time its caller has."`
	FullPass     time.Duration `env:"PRIMECLOUD_STORAGE_FULL_PASS" default:"1h" doc:"How often everything is compared with the backends."`
	AbortUploads time.Duration `env:"PRIMECLOUD_STORAGE_ABORT_UPLOADS" default:"1h" doc:"How often incomplete uploads are searched for those whose time has come."`
	Sweep        time.Duration `env:"PRIMECLOUD_STORAGE_SWEEP" default:"2s" doc:"How often the record is searched for what is due."`
	Settle       time.Duration `env:"PRIMECLOUD_STORAGE_SETTLE" default:"2s" doc:"How long after a failed call a backend must be seen as wanted once more: a server that hung applies late what it was asked."`
	LastLook     time.Duration `env:"PRIMECLOUD_STORAGE_LAST_LOOK" default:"20s" doc:"The same, for the last time. Nothing waits for it."`
	Drain        time.Duration `env:"PRIMECLOUD_STORAGE_DRAIN" default:"15s" doc:"How long calls may take to end at shutdown."`
	PurgeGrace   time.Duration `env:"PRIMECLOUD_STORAGE_PURGE_GRACE" default:"24h" doc:"How long a purge of a bucket waits before it removes anything, so that it can be undone; zero to begin at once."`
	UndoDelete   time.Duration `env:"PRIMECLOUD_STORAGE_UNDO_DELETE" default:"24h" doc:"How long a deleted bucket can be restored with its settings and grants; zero for not at all."`
	PurgeRetry   time.Duration `env:"PRIMECLOUD_STORAGE_PURGE_RETRY" default:"5m" doc:"How soon a purge tries again that something blocks, such as retention of an object."`

	QuotaStorageSoft    int64         `env:"PRIMECLOUD_STORAGE_QUOTA_STORAGE_SOFT" default:"0" doc:"Bytes from which an account without limits of its own is told; 0 for no such limit."`
	QuotaStorageHard    int64         `env:"PRIMECLOUD_STORAGE_QUOTA_STORAGE_HARD" default:"0" doc:"Bytes that such an account may store; 0 for no such limit."`
	QuotaBucketsSoft    int64         `env:"PRIMECLOUD_STORAGE_QUOTA_BUCKETS_SOFT" default:"0" doc:"Buckets from which such an account is told; 0 for no such limit."`
	QuotaBucketsHard    int64         `env:"PRIMECLOUD_STORAGE_QUOTA_BUCKETS_HARD" default:"0" doc:"Buckets that such an account may have; 0 for no such limit."`
	QuotaAccessKeysSoft int64         `env:"PRIMECLOUD_STORAGE_QUOTA_ACCESS_KEYS_SOFT" default:"0" doc:"Access keys from which such an account is told; 0 for no such limit."`
	QuotaAccessKeysHard int64         `env:"PRIMECLOUD_STORAGE_QUOTA_ACCESS_KEYS_HARD" default:"0" doc:"Access keys that such an account may have; 0 for no such limit."`
	QuotaMeasure        time.Duration `env:"PRIMECLOUD_STORAGE_QUOTA_MEASURE" default:"10s" doc:"How often usage is measured; an account near its limit is counted at this pace."`
	QuotaCount          time.Duration `env:"PRIMECLOUD_STORAGE_QUOTA_COUNT" default:"6h" doc:"How often every bucket is counted at least, however far its account is from a limit."`
	QuotaIngest         int64         `env:"PRIMECLOUD_STORAGE_QUOTA_INGEST" default:"104857600" doc:"Bytes per second that one account is taken to write at most: it is counted again before it could reach its limit at this rate."`
	QuotaResume         int64         `env:"PRIMECLOUD_STORAGE_QUOTA_RESUME" default:"95" doc:"Once writes were stopped they come back below so many hundredths of the limit."`
	QuotaUpload         int64         `env:"PRIMECLOUD_STORAGE_QUOTA_UPLOAD" default:"67108864" doc:"Bytes that are reserved for an upload by URL whose size was not declared."`
	AuditListen         string        `env:"PRIMECLOUD_STORAGE_AUDIT_LISTEN" doc:"Address where the backends' audit webhooks deliver, for the last use of access keys: plain HTTP, inside the network. None when empty."`
	AuditToken          config.Secret `env:"PRIMECLOUD_STORAGE_AUDIT_TOKEN" doc:"What the webhooks must know (auth_token), 32 characters or more."`

	Observe observe.Config `prefix:"PRIMECLOUD_STORAGE_"`
}

// backendConfig is one backend in MoreBackends.
type backendConfig struct {
	Name           string `json:"name"`
	Endpoint       string `json:"endpoint"`
	PublicEndpoint string `json:"public_endpoint"`
	Region         string `json:"region"`
	AdminUser      string `json:"admin_user"`
	AdminPassword  string `json:"admin_password"`
}

// backends returns all backends, the default one first.
func (c Config) backends() ([]backendConfig, error) {
	all := []backendConfig{{
		Name: c.BackendName, Endpoint: c.BackendEndpoint, PublicEndpoint: c.BackendPublicEndpoint, Region: c.BackendRegion,
		AdminUser: c.BackendAdminUser, AdminPassword: c.BackendAdminPassword.Reveal(),
	}}
	if c.MoreBackends == "" {
		return all, nil
	}
	var more []backendConfig
	if err := json.Unmarshal([]byte(c.MoreBackends.Reveal()), &more); err != nil {
		// The error would quote what may be a secret.
		return nil, errors.New("PRIMECLOUD_STORAGE_MORE_BACKENDS is no JSON list of backends")
	}
	return append(all, more...), nil
}

// Validate reports what a tag cannot say.
func (c Config) Validate() error {
	var problems []error
	report := func(name, format string, args ...any) {
		problems = append(problems, fmt.Errorf("PRIMECLOUD_STORAGE_"+name+" "+format, args...))
	}
	if len(c.PageKey.Reveal()) < page.MinKeyLength {
		report("PAGE_KEY", "must have %d characters or more", page.MinKeyLength)
	}
	if n := len(c.pki()); n != 0 && n != 3 {
		report("PKI_CERT", ", PKI_KEY and PKI_CA must all be set, or none")
	}
	if c.AuditListen != "" && len(c.AuditToken.Reveal()) < 32 {
		report("AUDIT_TOKEN", "must have 32 characters or more where AUDIT_LISTEN is set")
	}
	if c.DatabaseConns < 2 {
		report("DATABASE_CONNS", "must be 2 or more")
	}
	if c.Attempt < time.Second {
		report("ATTEMPT", "must be a second or more")
	}
	if c.AbortUploads < time.Second {
		report("ABORT_UPLOADS", "must be a second or more")
	}
	if c.FullPass < time.Second || c.Sweep < 10*time.Millisecond {
		report("FULL_PASS", "must be a second or more, and SWEEP 10 milliseconds or more")
	}
	if c.Settle < 0 || c.LastLook < c.Settle {
		report("LAST_LOOK", "must not be less than SETTLE, and none be negative")
	}
	if c.PurgeGrace < 0 || c.UndoDelete < 0 || c.PurgeRetry < time.Second {
		report("PURGE_GRACE", "and UNDO_DELETE must not be negative, and PURGE_RETRY a second or more")
	}
	if err := c.quotaDefaults().Check(); err != nil {
		report("QUOTA_*_SOFT", "must not lie above QUOTA_*_HARD, and none be negative")
	}
	if c.QuotaMeasure < time.Second || c.QuotaCount < c.QuotaMeasure {
		report("QUOTA_MEASURE", "must be a second or more, and QUOTA_COUNT no less")
	}
	if c.QuotaIngest < 1 || c.QuotaUpload < 0 || c.QuotaResume < 1 || c.QuotaResume > 100 {
		report("QUOTA_INGEST", "must be positive, QUOTA_UPLOAD not negative, and QUOTA_RESUME between 1 and 100")
	}
	if _, err := c.backends(); err != nil {
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// pki returns the files that are set.
func (c Config) pki() []string {
	var set []string
	for _, file := range []string{c.PKICert, c.PKIKey, c.PKICA} {
		if file != "" {
			set = append(set, file)
		}
	}
	return set
}

// PKI returns the files that this process is known by, and whether there are any.
func (c Config) PKI() (pki.Files, bool) {
	return pki.Files{Cert: c.PKICert, Key: c.PKIKey, CA: c.PKICA}, len(c.pki()) == 3
}

// quotaDefaults are the limits of accounts without their own.
func (c Config) quotaDefaults() quota.Limits {
	return quota.Limits{
		Storage:    quota.Limit{Soft: c.QuotaStorageSoft, Hard: c.QuotaStorageHard},
		Buckets:    quota.Limit{Soft: c.QuotaBucketsSoft, Hard: c.QuotaBucketsHard},
		AccessKeys: quota.Limit{Soft: c.QuotaAccessKeysSoft, Hard: c.QuotaAccessKeysHard},
	}
}

// quotaSettings are what quotas go by.
func (c Config) quotaSettings() quota.Settings {
	return quota.Settings{
		Defaults: c.quotaDefaults(), Resume: c.QuotaResume, Tick: c.QuotaMeasure, Slow: c.QuotaCount,
		Rate: c.QuotaIngest, Upload: c.QuotaUpload,
	}
}
