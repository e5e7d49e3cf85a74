package jobs

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/primecloud/primecloud/pkg/pg"
)

// schedule is work that recurs.
type schedule struct {
	name  string
	every time.Duration
	run   func(ctx context.Context, scheduledFor time.Time) error
}

// ticking are the goroutines that watch the clock.
type ticking struct {
	cancel context.CancelFunc
	wait   sync.WaitGroup
}

// keepRuns is how long past runs are kept, for looking at.
const keepRuns = 90 * 24 * time.Hour

// Schedule runs f once for each multiple of every since the Unix epoch, by our clock,
// however many replicas watch it: a row per run (job, scheduled for) decides. Runs that
// fell due while nobody was there are not made up for, except the latest one. A run that
// fails or dies is tried again like any job, until the next one is due. Call it before Start.
func (r *Runner) Schedule(name string, every time.Duration, f func(ctx context.Context, scheduledFor time.Time) error) error {
	if name == "" || every < time.Second || f == nil {
		return fmt.Errorf("schedule %q: it needs a name, a second or more, and work", name)
	}
	if _, taken := r.schedules[name]; taken {
		return fmt.Errorf("schedule %q is there already", name)
	}
	r.schedules[name] = &schedule{name: name, every: every, run: f}
	return nil
}

func (r *Runner) startSchedules(ctx context.Context) {
	ctx, r.ticking.cancel = context.WithCancel(ctx)
	for _, s := range r.schedules {
		r.ticking.wait.Go(func() { r.watch(ctx, s) })
	}
}

func (r *Runner) stopSchedules() {
	if r.ticking.cancel != nil {
		r.ticking.cancel()
	}
	r.ticking.wait.Wait()
}

// watch records each run that falls due.
func (r *Runner) watch(ctx context.Context, s *schedule) {
	for {
		now := r.deps.Clock.Now()
		slot := now.Truncate(s.every)
		wait := slot.Add(s.every).Sub(now)
		if err := r.record(ctx, s, slot, now); err != nil && ctx.Err() == nil {
			r.deps.Logger.WarnContext(ctx, "a scheduled run could not be recorded and is tried again", "schedule", s.name, "error", err)
			wait = min(wait, time.Second)
		}
		select {
		case <-ctx.Done():
			return
		case <-r.deps.Clock.After(wait):
		}
	}
}

// record claims a run and asks for its job, in one transaction; whoever comes second does nothing.
func (r *Runner) record(ctx context.Context, s *schedule, slot, now time.Time) error {
	return r.db.InTx(ctx, pg.System("schedule "+s.name), func(ctx context.Context, tx *pg.Tx) error {
		tag, err := tx.Exec(ctx, `-- name: RecordRun :execrows
			insert into schedule_run (job, scheduled_for, started_at) values ($1, $2, $3) on conflict do nothing`, s.name, slot, now)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		if err := r.InsertTx(ctx, tx, tickArgs{Schedule: s.name, ScheduledFor: slot}, time.Time{}); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `-- name: SweepRuns :exec
			delete from schedule_run where job = $1 and scheduled_for < $2`, s.name, now.Add(-max(keepRuns, 2*s.every)))
		return err
	})
}

// tickArgs is the job of one run.
type tickArgs struct {
	Schedule     string    `json:"schedule"`
	ScheduledFor time.Time `json:"scheduled_for"`
}

// Kind names the job.
func (tickArgs) Kind() string { return "schedule_tick" }

// tick does one run, unless a later one has taken its place.
func (r *Runner) tick(ctx context.Context, args tickArgs) error {
	s, ok := r.schedules[args.Schedule]
	if !ok {
		// Another version of the service, which knows it, may get it next time.
		return fmt.Errorf("schedule %q is not known here", args.Schedule)
	}
	var finished, overtaken bool
	err := r.db.Read(pg.System("schedule "+s.name)).QueryRow(ctx, `-- name: LookAtRun :one
		select exists (select from schedule_run where job = $1 and scheduled_for = $2 and finished_at is not null),
		       exists (select from schedule_run where job = $1 and scheduled_for > $2)`, s.name, args.ScheduledFor).Scan(&finished, &overtaken)
	if err != nil || finished || overtaken {
		return err
	}
	if err := s.run(ctx, args.ScheduledFor); err != nil {
		return fmt.Errorf("schedule %s: %w", s.name, err)
	}
	return r.db.InTx(ctx, pg.System("schedule "+s.name), func(ctx context.Context, tx *pg.Tx) error {
		_, err := tx.Exec(ctx, `-- name: FinishRun :exec
			update schedule_run set finished_at = $3 where job = $1 and scheduled_for = $2`, s.name, args.ScheduledFor, r.deps.Clock.Now())
		return err
	})
}
