// Package jobs runs durable background work on River, in the schema of its service. River
// is the engine and never the truth: what is due is written in the service's own tables,
// so a job that is lost costs a delay and not a promise.
//
// It guarantees at-least-once execution. A job that fails is tried again after at most
// 30 s, for as long as it takes; one whose dependency is down is put aside for a moment
// without counting as a failure; one whose worker was killed is rescued within two minutes.
// Wake-ups are never unique: uniqueness loses the one that arrives while another runs.
//
// River was chosen over a queue of our own because it inserts in the transaction of the
// change. Its defaults were measured and do not fit, hence the settings in this file.
package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/lifecycle"
	"github.com/primecloud/primecloud/pkg/pg"
)

// What stands in for River's defaults.
const (
	jobTimeout  = time.Minute
	rescueAfter = 90 * time.Second
	longestWait = 30 * time.Second
	snooze      = 5 * time.Second
	softStop    = 5 * time.Second
	keepDone    = time.Hour
	// mostTries times the longest wait is more than a week of trying.
	mostTries = 25_000
)

// Config says how a service's jobs run.
type Config struct {
	// Schema is the service's, where River's tables are.
	Schema string
	// Concurrency is how many jobs run at once; zero means 8.
	Concurrency int
	// Timeout is how long one run of a job may take; zero means a minute.
	Timeout time.Duration
	// RescueAfter is when a job that seems to run is taken for dead; zero means 90 s. It
	// must be longer than Timeout.
	RescueAfter time.Duration
	// Tick is how often the schedules are looked at; zero means a second.
	Tick time.Duration
}

// Deps is what the process lends.
type Deps struct {
	// Logger gets a line for every job that failed.
	Logger *slog.Logger
	// Clock tells when a schedule is due.
	Clock clock.Clock
}

// Runner inserts and works the jobs of one service.
type Runner struct {
	db        *pg.DB
	config    Config
	deps      Deps
	workers   *river.Workers
	client    *river.Client[pgx.Tx]
	schedules []schedule
}

// New makes a runner; Add and Schedule tell it what to do, its Component does it.
func New(db *pg.DB, config Config, deps Deps) (*Runner, error) {
	if config.Concurrency == 0 {
		config.Concurrency = 8
	}
	if config.Timeout == 0 {
		config.Timeout = jobTimeout
	}
	if config.RescueAfter == 0 {
		config.RescueAfter = rescueAfter
	}
	if config.Tick == 0 {
		config.Tick = time.Second
	}
	r := &Runner{db: db, config: config, deps: deps, workers: river.NewWorkers()}
	client, err := river.NewClient(riverpgxv5.New(db.Unscoped()), &river.Config{
		Schema:                      config.Schema,
		Workers:                     r.workers,
		Queues:                      map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: config.Concurrency}},
		Logger:                      slog.New(warnings{deps.Logger.Handler()}),
		ErrorHandler:                failures{deps.Logger},
		JobTimeout:                  config.Timeout,
		RescueStuckJobsAfter:        config.RescueAfter,
		RetryPolicy:                 retry{},
		MaxAttempts:                 mostTries,
		CompletedJobRetentionPeriod: keepDone,
		SoftStopTimeout:             softStop,
		// It rebuilds indexes, which only their owner may; the serving role owns nothing.
		ReindexerSchedule: never{},
	})
	if err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	r.client = client
	Add(r, r.runScheduled)
	return r, nil
}

// Add says how jobs of one kind are done. It is called before the component starts.
func Add[T river.JobArgs](r *Runner, work func(ctx context.Context, args T) error) {
	river.AddWorker(r.workers, river.WorkFunc(func(ctx context.Context, job *river.Job[T]) error {
		err := work(ctx, job.Args)
		if errs.KindOf(err) == errs.Unavailable {
			r.deps.Logger.InfoContext(ctx, "job put aside", "job", job.Kind, "error", err)
			return river.JobSnooze(snooze)
		}
		return err
	}))
}

// InsertTx adds a job to the caller's transaction, to be done at the given time or, when
// that is zero, at once.
func (r *Runner) InsertTx(ctx context.Context, tx *pg.Tx, args river.JobArgs, at time.Time) error {
	raw, err := tx.Raw(ctx)
	if err != nil {
		return err
	}
	if _, err := r.client.InsertTx(ctx, raw, args, &river.InsertOpts{ScheduledAt: at}); err != nil {
		return fmt.Errorf("insert job %s: %w", args.Kind(), err)
	}
	return nil
}

// Component works the jobs and the schedules while it runs, and lets running jobs end
// when it stops.
func (r *Runner) Component() lifecycle.Component {
	return lifecycle.Component{
		Name:  "jobs",
		Start: func(ctx context.Context) error { return r.client.Start(context.WithoutCancel(ctx)) },
		Run:   r.tick,
		Stop:  r.client.Stop,
	}
}

// retry grows from one second to the longest wait.
type retry struct{}

// NextRetry says when a job that failed is tried again.
func (retry) NextRetry(job *rivertype.JobRow) time.Time {
	wait := longestWait
	if n := len(job.Errors); n < 5 {
		wait = time.Second << n
	}
	return time.Now().UTC().Add(wait) // River compares it with the machine's time
}

// never is a schedule without a next time.
type never struct{}

// Next is further away than any process lives.
func (never) Next(now time.Time) time.Time { return now.AddDate(100, 0, 0) }

// failures logs each failure once.
type failures struct{ logger *slog.Logger }

// HandleError logs a failure; the job is tried again.
func (f failures) HandleError(ctx context.Context, job *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	f.logger.WarnContext(ctx, "job failed", "job", job.Kind, "attempt", job.Attempt, "error", err)
	return nil
}

// HandlePanic logs a panic; the job is tried again.
func (f failures) HandlePanic(ctx context.Context, job *rivertype.JobRow, value any, trace string) *river.ErrorHandlerResult {
	f.logger.ErrorContext(ctx, "job panicked", "job", job.Kind, "attempt", job.Attempt, "panic", value, "stack", trace)
	return nil
}

// warnings drops what River tells about its daily life.
type warnings struct{ slog.Handler }

// Enabled holds for warnings and errors.
func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}
