package principal

import (
	"context"

	"github.com/primecloud/primecloud/pkg/reconcile"
)

// Removals is the part of a backend that removes users and named policies. Every method may
// be repeated; what is absent is no error. Errors are classified as those of Users.
type Removals interface {
	// RemoveUser removes the user, and with it every key under it.
	RemoveUser(ctx context.Context, user string) error
	// RemovePolicy removes the named policy.
	RemovePolicy(ctx context.Context, name string) error
}

// Remove removes the identity of a closed account: key, user and policy from the backend, and
// then its record. It returns whether the record is gone; until then it is to be called again,
// since the backend must be seen without the identity twice, and since somebody else may be
// acting on it.
func (s *Service) Remove(ctx context.Context, accountID, backendName string) (gone bool, err error) {
	p, ok, err := s.Store.Find(ctx, accountID, backendName)
	if err != nil || !ok {
		return err == nil, err
	}
	backend, err := s.Backends.Principals(backendName)
	if err != nil {
		return false, err
	}
	lease, ok, err := s.Leases.Claim(ctx, p.Ref(), leaseFor)
	if err != nil || !ok {
		return false, err
	}
	acting, stop := context.WithTimeout(ctx, lease.Until.Sub(s.Clock.Now())-leaseMargin)
	defer stop()
	absent, failure := s.removeAll(acting, backend, p)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseMargin)
	defer cancel()
	now := s.Clock.Now()
	gone = failure == nil && absent && p.Applied == "" && !p.SettleAt.IsZero() && !now.Before(p.SettleAt)
	err = s.Store.InPrincipal(ctx, accountID, func(ctx context.Context, tx Tx) error {
		if gone {
			if err := tx.LetGo(ctx, lease); err != nil {
				return err
			}
			return tx.Principals.Remove(ctx, p.ID)
		}
		if failure == nil && (!absent || p.Applied != "" || p.SettleAt.IsZero()) {
			if err := tx.Principals.Apply(ctx, p.ID, "", now.Add(s.Patience.Again)); err != nil {
				return err
			}
		}
		return tx.GiveBack(ctx, lease, reconcile.Next{Observed: lease.Generation})
	})
	if failure != nil {
		return false, failure
	}
	return gone && err == nil, err
}

// removeAll removes whatever is there, and returns whether nothing was.
func (s *Service) removeAll(ctx context.Context, backend Backend, p Principal) (absent bool, err error) {
	seen, err := s.look(ctx, backend, p)
	if err != nil {
		return false, err
	}
	if !seen.key.Exists && !seen.user.Exists && !seen.hasPolicy {
		return true, nil
	}
	if seen.key.Exists && seen.key.User == p.User {
		if err := backend.Keys.RemoveKey(ctx, p.ReaderKey); err != nil {
			return false, err
		}
	}
	if err := backend.Removals.RemoveUser(ctx, p.User); err != nil {
		return false, err
	}
	return false, backend.Removals.RemovePolicy(ctx, p.Policy())
}
