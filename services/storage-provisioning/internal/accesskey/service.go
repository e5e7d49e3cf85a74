package accesskey

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/page"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
)

// Deps is what the use cases need. All must be set, but Wake.
type Deps struct {
	Store Store
	// Inventory is the record across accounts, for keys that nobody manages, and Hash the keyed
	// hash by which findings name them.
	Inventory  Inventory
	Hash       func(keyID string) []byte
	Backends   Backends
	Principals Principals
	// Quota decides how many keys an account may have.
	Quota  Quota
	Runner *change.Runner
	Pages  *page.Codec
	Clock  clock.Clock
	// Patience is how long the backend may take to apply what it was asked by an attempt that was
	// given up.
	Patience change.Patience
	// Wake asks the reconciler of this process to look at a resource now; may be nil.
	Wake func(reconcile.Ref)
}

// Service is the use cases of access keys.
type Service struct{ Deps }

// NewService returns the use cases.
func NewService(d Deps) *Service {
	if d.Wake == nil {
		d.Wake = func(reconcile.Ref) {}
	}
	d.Patience = d.Patience.OrDefault()
	return &Service{Deps: d}
}

// Done is how a call that changes a key ended.
type Done struct {
	// AccessKey is the key after the change, with its secret after a creation; the zero
	// value after a deletion that was repeated.
	AccessKey AccessKey
	// OperationID names the operation of the change.
	OperationID string
}

// Get returns the account's key of that id, without its secret.
func (s *Service) Get(ctx context.Context, accountID, id string) (AccessKey, error) {
	k, ok, err := s.Store.Get(ctx, accountID, id)
	if err == nil && !ok {
		err = ErrNotFound
	}
	return k, err
}

// ListMethod is the list that page tokens are bound to.
const ListMethod = "/primecloud.storage.v1.AccessKeyService/ListAccessKeys"

// List returns a page of the account's keys, oldest first and without their secrets, and
// the token of the next page.
func (s *Service) List(ctx context.Context, accountID string, size int32, token string) ([]AccessKey, string, error) {
	r := page.Request{Size: size, Token: token, Binding: page.Binding{Method: ListMethod, Account: accountID}}
	return page.List(s.Pages, r, func(after page.Position, limit int) ([]AccessKey, error) {
		return s.Store.List(ctx, Query{AccountID: accountID, After: after.At(0), Limit: limit})
	}, func(k AccessKey) page.Position { return page.Position{k.ID} })
}

// run makes the attempt of a change whose T1 is committed, and ends its operation.
func (s *Service) run(ctx context.Context, begun change.Begun, k AccessKey) (Done, error) {
	j := job{key: k, operation: &begun.Operation}
	failure := s.Runner.Attempt(ctx, &begun, func(ctx context.Context) error {
		return s.converge(ctx, &j)
	})
	j.lease = begun.Lease
	done := Done{OperationID: begun.Operation.ID}
	failure = change.ForCaller(failure)
	err := s.Runner.Settle(ctx, begun.Window, func(ctx context.Context) error {
		var err error
		if failure != nil {
			done.AccessKey, err = s.abandon(ctx, j, failure)
		} else {
			done.AccessKey, err = s.succeed(ctx, j)
		}
		return err
	})
	if err != nil {
		s.Wake(k.Ref())
		known, unknown := s.outcome(ctx, begun, k)
		if errors.Is(unknown, change.ErrOutcomeUnknown) {
			return Done{}, change.ErrOutcomeUnknown.Wrap(errors.Join(failure, err))
		}
		// The reconciler was faster. Kept until its end, the lease would hold up the next call.
		s.giveBack(ctx, begun.Lease, begun.Window)
		return known, unknown
	}
	if failure == nil && k.Desired == Present {
		// The record may not have the secret any more; its owner is told it all the same.
		done.AccessKey.Secret = k.Secret
	}
	return done, failure
}

// outcome tells how an operation ended that somebody else has ended, or that may have
// ended without our hearing of it.
func (s *Service) outcome(ctx context.Context, begun change.Begun, k AccessKey) (Done, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), begun.Window.Lease.Sub(s.Clock.Now()))
	defer cancel()
	o, err := s.Store.Operation(ctx, begun.Operation.AccountID, begun.Operation.ID)
	switch {
	case err != nil:
		return Done{}, change.ErrOutcomeUnknown.Wrap(err)
	case o.State == operation.Abandoned:
		return Done{}, change.Failed(o)
	case o.State != operation.Succeeded:
		return Done{}, change.ErrOutcomeUnknown
	case k.State == Deleting:
		return Done{OperationID: o.ID}, nil
	}
	now, ok, err := s.Store.Get(ctx, k.AccountID, k.ID)
	if err != nil || !ok {
		return Done{}, change.ErrOutcomeUnknown.Wrap(err)
	}
	// Succeeded, and its secret is the one of this call.
	now.Secret = k.Secret
	return Done{AccessKey: now, OperationID: o.ID}, nil
}

// verb names what is being done to the key, as the trail calls it.
func (k AccessKey) verb(was State) string {
	if k.Adopting {
		return "adopt"
	}
	return verbOf(was)
}

// verbOf names what is being done to a key in this state.
func verbOf(s State) string {
	switch s {
	case Deleting:
		return "delete"
	case Updating:
		return "update"
	default:
		return "create"
	}
}

func target(k AccessKey) audit.Target {
	return audit.Target{Kind: Kind, ID: k.ID, Name: k.DisplayName}
}

// described is a key as the audit trail shows it: neither its secret nor its access key id.
func described(k AccessKey) map[string]any {
	grants := make([]any, 0, len(k.Grants))
	for _, g := range k.Grants {
		grants = append(grants, strings.TrimSuffix(string(g.Permission)+" "+g.Bucket+"/"+g.Prefix, "/"))
	}
	expires := "never"
	if !k.ExpireTime.IsZero() {
		expires = k.ExpireTime.UTC().Format(time.RFC3339)
	}
	shown := map[string]any{
		"display_name": k.DisplayName, "backend": k.Backend, "customer_reference": k.CustomerReference,
		"grants": grants, "networks": strings.Join(k.Networks, " "), "expire_time": expires, "disabled": k.Disabled,
	}
	if k.note != "" {
		shown["reason"] = k.note
	}
	return shown
}
