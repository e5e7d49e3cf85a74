package identity

import (
	"context"

	"github.com/primecloud/primecloud/pkg/audit/auditlog"
	"github.com/primecloud/primecloud/pkg/bus"
	"github.com/primecloud/primecloud/pkg/event"
	"github.com/primecloud/primecloud/pkg/lifecycle"
	"github.com/primecloud/primecloud/pkg/outbox"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/revoke"
	"github.com/primecloud/primecloud/services/identity/internal/events"
	"github.com/primecloud/primecloud/services/identity/internal/postgres"
)

// consumer is how the audit trail's consumer of a noun's stream is called.
func consumer(noun string) string { return "identity-audit-" + noun }

// Permissions returns what identity's user at NATS may do: publish under its own noun,
// consume the audit entries of the nouns, and spread revocations.
func Permissions(nouns []string) bus.Permissions {
	grants := []bus.Grant{bus.MayWriteBucket(revoke.Bucket)}
	for _, noun := range nouns {
		grants = append(grants, bus.MayConsume(noun, consumer(noun)))
	}
	return bus.PermissionsOf(events.Noun, grants...)
}

// background is what goes on besides calls: events and revocations out, audit entries in.
type background struct {
	service   *Service
	conn      *bus.Conn
	publisher *revoke.Publisher
	relay     *outbox.Relay
	refusals  *auditlog.Refusals
}

// newBackground connects to NATS, or begins to try.
func newBackground(ctx context.Context, s *Service) (*background, error) {
	c, d := s.config, s.deps
	conn, err := bus.Connect(context.WithoutCancel(ctx), bus.Config{
		URL: c.NATSURL, User: c.NATSUser, Password: c.NATSPassword, CAFile: c.NATSCA, Service: Name, Noun: events.Noun,
	}, bus.Deps{Tracer: d.Telemetry.Tracer, Meter: d.Telemetry.Meter, Logger: d.Telemetry.Logger, Clock: d.Clock})
	if err != nil {
		return nil, err
	}
	refusals, err := auditlog.NewRefusals(s.log, s.db, auditlog.RefusalDeps{Meter: d.Telemetry.Meter, Logger: d.Telemetry.Logger})
	if err != nil {
		return nil, err
	}
	return &background{
		service: s, conn: conn, refusals: refusals,
		publisher: revoke.NewPublisher(revoke.PublisherConfig{
			JetStream: conn.JetStream(), Since: s.since, Clock: d.Clock, Logger: d.Telemetry.Logger,
		}),
		relay: outbox.NewRelay(s.db, conn.JetStream(), outbox.RelayConfig{Noun: events.Noun}, outbox.Deps{
			Meter: d.Telemetry.Meter, Logger: d.Telemetry.Logger, Clock: d.Clock,
		}),
	}, nil
}

// since reads the revocations after an epoch as they travel.
func (s *Service) since(ctx context.Context, epoch int64) (revoke.Snapshot, error) {
	read, err := s.stores.Revocations.Since(ctx, epoch)
	snapshot := revoke.Snapshot{Epoch: read.Epoch}
	for _, e := range read.Entries {
		snapshot.Entries = append(snapshot.Entries, revoke.Entry{
			Epoch: e.Epoch, Kind: revoke.Kind(e.Kind), Subject: e.Subject, RevokedAt: e.RevokeTime, ExpiresAt: e.ExpireTime,
		})
	}
	return snapshot, err
}

// committed has what a commit left behind sent now rather than in a moment.
func (b *background) committed(revoked bool) {
	b.relay.Nudge()
	if revoked {
		b.publisher.Nudge()
	}
}

// details are the dependencies that /readyz shows and that decide nothing.
func (b *background) details() map[string]func(context.Context) error {
	return map[string]func(context.Context) error{"nats": b.conn.Check}
}

// components are the parts, in the order of their start.
func (b *background) components() []lifecycle.Component {
	parts := []lifecycle.Component{
		{Name: "nats", Stop: func(context.Context) error { b.conn.Close(); return nil }},
		{Name: "outbox", Run: b.relay.Run},
		{Name: "refusals", Run: b.refusals.Run},
		{Name: "revocations", Run: b.publisher.Run},
	}
	for _, noun := range b.service.config.AuditNouns {
		parts = append(parts, lifecycle.Component{Name: consumer(noun), Run: func(ctx context.Context) error {
			return b.conn.Consume(ctx, bus.Consumer{
				Name: consumer(noun), Noun: noun, Subjects: []string{event.Type(noun, "audit", "recorded")}, DB: b.service.db,
				// An entry that fails by itself lies or is malformed, and does so for ever.
				MaxFailures: 3,
				HandleMany: func(ctx context.Context, tx *pg.Tx, brought []event.Event) error {
					return events.RecordAudit(ctx, postgres.AppenderIn(tx, b.service.deps.Clock.Now()), brought...)
				},
			})
		}})
	}
	return parts
}
