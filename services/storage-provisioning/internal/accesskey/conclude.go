package accesskey

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/drift"
)

// The conditions of a key.
const (
	conditionReady = "Ready"
)

// succeed is the T2 of an attempt that brought the backend to what is wanted: it ends the
// open operation, if there is one, and records what was seen.
func (s *Service) succeed(ctx context.Context, j job) (k AccessKey, err error) {
	err = s.inKey(ctx, j, func(ctx context.Context, tx Tx, now AccessKey) error {
		k = now
		if k.State == Vanishing && k.Settled(s.look(k, j)) {
			return s.letGo(ctx, tx, j, k)
		}
		next := s.sighted(&k, j)
		was := now.State
		k.State = stateAfter(k, j)
		if k.Desired == Present {
			k.Adopting = false
		}
		s.endFormer(&k, j, &next)
		s.keepSecret(&k, j)
		if err := s.save(ctx, tx, was, &k, j); err != nil {
			return err
		}
		k.Observed = j.lease.Generation
		next.Observed, next.Conditions = k.Observed, s.conditions(k, j, nil)
		k.Conditions = next.Conditions
		if err := s.recordDrift(ctx, tx, was, k, j); err != nil {
			return err
		}
		if err := tx.GiveBack(ctx, j.lease, s.dueAgain(k, j, next)); err != nil || j.operation == nil {
			return err
		}
		return s.endSucceeded(ctx, tx, was, k, j)
	})
	return k, err
}

// stateAfter is where a key stands once the backend has what is wanted.
func stateAfter(k AccessKey, j job) State {
	switch {
	case k.Desired == Absent:
		return Vanishing
	case j.lost:
		return Lost
	default:
		return Ready
	}
}

// keepSecret drops the secret when nobody may ask for it any more.
func (s *Service) keepSecret(k *AccessKey, j job) {
	if k.Desired == Absent || j.key.toldOnce(j.operation) || !k.SecretUntil.After(s.Clock.Now()) {
		k.SecretUntil = time.Time{}
	}
}

// dueAgain adds the moments at which something is to be done without anybody asking: the
// secret is to be destroyed, the key has ended. One that came while the attempt ran is due at once.
func (s *Service) dueAgain(k AccessKey, j job, next reconcile.Next) reconcile.Next {
	if k.Desired == Absent {
		return next
	}
	for _, at := range []time.Time{k.SecretUntil, k.ExpireTime, k.FormerEnd} {
		if at.After(j.began) && (next.DueAt == nil || at.Before(*next.DueAt)) {
			next.DueAt = &at
		}
	}
	return next
}

// endFormer forgets credentials that are gone from the backend, and has those removed that
// were only switched off while the operation was open.
func (s *Service) endFormer(k *AccessKey, j job, next *reconcile.Next) {
	if k.Desired == Absent {
		return
	}
	if j.formerGone {
		if j.operation != nil {
			k.Doomed = append(slices.Clone(k.Doomed), k.FormerKeyID)
		}
		k.FormerKeyID, k.FormerEnd, k.FormerUse = "", time.Time{}, Use{}
	}
	switch {
	case len(k.Doomed) == 0:
	case j.operation != nil:
		now := s.Clock.Now()
		next.DueAt = &now
	case !k.Unsure:
		k.Doomed = nil
	}
}

