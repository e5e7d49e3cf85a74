// Package settings says which environment variables each process of the suite gets on one
// machine. It is the one truth for both shapes: all in one process, where the variables
// are read without ever being set, and separate processes, where they are set.
package settings

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/primecloud/primecloud/deploy/stack/environment"
	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/pki"
)

// Ports says where the suite's own processes listen on 127.0.0.1.
type Ports struct {
	// Gateway is the port of the REST edge.
	Gateway int `env:"PRIMECLOUD_STACK_GATEWAY_PORT" default:"8080" doc:"Port of the gateway on 127.0.0.1: REST, login, documentation."`
	// Identity is the gRPC port of identity.
	Identity int `env:"PRIMECLOUD_STACK_IDENTITY_PORT" default:"7001" doc:"gRPC port of identity on 127.0.0.1."`
	// Storage is the gRPC port of storage-provisioning.
	Storage int `env:"PRIMECLOUD_STACK_STORAGE_PORT" default:"7002" doc:"gRPC port of storage-provisioning on 127.0.0.1."`
	// IdentityAdmin serves identity's metrics and readiness.
	IdentityAdmin int `env:"PRIMECLOUD_STACK_IDENTITY_ADMIN_PORT" default:"7101" doc:"Port of identity's metrics and readiness on 127.0.0.1."`
	// StorageAdmin serves storage-provisioning's metrics and readiness.
	StorageAdmin int `env:"PRIMECLOUD_STACK_STORAGE_ADMIN_PORT" default:"7102" doc:"Port of storage-provisioning's metrics and readiness on 127.0.0.1."`
	// StorageAudit is where MinIO tells storage-provisioning of requests.
	StorageAudit int `env:"PRIMECLOUD_STACK_STORAGE_AUDIT_PORT" default:"7202" doc:"Port of storage-provisioning on 127.0.0.1 for MinIO's audit webhook."`
}

// Suite makes the settings of every process.
type Suite struct {
	// Environment is what runs around the processes.
	Environment *environment.Environment
	// Dir holds certificates and caches.
	Dir string
	// Ports are where the processes listen.
	Ports Ports
	// LogLevel is that of every process.
	LogLevel string
	// Overrides are settings by their full names, which go before those made here.
	Overrides config.Source
}

// Address is a port on this machine.
func Address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// GatewayURL is where browsers find the suite.
func (p Ports) GatewayURL() string { return "http://" + Address(p.Gateway) }

// CallbackPath is where a login returns to at the gateway.
const CallbackPath = "/auth/callback"

// Callback is where a login returns to.
func (p Ports) Callback() string { return p.GatewayURL() + CallbackPath }

// with puts the overrides of a process over the settings made here.
func (s Suite) with(source config.Source, prefix string) config.Source {
	for name, value := range s.Overrides {
		if strings.HasPrefix(name, prefix) {
			source[name] = value
		}
	}
	return source
}

