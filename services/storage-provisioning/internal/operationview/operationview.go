// Package operationview shows an account how its changes are going. It reads operations
// and never changes one: package change does.
package operationview

import (
	"context"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/page"
)

// ErrNotFound hides whether an operation is absent, no longer kept, or another account's.
var ErrNotFound = errs.New(errs.NotFound, "OPERATION_NOT_FOUND", "no such operation in the account, or no longer kept")

// Query asks for a page of an account's operations, newest first.
type Query struct {
	AccountID string
	// ResourceID narrows the list unless empty.
	ResourceID string
	// Before is the id of the last operation shown; empty for the first page.
	Before string
	// Limit is how many at most.
	Limit int
}

// Store reads operations.
type Store interface {
	// Operation returns one operation of the account; an absent one is errs.NotFound.
	Operation(ctx context.Context, accountID, id string) (operation.Operation, error)
	// Operations returns one page, newest first.
	Operations(ctx context.Context, query Query) ([]operation.Operation, error)
}

// Method is the list that page tokens are bound to.
const Method = "/primecloud.storage.v1.OperationService/ListOperations"

// Service shows operations.
type Service struct {
	store Store
	pages *page.Codec
}

// NewService returns the service.
func NewService(store Store, pages *page.Codec) *Service { return &Service{store: store, pages: pages} }

// Get returns one operation of the account.
func (s *Service) Get(ctx context.Context, accountID, id string) (operation.Operation, error) {
	o, err := s.store.Operation(ctx, accountID, id)
	if errs.KindOf(err) == errs.NotFound {
		err = ErrNotFound
	}
	return o, err
}

// List returns a page of the account's operations, of one resource unless resourceID is
// empty, and the token of the next page.
func (s *Service) List(ctx context.Context, q Query, size int32, token string) ([]operation.Operation, string, error) {
	r := page.Request{Size: size, Token: token, Binding: page.Binding{Method: Method, Account: q.AccountID, Query: []string{q.ResourceID}}}
	return page.List(s.pages, r, func(after page.Position, limit int) ([]operation.Operation, error) {
		q.Before, q.Limit = after.At(0), limit
		return s.store.Operations(ctx, q)
	}, func(o operation.Operation) page.Position { return page.Position{o.ID} })
}
