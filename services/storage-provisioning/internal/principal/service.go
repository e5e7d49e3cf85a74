package principal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/drift"
)

const (
	// leaseFor is how long one attempt may take at most, and leaseMargin what is kept of it
	// for recording how it ended.
	leaseFor    = 12 * time.Second
	leaseMargin = time.Second
)

// Tx is a transaction of the account.
type Tx struct {
	change.Tx
	Drifts drift.Rows
	// Principals are the identities of the account.
	Principals Rows
}

// Rows are the identities of the account, in the transaction.
type Rows interface {
	// Apply records the hash of the policy that the backend has, and when to look again;
	// zero for not at all.
	Apply(ctx context.Context, id, hash string, settleAt time.Time) error
	// Remove removes an identity.
	Remove(ctx context.Context, id string) error
	// ApplyHolders records the hash of the policy that the user of each of these keys has.
	ApplyHolders(ctx context.Context, hashes map[string]string) error
}

// Store keeps identities.
type Store interface {
	// InPrincipal runs fn in a transaction in which only that account's rows exist. fn may
	// run several times.
	InPrincipal(ctx context.Context, accountID string, fn func(ctx context.Context, tx Tx) error) error
	// Find returns the account's identity on a backend, secrets opened.
	Find(ctx context.Context, accountID, backend string) (p Principal, ok bool, err error)
	// Load returns an identity, secrets opened, with what it is to reach, read after its
	// generation.
	Load(ctx context.Context, ref reconcile.Ref) (p Principal, reach Reach, ok bool, err error)
	// OnBackend returns a page of the identities on a backend, across accounts, by id.
	OnBackend(ctx context.Context, backend, after string, limit int) ([]reconcile.Ref, error)
	// Holders returns the users of single keys that belong to the identity, names opened.
	Holders(ctx context.Context, p Principal) ([]Holder, error)
}

// Reach is what an identity is to reach.
type Reach struct {
	// Buckets are the names of the account's buckets; none while the account is stopped.
	Buckets []string
	// ReadOnly says that it reads and deletes and does not write.
	ReadOnly bool
}

// Deps is what the use cases need.
type Deps struct {
	Store    Store
	Backends Backends
	Policies Policies
	Leases   change.Leases
	Clock    clock.Clock
	// Patience is how long the backend may take to apply what it was asked by an attempt that was
	// given up.
	Patience change.Patience
}

// Service sees to identities.
type Service struct{ Deps }

// NewService returns the service.
func NewService(d Deps) *Service {
	d.Patience = d.Patience.OrDefault()
	return &Service{Deps: d}
}

// ErrUnknown says that the account has no identity on the backend, since nothing there
// was ever made for it.
var ErrUnknown = errors.New("principal: the account has no identity on this backend")

// Ensure returns once the identity is on the backend with all that the generation asked
// for; zero stands for the present one. It works itself, or waits for whoever does.
func (s *Service) Ensure(ctx context.Context, accountID, backend string, generation int64) error {
	for wait := 2 * time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		p, ok, err := s.Store.Find(ctx, accountID, backend)
		if err != nil {
			return err
		}
		if !ok {
			if generation == 0 {
				return nil
			}
			return ErrUnknown
		}
		if generation == 0 {
			generation = p.Generation
		}
		if p.Observed >= generation {
			return nil
		}
		lease, ok, err := s.Leases.Claim(ctx, p.Ref(), leaseFor)
		if err != nil {
			return err
		}
		if ok {
			if err := s.once(ctx, lease); err != nil {
				return err
			}
			continue
		}
		select {
		case <-ctx.Done():
			return change.ErrBackendUnavailable.Wrap(ctx.Err())
		case <-time.After(wait):
		}
	}
}

