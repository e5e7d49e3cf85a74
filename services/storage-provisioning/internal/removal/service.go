package removal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/page"
	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/change"
)

// Deps is what the use cases need. All must be set, but Wake.
type Deps struct {
	Store      Store
	Purges     Purges
	Keys       Keys
	Identities Identities
	Pages      *page.Codec
	Clock      clock.Clock
	// Wake asks the reconciler of this process to look at a resource now; may be nil.
	Wake func(reconcile.Ref)
}

// Service is the use cases of removals.
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

// Begin begins the removal of the account if identity has closed it for good, in the
// transaction that heard of it. It may be repeated.
func (s *Service) Begin(ctx context.Context, tx Tx, accountID string) error {
	closed, err := tx.Removals.Closed(ctx, accountID)
	if err != nil || !closed {
		return err
	}
	r := of(accountID, s.now())
	began, err := tx.Removals.Insert(ctx, r)
	if err != nil || !began {
		return err
	}
	if _, err := tx.Resources.Touch(ctx, r.Ref(), "", s.Clock.Now()); err != nil {
		return err
	}
	return s.tell(ctx, tx, r, "created", audit.Entry{Action: Kind + ".create", Outcome: audit.Started})
}

// missedPage bounds how many are begun at a time that were missed.
const missedPage = 100

// BeginMissed begins the removal of accounts that were closed before anybody removed anything.
func (s *Service) BeginMissed(ctx context.Context) error {
	accounts, err := s.Store.Missed(ctx, missedPage)
	failures := []error{err}
	for _, account := range accounts {
		failures = append(failures, s.Store.InAccount(ctx, account, func(ctx context.Context, tx Tx) error {
			return s.Begin(ctx, tx, account)
		}))
	}
	return errors.Join(failures...)
}

// Get returns the removal of an account.
func (s *Service) Get(ctx context.Context, accountID string) (Removal, error) {
	r, ok, err := s.Store.Get(ctx, accountID)
	if err == nil && !ok {
		err = ErrNotFound
	}
	return r, err
}

// ListMethod is the list that page tokens are bound to.
const ListMethod = "/primecloud.storage.v1.AccountRemovalService/ListPlatformAccountRemovals"

// List returns a page of all removals, newest first, and the token of the next page.
func (s *Service) List(ctx context.Context, size int32, token string) ([]Removal, string, error) {
	r := page.Request{Size: size, Token: token, Binding: page.Binding{Method: ListMethod}}
	return page.List(s.Pages, r, func(after page.Position, limit int) ([]Removal, error) {
		return s.Store.List(ctx, after.At(0), limit)
	}, func(x Removal) page.Position { return page.Position{x.ID} })
}

// save writes a removal with one version more.
func (s *Service) save(ctx context.Context, tx Tx, r *Removal) error {
	r.Version, r.UpdatedAt = r.Version+1, s.now()
	return tx.Removals.Save(ctx, *r)
}

// tell records a step in the trail and publishes the removal as it is now.
func (s *Service) tell(ctx context.Context, tx Tx, r Removal, verb string, e audit.Entry) error {
	e.AccountID, e.Target, e.After = r.AccountID, audit.Target{Kind: Kind, ID: r.ID}, described(r)
	if e.Severity == 0 {
		e.Severity = audit.Notice
	}
	if err := tx.Record.Audit(ctx, e); err != nil {
		return err
	}
	r.Manifest = nil
	return tx.Record.Publish(ctx, change.Event{
		Kind: Kind, Verb: verb, AccountID: r.AccountID, ID: r.ID, Version: r.Version, Snapshot: r,
	})
}

// described is a removal as the audit trail shows it.
func described(r Removal) map[string]any {
	shown := map[string]any{"state": string(r.State)}
	if m := r.Manifest; m != nil {
		shown["manifest_buckets"], shown["manifest_access_keys"] = fmt.Sprint(len(m.Buckets)), fmt.Sprint(len(m.AccessKeys))
	}
	if d := r.Record; d != nil {
		shown["removed_buckets"], shown["removed_entries"] = fmt.Sprint(len(d.Buckets)), fmt.Sprint(d.Entries)
		shown["removed_bytes"], shown["removed_access_keys"] = fmt.Sprint(d.Bytes), fmt.Sprint(d.AccessKeys)
		shown["removed_identities"] = fmt.Sprint(d.Identities)
	}
	return shown
}
