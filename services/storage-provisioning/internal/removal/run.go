package removal

import (
	"context"
	"errors"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/purge"
)

const (
	// again is how soon to look again while purges and keys are on their way out; blockedAgain
	// while something keeps one of them from going.
	again        = time.Second
	blockedAgain = time.Minute
	// enough is what must be left of an attempt to begin with another bucket or key.
	enough = 3 * time.Second
)

// Handle takes a removal further: the reconciler's way in.
func (s *Service) Handle(ctx context.Context, lease reconcile.Lease) (reconcile.Result, error) {
	r, ok, err := s.Store.Get(ctx, lease.AccountID)
	if err != nil {
		return reconcile.Result{}, err
	}
	if !ok {
		return reconcile.Result{}, change.ErrLeaseLost
	}
	has, err := s.Store.Holdings(ctx, r.AccountID)
	if err != nil {
		return reconcile.Result{}, err
	}
	switch r.State {
	case Counting:
		err = s.count(ctx, lease, r, has)
	case Removing:
		err = s.remove(ctx, lease, r, has)
	default:
		err = s.change(ctx, r, func(ctx context.Context, tx Tx, _ *Removal) error { return tx.LetGo(ctx, lease) })
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{Released: true}, nil
}

// count takes every bucket out of reach and has its content counted. When all is counted, the
// manifest is written, and the purges may remove.
func (s *Service) count(ctx context.Context, lease reconcile.Lease, r Removal, has Holdings) error {
	held, err := s.hold(ctx, has)
	if err != nil {
		return err
	}
	purges := byBucket(has.Purges)
	manifest := Manifest{WrittenAt: s.now()}
	for _, b := range has.Buckets {
		if !b.Visible() {
			continue
		}
		p, ok := purges[b.ID]
		if b.State != bucket.Conflict && (!held || !ok || !p.Counted) {
			return s.wait(ctx, lease, r, blocker(has))
		}
		manifest.Buckets = append(manifest.Buckets, Bucket{
			Bucket: b, Objects: p.Found.Objects, Entries: p.Found.Entries, Bytes: p.Found.Bytes,
		})
	}
	for _, k := range has.Keys {
		if k.Visible {
			manifest.AccessKeys = append(manifest.AccessKeys, k.Key)
		}
	}
	err = s.change(ctx, r, func(ctx context.Context, tx Tx, r *Removal) error {
		r.State, r.Manifest, r.Reason, r.Message = Removing, &manifest, "", ""
		if err := s.save(ctx, tx, r); err != nil {
			return err
		}
		if err := s.Purges.Release(ctx, tx.Tx, has.Purges); err != nil {
			return err
		}
		if err := s.tell(ctx, tx, *r, "started", audit.Entry{Action: Kind + ".run", Outcome: audit.Started}); err != nil {
			return err
		}
		due := s.Clock.Now()
		return tx.GiveBack(ctx, lease, reconcile.Next{DueAt: &due})
	})
	if err == nil {
		for _, p := range has.Purges {
			s.Wake(p.Ref())
		}
		s.Wake(lease.Ref)
	}
	return err
}

// hold sees to it that every bucket has a purge; all says whether it has. One that is being
// changed gets its own when that is over.
func (s *Service) hold(ctx context.Context, has Holdings) (all bool, err error) {
	purges := byBucket(has.Purges)
	all = true
	for _, b := range has.Buckets {
		if p, ok := purges[b.ID]; !b.Visible() || b.State == bucket.Conflict || ok && !p.Ended() {
			continue
		}
		all = false
		if late(ctx) {
			return false, nil
		}
		err := s.Purges.Hold(ctx, b)
		if err != nil && !errors.Is(err, operation.ErrInProgress) && errs.KindOf(err) != errs.FailedPrecondition && errs.KindOf(err) != errs.NotFound {
			return false, err
		}
	}
	return all, nil
}

// late says that too little is left of an attempt to begin with something else.
func late(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) < enough
}

// byBucket returns the newest purge of each bucket.
func byBucket(list []purge.Purge) map[string]purge.Purge {
	newest := make(map[string]purge.Purge, len(list))
	for _, p := range list {
		if p.ID > newest[p.BucketID].ID {
			newest[p.BucketID] = p
		}
	}
	return newest
}

// remove deletes keys while purges run, then the identities, and ends when nothing is left.
func (s *Service) remove(ctx context.Context, lease reconcile.Lease, r Removal, has Holdings) error {
	// A bucket that came back from a conflict, or that a call made while the closing was on its
	// way here.
	if _, err := s.hold(ctx, has); err != nil {
		return err
	}
	removed, err := s.removeKeys(ctx, r.AccountID, has.Keys)
	r.Keys += removed
	if removed > 0 {
		// Recorded also where another one failed.
		err = errors.Join(err, s.change(ctx, r, func(ctx context.Context, tx Tx, now *Removal) error {
			now.Keys += removed
			return s.save(ctx, tx, now)
		}))
	}
	if err != nil {
		return err
	}
	if len(has.Buckets) > 0 || len(has.Keys) > 0 {
		return s.releaseLate(ctx, lease, r, has)
	}
	gone := int64(0)
	for _, backend := range has.Backends {
		ok, err := s.Identities.Remove(ctx, r.AccountID, backend)
		if err != nil {
			return err
		}
		if ok {
			gone++
		}
	}
	if gone > 0 {
		// An identity that goes between this and a crash is not counted; the rest of the record
		// does not depend on it.
		err := s.change(ctx, r, func(ctx context.Context, tx Tx, now *Removal) error {
			now.Identities += gone
			return s.save(ctx, tx, now)
		})
		if err != nil {
			return err
		}
	}
	if gone < int64(len(has.Backends)) {
		return s.wait(ctx, lease, r, purge.Purge{})
	}
	return s.finish(ctx, lease, r, has.Purges)
}

