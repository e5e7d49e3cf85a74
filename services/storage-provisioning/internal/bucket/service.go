package bucket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/page"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
)

// conflictRetry is how soon a conflict is looked at again.
const conflictRetry = time.Minute

// Deps is what the use cases need. All must be set, but Wake.
type Deps struct {
	Store      Store
	Inventory  Inventory
	Backends   Backends
	Principals Principals
	// Gate decides what external people reach.
	Gate *grant.Gate
	// Quota decides how many buckets an account may have.
	Quota  Quota
	Runner *change.Runner
	Pages  *page.Codec
	Clock  clock.Clock
	// Patience is how long the backend may take to apply what it was asked by an attempt that was
	// given up.
	Patience change.Patience
	// Trash keeps what is needed to undo a deletion, for as long as UndoFor says; zero for not
	// at all. Grants gives back the grants.
	Trash   Trash
	UndoFor time.Duration
	Grants  Reinstater
	// Wake asks the reconciler of this process to look at a resource now; may be nil.
	Wake func(reconcile.Ref)
}

// Service is the use cases of buckets.
type Service struct{ Deps }

// NewService returns the use cases.
func NewService(d Deps) *Service {
	if d.Wake == nil {
		d.Wake = func(reconcile.Ref) {}
	}
	d.Patience = d.Patience.OrDefault()
	return &Service{Deps: d}
}

// Done is how a call that changes a bucket ended.
type Done struct {
	// Bucket is the bucket after the change; the last one after a delete.
	Bucket Bucket
	// OperationID names the operation of the change.
	OperationID string
}

// Get returns the account's bucket of that name, unless it must look absent to the caller.
func (s *Service) Get(ctx context.Context, accountID, name string) (Bucket, error) {
	if err := s.Gate.Admit(ctx, accountID, name, grant.See); err != nil {
		return Bucket{}, err
	}
	b, ok, err := s.Store.Get(ctx, accountID, name)
	if err == nil && !ok {
		err = ErrNotFound
	}
	return b.seenBy(s.Gate.Scope(ctx)), err
}

// seenBy is the bucket as somebody sees it. To external people rules and public access, which
// name prefixes, would tell of folders that are not theirs.
func (b Bucket) seenBy(who grant.Scope) Bucket {
	if !who.All {
		b.Spec.Lifecycle, b.Spec.Public = nil, Public{}
	}
	return b
}

// ListMethod is the list that page tokens are bound to.
const ListMethod = "/primecloud.storage.v1.BucketService/ListBuckets"

// List returns a page of the buckets of the account that the caller may see, by name, and
// the token of the next page. Of the query it takes the filter.
func (s *Service) List(ctx context.Context, q Query, size int32, token string) ([]Bucket, string, error) {
	q.For = s.Gate.Scope(ctx)
	r := page.Request{Size: size, Token: token, Binding: page.Binding{
		Method: ListMethod, Account: q.AccountID, Query: []string{q.Backend, q.CustomerReference, q.For.UserID, inTags(q.Labels)},
	}}
	return page.List(s.Pages, r, func(after page.Position, limit int) ([]Bucket, error) {
		q.After, q.Limit = after.At(0), limit
		list, err := s.Store.List(ctx, q)
		for i, b := range list {
			list[i] = b.seenBy(q.For)
		}
		return list, err
	}, func(b Bucket) page.Position { return page.Position{b.Name} })
}

// previous is what an abandoned operation goes back to.
type previous struct {
	Spec              Spec   `json:"spec"`
	CustomerReference string `json:"customer_reference,omitempty"`
	// Labels are the owner's own.
	Labels map[string]string `json:"labels,omitempty"`
	State  State             `json:"state"`
	// Version is the one that its owner knows it by: with it the etag goes back too, so that
	// the same call can be tried again.
	Version int64 `json:"version,omitempty"`
}

// before is what an abandoned operation on the bucket goes back to.
func before(b Bucket) previous {
	return previous{Spec: b.Spec, CustomerReference: b.CustomerReference, Labels: b.Labels, State: b.State, Version: b.Version}
}

