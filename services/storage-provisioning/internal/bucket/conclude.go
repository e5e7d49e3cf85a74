package bucket

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/drift"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
)

// The conditions of a bucket.
const (
	conditionReady = "Ready"
)

// succeed is the T2 of an attempt that brought the backend to what is wanted: it ends the
// open operation, if there is one, and records what was seen.
func (s *Service) succeed(ctx context.Context, j job) (b Bucket, err error) {
	err = s.inBucket(ctx, j, func(ctx context.Context, tx Tx, now Bucket) error {
		b = now
		if b.Desired == Absent && b.State == Vanishing && b.Settled(s.look(b, j)) {
			return s.letGo(ctx, tx, j, b)
		}
		next := s.sighted(&b, j)
		was := now.State
		adopted := b.Adopting && b.Desired == Present
		if b.Desired == Present {
			b.Adopting = false
			b.State, b.Marked, b.SeenAbsentAt, b.SeenAbsentGeneration = settledState(was), true, time.Time{}, 0
		} else {
			b.State = Vanishing
			if !b.Adopting {
				// It was seen gone. What comes up empty and unmarked is the backend's doing: MinIO makes
				// every bucket again that it had listed when it started, also one removed since.
				b.seenGone(s.Clock.Now())
			}
		}
		if err := s.saveIfChanged(ctx, tx, was, &b, j); err != nil {
			return err
		}
		b.Observed = j.lease.Generation
		next.Observed, next.Conditions = b.Observed, s.conditions(b, j, nil)
		b.Conditions = next.Conditions
		if err := s.recordDrift(ctx, tx, was, b, j); err != nil {
			return err
		}
		if b.State == Vanishing && was != Vanishing {
			if err := s.keep(ctx, tx, b, j); err != nil {
				return err
			}
			if err := grant.EndWithBucket(ctx, tx.Grants, tx.Record, b.ID); err != nil {
				return err
			}
			if err := tx.Dependents.EndOfBucket(ctx, b.ID); err != nil {
				return err
			}
		}
		if adopted || was == Conflict || was == Deleting || b.State == Vanishing && was != Vanishing {
			if err := s.accessChanged(ctx, tx, b); err != nil {
				return err
			}
		}
		if err := tx.GiveBack(ctx, j.lease, next); err != nil || j.operation == nil {
			return err
		}
		return s.endSucceeded(ctx, tx, was, b, j)
	})
	return b, err
}

// endSucceeded ends the operation and tells the world.
func (s *Service) endSucceeded(ctx context.Context, tx Tx, was State, b Bucket, j job) error {
	result, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("encode the bucket: %w", err)
	}
	if err := tx.End(ctx, j.operation.ID, operation.Outcome{State: operation.Succeeded, Result: result, At: s.Clock.Now()}); err != nil {
		return err
	}
	entry := audit.Entry{
		Action: Kind + "." + j.bucket.verb(was), Outcome: audit.Succeeded, Target: target(b), AccountID: b.AccountID, After: described(b),
	}
	if was == Deleting {
		entry.Severity, entry.Before, entry.After = audit.Notice, entry.After, nil
	}
	if err := publicActOf(&entry, *j.operation, b.Spec); err != nil {
		return err
	}
	if err := tx.Record.Audit(ctx, entry); err != nil {
		return err
	}
	return tx.Record.Publish(ctx, eventOf(b, pastOf(was)))
}

// sighted notes that the backend was seen as wanted, and says when to look again: where an
// earlier attempt was given up, or nothing is wanted, once more after a while.
func (s *Service) sighted(b *Bucket, j job) reconcile.Next {
	if j.operation != nil && j.background {
		b.Unsure = true // the process that began it may have died with a request under way
	}
	return b.Seen(s.look(*b, j))
}

// look is the attempt as one look at the backend.
func (s *Service) look(b Bucket, j job) change.Look {
	return change.Look{At: s.Clock.Now(), Patience: s.Patience, Wanted: b.Desired == Present, Acted: j.acted}
}