// certificate issues a certificate that names the service, for this machine.
func (s Suite) certificate(service string) (pki.Files, error) {
	return s.Environment.Authority.Issue(filepath.Join(s.Dir, "pki", service), pki.Leaf{
		Service: service, DNSNames: []string{"localhost"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
}

// service makes what identity and storage-provisioning have in common.
func (s Suite) service(name, noun, prefix string) (config.Source, error) {
	files, err := s.certificate(name)
	if err != nil {
		return nil, err
	}
	keyset, err := s.Environment.Keyset(noun)
	if err != nil {
		return nil, fmt.Errorf("keyset of %s: %w", name, err)
	}
	e := s.Environment
	return config.Source{
		prefix + "PKI_CERT":           files.Cert,
		prefix + "PKI_KEY":            files.Key,
		prefix + "PKI_CA":             files.CA,
		prefix + "DATABASE_URL":       e.AppDSN(noun),
		prefix + "DATABASE_OWNER_URL": e.OwnerDSN(noun),
		prefix + "NATS_URL":           e.NATS.URL(),
		prefix + "NATS_USER":          noun,
		prefix + "NATS_PASSWORD":      e.NATSPassword(noun),
		prefix + "SEAL_KEYSET":        keyset,
		prefix + "PAGE_KEY":           e.Secrets.Get(noun + "-page"),
		prefix + "LOG_LEVEL":          s.LogLevel,
	}, nil
}

// Identity are the settings of identity.
func (s Suite) Identity() (config.Source, error) {
	const prefix = "PRIMECLOUD_IDENTITY_"
	source, err := s.service("identity", "identity", prefix)
	if err != nil {
		return nil, err
	}
	source[prefix+"LISTEN"] = Address(s.Ports.Identity)
	source[prefix+"AUDIT_ANCHORS"] = filepath.Join(s.Dir, "audit-anchors")
	source[prefix+"ADMIN_LISTEN"] = Address(s.Ports.IdentityAdmin)
	source[prefix+"OIDC_ISSUER"] = s.Environment.Dex.Issuer
	source[prefix+"OIDC_CLIENT_ID"] = environment.Client
	source[prefix+"OPERATORS"] = "admin=" + environment.Operator
	return s.with(source, prefix), nil
}

// Storage are the settings of storage-provisioning.
func (s Suite) Storage() (config.Source, error) {
	const prefix = "PRIMECLOUD_STORAGE_"
	source, err := s.service("storage-provisioning", "storage", prefix)
	if err != nil {
		return nil, err
	}
	user, password := s.Environment.MinIOAdmin()
	source[prefix+"LISTEN"] = Address(s.Ports.Storage)
	source[prefix+"ADMIN_LISTEN"] = Address(s.Ports.StorageAdmin)
	if s.Ports.StorageAudit != 0 {
		source[prefix+"AUDIT_LISTEN"] = Address(s.Ports.StorageAudit)
		source[prefix+"AUDIT_TOKEN"] = s.Environment.AuditToken()
	}
	source[prefix+"IDENTITY_TARGET"] = "dns:///" + Address(s.Ports.Identity)
	source[prefix+"KEY_CACHE"] = filepath.Join(s.Dir, "storage-key-set.json")
	source[prefix+"BACKEND_ENDPOINT"] = s.Environment.MinIO.Endpoint()
	source[prefix+"BACKEND_PUBLIC_ENDPOINT"] = s.Environment.Door.Endpoint()
	source[prefix+"BACKEND_REGION"] = environment.Region
	source[prefix+"BACKEND_ADMIN_USER"] = user
	source[prefix+"BACKEND_ADMIN_PASSWORD"] = password
	return s.with(source, prefix), nil
}

// Gateway are the settings of the gateway.
func (s Suite) Gateway() (config.Source, error) {
	const prefix = "PRIMECLOUD_GATEWAY_"
	files, err := s.certificate("gateway")
	if err != nil {
		return nil, err
	}
	return s.with(config.Source{
		prefix + "LISTEN":             Address(s.Ports.Gateway),
		prefix + "PUBLIC_URL":         s.Ports.GatewayURL(),
		prefix + "IDENTITY":           "dns:///" + Address(s.Ports.Identity),
		prefix + "STORAGE":            "dns:///" + Address(s.Ports.Storage),
		prefix + "PKI_CERT":           files.Cert,
		prefix + "PKI_KEY":            files.Key,
		prefix + "PKI_CA":             files.CA,
		prefix + "COOKIE_KEY":         s.Environment.Secrets.Get("gateway-cookie"),
		prefix + "OIDC_ISSUER":        s.Environment.Dex.Issuer,
		prefix + "OIDC_CLIENT_ID":     environment.Client,
		prefix + "OIDC_CLIENT_SECRET": s.Environment.Secrets.Get("dex-client"),
		prefix + "LOG_LEVEL":          s.LogLevel,
	}, prefix), nil
}
