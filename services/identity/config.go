package identity

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/page"
	"github.com/primecloud/primecloud/pkg/pki"
	"github.com/primecloud/primecloud/services/identity/internal/operator"
)

// What PRIMECLOUD_IDENTITY_ACCOUNT_APPROVAL may be.
const approvalAutomatic, approvalManual = "automatic", "manual"

// Config is what an operator sets.
type Config struct {
	Listen      string `env:"PRIMECLOUD_IDENTITY_LISTEN" default:"127.0.0.1:7001" doc:"Address that the gRPC server listens on."`
	AdminListen string `env:"PRIMECLOUD_IDENTITY_ADMIN_LISTEN" default:"127.0.0.1:7101" doc:"Address for /metrics, /healthz and /readyz."`
	PKICert     string `env:"PRIMECLOUD_IDENTITY_PKI_CERT" doc:"PEM file with this service's own certificate."`
	PKIKey      string `env:"PRIMECLOUD_IDENTITY_PKI_KEY" doc:"PEM file with the key of that certificate."`
	PKICA       string `env:"PRIMECLOUD_IDENTITY_PKI_CA" doc:"PEM file with the authority that other processes' certificates come from."`

	DatabaseURL      config.Secret `env:"PRIMECLOUD_IDENTITY_DATABASE_URL" required:"true" doc:"PostgreSQL URL of the serving role, identity_app."`
	DatabaseOwnerURL config.Secret `env:"PRIMECLOUD_IDENTITY_DATABASE_OWNER_URL" doc:"PostgreSQL URL of the owner, identity_owner; for migrate alone."`
	DatabaseConns    int64         `env:"PRIMECLOUD_IDENTITY_DATABASE_CONNS" default:"16" doc:"Most connections to PostgreSQL."`

	NATSURL      string        `env:"PRIMECLOUD_IDENTITY_NATS_URL" default:"nats://127.0.0.1:4222" doc:"Where NATS is."`
	NATSUser     string        `env:"PRIMECLOUD_IDENTITY_NATS_USER" doc:"User at NATS."`
	NATSPassword config.Secret `env:"PRIMECLOUD_IDENTITY_NATS_PASSWORD" doc:"Password of that user."`
	NATSCA       string        `env:"PRIMECLOUD_IDENTITY_NATS_CA" doc:"PEM file with the authority of the NATS server's certificate, if it speaks TLS."`

	SealKeyset string        `env:"PRIMECLOUD_IDENTITY_SEAL_KEYSET" required:"true" doc:"File with the keyset that seals signing keys and kept secrets. Back it up with the database."`
	PageKey    config.Secret `env:"PRIMECLOUD_IDENTITY_PAGE_KEY" required:"true" doc:"Key that authenticates page tokens, 32 characters or more, the same for all replicas."`

	OIDCIssuer      url.URL `env:"PRIMECLOUD_IDENTITY_OIDC_ISSUER" required:"true" doc:"Issuer of the OpenID Connect provider, exactly as its ID tokens name it."`
	OIDCInternalURL url.URL `env:"PRIMECLOUD_IDENTITY_OIDC_INTERNAL_URL" doc:"Where this service reaches the provider, if not at the issuer's address: scheme and host."`
	OIDCClientID    string  `env:"PRIMECLOUD_IDENTITY_OIDC_CLIENT_ID" default:"primecloud" doc:"Client id that ID tokens must be for: the gateway's."`
	OIDCProviders   string  `env:"PRIMECLOUD_IDENTITY_OIDC_PROVIDERS" doc:"JSON file with further login providers; the gateway reads the same one. Its form stands in the gateway's README."`

	TokenIssuer   string        `env:"PRIMECLOUD_IDENTITY_TOKEN_ISSUER" default:"primecloud" doc:"Issuer that access tokens name; every verifier insists on it."`
	TokenAudience string        `env:"PRIMECLOUD_IDENTITY_TOKEN_AUDIENCE" default:"primecloud" doc:"Audience that access tokens name; every verifier insists on it."`
	TokenLifetime time.Duration `env:"PRIMECLOUD_IDENTITY_TOKEN_LIFETIME" default:"5m" doc:"How long an access token lives: the longest that a revocation takes when nothing else works."`
	KeySignsFor   time.Duration `env:"PRIMECLOUD_IDENTITY_KEY_SIGNS_FOR" default:"720h" doc:"How long a signing key signs before the next one does."`
	KeyAhead      time.Duration `env:"PRIMECLOUD_IDENTITY_KEY_AHEAD" default:"24h" doc:"How long a signing key is published before it signs."`

	SessionIdle     time.Duration `env:"PRIMECLOUD_IDENTITY_SESSION_IDLE" default:"12h" doc:"A session that is not used for so long ends."`
	SessionAbsolute time.Duration `env:"PRIMECLOUD_IDENTITY_SESSION_ABSOLUTE" default:"168h" doc:"Any session ends after so long."`

	AccountApproval  string        `env:"PRIMECLOUD_IDENTITY_ACCOUNT_APPROVAL" default:"automatic" doc:"Whether a new account is in use at once (automatic) or waits for an operator (manual)."`
	AccountTrial     time.Duration `env:"PRIMECLOUD_IDENTITY_ACCOUNT_TRIAL" default:"0s" doc:"How long the trial of a new account lasts; then it is suspended. Zero is no trial."`
	AccountRetention time.Duration `env:"PRIMECLOUD_IDENTITY_ACCOUNT_RETENTION" default:"720h" doc:"How long a closing can be taken back before the account is closed for good."`

	Operators      []string `env:"PRIMECLOUD_IDENTITY_OPERATORS" doc:"The platform's operators by the verified e-mail addresses of their logins: admin=…, billing=… or support=…, by commas."`
	OperatorClaim  string   `env:"PRIMECLOUD_IDENTITY_OPERATOR_CLAIM" doc:"Claim of the ID token that holds groups, such as groups; empty reads none."`
	OperatorGroups []string `env:"PRIMECLOUD_IDENTITY_OPERATOR_GROUPS" doc:"The groups of that claim that make operators: admin=…, billing=… or support=…, by commas."`

	AuditNouns []string `env:"PRIMECLOUD_IDENTITY_AUDIT_NOUNS" default:"identity,storage" doc:"Services, by their nouns, whose audit entries are stored."`

	AuditRetention   int64         `env:"PRIMECLOUD_IDENTITY_AUDIT_RETENTION" default:"0" doc:"Months that audit entries are kept besides the one that runs; 0 keeps them for ever."`
	AuditAnchors     string        `env:"PRIMECLOUD_IDENTITY_AUDIT_ANCHORS" doc:"Directory outside the database for signed anchors of the audit trail, so that a tail that was cut off is noticed; empty writes none."`
	AuditAnchorEvery time.Duration `env:"PRIMECLOUD_IDENTITY_AUDIT_ANCHOR_EVERY" default:"1h" doc:"How often an anchor is written: what is appended between two can be cut off unnoticed."`

	Drain time.Duration `env:"PRIMECLOUD_IDENTITY_DRAIN" default:"10s" doc:"How long calls may take to end at shutdown."`

	Observe observe.Config `prefix:"PRIMECLOUD_IDENTITY_"`
}

