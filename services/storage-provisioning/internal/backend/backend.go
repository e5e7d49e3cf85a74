// Package backend is the concept of a backend: an S3 deployment on offer, under a name
// that requests and rows use. Backends come from the configuration and do not change while
// the process runs; the first one is the default.
package backend

import (
	"fmt"
	"regexp"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/connection"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/session"
)

// Backend is one deployment, as clients see it.
type Backend struct {
	// Name is what requests and rows call it; it never changes.
	Name string
	// Endpoint is the public S3 endpoint.
	Endpoint string
	// Region is what to sign for.
	Region string
	// Default says whether it is the one for requests that name none.
	Default bool
}

// Ports are what the adapter of one backend offers.
type Ports struct {
	Reader bucket.BackendReader
	Writer bucket.BackendWriter
	Users  principal.Users
	Keys   accesskey.Keys
	Signer object.Signer
	Issuer session.Issuer
	Prober connection.Prober
}

// Registry is the configured backends.
type Registry struct {
	order []Backend
	ports map[string]Ports
}

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// Add adds a backend; the first one is the default.
func (r *Registry) Add(b Backend, ports Ports) error {
	if !namePattern.MatchString(b.Name) {
		return fmt.Errorf("backend name %q must be a lower-case letter, then letters, digits and hyphens, 63 at most", b.Name)
	}
	if _, taken := r.ports[b.Name]; taken {
		return fmt.Errorf("two backends are named %q", b.Name)
	}
	if r.ports == nil {
		r.ports = map[string]Ports{}
	}
	b.Default = len(r.order) == 0
	r.order, r.ports[b.Name] = append(r.order, b), ports
	return nil
}

// List returns the backends, the default one first.
func (r *Registry) List() []Backend { return append([]Backend(nil), r.order...) }

// Ports returns the adapter of a backend with its name; "" is the default one.
func (r *Registry) Ports(name string) (string, Ports, error) {
	if name == "" && len(r.order) > 0 {
		name = r.order[0].Name
	}
	ports, ok := r.ports[name]
	if !ok {
		return "", ports, bucket.ErrBackendUnknown
	}
	return name, ports, nil
}

// Backend returns a backend as buckets see it.
func (r *Registry) Backend(name string) (bucket.Backend, error) {
	name, ports, err := r.Ports(name)
	return bucket.Backend{Name: name, Reader: ports.Reader, Writer: ports.Writer}, err
}

// Principals returns a backend as identities see it.
func (r *Registry) Principals(name string) (principal.Backend, error) {
	name, ports, err := r.Ports(name)
	return principal.Backend{Name: name, Users: ports.Users, Keys: ports.Keys}, err
}

// Keys returns a backend as access keys see it.
func (r *Registry) Keys(name string) (accesskey.Keys, error) {
	_, ports, err := r.Ports(name)
	return ports.Keys, err
}

// Name returns the name of a configured backend, the default one's for "".
func (r *Registry) Name(name string) (string, error) {
	name, _, err := r.Ports(name)
	return name, err
}

// Issuer returns a backend as temporary credentials see it.
func (r *Registry) Issuer(name string) (session.Issuer, error) {
	_, ports, err := r.Ports(name)
	return ports.Issuer, err
}

// Prober returns a backend as connection tests see it, with its public endpoint.
func (r *Registry) Prober(name string) (connection.Prober, string, error) {
	name, ports, err := r.Ports(name)
	for _, b := range r.order {
		if b.Name == name {
			return ports.Prober, b.Endpoint, err
		}
	}
	return nil, "", err
}

// Signer returns a backend as objects see it.
func (r *Registry) Signer(name string) (object.Signer, error) {
	_, ports, err := r.Ports(name)
	return ports.Signer, err
}