// endSucceeded ends the operation and tells the world.
func (s *Service) endSucceeded(ctx context.Context, tx Tx, was State, k AccessKey, j job) error {
	result, err := json.Marshal(map[string]string{"id": k.ID})
	if err != nil {
		return fmt.Errorf("encode the access key: %w", err)
	}
	if err := tx.End(ctx, j.operation.ID, operation.Outcome{State: operation.Succeeded, Result: result, At: s.Clock.Now()}); err != nil {
		return err
	}
	entry := audit.Entry{
		Action: Kind + "." + j.key.actionOf(was, j.operation), Severity: audit.Notice, Outcome: audit.Succeeded,
		Target: target(k), AccountID: k.AccountID, After: described(k),
	}
	if was == Deleting {
		entry.Before, entry.After = entry.After, nil
	}
	if err := tx.Record.Audit(ctx, entry); err != nil {
		return err
	}
	shown := k
	shown.KeyID, shown.Secret, shown.FormerKeyID, shown.Doomed, shown.Holder = "", "", "", nil, ""
	shown.Solo, shown.Found = "", Found{}
	return tx.Record.Publish(ctx, change.Event{
		Kind: Kind, Verb: verbOf(was) + "d", AccountID: k.AccountID, ID: k.ID, Version: k.Version, Snapshot: shown,
	})
}

// sighted notes that the backend was seen as wanted, and says when to look again: where an
// earlier attempt was given up, or nothing is wanted, once more after a while.
func (s *Service) sighted(k *AccessKey, j job) reconcile.Next {
	if j.operation != nil && j.background {
		k.Unsure = true // the process that began it may have died with a request under way
	}
	if k.State == Deleting {
		now := s.Clock.Now()
		k.SightedAt = time.Time{}
		return reconcile.Next{DueAt: &now} // it is switched off; now it is to be removed
	}
	return k.Seen(s.look(*k, j))
}

// look is the attempt as one look at the backend.
func (s *Service) look(k AccessKey, j job) change.Look {
	return change.Look{At: s.Clock.Now(), Patience: s.Patience, Wanted: k.Desired == Present, Acted: j.acted}
}

// letGo ends the record of a key that was seen absent twice.
func (s *Service) letGo(ctx context.Context, tx Tx, j job, k AccessKey) error {
	if _, err := tx.Drifts.Repaired(ctx, Kind, k.ID, s.Clock.Now()); err != nil {
		return err
	}
	if err := tx.LetGo(ctx, j.lease); err != nil {
		return err
	}
	return tx.Keys.Remove(ctx, k.ID)
}

// abandon is the T2 of an attempt that is given up: the desired state goes back to what
// it was, and the reconciler is to see to it at once.
func (s *Service) abandon(ctx context.Context, j job, failure error) (k AccessKey, err error) {
	err = s.inKey(ctx, j, func(ctx context.Context, tx Tx, now AccessKey) error {
		k = now
		outcome := operation.Outcome{State: operation.Abandoned, Failure: operation.FailureOf(failure), At: s.Clock.Now()}
		if err := tx.End(ctx, j.operation.ID, outcome); err != nil {
			return err
		}
		was := k.State
		if err := goBack(&k, *j.operation); err != nil {
			return err
		}
		k.GivenUp(j.acted, failure)
		k.UpdatedAt = s.Clock.Now()
		if k.Version, err = tx.Keys.Save(ctx, k); err != nil {
			return err
		}
		due := s.Clock.Now()
		if k.Generation, err = tx.Resources.Touch(ctx, k.Ref(), k.Backend, due); err != nil {
			return err
		}
		if was == Creating || k.Holder != "" {
			// Should the identity be why, the reconciler finds out.
			if _, err := tx.Access.Touch(ctx, k.AccountID, k.Backend, due); err != nil {
				return err
			}
		}
		if err := tx.Record.Audit(ctx, audit.Entry{
			Action: Kind + "." + j.key.actionOf(was, j.operation), Severity: audit.Warning, Outcome: audit.Failed,
			Reason: operation.FailureOf(failure).Reason, Target: target(k), AccountID: k.AccountID,
		}); err != nil {
			return err
		}
		return tx.GiveBack(ctx, j.lease, reconcile.Next{DueAt: &due, Conditions: s.conditions(k, j, failure)})
	})
	if err == nil {
		s.Wake(k.Ref())
	}
	return k, err
}

