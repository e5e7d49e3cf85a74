package change_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// busy is a lease that somebody holds until it was asked for often enough.
type busy struct{ left int }

func (b *busy) Claim(context.Context, reconcile.Ref, time.Duration) (reconcile.Lease, bool, error) {
	b.left--
	return reconcile.Lease{Fence: 1}, b.left < 0, nil
}

func TestWindow_leaves_time_for_the_last_write(t *testing.T) {
	runner := change.NewRunner(clock.NewManual(start), &busy{}, change.Limits{Attempt: 10 * time.Second, Reserve: time.Second, Grace: 2 * time.Second})
	for _, c := range []struct {
		name           string
		deadline       time.Duration
		attempt, lease time.Duration
	}{
		{"without a deadline", 0, 10 * time.Second, 13 * time.Second},
		{"with a long one", time.Hour, 10 * time.Second, 13 * time.Second},
		{"with a short one", 6 * time.Second, 5 * time.Second, 8 * time.Second},
		{"with a very short one", 300 * time.Millisecond, 200 * time.Millisecond, 2300 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := t.Context()
			if c.deadline > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, c.deadline)
				defer cancel()
			}
			w := runner.Window(ctx)
			near := func(got time.Time, want time.Duration) bool {
				off := want - got.Sub(start)
				return off >= 0 && off < 100*time.Millisecond
			}
			if !near(w.Attempt, c.attempt) || !near(w.Lease, c.lease) || w.End.Before(w.Attempt) || w.Lease.Before(w.End) {
				t.Errorf("attempt until %s, end %s, lease until %s", w.Attempt.Sub(start), w.End.Sub(start), w.Lease.Sub(start))
			}
		})
	}
}

func TestAttempt_waits_for_the_lease_and_outlives_its_caller(t *testing.T) {
	runner := change.NewRunner(clock.System(), &busy{left: 3}, change.Limits{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	begun := change.Begun{Window: runner.Window(t.Context())}
	ran := false
	err := runner.Attempt(ctx, &begun, func(ctx context.Context) error {
		ran = true
		if _, ok := ctx.Deadline(); !ok {
			t.Error("the attempt has no deadline")
		}
		return ctx.Err()
	})
	if err != nil || !ran || !begun.Held || begun.Lease.Fence != 1 {
		t.Errorf("ran %v, held %v, %v", ran, begun.Held, err)
	}
}

func TestAttempt_ends_when_the_lease_is_not_to_be_had(t *testing.T) {
	runner := change.NewRunner(clock.System(), &busy{left: 1 << 30}, change.Limits{Attempt: 60 * time.Millisecond})
	begun := change.Begun{Window: runner.Window(t.Context())}
	begun.Window.Attempt = time.Now().Add(60 * time.Millisecond)
	err := runner.Attempt(t.Context(), &begun, func(context.Context) error {
		t.Error("it acted without the lease")
		return nil
	})
	if errs.ReasonOf(err) != "BACKEND_UNAVAILABLE" || begun.Held {
		t.Errorf("held %v, %v", begun.Held, err)
	}
}

func TestSettle_says_whether_the_end_is_known(t *testing.T) {
	runner := change.NewRunner(clock.System(), &busy{}, change.Limits{})
	window := runner.Window(t.Context())
	for _, c := range []struct {
		name      string
		err, want error
	}{
		{"it is recorded", nil, nil},
		{"somebody else has ended it", change.ErrAlreadyEnded, change.ErrAlreadyEnded},
		{"somebody else acts", change.ErrLeaseLost, change.ErrLeaseLost},
		{"the database is away", errors.New("away"), change.ErrOutcomeUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := runner.Settle(t.Context(), window, func(context.Context) error { return c.err })
			if !errors.Is(got, c.want) || (got == nil) != (c.want == nil) {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestErrors_of_an_attempt(t *testing.T) {
	refusal := errs.New(errs.FailedPrecondition, "BACKEND_REJECTED", "no")
	down := errs.New(errs.Unavailable, "BACKEND_UNAVAILABLE", "down")
	for _, c := range []struct {
		name    string
		err     error
		doubt   bool
		forThem errs.Kind
	}{
		{"a refusal is certain", refusal, false, errs.FailedPrecondition},
		{"no answer leaves a doubt", down, true, errs.Unavailable},
		{"time that ran out is the backend's", context.DeadlineExceeded, true, errs.Unavailable},
		{"a write of unknown outcome is given up", change.ErrOutcomeUnknown, true, errs.Unavailable},
		{"a defect leaves a doubt", errors.New("oops"), true, errs.Internal},
	} {
		t.Run(c.name, func(t *testing.T) {
			if change.InDoubt(c.err) != c.doubt || errs.KindOf(change.ForCaller(c.err)) != c.forThem {
				t.Errorf("doubt %v, for the caller %v", change.InDoubt(c.err), change.ForCaller(c.err))
			}
		})
	}
}
