package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/primecloud/primecloud/pkg/pg"
)

// schedule is something to be done every so often.
type schedule struct {
	name  string
	every time.Duration
	do    func(ctx context.Context, at time.Time) error
}

// Schedule says what is to be done every so often. Each slot is a row, so however many
// replicas tick, and whenever they start, it is done once per slot; a slot in which no
// process ran is left out. at is the slot's beginning. It is called before the component starts.
func (r *Runner) Schedule(name string, every time.Duration, do func(ctx context.Context, at time.Time) error) {
	r.schedules = append(r.schedules, schedule{name: name, every: every, do: do})
}

// scheduled is the job of one slot.
type scheduled struct {
	Job string    `json:"job"`
	At  time.Time `json:"at"`
}

// Kind names the job to River.
func (scheduled) Kind() string { return "scheduled" }

// tick puts what is due into rows, until ctx is done.
func (r *Runner) tick(ctx context.Context) error {
	for {
		for _, s := range r.schedules {
			if err := r.begin(ctx, s); err != nil && ctx.Err() == nil {
				r.deps.Logger.WarnContext(ctx, "schedule not begun, trying again", "job", s.name, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.deps.Clock.After(r.config.Tick):
		}
	}
}

// begin makes the row and the job of the present slot unless they are there.
func (r *Runner) begin(ctx context.Context, s schedule) error {
	now := r.deps.Clock.Now()
	slot := now.Truncate(s.every)
	return r.db.InTx(ctx, pg.System("begin a schedule"), func(ctx context.Context, tx *pg.Tx) error {
		tag, err := tx.Exec(ctx, `INSERT INTO schedule_run (job, scheduled_for, started_at) VALUES ($1, $2, $3)
			ON CONFLICT DO NOTHING`, s.name, slot, now)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		return r.InsertTx(ctx, tx, scheduled{Job: s.name, At: slot}, time.Time{})
	})
}

// runScheduled does one slot's work. A process of another version may know other schedules:
// what this one does not know is tried again, maybe by another.
func (r *Runner) runScheduled(ctx context.Context, slot scheduled) error {
	for _, s := range r.schedules {
		if s.name != slot.Job {
			continue
		}
		if err := s.do(ctx, slot.At); err != nil {
			return err
		}
		return r.exec(ctx, "end a schedule",
			`UPDATE schedule_run SET finished_at = $3 WHERE job = $1 AND scheduled_for = $2`, slot.Job, slot.At, r.deps.Clock.Now())
	}
	return fmt.Errorf("this process knows no schedule %q", slot.Job)
}

// Run is one slot of a schedule.
type Run struct {
	// Job is the schedule's name, ScheduledFor the slot's beginning.
	Job          string
	ScheduledFor time.Time
	// StartedAt is when the slot was begun, FinishedAt when its work was done, if it was.
	StartedAt  time.Time
	FinishedAt *time.Time
}

// Runs returns the latest slots of a schedule, newest first.
func (r *Runner) Runs(ctx context.Context, name string, limit int) ([]Run, error) {
	rows, err := r.db.Read(pg.System("read schedules")).Query(ctx,
		`SELECT job, scheduled_for, started_at, finished_at FROM schedule_run WHERE job = $1 ORDER BY scheduled_for DESC LIMIT $2`, name, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Run])
}

// Forget removes the rows of slots that ended before the given time.
func (r *Runner) Forget(ctx context.Context, before time.Time) error {
	return r.exec(ctx, "forget schedules", `DELETE FROM schedule_run WHERE finished_at < $1`, before)
}

func (r *Runner) exec(ctx context.Context, reason, statement string, args ...any) error {
	return r.db.InTx(ctx, pg.System(reason), func(ctx context.Context, tx *pg.Tx) error {
		_, err := tx.Exec(ctx, statement, args...)
		return err
	})
}
