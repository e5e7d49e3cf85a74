package bucket

import (
	"context"
	"errors"

	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
)

// Handle brings one bucket to what is recorded: the reconciler's way in. An operation
// that its call has left open is rolled forward; what the backend refuses for good is
// given up as the call would have given it up.
func (s *Service) Handle(ctx context.Context, lease reconcile.Lease) (reconcile.Result, error) {
	_, err := s.attend(ctx, lease)
	if errors.Is(err, errChanged) {
		return reconcile.Result{}, nil // whoever changed it has said when it is due
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
