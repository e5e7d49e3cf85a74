package revoke

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/token"
)

const (
	// beatEvery is how often a heartbeat is sent.
	beatEvery = time.Second
	// entryLifetime is how long the bucket keeps an entry.
	entryLifetime = token.MaxLifetime + 10*time.Minute
	// publishWithin bounds one round.
	publishWithin = 5 * time.Second
)

// PublisherConfig is what identity's publisher needs.
type PublisherConfig struct {
	// JetStream is where the bucket lives.
	JetStream jetstream.JetStream
	// Since returns the entries after an epoch that still matter, in order, and the last
	// epoch given out, both of one reading of the table.
	Since func(ctx context.Context, epoch int64) (Snapshot, error)
	// Clock tells the time.
	Clock clock.Clock
	// Logger gets what goes wrong; nil for nowhere.
	Logger *slog.Logger
	// Replicas is how many NATS servers keep the bucket; zero means one.
	Replicas int
}

// Publisher spreads what identity's table says. Several replicas may do so at once: each
// entry has its key, so that publishing it again changes nothing. A bucket that was lost
// is made again and filled from the table.
type Publisher struct {
	config PublisherConfig
	nudge  chan struct{}

	bucket    jetstream.KeyValue
	created   time.Time // when the bucket known to us was made
	revision  uint64    // of our last heartbeat
	published int64     // up to which epoch we have published into that bucket
	quiet     bool
}

// NewPublisher returns a publisher; Run makes it work.
func NewPublisher(config PublisherConfig) *Publisher {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Publisher{config: config, nudge: make(chan struct{}, 1)}
}

// Nudge has a revocation published now rather than with the next heartbeat. Call it after
// the commit.
func (p *Publisher) Nudge() { notify(p.nudge) }

// Run publishes entries and a heartbeat each second until ctx is done. What is away is
// tried again; without the table there is no heartbeat, since it would be a guess.
func (p *Publisher) Run(ctx context.Context) error {
	for {
		err := p.round(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !p.quiet {
			p.config.Logger.WarnContext(ctx, "revocations are not published", "error", err)
		}
		p.quiet = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-p.nudge:
		case <-p.config.Clock.After(beatEvery):
		}
	}
}

// round publishes what is new, then the heartbeat: a view that sees the heartbeat has
// usually seen the entries.
func (p *Publisher) round(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, publishWithin)
	defer cancel()
	if err := p.open(ctx); err != nil {
		return err
	}
	snapshot, err := p.config.Since(ctx, p.published)
	if err != nil {
		return fmt.Errorf("revoke: reading the table: %w", err)
	}
	for _, entry := range snapshot.Entries {
		if err := p.put(ctx, entryKey(entry.Epoch), entry); err != nil {
			return err
		}
		// At once, so that a round that runs out of time is gone on with, not begun anew.
		p.published = entry.Epoch
	}
	p.published = snapshot.Epoch
	last := p.revision
	if err := p.put(ctx, heartbeatKey, heartbeat{Epoch: snapshot.Epoch, Time: p.config.Clock.Now()}); err != nil {
		return err
	}
	// Revisions grow as long as the bucket lives: this one was made anew behind our back.
	if p.revision <= last {
		p.forget()
	}
	return nil
}

// open finds the bucket or makes it, and notices one that is not the one we filled.
func (p *Publisher) open(ctx context.Context) error {
	if p.bucket != nil {
		return nil
	}
	bucket, err := p.config.JetStream.KeyValue(ctx, Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		bucket, err = p.config.JetStream.CreateKeyValue(ctx, bucketConfig(entryLifetime, p.config.Replicas))
		if errors.Is(err, jetstream.ErrBucketExists) {
			bucket, err = p.config.JetStream.KeyValue(ctx, Bucket)
		}
	}
	if err != nil {
		return fmt.Errorf("revoke: bucket %s: %w", Bucket, err)
	}
	status, err := bucket.Status(ctx)
	if err != nil {
		return fmt.Errorf("revoke: bucket %s: %w", Bucket, err)
	}
	created := time.Time{}
	if s, ok := status.(*jetstream.KeyValueBucketStatus); ok {
		created = s.StreamInfo().Created
	}
	if created.IsZero() || !created.Equal(p.created) {
		p.published, p.revision = 0, 0
	}
	p.bucket, p.created = bucket, created
	return nil
}

// put writes one key. After a failure the bucket is looked up again: it may be gone.
func (p *Publisher) put(ctx context.Context, key string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	revision, err := p.bucket.Put(ctx, key, raw)
	if err != nil {
		p.bucket = nil
		return fmt.Errorf("revoke: publishing %s: %w", key, err)
	}
	if key == heartbeatKey {
		p.revision = revision
	}
	return nil
}

// forget makes the next round look up the bucket and fill it from the start.
func (p *Publisher) forget() {
	p.bucket, p.created = nil, time.Time{}
}
