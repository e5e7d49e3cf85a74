package postgres

import (
	"context"

	"github.com/primecloud/primecloud/pkg/operation"
	"github.com/primecloud/primecloud/pkg/operation/pgoperation"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/operationview"
)

// Operations implements operationview.Store.
type Operations struct{ *base }

var _ operationview.Store = (*Operations)(nil)

// Operation returns an operation of the account.
func (s *Operations) Operation(ctx context.Context, accountID, id string) (operation.Operation, error) {
	return pgoperation.Get(ctx, s.DB.Read(pg.Account(accountID)), id)
}

// Operations returns one page, newest first.
func (s *Operations) Operations(ctx context.Context, q operationview.Query) ([]operation.Operation, error) {
	return pgoperation.List(ctx, s.DB.Read(pg.Account(q.AccountID)), pgoperation.Page{
		AccountID: q.AccountID, Resource: operation.Resource{ID: q.ResourceID}, Before: q.Before, Limit: q.Limit,
	})
}