// letGo ends the reservation of a name that was seen absent twice.
func (s *Service) letGo(ctx context.Context, tx Tx, j job, b Bucket) error {
	if _, err := tx.Drifts.Repaired(ctx, Kind, b.ID, s.Clock.Now()); err != nil {
		return err
	}
	if err := tx.LetGo(ctx, j.lease); err != nil {
		return err
	}
	return tx.Buckets.Remove(ctx, b.ID)
}

// abandon is the T2 of an attempt that is given up: the desired state goes back to what
// it was, and the reconciler is to see to it at once.
func (s *Service) abandon(ctx context.Context, j job, failure error) (b Bucket, err error) {
	err = s.inBucket(ctx, j, func(ctx context.Context, tx Tx, now Bucket) error {
		b = now
		outcome := operation.Outcome{State: operation.Abandoned, Failure: operation.FailureOf(failure), At: s.Clock.Now()}
		if err := tx.End(ctx, j.operation.ID, outcome); err != nil {
			return err
		}
		was, wanted := b.State, b.Spec
		if err := goBack(&b, *j.operation, j.foreign); err != nil {
			return err
		}
		b.GivenUp(j.acted, failure)
		b.UpdatedAt = s.Clock.Now()
		if b.Version, err = tx.Buckets.Save(ctx, b); err != nil {
			return err
		}
		due := s.Clock.Now()
		if b.Generation, err = tx.Resources.Touch(ctx, b.Ref(), b.Backend, due); err != nil {
			return err
		}
		if err := s.recordDrift(ctx, tx, was, b, j); err != nil {
			return err
		}
		if was == Creating || j.foreign || b.State == Purging {
			if err := s.accessChanged(ctx, tx, b); err != nil {
				return err
			}
		}
		entry := audit.Entry{
			Action: Kind + "." + j.bucket.verb(was), Severity: audit.Warning, Outcome: audit.Failed,
			Reason: operation.FailureOf(failure).Reason, Target: target(b), AccountID: b.AccountID,
		}
		if err := publicActOf(&entry, *j.operation, wanted); err != nil {
			return err
		}
		if err := tx.Record.Audit(ctx, entry); err != nil {
			return err
		}
		return tx.GiveBack(ctx, j.lease, reconcile.Next{DueAt: &due, Conditions: s.conditions(b, j, failure)})
	})
	if err == nil {
		s.Wake(b.Ref())
	}
	return b, err
}

// goBack makes the bucket what it was before the operation.
func goBack(b *Bucket, o operation.Operation, foreign bool) error {
	if o.Previous == nil {
		b.Desired, b.State = Absent, Vanishing
	} else {
		var back previous
		if err := json.Unmarshal(o.Previous, &back); err != nil {
			return fmt.Errorf("decode what operation %s goes back to: %w", o.ID, err)
		}
		b.Adopting = false
		b.Desired, b.Spec, b.CustomerReference, b.Labels, b.State = Present, back.Spec, back.CustomerReference, back.Labels, back.State
		if back.Version > 0 && !foreign {
			b.Version = back.Version - 1 // saving it adds one
		}
	}
	if foreign && b.State != Purging {
		b.State = Conflict
	}
	return nil
}

// clash records, without an operation, that something that is not ours stands in the
// bucket's place. What we never had anything to do with is let go.
func (s *Service) clash(ctx context.Context, j job) error {
	return s.inBucket(ctx, j, func(ctx context.Context, tx Tx, b Bucket) error {
		was := b.State
		if err := s.recordDrift(ctx, tx, was, b, j); err != nil {
			return err
		}
		if b.Desired == Absent && !b.Marked && b.SeenAbsentAt.IsZero() {
			if err := tx.LetGo(ctx, j.lease); err != nil {
				return err
			}
			return tx.Buckets.Remove(ctx, b.ID)
		}
		if was != Conflict && was != Purging {
			b.State, b.UpdatedAt = Conflict, s.Clock.Now()
			if _, err := tx.Buckets.Save(ctx, b); err != nil {
				return err
			}
			if err := s.accessChanged(ctx, tx, b); err != nil {
				return err
			}
		}
		due := s.Clock.Now().Add(conflictRetry)
		return tx.GiveBack(ctx, j.lease, reconcile.Next{DueAt: &due, Conditions: s.conditions(b, j, ErrConflict)})
	})
}