// Validate reports what a tag cannot say.
func (c Config) Validate() error {
	var problems []error
	report := func(name, format string, args ...any) {
		problems = append(problems, fmt.Errorf("PRIMECLOUD_IDENTITY_"+name+" "+format, args...))
	}
	if len(c.PageKey.Reveal()) < page.MinKeyLength {
		report("PAGE_KEY", "must have %d characters or more", page.MinKeyLength)
	}
	if c.OIDCIssuer.Scheme != "https" && c.OIDCIssuer.Scheme != "http" || c.OIDCIssuer.Host == "" {
		report("OIDC_ISSUER", "must be an http or https URL")
	}
	if strings.Trim(c.OIDCInternalURL.Path, "/") != "" {
		report("OIDC_INTERNAL_URL", "is a scheme and a host, without a path")
	}
	// A session is used when a token is fetched, and that is kept to the minute: with less
	// than this a person at work would be logged out between two tokens.
	if c.SessionIdle < c.TokenLifetime+time.Minute || c.SessionAbsolute < c.SessionIdle {
		report("SESSION_IDLE", "must be a minute more than TOKEN_LIFETIME or longer, and not beyond SESSION_ABSOLUTE")
	}
	if c.AccountApproval != approvalAutomatic && c.AccountApproval != approvalManual {
		report("ACCOUNT_APPROVAL", "must be automatic or manual")
	}
	if c.AccountTrial < 0 || c.AccountRetention < 0 {
		report("ACCOUNT_TRIAL", "and ACCOUNT_RETENTION must not be negative")
	}
	if _, err := operator.NewRoster(c.OIDCIssuer.String(), c.Operators, c.OperatorGroups); err != nil {
		report("OPERATORS", "or OPERATOR_GROUPS: %w", err)
	}
	if len(c.OperatorGroups) > 0 && c.OperatorClaim == "" {
		report("OPERATOR_CLAIM", "must be set for OPERATOR_GROUPS to be read from")
	}
	if n := len(c.pki()); n != 0 && n != 3 {
		report("PKI_CERT", ", PKI_KEY and PKI_CA must all be set, or none")
	}
	if c.AuditRetention < 0 {
		report("AUDIT_RETENTION", "must be a number of months, or 0")
	}
	if c.AuditAnchorEvery < time.Minute {
		report("AUDIT_ANCHOR_EVERY", "must be a minute or longer")
	}
	if c.DatabaseConns < 2 {
		report("DATABASE_CONNS", "must be 2 or more")
	}
	for _, noun := range c.AuditNouns {
		if noun == "" || strings.Trim(noun, "abcdefghijklmnopqrstuvwxyz") != "" {
			report("AUDIT_NOUNS", "has %q, which is no noun", noun)
		}
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
