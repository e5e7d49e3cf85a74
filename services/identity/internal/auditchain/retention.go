package auditchain

import (
	"context"
	"fmt"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
)

// monthsAhead is how many months are made before they begin.
const monthsAhead = 2

// Months keeps the trail's months.
type Months interface {
	// Months returns the months there are, such as "2026-11", oldest first.
	Months(ctx context.Context) ([]string, error)
	// MakeMonth makes the month of the moment, unless it is there.
	MakeMonth(ctx context.Context, at time.Time) error
	// DropMonth drops the oldest month in one transaction with the checkpoints that it makes
	// of the last entries of the chains in it. It refuses a month that is, by the clock of
	// where they are kept, not older than as many months as are kept besides the running one.
	DropMonth(ctx context.Context, month string, kept int64, checkpoint func(Head) (Checkpoint, error)) error
}

// Retention makes months ahead of time, and drops those that are kept no longer.
type Retention struct {
	// Keep is how many months are kept besides the one that runs; zero keeps all.
	Keep int64
	// Months keeps them, Signer signs checkpoints.
	Months Months
	Signer Signer
	// Clock tells the time.
	Clock clock.Clock
}

const monthLayout = "2006-01"

// KeepUp does what is due and returns how many months it dropped.
func (r *Retention) KeepUp(ctx context.Context) (int64, error) {
	now := r.Clock.Now().UTC()
	running := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	for ahead := range monthsAhead + 1 {
		if err := r.Months.MakeMonth(ctx, running.AddDate(0, ahead, 0)); err != nil {
			return 0, err
		}
	}
	if r.Keep <= 0 {
		return 0, nil
	}
	months, err := r.Months.Months(ctx)
	if err != nil {
		return 0, err
	}
	oldest := running.AddDate(0, -int(r.Keep), 0).Format(monthLayout)
	var dropped int64
	for _, month := range months {
		if month >= oldest {
			break
		}
		err := r.Months.DropMonth(ctx, month, r.Keep, func(h Head) (Checkpoint, error) {
			c := Checkpoint{AccountID: h.AccountID, Position: h.Position, Month: month}
			var err error
			c.Signature, err = r.Signer.Sign(c.message())
			return c, err
		})
		if err != nil {
			return dropped, fmt.Errorf("drop %s of the audit trail: %w", month, err)
		}
		dropped++
	}
	return dropped, nil
}