// recordDrift records what was found different where it should have been alike.
func (s *Service) recordDrift(ctx context.Context, tx Tx, was State, b Bucket, j job) error {
	settled := (was == Ready || was == Conflict) && !b.Unsure && j.operation == nil
	if settled || j.foreign || lost(was, b, j) {
		if err := s.drifts(tx).Record(ctx, subject(b), j.found...); err != nil {
			return err
		}
	}
	if j.foreign || !j.background && !lost(was, b, j) {
		return nil
	}
	_, err := tx.Drifts.Repaired(ctx, Kind, b.ID, s.Clock.Now())
	return err
}

// lost says that a change found the bucket gone behind our back, and made it again: whatever
// was in it is gone, and its owner is to hear of that.
func lost(was State, b Bucket, j job) bool {
	return was == Updating && b.State == Ready && !b.Unsure && len(j.found) > 0 && j.found[0].Kind == drift.Missing
}

func (s *Service) drifts(tx Tx) drift.Log {
	return drift.Log{Rows: tx.Drifts, Audit: tx.Record, Now: s.Clock.Now()}
}

func subject(b Bucket) drift.Subject {
	return drift.Subject{AccountID: b.AccountID, Kind: Kind, ID: b.ID, Name: b.Name, Target: target(b)}
}

// saveIfChanged writes the bucket: with a new version when its owner can see a change.
func (s *Service) saveIfChanged(ctx context.Context, tx Tx, was State, b *Bucket, j job) error {
	if was == b.State && j.operation == nil {
		return tx.Buckets.Note(ctx, *b)
	}
	b.UpdatedAt = s.Clock.Now()
	version, err := tx.Buckets.Save(ctx, *b)
	b.Version = version
	return err
}

// accessChanged has the account's identity looked at now: what it reaches has changed.
func (s *Service) accessChanged(ctx context.Context, tx Tx, b Bucket) error {
	_, err := tx.Access.Touch(ctx, b.AccountID, b.Backend, s.Clock.Now())
	return err
}

// conditions say how the bucket is after an attempt.
func (s *Service) conditions(b Bucket, j job, failure error) []reconcile.Condition {
	now := s.Clock.Now()
	ready := reconcile.Condition{Type: conditionReady, Status: b.State == Ready, Reason: "AS_WANTED", Message: "the backend has the bucket as wanted"}
	switch {
	case failure != nil:
		ready.Reason, ready.Message = operation.FailureOf(failure).Reason, operation.FailureOf(failure).Message
		ready.Status = b.State == Ready && !change.InDoubt(failure)
	case b.State != Ready:
		ready.Reason, ready.Message = string(b.State), "the bucket is not to be there"
	}
	var found []drift.Difference
	if j.operation == nil && !b.Unsure {
		found = j.found
	}
	drifted := drift.Condition(found, "the bucket", j.foreign)
	list := reconcile.SetCondition(j.lease.Conditions, ready, now)
	return reconcile.SetCondition(list, drifted, now)
}

// inBucket runs a T2 on the bucket as it is by now, locked. One that is gone, or that is
// wanted otherwise by now, is for the next attempt.
func (s *Service) inBucket(ctx context.Context, j job, fn func(ctx context.Context, tx Tx, b Bucket) error) error {
	return s.Store.InAccount(ctx, j.bucket.AccountID, func(ctx context.Context, tx Tx) error {
		b, ok, err := tx.Buckets.ByID(ctx, j.bucket.ID)
		if err != nil {
			return err
		}
		if !ok {
			return change.ErrLeaseLost
		}
		if b.Generation != j.bucket.Generation {
			return errChanged
		}
		return fn(ctx, tx, b)
	})
}

// errChanged means that something else is wanted by now than what the attempt was for.
var errChanged = errs.New(errs.Aborted, "OPERATION_IN_PROGRESS", "the bucket is wanted otherwise by now")
