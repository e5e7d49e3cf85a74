package purge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
)

const (
	// countPage and removePage are how much one attempt counts or removes: little enough that
	// progress shows and that a cancelling does not wait long.
	countPage  = 10_000
	removePage = 1000
	// again is how soon a purge looks again that waits for something that ends by itself.
	again = time.Second
)

// Handle takes a purge one step further: the reconciler's way in. A step is one page that is
// counted, one batch that is removed, or the end.
func (s *Service) Handle(ctx context.Context, lease reconcile.Lease) (reconcile.Result, error) {
	p, ok, err := s.Store.Get(ctx, lease.AccountID, lease.ID)
	if err != nil {
		return reconcile.Result{}, err
	}
	if !ok {
		return reconcile.Result{}, change.ErrLeaseLost
	}
	if err := s.step(ctx, lease, p); err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{Released: true}, nil
}

func (s *Service) step(ctx context.Context, lease reconcile.Lease, p Purge) error {
	if p.Ended() || p.State == Cancelling {
		return s.end(ctx, lease)
	}
	b, ok, err := s.Store.Bucket(ctx, p.AccountID, p.BucketID)
	if err != nil {
		return err
	}
	switch standing(p, b, ok) {
	case changing:
		// The call that removes it, or whoever rolls it forward, has not ended yet.
		return s.settle(ctx, lease, func(*Purge) time.Time { return s.in(again) })
	case gone:
		return s.end(ctx, lease)
	case back:
		return s.settleIn(ctx, lease, func(ctx context.Context, tx Tx, p *Purge) (time.Time, error) {
			if p.State == Cancelling || p.Ended() {
				return s.Clock.Now(), nil
			}
			return s.Clock.Now(), s.Buckets.ResumePurge(ctx, tx.Tx, p.BucketID)
		})
	case displaced:
		return s.block(ctx, lease, bucket.ErrConflict)
	case reached:
	}
	contents, exists, err := s.look(ctx, p, b)
	switch {
	case errors.Is(err, bucket.ErrConflict):
		return s.block(ctx, lease, err)
	case err != nil:
		return err
	case !p.Counted && exists:
		return s.count(ctx, lease, p, contents)
	case !p.Counted:
		// There is nothing to count, and whoever waits for the count is not to wait for ever.
		return s.settle(ctx, lease, func(p *Purge) time.Time {
			p.goOn()
			p.Counted = true
			return s.Clock.Now()
		})
	case p.BeginsAt.IsZero() || s.Clock.Now().Before(p.BeginsAt):
		return s.settle(ctx, lease, func(p *Purge) time.Time {
			p.goOn()
			return p.BeginsAt
		})
	}
	if p.State == Waiting {
		if stopped, err := s.start(ctx, p.Ref()); err != nil || stopped {
			return s.orAgain(ctx, lease, err)
		}
	}
	if !exists {
		return s.finish(ctx, lease, p)
	}
	return s.remove(ctx, lease, p, contents)
}

// place is where the bucket of a purge stands in the record.
type place int

const (
	// reached is out of reach for all but the purge.
	reached place = iota
	// changing is being changed or removed by a call.
	changing
	// gone is removed; what has its name or id by now is another one.
	gone
	// back is within reach again, though it is to go.
	back
	// displaced has something that is not ours in its place.
	displaced
)

// standing says where the bucket of a purge stands. Only what is known to be gone ends a purge
// well: in any other state its content may be there.
func standing(p Purge, b bucket.Bucket, ok bool) place {
	switch {
	case ok && b.State == bucket.Purging:
		return reached
	case ok && b.State == bucket.Deleting:
		return changing
	case !ok || b.Desired == bucket.Absent || b.State == bucket.Creating || p.LastStep:
		// After the last step it is gone too, whatever was made under its name since.
		return gone
	case b.State == bucket.Conflict:
		return displaced
	case b.State == bucket.Ready:
		return back
	default:
		return changing
	}
}

// look holds what stands on the backend against the bucket, and sees to it that the account's
// identity does not reach it any more.
func (s *Service) look(ctx context.Context, p Purge, b bucket.Bucket) (contents Contents, exists bool, err error) {
	backend, err := s.Backends.Backend(p.Backend)
	if err != nil {
		return nil, false, err
	}
	observed, err := backend.Reader.ObserveBucket(ctx, p.Bucket)
	if err != nil {
		return nil, false, err
	}
	if observed.Exists && observed.Mark != b.Mark() {
		return nil, false, bucket.ErrConflict
	}
	if err := s.Principals.Ensure(ctx, p.AccountID, p.Backend, 0); err != nil {
		return nil, false, err
	}
	contents, err = s.Backends.Purges(p.Backend)
	return contents, observed.Exists, err
}

