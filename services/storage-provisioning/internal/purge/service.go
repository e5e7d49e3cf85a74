package purge

import (
	"context"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/page"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
)

// Deps is what the use cases need. All must be set, but Wake.
type Deps struct {
	Store      Store
	Buckets    Buckets
	Backends   Backends
	Principals bucket.Principals
	Pages      *page.Codec
	Clock      clock.Clock
	// Grace is how long a purge waits before it removes anything; zero for not at all.
	Grace time.Duration
	// Retry is how soon a blocked purge tries again.
	Retry time.Duration
	// Wake asks the reconciler of this process to look at a resource now; may be nil.
	Wake func(reconcile.Ref)
}

// Service is the use cases of purges.
type Service struct{ Deps }

// NewService returns the use cases.
func NewService(d Deps) *Service {
	if d.Wake == nil {
		d.Wake = func(reconcile.Ref) {}
	}
	return &Service{Deps: d}
}

// now is the time to what the database keeps.
func (s *Service) now() time.Time { return s.Clock.Now().Truncate(time.Microsecond) }

// patience is how long a call waits for what it has recorded to show on the backend.
const patience = 2 * time.Second

// New asks for a purge.
type New struct {
	AccountID string
	// Bucket is the name, Confirm the same once more.
	Bucket, Confirm string
	// ETag is what the caller has seen of the bucket, or empty.
	ETag string
}

// Start begins a purge. When it returns, the purge is recorded; the account's keys lose the
// bucket then, and nothing is removed before they have.
func (s *Service) Start(ctx context.Context, in New) (Purge, error) {
	if in.Confirm != in.Bucket {
		return Purge{}, ErrUnconfirmed
	}
	var p Purge
	err := s.Store.InAccount(ctx, in.AccountID, func(ctx context.Context, tx Tx) error {
		p = Purge{}
		again, err := tx.Calls.Once(ctx, in.AccountID, operation.Resource{Kind: Kind, ID: in.Bucket})
		if err != nil || again {
			return err
		}
		now := s.now()
		b, err := s.Buckets.StartPurge(ctx, tx.Tx, in.AccountID, in.Bucket, in.ETag)
		if err != nil {
			return err
		}
		p = of(b, now, now.Add(s.Grace))
		p.RequestedBy = principal.FromContext(ctx).Subject()
		return s.insert(ctx, tx, p)
	})
	if err == nil && p.ID == "" {
		return s.latest(ctx, in.AccountID, in.Bucket)
	}
	if err != nil {
		return Purge{}, err
	}
	s.Wake(p.Ref())
	s.settleAccess(ctx, p)
	return p, nil
}

// insert writes a new purge and tells of it.
func (s *Service) insert(ctx context.Context, tx Tx, p Purge) error {
	if err := tx.Purges.Insert(ctx, p); err != nil {
		return err
	}
	if _, err := tx.Resources.Touch(ctx, p.Ref(), p.Backend, s.Clock.Now()); err != nil {
		return err
	}
	return s.tell(ctx, tx, p, "created", audit.Entry{Action: Kind + ".create", Outcome: audit.Started})
}

// latest returns the newest purge of a bucket: what an earlier call with the same
// idempotency key has begun.
func (s *Service) latest(ctx context.Context, accountID, name string) (Purge, error) {
	list, err := s.Store.List(ctx, Query{AccountID: accountID, Bucket: name, Limit: 1})
	if err == nil && len(list) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Purge{}, err
	}
	return list[0], nil
}

// settleAccess waits a moment until the backend has what is recorded of the account's reach. A
// backend that is down has it later, by the reconciler: what was recorded stands.
func (s *Service) settleAccess(ctx context.Context, p Purge) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_ = s.Principals.Ensure(ctx, p.AccountID, p.Backend, 0)
}

// Get returns a purge of the account.
func (s *Service) Get(ctx context.Context, accountID, id string) (Purge, error) {
	p, ok, err := s.Store.Get(ctx, accountID, id)
	if err == nil && !ok {
		err = ErrNotFound
	}
	return p, err
}

// ListMethod is the list that page tokens are bound to.
const ListMethod = "/primecloud.storage.v1.BucketPurgeService/ListBucketPurges"

