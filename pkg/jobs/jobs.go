// Package jobs runs work in the background on River, in the service's own schema, with
// settings that fit: short timeouts, a killed worker's job rescued within two minutes,
// retries at most 30 seconds apart, a pause while a dependency is down, no uniqueness, and
// schedules as rows.
//
// River is the engine and never the truth: what is due is written in the service's tables,
// and a job is only a hint to look there. A job may run more than once and long after it
// was asked for; after its last attempt it is dropped.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/pg"
)

// Config is what a runner needs. Only Schema must be set; zero values take what is said.
type Config struct {
	// Schema is the service's, named by its noun.
	Schema string
	// Workers is how many jobs run at a time: 10.
	Workers int
	// JobTimeout ends a job's context: 60 s.
	JobTimeout time.Duration
	// RescueAfter is when a job that is still running is taken to be lost: 75 s. River looks
	// every 30 s.
	RescueAfter time.Duration
	// MaxAttempts is how often a job is tried: 100, which is three quarters of an hour.
	MaxAttempts int
	// StopWithin is how long jobs may take to end when the runner stops: 5 s.
	StopWithin time.Duration
}

// Deps is what the process lends. Nil fields are replaced by ones that do nothing.
type Deps struct {
	Tracer trace.TracerProvider
	Logger *slog.Logger
	// Clock is for schedules. River fetches jobs by the database's clock.
	Clock clock.Clock
}

// Runner runs jobs. Add workers and schedules first, then Start.
type Runner struct {
	db        *pg.DB
	config    Config
	deps      Deps
	workers   *river.Workers
	client    *river.Client[pgx.Tx]
	schedules map[string]*schedule
	ticking   ticking
}

// Args are a job's arguments, JSON. Kind names the worker and never changes.
type Args interface{ Kind() string }

// New returns a runner.
func New(db *pg.DB, config Config, deps Deps) (*Runner, error) {
	r := &Runner{db: db, config: withDefaults(config), deps: deps, workers: river.NewWorkers(), schedules: map[string]*schedule{}}
	if r.deps.Tracer == nil {
		r.deps.Tracer = tracenoop.NewTracerProvider()
	}
	if r.deps.Logger == nil {
		r.deps.Logger = slog.New(slog.DiscardHandler)
	}
	if r.deps.Clock == nil {
		r.deps.Clock = clock.System()
	}
	if err := Add(r, r.tick); err != nil {
		return nil, err
	}
	var err error
	r.client, err = river.NewClient(riverpgxv5.New(db.Unscoped()), &river.Config{
		Schema:               r.config.Schema,
		Logger:               slog.New(quieter{r.deps.Logger.Handler()}),
		Workers:              r.workers,
		Queues:               map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: r.config.Workers}},
		JobTimeout:           r.config.JobTimeout,
		RescueStuckJobsAfter: r.config.RescueAfter,
		MaxAttempts:          r.config.MaxAttempts,
		RetryPolicy:          retryPolicy{},
		SoftStopTimeout:      r.config.StopWithin,
		// It wants to own the tables, and the serving role owns nothing.
		ReindexerSchedule: river.NeverSchedule(),
		// Done jobs say nothing that our own tables do not.
		CompletedJobRetentionPeriod: time.Hour,
		CancelledJobRetentionPeriod: time.Hour,
		DiscardedJobRetentionPeriod: 7 * 24 * time.Hour,
		Middleware:                  []rivertype.Middleware{river.WorkerMiddlewareFunc(r.around)},
	})
	if err != nil {
		return nil, fmt.Errorf("prepare jobs: %w", err)
	}
	return r, nil
}

func withDefaults(c Config) Config {
	if c.Workers <= 0 {
		c.Workers = 10
	}
	if c.JobTimeout <= 0 {
		c.JobTimeout = 60 * time.Second
	}
	if c.RescueAfter <= 0 {
		c.RescueAfter = c.JobTimeout + 15*time.Second
	}
	if c.MaxAttempts <= 0 {
		c.MaxAttempts = 100
	}
	if c.StopWithin <= 0 {
		c.StopWithin = 5 * time.Second
	}
	return c
}

// Add has work done by f for every job with these arguments. Call it before Start. f is
// idempotent, and stops when its context ends.
func Add[T Args](r *Runner, f func(ctx context.Context, args T) error) error {
	worker := river.WorkFunc(func(ctx context.Context, job *river.Job[T]) error { return f(ctx, job.Args) })
	if err := river.AddWorkerSafely(r.workers, worker); err != nil {
		return fmt.Errorf("add a worker: %w", err)
	}
	return nil
}

// InsertTx asks for a job in the caller's transaction: it exists once that has committed.
// A zero moment, or one that has passed, is now.
func (r *Runner) InsertTx(ctx context.Context, tx *pg.Tx, args Args, at time.Time) error {
	raw, err := tx.Raw(ctx)
	if err != nil {
		return err
	}
	var options *river.InsertOpts
	if at.After(r.deps.Clock.Now()) {
		options = &river.InsertOpts{ScheduledAt: at}
	}
	if _, err := r.client.InsertTx(ctx, raw, args, options); err != nil {
		return fmt.Errorf("ask for a job %s: %w", args.Kind(), err)
	}
	return nil
}

// Start begins to work; it goes on until Stop, whatever becomes of ctx.
func (r *Runner) Start(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	if err := r.client.Start(ctx); err != nil {
		return fmt.Errorf("start jobs: %w", err)
	}
	r.startSchedules(ctx)
	return nil
}

// Stop ends the schedules, lets running jobs end, and cuts them short after a while.
func (r *Runner) Stop(ctx context.Context) error {
	r.stopSchedules()
	if err := r.client.Stop(ctx); err != nil {
		return fmt.Errorf("stop jobs: %w", err)
	}
	return nil
}

// around stands around every job: a span, and a pause instead of an attempt while a
// dependency is down.
func (r *Runner) around(ctx context.Context, job *rivertype.JobRow, work func(context.Context) error) error {
	ctx, span := r.deps.Tracer.Tracer("github.com/primecloud/primecloud/pkg/jobs").Start(ctx, "job "+job.Kind)
	defer span.End()
	err := work(ctx)
	if err == nil {
		return nil
	}
	var snooze *river.JobSnoozeError
	if errors.As(err, &snooze) {
		return err
	}
	span.SetStatus(codes.Error, errs.KindOf(err).String())
	if errs.KindOf(err) == errs.Unavailable {
		r.deps.Logger.WarnContext(ctx, "a job waits for a dependency", "kind", job.Kind, "job", job.ID, "error", err)
		return river.JobSnooze(2*time.Second + rand.N(13*time.Second))
	}
	return err
}

// retryPolicy doubles from a second up to half a minute.
type retryPolicy struct{}

const maxRetry = 30 * time.Second

// NextRetry returns when a failed job runs again.
func (retryPolicy) NextRetry(job *rivertype.JobRow) time.Time {
	delay := maxRetry
	if n := len(job.Errors); n < 5 {
		delay = time.Second << n
	}
	return time.Now().UTC().Add(delay/2 + rand.N(delay/2))
}
