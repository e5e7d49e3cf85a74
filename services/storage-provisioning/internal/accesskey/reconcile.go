package accesskey

import (
	"context"
	"errors"
	"time"

	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
)

// Handle brings one key to what is recorded: the reconciler's way in. An operation that
// its call has left open is rolled forward, except one whose secret nobody could ever learn,
// once its call must be over; what the backend refuses for good is given up as the call would have.
func (s *Service) Handle(ctx context.Context, lease reconcile.Lease) (reconcile.Result, error) {
	k, open, ok, err := s.Store.Load(ctx, lease.Ref)
	if err != nil {
		return reconcile.Result{}, err
	}
	if !ok {
		return reconcile.Result{}, change.ErrLeaseLost
	}
	if left := s.awaited(k, open); left > 0 {
		return reconcile.Result{After: left}, nil
	}
	err = s.attend(ctx, lease, k, open)
	if errors.Is(err, errChanged) {
		return reconcile.Result{}, nil // whoever changed it has said when it is due
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{Released: true}, nil
}

// awaited returns for how long the call of an open operation, which alone can hand the secret
// over, may still wait for the lease.
func (s *Service) awaited(k AccessKey, open *operation.Operation) time.Duration {
	if !k.toldOnce(open) {
		return 0
	}
	return open.CreatedAt.Add(s.Runner.Longest()).Sub(s.Clock.Now())
}

// attend makes one attempt under the lease. Without an error the lease has been given back.
func (s *Service) attend(ctx context.Context, lease reconcile.Lease, k AccessKey, open *operation.Operation) error {
	if k.Generation != lease.Generation {
		return errChanged // by a call that waits for the lease, to do it itself
	}
	j := job{key: k, operation: open, lease: lease, background: true}
	failure := s.converge(ctx, &j)
	switch {
	case failure == nil:
		_, err := s.succeed(ctx, j)
		return err
	case j.operation != nil && !change.InDoubt(failure):
		_, err := s.abandon(ctx, j, failure)
		return err
	default:
		return failure
	}
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