// List returns a page of the account's purges, newest first, and the token of the next page.
// Of the query it takes the filter.
func (s *Service) List(ctx context.Context, q Query, size int32, token string) ([]Purge, string, error) {
	r := page.Request{Size: size, Token: token, Binding: page.Binding{Method: ListMethod, Account: q.AccountID, Query: []string{q.Bucket}}}
	return page.List(s.Pages, r, func(after page.Position, limit int) ([]Purge, error) {
		q.Before, q.Limit = after.At(0), limit
		return s.Store.List(ctx, q)
	}, func(p Purge) page.Position { return page.Position{p.ID} })
}

// Cancel stops a purge. One that waits is over at once, and its bucket back as it was; of one
// that removes, the batch under way ends first. Cancelling again changes nothing.
func (s *Service) Cancel(ctx context.Context, accountID, id string) (Purge, error) {
	var p Purge
	err := s.Store.InAccount(ctx, accountID, func(ctx context.Context, tx Tx) error {
		var ok bool
		var err error
		p, ok, err = tx.Purges.ByID(ctx, id)
		switch {
		case err != nil:
			return err
		case !ok || p.AccountID != accountID:
			return ErrNotFound
		case p.State == Cancelling || p.State == Cancelled:
			return nil
		case p.AccountClosed:
			return ErrAccountClosed
		case p.Ended() || p.LastStep:
			return ErrEnded
		case p.State == Waiting:
			return s.comeBack(ctx, tx, &p)
		}
		p.State, p.Reason, p.Message = Cancelling, "", ""
		if err := s.save(ctx, tx, &p); err != nil {
			return err
		}
		if _, err := tx.Resources.Touch(ctx, p.Ref(), p.Backend, s.Clock.Now()); err != nil {
			return err
		}
		return tx.Record.Audit(ctx, s.entry(p, audit.Entry{Action: Kind + ".cancel", Outcome: audit.Started}))
	})
	if err != nil {
		return Purge{}, err
	}
	s.Wake(p.Ref())
	if p, err = s.awaitCancelled(ctx, p); err != nil {
		return Purge{}, err
	}
	s.settleAccess(ctx, p)
	return p, nil
}

// awaitCancelled waits a moment for the batch under way.
func (s *Service) awaitCancelled(ctx context.Context, p Purge) (Purge, error) {
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for p.State == Cancelling {
		select {
		case <-patient.Done():
			return p, nil
		case <-s.Clock.After(patience / 100):
		}
		var err error
		if p, err = s.Get(ctx, p.AccountID, p.ID); err != nil {
			return Purge{}, err
		}
	}
	return p, nil
}

// comeBack ends a purge before its time and brings its bucket back.
func (s *Service) comeBack(ctx context.Context, tx Tx, p *Purge) error {
	if err := s.Buckets.EndPurge(ctx, tx.Tx, p.BucketID); err != nil {
		return err
	}
	p.State, p.Reason, p.Message, p.EndedAt = Cancelled, "", "", s.now()
	if err := s.save(ctx, tx, p); err != nil {
		return err
	}
	return s.tell(ctx, tx, *p, "cancelled", audit.Entry{Action: Kind + ".cancel", Outcome: audit.Succeeded})
}

// save writes a purge with one version more.
func (s *Service) save(ctx context.Context, tx Tx, p *Purge) error {
	p.Version, p.UpdatedAt = p.Version+1, s.now()
	return tx.Purges.Save(ctx, *p)
}

// tell records a step in the trail and publishes the purge as it is now.
func (s *Service) tell(ctx context.Context, tx Tx, p Purge, verb string, e audit.Entry) error {
	if err := tx.Record.Audit(ctx, s.entry(p, e)); err != nil {
		return err
	}
	return tx.Record.Publish(ctx, change.Event{
		Kind: Kind, Verb: verb, AccountID: p.AccountID, ID: p.ID, Version: p.Version, Snapshot: p,
	})
}

// entry completes an audit entry with what it is about.
func (s *Service) entry(p Purge, e audit.Entry) audit.Entry {
	e.AccountID, e.Target, e.After = p.AccountID, audit.Target{Kind: Kind, ID: p.ID, Name: p.Bucket}, described(p)
	if e.Severity == 0 {
		e.Severity = audit.Notice
	}
	return e
}
