package outbox

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/primecloud/primecloud/pkg/pg"
)

// backlog is what waits to be published, as last counted.
type backlog struct {
	mu     sync.Mutex
	count  int64
	oldest time.Duration
}

func (b *backlog) set(count int64, oldest time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count, b.oldest = count, oldest
}

func (b *backlog) register(meter metric.Meter, noun string) (metric.Registration, error) {
	count, err := meter.Int64ObservableGauge("outbox.unpublished", metric.WithDescription("events that wait to be published"))
	if err != nil {
		return nil, err
	}
	age, err := meter.Float64ObservableGauge("outbox.unpublished.age", metric.WithUnit("s"),
		metric.WithDescription("age of the oldest event that waits"))
	if err != nil {
		return nil, err
	}
	attributes := metric.WithAttributes(attribute.String("noun", noun))
	return meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		o.ObserveInt64(count, b.count, attributes)
		o.ObserveFloat64(age, b.oldest.Seconds(), attributes)
		return nil
	}, count, age)
}

// maintain counts the backlog and removes what is beyond retention, each in its time.
func (r *Relay) maintain(ctx context.Context) {
	now := r.deps.Clock.Now()
	if now.Sub(r.measuredAt) >= measureEvery {
		r.measuredAt = now
		if err := r.measure(ctx, now); err != nil && ctx.Err() == nil {
			r.deps.Logger.DebugContext(ctx, "counting the outbox failed", "error", err)
		}
	}
	if now.Sub(r.sweptAt) >= sweepEvery {
		r.sweptAt = now
		if err := r.sweep(ctx, now); err != nil && ctx.Err() == nil {
			r.deps.Logger.WarnContext(ctx, "sweeping the outbox failed", "error", err)
		}
	}
}

func (r *Relay) measure(ctx context.Context, now time.Time) error {
	var count int64
	var oldest *time.Time
	// Bounded, as nobody needs to tell a hundred thousand from more.
	err := r.db.Read(pg.System("relay")).QueryRow(ctx, `-- name: CountUnpublished :one
		select count(*), min(created_at) from (select created_at from outbox where published_at is null order by seq limit 100000) o`).
		Scan(&count, &oldest)
	if err != nil {
		return err
	}
	age := time.Duration(0)
	if oldest != nil {
		age = now.Sub(*oldest)
	}
	r.backlog.set(count, age)
	return nil
}

// sweep removes published events beyond retention; unpublished ones stay whatever their age.
func (r *Relay) sweep(ctx context.Context, now time.Time) error {
	for {
		var removed int64
		err := r.db.InTx(ctx, pg.System("relay"), func(ctx context.Context, tx *pg.Tx) error {
			tag, err := tx.Exec(ctx, `-- name: SweepEvents :execrows
				delete from outbox where id in (
					select id from outbox where published_at is not null and published_at < $1 limit 5000 for update skip locked)`,
				now.Add(-r.config.Retention))
			removed = tag.RowsAffected()
			return err
		})
		if err != nil || removed == 0 {
			return err
		}
	}
}
