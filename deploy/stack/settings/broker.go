package settings

import (
	"github.com/primecloud/primecloud/pkg/servers"
	"github.com/primecloud/primecloud/services/identity"
	storage "github.com/primecloud/primecloud/services/storage-provisioning"
)

// Nouns are the services that have a schema in the database and a user at the broker.
func Nouns() []string { return []string{"identity", "storage"} }

// NATSUsers are the services at the broker, each with what it may do there; passwords are
// added by whoever keeps them.
func NATSUsers() []servers.NATSUser {
	identity := identity.Permissions(Nouns())
	storage := storage.Permissions()
	return []servers.NATSUser{
		{Name: "identity", Publish: identity.Publish, Subscribe: identity.Subscribe},
		{Name: "storage", Publish: storage.Publish, Subscribe: storage.Subscribe},
	}
}