// count counts one page.
func (s *Service) count(ctx context.Context, lease reconcile.Lease, p Purge, contents Contents) error {
	found, err := contents.CountEntries(ctx, p.Bucket, p.CountedTo, countPage)
	if err != nil {
		return err
	}
	return s.settle(ctx, lease, func(p *Purge) time.Time {
		p.goOn()
		p.Found.add(found.Content)
		p.CountedTo, p.Counted = found.To, !found.More
		return s.Clock.Now()
	})
}

func (c *Content) add(more Content) {
	c.Entries, c.Objects = c.Entries+more.Entries, c.Objects+more.Objects
	c.Bytes, c.Uploads = c.Bytes+more.Bytes, c.Uploads+more.Uploads
}

// start records that removing begins, unless it was stopped meanwhile.
func (s *Service) start(ctx context.Context, ref reconcile.Ref) (stopped bool, err error) {
	err = s.change(ctx, ref, func(ctx context.Context, tx Tx, p *Purge) error {
		if stopped = p.State != Waiting; stopped {
			return nil
		}
		p.State, p.Reason, p.Message = Running, "", ""
		if err := s.save(ctx, tx, p); err != nil {
			return err
		}
		return s.tell(ctx, tx, *p, "started", audit.Entry{Action: Kind + ".run", Outcome: audit.Started})
	})
	return stopped, err
}

// remove removes one batch. A round that met nothing but what must stay ends blocked; one that
// met nothing at all goes on to the bucket, and the backend says whether that is so.
func (s *Service) remove(ctx context.Context, lease reconcile.Lease, p Purge, contents Contents) error {
	batch, err := contents.RemoveEntries(ctx, p.Bucket, p.PassedTo, removePage)
	if err != nil {
		return err
	}
	locked := p.Locked + batch.Locked
	if !batch.More && batch.Removed == (Content{}) && locked == 0 {
		return s.finish(ctx, lease, p)
	}
	if !batch.More && locked > 0 {
		return s.settleIn(ctx, lease, func(ctx context.Context, tx Tx, p *Purge) (time.Time, error) {
			p.Removed.add(batch.Removed)
			p.PassedTo, p.Locked = "", 0
			reason := errLocked.WithMessage("%d objects or versions are under retention or legal hold; "+
				"the purge goes on by itself when that ends", locked)
			return s.in(s.Retry), s.blocked(ctx, tx, p, reason)
		})
	}
	return s.settle(ctx, lease, func(p *Purge) time.Time {
		p.Removed.add(batch.Removed)
		p.goOn()
		if batch.Locked > 0 {
			p.PassedTo, p.Locked = batch.To, locked
		}
		return s.Clock.Now()
	})
}

// goOn notes that nothing is in the way any more.
func (p *Purge) goOn() {
	p.Reason, p.Message = "", ""
	if p.State == Blocked {
		p.State = Running
	}
}

// block records why a purge cannot go on for now.
func (s *Service) block(ctx context.Context, lease reconcile.Lease, why error) error {
	return s.settleIn(ctx, lease, func(ctx context.Context, tx Tx, p *Purge) (time.Time, error) {
		return s.in(s.Retry), s.blocked(ctx, tx, p, why)
	})
}

// blocked blocks a purge, and tells so the first time.
func (s *Service) blocked(ctx context.Context, tx Tx, p *Purge, why error) error {
	if p.State == Cancelling {
		return nil
	}
	known := p.Reason == errs.ReasonOf(why)
	p.Reason, p.Message = errs.ReasonOf(why), messageOf(why)
	if p.State == Running {
		p.State = Blocked
	}
	if known {
		return nil
	}
	return tx.Record.Audit(ctx, s.entry(*p, audit.Entry{
		Action: Kind + ".run", Severity: audit.Warning, Outcome: audit.Failed, Reason: p.Reason,
	}))
}

// messageOf returns what an error of ours says to people.
func messageOf(err error) string {
	if e, ok := errs.As(err); ok {
		return e.Message()
	}
	return err.Error()
}

