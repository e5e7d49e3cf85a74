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
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/lifecycle"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/purge"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/quota"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/session"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/share"
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
	// Settings and Features are what not every bucket and not every backend has.
	Settings bucket.BackendSettings
	Features bucket.BackendFeatures

	// Contents is what is in its buckets, as lifecycle rules see it.
	Contents lifecycle.Contents

	Users principal.Users
	// Inventory tells of all users and keys at once.
	Inventory principal.Inventory
	Keys      accesskey.Keys
	// Strays are credentials that somebody else has made.
	Strays accesskey.Strays
	// Removals removes identities.
	Removals principal.Removals
	Signer   object.Signer
	// Purges empties its buckets.
	Purges purge.Contents
	// Meter says how much is in them.
	Meter quota.Meter
	// Objects are what is in the buckets.
	Objects object.Ports
	// Shared is a backend as public links see it.
	Shared share.Backend
	// Issuer makes temporary credentials, Prober tries the public endpoint.
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
	return bucket.Backend{Name: name, Reader: ports.Reader, Writer: ports.Writer, Settings: ports.Settings, Features: ports.Features}, err
}

// Contents returns a backend as lifecycle rules see it.
func (r *Registry) Contents(name string) (lifecycle.Contents, error) {
	_, ports, err := r.Ports(name)
	return ports.Contents, err
}

// Principals returns a backend as identities see it.
func (r *Registry) Principals(name string) (principal.Backend, error) {
	name, ports, err := r.Ports(name)
	return principal.Backend{Name: name, Users: ports.Users, Keys: ports.Keys, Removals: ports.Removals}, err
}

// Inventory returns a backend as a pass over its users and keys sees it.
func (r *Registry) Inventory(name string) (principal.Inventory, error) {
	_, ports, err := r.Ports(name)
	return ports.Inventory, err
}

// Keys returns a backend as access keys see it.
func (r *Registry) Keys(name string) (accesskey.Keys, error) {
	_, ports, err := r.Ports(name)
	return ports.Keys, err
}

// Strays returns a backend as keys that nobody manages see it.
func (r *Registry) Strays(name string) (accesskey.Strays, error) {
	_, ports, err := r.Ports(name)
	return ports.Strays, err
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

// Purges returns a backend as purges see it.
func (r *Registry) Purges(name string) (purge.Contents, error) {
	_, ports, err := r.Ports(name)
	return ports.Purges, err
}

// MeterNames returns the names of all backends, for a pass over them.
func (r *Registry) MeterNames() []string {
	names := make([]string, len(r.order))
	for i, b := range r.order {
		names[i] = b.Name
	}
	return names
}

// Meter returns a backend as quotas see it.
func (r *Registry) Meter(name string) (quota.Meter, error) {
	_, ports, err := r.Ports(name)
	return ports.Meter, err
}

// Objects returns what is in a backend's buckets.
func (r *Registry) Objects(name string) (object.Ports, error) {
	_, ports, err := r.Ports(name)
	return ports.Objects, err
}

// Shared returns a backend as public links see it, with its public endpoint.
func (r *Registry) Shared(name string) (share.Backend, string, error) {
	name, ports, err := r.Ports(name)
	for _, b := range r.order {
		if b.Name == name {
			return ports.Shared, b.Endpoint, err
		}
	}
	return ports.Shared, "", err
}