// begin writes the T1 of a change of the bucket as it now is wanted.
func (s *Service) begin(ctx context.Context, tx Tx, b *Bucket, back *previous, window change.Window) (change.Begun, error) {
	intent := change.Intent{Ref: b.Ref(), Backend: b.Backend, Window: window, Audit: audit.Entry{
		Action: Kind + "." + b.verb(b.State), Target: target(*b), AccountID: b.AccountID, After: described(*b),
	}}
	if back != nil {
		var err error
		if intent.Previous, err = json.Marshal(back); err != nil {
			return change.Begun{}, fmt.Errorf("encode what to go back to: %w", err)
		}
		was := *b
		was.Spec, was.CustomerReference, was.Labels = back.Spec, back.CustomerReference, back.Labels
		intent.Audit.Before = described(was)
		publicAct(&intent.Audit, back.Spec, b.Spec)
	}
	if b.State == Deleting {
		intent.Audit.Severity, intent.Audit.After = audit.Notice, nil
	}
	begun, err := s.Runner.Begin(ctx, tx.Tx, intent)
	b.Generation = begun.Operation.Generation
	return begun, err
}

// verbOf names what is being done to a bucket in this state.
func verbOf(s State) string {
	switch s {
	case Creating:
		return "create"
	case Deleting:
		return "delete"
	default:
		return "update"
	}
}

// pastOf is the verb of the event of an operation in this state.
func pastOf(s State) string { return verbOf(s) + "d" }

// run makes the attempt of a change whose T1 is committed, and ends its operation.
func (s *Service) run(ctx context.Context, begun change.Begun, b Bucket) (Done, error) {
	job := job{bucket: b, operation: &begun.Operation}
	failure := s.Runner.Attempt(ctx, &begun, func(ctx context.Context) error {
		return s.converge(ctx, &job)
	})
	job.lease = begun.Lease
	done := Done{OperationID: begun.Operation.ID}
	failure = change.ForCaller(failure)
	err := s.Runner.Settle(ctx, begun.Window, func(ctx context.Context) error {
		var err error
		if failure != nil {
			done.Bucket, err = s.abandon(ctx, job, failure)
		} else {
			done.Bucket, err = s.succeed(ctx, job)
		}
		return err
	})
	if err != nil {
		s.Wake(b.Ref())
		known, unknown := s.outcome(ctx, begun)
		if errors.Is(unknown, change.ErrOutcomeUnknown) {
			return Done{}, change.ErrOutcomeUnknown.Wrap(errors.Join(failure, err))
		}
		// The reconciler was faster. Kept until its end, the lease would hold up the next call.
		s.giveBack(ctx, begun.Lease, begun.Window)
		return known, unknown
	}
	return done, failure
}

// outcome tells how an operation ended that somebody else has ended, or that may have
// ended without our hearing of it.
func (s *Service) outcome(ctx context.Context, begun change.Begun) (Done, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), begun.Window.Lease.Sub(s.Clock.Now()))
	defer cancel()
	o, err := s.Store.Operation(ctx, begun.Operation.AccountID, begun.Operation.ID)
	switch {
	case err != nil:
		return Done{}, change.ErrOutcomeUnknown.Wrap(err)
	case o.State == operation.Abandoned:
		return Done{}, change.Failed(o)
	case o.State == operation.Succeeded:
		return replayed(o)
	default:
		return Done{}, change.ErrOutcomeUnknown
	}
}

// again returns what an earlier call with the same idempotency key returned; nil when
// there was none.
func again(ctx context.Context, tx Tx) (*Done, error) {
	o, ok, err := tx.Operations.Replay(ctx)
	if err != nil || !ok {
		return nil, err
	}
	done, err := replayed(o)
	return &done, err
}

// replayed returns what the call of a succeeded operation returned.
func replayed(o operation.Operation) (Done, error) {
	done := Done{OperationID: o.ID}
	if err := json.Unmarshal(o.Result, &done.Bucket); err != nil {
		return Done{}, fmt.Errorf("decode the result of operation %s: %w", o.ID, err)
	}
	return done, nil
}

func target(b Bucket) audit.Target { return audit.Target{Kind: Kind, ID: b.ID, Name: b.Name} }