// finish removes the bucket, which looks empty. From here on it cannot be cancelled until it is
// known that the backend would not have it.
func (s *Service) finish(ctx context.Context, lease reconcile.Lease, p Purge) error {
	stopped := false
	err := s.change(ctx, p.Ref(), func(ctx context.Context, tx Tx, p *Purge) error {
		if stopped = p.State == Cancelling || p.Ended(); stopped {
			return nil
		}
		p.goOn()
		p.LastStep = true
		return s.save(ctx, tx, p)
	})
	if err != nil || stopped {
		return s.orAgain(ctx, lease, err)
	}
	failure := s.Buckets.DeletePurged(ctx, p.AccountID, p.BucketID)
	if failure == nil {
		return s.end(ctx, lease)
	}
	if errors.Is(failure, change.ErrOutcomeUnknown) {
		return failure
	}
	err = s.change(ctx, p.Ref(), func(ctx context.Context, tx Tx, p *Purge) error {
		p.LastStep, p.PassedTo, p.Locked = false, "", 0
		return s.save(ctx, tx, p)
	})
	if errs.ReasonOf(failure) == "BUCKET_NOT_EMPTY" && err == nil {
		// Something came in while the keys were being shut out, or the list was not whole.
		return s.settle(ctx, lease, func(*Purge) time.Time { return s.in(again) })
	}
	return errors.Join(failure, err)
}

// end ends a purge whose bucket is gone, or that was cancelled and has nothing under way any
// more, and lets it go.
func (s *Service) end(ctx context.Context, lease reconcile.Lease) error {
	return s.change(ctx, lease.Ref, func(ctx context.Context, tx Tx, p *Purge) error {
		switch {
		case p.Ended():
		case p.State == Cancelling:
			if err := s.comeBack(ctx, tx, p); err != nil {
				return err
			}
		default:
			p.State, p.Reason, p.Message, p.LastStep, p.EndedAt = Done, "", "", false, s.now()
			if err := s.save(ctx, tx, p); err != nil {
				return err
			}
			if err := s.tell(ctx, tx, *p, "completed", audit.Entry{Action: Kind + ".run", Outcome: audit.Succeeded}); err != nil {
				return err
			}
		}
		return tx.LetGo(ctx, lease)
	})
}

// in returns the moment after a while.
func (s *Service) in(d time.Duration) time.Time { return s.Clock.Now().Add(d) }

// orAgain gives the lease back for another look at once, unless there is an error.
func (s *Service) orAgain(ctx context.Context, lease reconcile.Lease, err error) error {
	if err != nil {
		return err
	}
	return s.settle(ctx, lease, func(*Purge) time.Time { return s.Clock.Now() })
}

// settle records a step and gives the lease back; fn returns when the next one is due, the
// zero time for not by itself.
func (s *Service) settle(ctx context.Context, lease reconcile.Lease, fn func(p *Purge) time.Time) error {
	return s.settleIn(ctx, lease, func(_ context.Context, _ Tx, p *Purge) (time.Time, error) { return fn(p), nil })
}

// settleIn is settle for a step that does more in the transaction. One that was cancelled
// meanwhile stays so and is looked at at once.
func (s *Service) settleIn(
	ctx context.Context, lease reconcile.Lease, fn func(ctx context.Context, tx Tx, p *Purge) (time.Time, error),
) error {
	var due time.Time
	err := s.change(ctx, lease.Ref, func(ctx context.Context, tx Tx, p *Purge) error {
		before := *p
		var err error
		if due, err = fn(ctx, tx, p); err != nil {
			return err
		}
		if p.State == Cancelling {
			due = s.Clock.Now()
		}
		if *p != before {
			if err := s.save(ctx, tx, p); err != nil {
				return err
			}
		}
		next := reconcile.Next{}
		if !due.IsZero() {
			next.DueAt = &due
		}
		return tx.GiveBack(ctx, lease, next)
	})
	if err == nil && !due.IsZero() && !due.After(s.Clock.Now()) {
		s.Wake(lease.Ref)
	}
	return err
}

// change runs fn on the purge, locked.
func (s *Service) change(ctx context.Context, ref reconcile.Ref, fn func(ctx context.Context, tx Tx, p *Purge) error) error {
	return s.Store.InAccount(ctx, ref.AccountID, func(ctx context.Context, tx Tx) error {
		p, ok, err := tx.Purges.ByID(ctx, ref.ID)
		if err != nil {
			return err
		}
		if !ok {
			return change.ErrLeaseLost
		}
		return fn(ctx, tx, &p)
	})
}

// described is a purge as the audit trail shows it.
func described(p Purge) map[string]any {
	return map[string]any{
		"bucket": p.Bucket, "bucket_id": p.BucketID, "backend": p.Backend, "state": string(p.State),
		"account_closed": p.AccountClosed, "found_entries": fmt.Sprint(p.Found.Entries), "found_bytes": fmt.Sprint(p.Found.Bytes),
		"removed_entries": fmt.Sprint(p.Removed.Entries), "removed_bytes": fmt.Sprint(p.Removed.Bytes),
		"removed_uploads": fmt.Sprint(p.Removed.Uploads),
	}
}