// releaseLate lets purges go that were held after the manifest was written, and waits.
func (s *Service) releaseLate(ctx context.Context, lease reconcile.Lease, r Removal, has Holdings) error {
	err := s.change(ctx, r, func(ctx context.Context, tx Tx, _ *Removal) error {
		return s.Purges.Release(ctx, tx.Tx, has.Purges)
	})
	if err != nil {
		return err
	}
	return s.wait(ctx, lease, r, blocker(has))
}

// removeKeys deletes the keys, as many as the attempt has time for.
func (s *Service) removeKeys(ctx context.Context, accountID string, keys []OwnedKey) (removed int64, err error) {
	for _, k := range keys {
		if !k.Visible {
			continue
		}
		if late(ctx) {
			return removed, nil
		}
		err := s.Keys.DeleteKey(ctx, accountID, k.ID)
		if err != nil && !errors.Is(err, operation.ErrInProgress) && errs.KindOf(err) != errs.NotFound {
			return removed, err
		}
		if err == nil {
			removed++
		}
	}
	return removed, nil
}

// blocker returns what keeps the removal from going on, as a purge that says so; the zero value
// when nothing does.
func blocker(has Holdings) purge.Purge {
	for _, b := range has.Buckets {
		if b.State == bucket.Conflict {
			return purge.Purge{
				Bucket: b.Name, Reason: errs.ReasonOf(bucket.ErrConflict), Message: bucket.ErrConflict.Message(),
			}
		}
	}
	for _, p := range has.Purges {
		if !p.Ended() && p.Reason != "" {
			return p
		}
	}
	return purge.Purge{}
}

// wait gives the lease back for another look, and records what is waited for.
func (s *Service) wait(ctx context.Context, lease reconcile.Lease, r Removal, why purge.Purge) error {
	due := s.Clock.Now().Add(again)
	message := ""
	if why.Reason != "" {
		due, message = s.Clock.Now().Add(blockedAgain), "bucket "+why.Bucket+": "+why.Message
	}
	return s.change(ctx, r, func(ctx context.Context, tx Tx, now *Removal) error {
		if now.Reason != why.Reason || now.Message != message {
			now.Reason, now.Message = why.Reason, message
			if err := s.save(ctx, tx, now); err != nil {
				return err
			}
		}
		return tx.GiveBack(ctx, lease, reconcile.Next{DueAt: &due})
	})
}

// finish writes the deletion record.
func (s *Service) finish(ctx context.Context, lease reconcile.Lease, r Removal, purges []purge.Purge) error {
	return s.change(ctx, r, func(ctx context.Context, tx Tx, r *Removal) error {
		record := Record{AccessKeys: r.Keys, Identities: r.Identities, WrittenAt: s.now()}
		for _, p := range purges {
			if p.State != purge.Done {
				continue
			}
			record.Buckets = append(record.Buckets, DeletedBucket{
				BucketID: p.BucketID, Bucket: p.Bucket, Backend: p.Backend, Entries: p.Removed.Entries,
				Bytes: p.Removed.Bytes, Uploads: p.Removed.Uploads, DeletedAt: p.EndedAt,
			})
			record.Entries, record.Bytes = record.Entries+p.Removed.Entries, record.Bytes+p.Removed.Bytes
		}
		r.State, r.Record, r.Reason, r.Message, r.EndedAt = Done, &record, "", "", s.now()
		if err := s.save(ctx, tx, r); err != nil {
			return err
		}
		if err := tx.Removals.ForgetRest(ctx, r.AccountID); err != nil {
			return err
		}
		if err := s.tell(ctx, tx, *r, "completed", audit.Entry{Action: Kind + ".run", Outcome: audit.Succeeded}); err != nil {
			return err
		}
		return tx.LetGo(ctx, lease)
	})
}

// change runs fn on the removal, locked.
func (s *Service) change(ctx context.Context, r Removal, fn func(ctx context.Context, tx Tx, r *Removal) error) error {
	return s.Store.InAccount(ctx, r.AccountID, func(ctx context.Context, tx Tx) error {
		now, ok, err := tx.Removals.Find(ctx, r.AccountID)
		if err != nil {
			return err
		}
		if !ok {
			return change.ErrLeaseLost
		}
		return fn(ctx, tx, &now)
	})
}
