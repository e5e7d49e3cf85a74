package storage

import (
	"context"
	"errors"
	"time"

	"github.com/primecloud/primecloud/pkg/audit/auditlog"
	"github.com/primecloud/primecloud/pkg/bus"
	"github.com/primecloud/primecloud/pkg/event"
	"github.com/primecloud/primecloud/pkg/jobs"
	"github.com/primecloud/primecloud/pkg/lifecycle"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/operation/pgoperation"
	"github.com/primecloud/primecloud/pkg/outbox"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/pkg/revoke"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/events"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/postgres"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

// leaseGrace is how much longer than a call's attempt one of the reconciler may take.
const leaseGrace = 2 * time.Second

// How the consumers of identity's stream are called.
const (
	memberConsumer  = "storage-members"
	accountConsumer = "storage-accounts"
)

// Permissions returns what storage's user at NATS may do: publish under its own noun, hear
// of members and accounts from identity, and read revocations.
func Permissions() bus.Permissions {
	return bus.PermissionsOf(events.Noun, bus.MayConsume(events.Identity, memberConsumer),
		bus.MayConsume(events.Identity, accountConsumer), bus.MayReadBucket(revoke.Bucket))
}

// background is what goes on besides calls: the reconciler, jobs, events out, members,
// accounts and revocations in.
type background struct {
	service  *Service
	conn     *bus.Conn
	relay    *outbox.Relay
	loop     *reconcile.Loop
	jobs     *jobs.Runner
	refusals *auditlog.Refusals
	metrics  *metrics
}

// wakeUp is the job that has a resource looked at when an attempt's time is over.
type wakeUp struct {
	ResourceKind string `json:"kind"`
	ID           string `json:"id"`
	AccountID    string `json:"account_id"`
}

// Kind names the job to River.
func (wakeUp) Kind() string { return "wake_up" }

// newBackground connects to NATS, or begins to try.
func newBackground(ctx context.Context, s *Service, owner string) (*background, error) {
	c, d := s.config, s.deps
	b := &background{service: s}
	var err error
	b.conn, err = bus.Connect(context.WithoutCancel(ctx), bus.Config{
		URL: c.NATSURL, User: c.NATSUser, Password: c.NATSPassword, CAFile: c.NATSCA, Service: Name, Noun: events.Noun,
	}, bus.Deps{Tracer: d.Telemetry.Tracer, Meter: d.Telemetry.Meter, Logger: d.Telemetry.Logger, Clock: d.Clock})
	if err != nil {
		return nil, err
	}
	b.relay = outbox.NewRelay(s.db, b.conn.JetStream(), outbox.RelayConfig{Noun: events.Noun}, outbox.Deps{
		Meter: d.Telemetry.Meter, Logger: d.Telemetry.Logger, Clock: d.Clock,
	})
	if b.metrics, err = newMetrics(d.Telemetry.Meter, s.stores.Drifts.Open); err != nil {
		return nil, err
	}
	b.loop, err = reconcile.NewLoop(reconcile.Config{
		Store: s.stores.Resources, Owner: owner, Clock: d.Clock, Logger: d.Telemetry.Logger,
		Interval: c.Sweep, LeaseTTL: c.Attempt + leaseGrace, Observe: b.metrics.attempt,
		Handlers: map[string]reconcile.Handler{
			bucket.Kind: s.use.Buckets.Handle, principal.Kind: s.use.Principals.Handle, accesskey.Kind: s.use.AccessKeys.Handle,
		},
	})
	if err != nil {
		return nil, err
	}
	b.refusals, err = auditlog.NewRefusals(s.log, s.db, auditlog.RefusalDeps{Meter: d.Telemetry.Meter, Logger: d.Telemetry.Logger})
	if err != nil {
		return nil, err
	}
	b.jobs, err = jobs.New(s.db, jobs.Config{Schema: postgres.Schema}, jobs.Deps{Tracer: d.Telemetry.Tracer, Logger: d.Telemetry.Logger, Clock: d.Clock})
	if err != nil {
		return nil, err
	}
	return b, errors.Join(
		jobs.Add(b.jobs, b.wake),
		b.jobs.Schedule("full_pass", c.FullPass, s.fullPass),
		b.jobs.Schedule("upkeep", upkeepEvery, s.upkeep),
	)
}

// wake has the resource looked at, unless its operation has ended meanwhile.
func (b *background) wake(ctx context.Context, w wakeUp) error {
	ref := reconcile.Ref{Kind: w.ResourceKind, ID: w.ID, AccountID: w.AccountID}
	_, open, err := pgoperation.Open(ctx, b.service.db.Read(pg.Account(ref.AccountID)), operation.Resource{Kind: ref.Kind, ID: ref.ID})
	if err == nil && open {
		b.loop.Wake(ref)
	}
	return err
}

// wakeUp puts the job into the transaction.
func (b *background) wakeUp(ctx context.Context, tx *pg.Tx, ref reconcile.Ref, at time.Time) error {
	return b.jobs.InsertTx(ctx, tx, wakeUp{ResourceKind: ref.Kind, ID: ref.ID, AccountID: ref.AccountID}, at)
}

// details are the dependencies that /readyz shows and that decide nothing.
func (b *background) details() map[string]func(context.Context) error {
	checks := map[string]func(context.Context) error{
		"nats":        b.conn.Check,
		"revocations": b.service.trust.view.RequireFresh,
	}
	for _, known := range b.service.backends.List() {
		checks["backend "+known.Name] = func(ctx context.Context) error {
			backend, err := b.service.backends.Backend(known.Name)
			if err != nil {
				return err
			}
			_, err = backend.Reader.ObserveBucket(ctx, "primecloud-readiness")
			return err
		}
	}
	return checks
}

// components are the parts, in the order of their start.
func (b *background) components() []lifecycle.Component {
	t := b.service.trust
	return []lifecycle.Component{
		{Name: "metrics", Stop: b.metrics.close},
		{Name: "nats", Stop: func(context.Context) error { b.conn.Close(); return nil }},
		{Name: "identity", Stop: func(context.Context) error {
			if t.conn == nil {
				return nil
			}
			return t.conn.Close()
		}},
		{Name: "keys", Run: t.keys.Run},
		{Name: "revocations", Run: func(ctx context.Context) error { return t.view.Run(ctx, b.conn.JetStream()) }},
		{Name: "outbox", Run: b.relay.Run},
		{Name: "refusals", Run: b.refusals.Run},
		{Name: memberConsumer, Run: b.hearOfMembers},
		{Name: accountConsumer, Run: b.hearOfAccounts},
		{Name: "reconciler", Run: b.loop.Run},
		{Name: "jobs", Start: b.jobs.Start, Stop: b.jobs.Stop},
	}
}

// hearOfMembers follows who is a member of an account, and what invitations grant.
func (b *background) hearOfMembers(ctx context.Context) error {
	return b.conn.Consume(ctx, bus.Consumer{
		Name: memberConsumer, Noun: events.Identity, Subjects: events.MemberSubjects(), DB: b.service.db,
		// An event that fails by itself contradicts itself, and does so for ever.
		MaxFailures: 3,
		Handle: func(ctx context.Context, tx *pg.Tx, e event.Event) error {
			return events.HearOfMember(ctx, b.service.use.Grants, b.service.stores.Grants.In(tx), e)
		},
	})
}

// hearOfAccounts follows where accounts stand.
func (b *background) hearOfAccounts(ctx context.Context) error {
	return b.conn.Consume(ctx, bus.Consumer{
		Name: accountConsumer, Noun: events.Identity, Subjects: events.AccountSubjects(), DB: b.service.db,
		// An event that fails by itself contradicts itself, and does so for ever.
		MaxFailures: 3,
		Handle: func(ctx context.Context, tx *pg.Tx, e event.Event) error {
			return events.HearOfAccount(ctx, b.service.standings, b.service.stores.Standings.In(tx), e)
		},
	})
}
