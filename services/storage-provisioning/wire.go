package storage

import (
	"context"

	"github.com/primecloud/primecloud/pkg/page"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/backend"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/connection"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/drift"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/favourite"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/lastuse"
	rules "github.com/primecloud/primecloud/services/storage-provisioning/internal/lifecycle"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/minio"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/operationview"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/purge"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/quota"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/removal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/session"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/share"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/standing"
)

// connectBackends makes the adapter of each configured backend.
func (s *Service) connectBackends() error {
	configured, err := s.config.backends()
	if err != nil {
		return err
	}
	for _, b := range configured {
		adapter, err := minio.New(minio.Config{
			Endpoint: b.Endpoint, PublicEndpoint: b.PublicEndpoint, Region: b.Region,
			AdminKey: b.AdminUser, AdminSecret: b.AdminPassword, CallTimeout: s.config.Attempt, Around: s.deps.Around,
		})
		if err != nil {
			return err
		}
		public := b.PublicEndpoint
		if public == "" {
			public = b.Endpoint
		}
		if err := s.backends.Add(backend.Backend{Name: b.Name, Endpoint: public, Region: b.Region}, backend.Ports{
			Reader: adapter, Writer: adapter, Settings: adapter, Features: adapter, Contents: adapter, Purges: adapter,
			Users: adapter, Inventory: adapter, Keys: adapter, Strays: adapter, Removals: adapter, Signer: adapter, Meter: adapter, Shared: adapter, Issuer: adapter, Prober: adapter,
			Objects: object.Ports{Store: adapter, Uploads: adapter, Forms: adapter},
		}); err != nil {
			return err
		}
	}
	return nil
}

// wiring is what use cases of several concepts are made with.
type wiring struct {
	*Service
	pages      *page.Codec
	runner     *change.Runner
	principals *principal.Service
	gate       *grant.Gate
	// wake asks the reconciler of this process to look at a resource now.
	wake func(reconcile.Ref)
}

// useCases makes the use cases of every concept. Those that others need come first.
func (s *Service) useCases() error {
	d := s.deps
	pages, err := page.NewCodec([]byte(s.config.PageKey.Reveal()))
	if err != nil {
		return err
	}
	w := wiring{
		Service: s, pages: pages,
		runner: change.NewRunner(d.Clock, s.stores.Leases, change.Limits{Attempt: s.config.Attempt}),
		principals: principal.NewService(principal.Deps{
			Store: s.stores.Principals, Backends: s.backends, Policies: policy.Documents{}, Leases: s.stores.Leases, Clock: d.Clock,
			Patience: s.patience(),
		}),
		gate: grant.NewGate(s.stores.Grants),
		wake: func(ref reconcile.Ref) { s.bg.loop.Wake(ref) },
	}
	s.use.Backends, s.use.Principals = s.backends, w.principals
	if err := w.grants(); err != nil {
		return err
	}
	w.quotas()
	w.buckets()
	w.accessKeys()
	w.objects()
	w.operations()
	return nil
}

// grants makes the use cases of what members reach.
func (w wiring) grants() error {
	declared, err := declared()
	if err != nil {
		return err
	}
	w.use.Grants = grant.NewService(grant.Deps{Store: w.stores.Grants, Pages: w.pages, Clock: w.deps.Clock, Declared: declared})
	return nil
}

// quotas makes the use cases of what an account may use, and of whether it may use anything.
func (w wiring) quotas() {
	w.standings = standing.NewService(w.deps.Clock)
	w.use.Quotas = quota.NewService(quota.Deps{
		Store: w.stores.Quotas, Measures: w.stores.Usages, Meters: w.backends, Standing: w.standings, Access: w.principals,
		Pages: w.pages, Clock: w.deps.Clock, Logger: w.deps.Telemetry.Logger, Settings: w.config.quotaSettings(),
	})
}

