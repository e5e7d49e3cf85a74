package identity

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/lifecycle"
	"github.com/primecloud/primecloud/pkg/operation/pgoperation"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/principal"
)

const (
	// upkeepEvery is how often the loop runs: what is due by the clock in the tables is done
	// that soon. Every step is idempotent, so that replicas need no turns.
	upkeepEvery = time.Minute
	// keepEnded is how long ended sessions and operations stay to be looked at.
	keepEnded = 30 * 24 * time.Hour
	// sweepBatch bounds one statement that sweeps operations.
	sweepBatch = 1000
)

// upkeep rotates signing keys, destroys kept secrets whose window has ended and sweeps what
// nobody can need any more. A step that fails is tried again in the next round.
func (s *Service) upkeep() lifecycle.Component {
	return lifecycle.Component{Name: "upkeep", Run: func(ctx context.Context) error {
		for {
			s.keepUp(ctx)
			select {
			case <-ctx.Done():
				return nil
			case <-s.deps.Clock.After(upkeepEvery):
			}
		}
	}}
}

// keepUp runs one round.
func (s *Service) keepUp(ctx context.Context) {
	now := s.deps.Clock.Now()
	// What is done here is the service's own act, and the trail says so.
	ctx = principal.NewContext(ctx, principal.Background(Name))
	steps := []struct {
		name string
		do   func(context.Context) (int64, error)
	}{
		{"rotate signing keys", func(ctx context.Context) (int64, error) { return 0, s.use.Keys.Rotate(ctx) }},
		{"keep the months of the audit trail", s.trail.retention.KeepUp},
		{"anchor the audit trail", s.trail.anchor},
		{"destroy kept secrets", s.use.APIKeys.DestroySecrets},
		{"end trials and retention periods", s.use.Accounts.Advance},
		{"sweep revocations", s.stores.Revocations.Sweep},
		{"sweep sessions", func(ctx context.Context) (int64, error) { return s.stores.Sessions.Sweep(ctx, now.Add(-keepEnded)) }},
		{"sweep invitations", func(ctx context.Context) (int64, error) { return s.use.Invitations.Sweep(ctx, now.Add(-keepEnded)) }},
		{"sweep logout tokens", func(ctx context.Context) (int64, error) { return s.stores.Sessions.SweepLogoutTokens(ctx, now) }},
		{"sweep operations", func(ctx context.Context) (int64, error) { return s.sweepOperations(ctx, now) }},
	}
	for _, step := range steps {
		count, err := step.do(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.deps.Telemetry.Logger.WarnContext(ctx, "upkeep failed and will be tried again", "step", step.name, "error", err)
		case count > 0:
			s.deps.Telemetry.Logger.InfoContext(ctx, "upkeep", "step", step.name, "count", count)
		}
	}
}

// sweepOperations goes on until nothing is left: more may end in a minute than one batch.
func (s *Service) sweepOperations(ctx context.Context, now time.Time) (int64, error) {
	var all int64
	for {
		var count int64
		err := s.db.InTx(ctx, pg.System("sweep operations"), func(ctx context.Context, tx *pg.Tx) error {
			var err error
			count, err = pgoperation.Sweep(ctx, tx, now.Add(-keepEnded), now, sweepBatch)
			return err
		})
		all += count
		if err != nil || count < sweepBatch {
			return all, err
		}
	}
}
