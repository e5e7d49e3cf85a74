package bucket

import (
	"context"
	"errors"
	"slices"

	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/drift"
)

// Handle brings one bucket to what is recorded: the reconciler's way in. An operation
// that its call has left open is rolled forward; what the backend refuses for good is
// given up as the call would have given it up.
func (s *Service) Handle(ctx context.Context, lease reconcile.Lease) (reconcile.Result, error) {
	_, err := s.attend(ctx, lease)
	if errors.Is(err, errChanged) {
		return reconcile.Result{After: 1}, nil
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{Released: true}, nil
}

// attend makes one attempt under the lease. Without an error the lease has been given back.
func (s *Service) attend(ctx context.Context, lease reconcile.Lease) (Bucket, error) {
	b, open, ok, err := s.Store.Load(ctx, lease.Ref)
	if err != nil {
		return Bucket{}, err
	}
	if !ok {
		return Bucket{}, change.ErrLeaseLost
	}
	if b.Generation != lease.Generation {
		return Bucket{}, errChanged // by a call that waits for the lease, to do it itself
	}
	j := job{bucket: b, operation: open, lease: lease, background: true}
	failure := s.converge(ctx, &j)
	if failure == nil && b.State == Vanishing {
		// Before another may have the name, no policy of this account names it any more.
		failure = s.Principals.Ensure(ctx, b.AccountID, b.Backend, 0)
	}
	switch {
	case failure == nil:
		return s.succeed(ctx, j)
	case j.operation != nil && !change.InDoubt(failure):
		return s.abandon(ctx, j, failure)
	case j.foreign:
		return b, s.clash(ctx, j)
	default:
		return b, failure
	}
}

// Reconcile compares the bucket with the backend now, repairs what is ours, and returns
// the bucket with what was found in its conditions.
func (s *Service) Reconcile(ctx context.Context, accountID, name string) (Bucket, error) {
	b, err := s.Get(ctx, accountID, name)
	if err != nil {
		return Bucket{}, err
	}
	window := s.Runner.Window(ctx)
	attempt, cancel := context.WithTimeout(context.WithoutCancel(ctx), window.Attempt.Sub(s.Clock.Now()))
	defer cancel()
	lease, err := s.Runner.Await(attempt, b.Ref(), window)
	if err != nil {
		return Bucket{}, err
	}
	_, failure := s.attend(attempt, lease)
	failure = change.ForCaller(failure)
	if failure != nil {
		s.giveBack(ctx, lease, window)
	}
	if failure != nil && !errors.Is(failure, errChanged) {
		return Bucket{}, failure
	}
	return s.Get(ctx, accountID, name)
}

// giveBack returns a lease with which nothing is to be done any more, and leaves the rest to
// the reconciler.
func (s *Service) giveBack(ctx context.Context, lease reconcile.Lease, window change.Window) {
	_ = s.Runner.Settle(ctx, window, func(ctx context.Context) error {
		due := s.Clock.Now()
		return s.Store.InAccount(ctx, lease.AccountID, func(ctx context.Context, tx Tx) error {
			return tx.GiveBack(ctx, lease, reconcile.Next{DueAt: &due})
		})
	})
	s.Wake(lease.Ref)
}

// PassOver compares the names on a whole backend with those in the record. What nobody
// made is reported and never touched; a name that is in the record and not in the list is
// no news here, since a list may be cut short: each bucket is looked at by itself.
func (s *Service) PassOver(ctx context.Context, backendName string) error {
	backend, err := s.Backends.Backend(backendName)
	if err != nil {
		return err
	}
	// Read before and after the list, so that one that is made or let go meanwhile is known.
	known, err := s.Inventory.Names(ctx, backend.Name)
	if err != nil {
		return err
	}
	names, err := backend.Reader.ListBuckets(ctx)
	if err != nil {
		return err
	}
	later, err := s.Inventory.Names(ctx, backend.Name)
	if err != nil {
		return err
	}
	extras := slices.DeleteFunc(names, func(name string) bool { return known[name] || later[name] })
	return s.Inventory.InPlatform(ctx, func(ctx context.Context, tx Tx) error {
		return s.recordExtras(ctx, tx, backend.Name, extras)
	})
}

func (s *Service) recordExtras(ctx context.Context, tx Tx, backend string, names []string) error {
	places := make([]string, 0, len(names))
	for _, name := range names {
		place := backend + "/" + name
		places = append(places, place)
		extra := drift.Difference{Kind: drift.Extra, Desired: "absent", Observed: "present"}
		if err := s.drifts(tx).Record(ctx, subject(Bucket{ID: place, Name: name}), extra); err != nil {
			return err
		}
	}
	_, err := tx.Drifts.GoneExtras(ctx, Kind, backend+"/", places, s.Clock.Now())
	return err
}