// buckets makes the use cases of buckets, of their rules and of their emptying.
func (w wiring) buckets() {
	w.use.Buckets = bucket.NewService(bucket.Deps{
		Store: w.stores.Buckets, Inventory: w.stores.Buckets, Backends: w.backends, Principals: w.principals,
		Gate: w.gate, Quota: w.use.Quotas, Runner: w.runner, Pages: w.pages, Clock: w.deps.Clock, Patience: w.patience(), Wake: w.wake,
		Trash: w.stores.Buckets, UndoFor: w.config.UndoDelete, Grants: w.use.Grants,
	})
	w.use.Lifecycle = rules.NewService(rules.Deps{
		Buckets: w.use.Buckets, Backends: w.backends, Inventory: w.stores.Buckets, Trail: w.stores.Trail, Clock: w.deps.Clock,
	})
	w.use.Purges = purge.NewService(purge.Deps{
		Store: w.stores.Purges, Buckets: w.use.Buckets, Backends: w.backends, Principals: w.principals, Pages: w.pages, Clock: w.deps.Clock,
		Grace: w.config.PurgeGrace, Retry: w.config.PurgeRetry, Wake: w.wake,
	})
}

// accessKeys makes the use cases of credentials, lasting and temporary, and of their use.
func (w wiring) accessKeys() {
	w.use.AccessKeys = accesskey.NewService(accesskey.Deps{
		Store: w.stores.AccessKeys, Inventory: w.stores.Strays, Hash: w.lookup().Of, Backends: w.backends, Principals: w.principals,
		Quota: w.use.Quotas, Runner: w.runner, Pages: w.pages, Clock: w.deps.Clock, Patience: w.patience(), Wake: w.wake,
	})
	w.use.Sessions = session.NewService(session.Deps{
		Buckets: w.stores.Buckets, Principals: w.principals, Backends: w.backends, Gate: w.gate, Trail: w.stores.Trail,
	})
	w.uses = lastuse.NewService(w.lookup(), lastuse.Deps{
		Store: w.stores.Uses, Keys: w.use.AccessKeys, Clock: w.deps.Clock, Logger: w.deps.Telemetry.Logger,
	})
	w.use.Uses = w.uses
	w.use.Connections = connection.NewService(connection.Deps{Backends: w.backends, Record: w.stores.Connections, Clock: w.deps.Clock})
}

// objects makes the use cases of what is in buckets, and of how people find and hand it on.
func (w wiring) objects() {
	w.use.Objects = object.NewService(object.Deps{
		Buckets: w.stores.Buckets, Principals: w.principals, Backends: w.backends, Gate: w.gate, Quota: w.use.Quotas,
		Trail: w.stores.Trail, Pages: w.pages, Clock: w.deps.Clock,
	})
	w.use.Shares = share.NewService(share.Deps{
		Store: w.stores.Shares, Buckets: w.stores.Buckets, Principals: w.principals, Standings: w.stores.Standings,
		Backends: w.backends, Gate: w.gate, Quota: w.use.Quotas, Pages: w.pages, Clock: w.deps.Clock,
	})
	w.use.Favourites = favourite.NewService(favourite.Deps{Store: w.stores.Favourites, Gate: w.gate, Pages: w.pages, Clock: w.deps.Clock})
}

// operations makes the use cases of what goes on: operations, findings, removals of accounts.
func (w wiring) operations() {
	w.use.Operations = operationview.NewService(w.stores.Operations, w.pages)
	w.use.Drifts = drift.NewService(drift.Deps{Store: w.stores.Drifts, Pages: w.pages, Clock: w.deps.Clock, Wake: w.wake})
	w.use.Removals = removal.NewService(removal.Deps{
		Store: w.stores.Removals, Purges: w.use.Purges, Keys: keyDeleter{w.use.AccessKeys}, Identities: w.principals, Pages: w.pages,
		Clock: w.deps.Clock, Wake: w.wake,
	})
}

// keyDeleter deletes access keys for removals.
type keyDeleter struct{ keys *accesskey.Service }

// DeleteKey deletes a key, whatever its owner has last seen of it.
func (d keyDeleter) DeleteKey(ctx context.Context, accountID, id string) error {
	_, err := d.keys.Delete(ctx, accountID, id, "")
	return err
}

// patience is what is configured of it.
func (s *Service) patience() change.Patience {
	return change.Patience{Again: s.config.Settle, Last: s.config.LastLook}
}