// once makes one attempt on behalf of a call, within the life of the lease, and gives it
// back in any case.
func (s *Service) once(ctx context.Context, lease reconcile.Lease) error {
	acting, stop := context.WithTimeout(ctx, lease.Until.Sub(s.Clock.Now())-leaseMargin)
	defer stop()
	failure := s.attend(acting, lease, false)
	if failure == nil || errors.Is(failure, change.ErrLeaseLost) {
		return nil // the lease has been given back, or whoever has it now sees to it
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	due := s.Clock.Now()
	err := s.Store.InPrincipal(ctx, lease.AccountID, func(ctx context.Context, tx Tx) error {
		return tx.GiveBack(ctx, lease, reconcile.Next{DueAt: &due, Failures: lease.Failures + 1})
	})
	if errors.Is(err, change.ErrLeaseLost) {
		return failure // whoever has it now sees to it
	}
	return errors.Join(failure, err)
}

// Handle brings one identity to what is recorded: the reconciler's way in. It looks at
// everything, also where nothing has changed in the record.
func (s *Service) Handle(ctx context.Context, lease reconcile.Lease) (reconcile.Result, error) {
	if err := s.attend(ctx, lease, true); err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{Released: true}, nil
}

// attend makes one attempt under the lease. Without an error the lease has been given
// back. Unless all is to be looked at, an identity that was seen as a whole once is only
// given its new policy.
func (s *Service) attend(ctx context.Context, lease reconcile.Lease, whole bool) error {
	p, reach, ok, err := s.Store.Load(ctx, lease.Ref)
	if err != nil {
		return err
	}
	if !ok {
		return change.ErrLeaseLost
	}
	backend, err := s.Backends.Principals(p.Backend)
	if err != nil {
		return err
	}
	document := s.document(reach)
	hash := hashOf(document)
	var found []drift.Difference
	if p.Applied == "" || whole {
		found, err = s.converge(ctx, backend, p, document)
	} else {
		// Also where it was the last one recorded: another may have been written since, by an
		// attempt that did not live to record it.
		err = backend.Users.PutPolicy(ctx, p.Policy(), document)
	}
	if err != nil {
		return s.doubt(ctx, p, err)
	}
	held, err := s.holders(ctx, backend, p, holding{reach: reach, whole: p.Applied == "" || whole})
	if err != nil {
		return s.doubt(ctx, p, err)
	}
	found = append(found, held.found...)
	next, settleAt := reconcile.Next{Observed: lease.Generation}, s.settleAt(p, lease, whole)
	if !settleAt.IsZero() {
		due := settleAt
		if whole && !s.Clock.Now().Before(due) {
			due = due.Add(s.lastLook())
		}
		next.DueAt = &due
	}
	return s.Store.InPrincipal(ctx, p.AccountID, func(ctx context.Context, tx Tx) error {
		if p.Applied != hash || !p.SettleAt.Equal(settleAt) {
			if err := tx.Principals.Apply(ctx, p.ID, hash, settleAt); err != nil {
				return err
			}
		}
		if len(held.hashes) > 0 {
			if err := tx.Principals.ApplyHolders(ctx, held.hashes); err != nil {
				return err
			}
		}
		// What was wanted of old and is gone is drift; what was never there is not.
		if whole && p.Applied == hash && p.Observed == p.Generation {
			if err := s.record(ctx, tx, p, found); err != nil {
				return err
			}
		}
		return tx.GiveBack(ctx, lease, next)
	})
}

// lastLook is how much later than the second look the last one comes.
func (s *Service) lastLook() time.Duration { return s.Patience.Last - s.Patience.Again }

// document is the account's policy for what it is to reach.
func (s *Service) document(reach Reach) []byte {
	slices.Sort(reach.Buckets)
	return s.Policies.Account(reach.Buckets, reach.ReadOnly)
}

// settleAt returns when to look once more after an attempt that went well; the last look
// comes lastLook later. An attempt that follows one in doubt begins the wait; only looks at
// the whole after it end it, so that what others ask of the identity in between does not.
func (s *Service) settleAt(p Principal, lease reconcile.Lease, whole bool) time.Time {
	now := s.Clock.Now()
	switch {
	case p.Applied == "" && (p.Observed > 0 || lease.Failures > 0):
		return now.Add(s.Patience.Again)
	case whole && !now.Before(p.SettleAt.Add(s.lastLook())):
		return time.Time{}
	default:
		return p.SettleAt
	}
}

// doubt records that it is not known what the backend has since an attempt failed: the next
// one looks at the whole, and has it looked at again. It returns the failure.
func (s *Service) doubt(ctx context.Context, p Principal, failure error) error {
	if p.Applied == "" {
		return failure
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseMargin)
	defer cancel()
	err := s.Store.InPrincipal(ctx, p.AccountID, func(ctx context.Context, tx Tx) error {
		return tx.Principals.Apply(ctx, p.ID, "", p.SettleAt)
	})
	if err != nil {
		return errors.Join(failure, err)
	}
	return failure
}

// converge looks at the whole identity and makes what differs: first the policy, then the
// user, so that a user is never without its bounds for long, then the key under it.
func (s *Service) converge(ctx context.Context, backend Backend, p Principal, document []byte) ([]drift.Difference, error) {
	seen, err := s.look(ctx, backend, p)
	if err != nil {
		return nil, err
	}
	var found []drift.Difference
	if !seen.hasPolicy || !s.Policies.Same(seen.policy, document) {
		found = append(found, drift.Differs("policy", "the account's buckets", "absent or other"))
		if err := backend.Users.PutPolicy(ctx, p.Policy(), document); err != nil {
			return nil, err
		}
	}
	if !seen.user.Exists || !seen.user.Enabled {
		found = append(found, drift.Differs("user", "enabled", "absent or disabled"))
		if err := backend.Users.PutUser(ctx, p.User, p.UserSecret); err != nil {
			return nil, err
		}
	}
	if !slices.Equal(seen.user.Policies, []string{p.Policy()}) {
		found = append(found, drift.Differs("user policy", "the account's policy alone", "none or other"))
		if err := backend.Users.AttachPolicy(ctx, p.User, p.Policy()); err != nil {
			return nil, err
		}
	}
	reader := s.Policies.Reader()
	if !seen.key.Exists || !seen.key.Enabled || seen.key.User != p.User || !s.Policies.Same(seen.key.Policy, reader) {
		found = append(found, drift.Differs("reader key", "as wanted", "absent or other"))
		return found, backend.Keys.PutKey(ctx, KeySpec{
			User: p.User, ID: p.ReaderKey, Secret: p.ReaderSecret, Policy: reader, Description: "primecloud downloads",
		})
	}
	return found, nil
}

// sight is an identity as the backend has it.
type sight struct {
	user      User
	policy    []byte
	hasPolicy bool
	key       Key
}

// look observes the parts of an identity at once.
func (s *Service) look(ctx context.Context, backend Backend, p Principal) (sight, error) {
	var seen sight
	var failures [3]error
	var running sync.WaitGroup
	running.Go(func() { seen.user, failures[0] = backend.Users.ObserveUser(ctx, p.User) })
	running.Go(func() {
		seen.policy, seen.hasPolicy, failures[1] = backend.Users.GetPolicy(ctx, p.Policy())
	})
	running.Go(func() { seen.key, failures[2] = backend.Keys.ObserveKey(ctx, p.ReaderKey) })
	running.Wait()
	for _, err := range failures {
		if err != nil {
			return sight{}, err
		}
	}
	return seen, nil
}

// record keeps what was found different and has been repaired.
func (s *Service) record(ctx context.Context, tx Tx, p Principal, found []drift.Difference) error {
	log := drift.Log{Rows: tx.Drifts, Audit: tx.Record, Now: s.Clock.Now()}
	subject := drift.Subject{AccountID: p.AccountID, Kind: Kind, ID: p.ID, Target: audit.Target{Kind: Kind, ID: p.ID}}
	if err := log.Record(ctx, subject, found...); err != nil {
		return err
	}
	_, err := tx.Drifts.Repaired(ctx, Kind, p.ID, log.Now)
	return err
}

func hashOf(document []byte) string {
	sum := sha256.Sum256(document)
	return hex.EncodeToString(sum[:])
}