// goBack makes the key what it was before the operation. The secret of one that was never
// handed over is destroyed.
func goBack(k *AccessKey, o operation.Operation) error {
	if o.Previous == nil {
		k.Desired, k.State, k.SecretUntil = Absent, Vanishing, time.Time{}
		return nil
	}
	var back previous
	if err := json.Unmarshal(o.Previous, &back); err != nil {
		return fmt.Errorf("decode what operation %s goes back to: %w", o.ID, err)
	}
	k.Desired, k.State = Present, back.State
	back.restore(k)
	if back.Version > 0 {
		k.Version = back.Version - 1 // saving it adds one
	}
	return nil
}

// recordDrift records what was found different where it should have been alike.
func (s *Service) recordDrift(ctx context.Context, tx Tx, was State, k AccessKey, j job) error {
	now := s.Clock.Now()
	if was == Ready && j.operation == nil && (!k.Unsure || j.lost) {
		log := drift.Log{Rows: tx.Drifts, Audit: tx.Record, Now: now}
		subject := drift.Subject{AccountID: k.AccountID, Kind: Kind, ID: k.ID, Target: target(k)}
		if err := log.Record(ctx, subject, j.found...); err != nil {
			return err
		}
	}
	if j.lost || !j.background {
		return nil
	}
	_, err := tx.Drifts.Repaired(ctx, Kind, k.ID, now)
	return err
}

// save writes the key: with a new version when its owner can see a change.
func (s *Service) save(ctx context.Context, tx Tx, was State, k *AccessKey, j job) error {
	if was == k.State && j.operation == nil && !j.formerGone {
		if len(j.key.Doomed) == len(k.Doomed) {
			return tx.Keys.Note(ctx, *k)
		}
		k.Version-- // nothing that its owner can see
	}
	k.UpdatedAt = s.Clock.Now()
	version, err := tx.Keys.Save(ctx, *k)
	k.Version = version
	return err
}

// conditions say how the key is after an attempt.
func (s *Service) conditions(k AccessKey, j job, failure error) []reconcile.Condition {
	now := s.Clock.Now()
	ready := reconcile.Condition{Type: conditionReady, Status: k.State == Ready, Reason: "AS_WANTED", Message: "the backend has the key as wanted"}
	switch {
	case failure != nil:
		ready.Reason, ready.Message = operation.FailureOf(failure).Reason, operation.FailureOf(failure).Message
		ready.Status = k.State == Ready && !change.InDoubt(failure)
	case k.State == Lost:
		ready.Reason = "KEY_LOST"
		ready.Message = "the backend has lost the key, and without its secret it cannot be made again; delete it and make another"
	case k.State != Ready:
		ready.Reason, ready.Message = string(k.State), "the key is not to be there"
	case k.Disabled:
		ready.Status, ready.Reason, ready.Message = false, "DISABLED", "the key is switched off"
	case k.expired(now):
		ready.Status, ready.Reason, ready.Message = false, "EXPIRED", "the key has ended"
	}
	var found []drift.Difference
	if j.operation == nil && (!k.Unsure || j.lost) {
		found = j.found
	}
	drifted := drift.Condition(found, "the key", j.lost)
	list := reconcile.SetCondition(j.lease.Conditions, ready, now)
	return reconcile.SetCondition(list, drifted, now)
}

// inKey runs a T2 on the key as it is by now, locked. One that is gone, or that is wanted
// otherwise by now, is for the next attempt.
func (s *Service) inKey(ctx context.Context, j job, fn func(ctx context.Context, tx Tx, k AccessKey) error) error {
	return s.Store.InAccount(ctx, j.key.AccountID, func(ctx context.Context, tx Tx) error {
		k, ok, err := tx.Keys.ByID(ctx, j.key.ID)
		if err != nil {
			return err
		}
		if !ok {
			return change.ErrLeaseLost
		}
		if k.Generation != j.key.Generation {
			return errChanged
		}
		return fn(ctx, tx, k)
	})
}
