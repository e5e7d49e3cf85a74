package grpcapi

import (
	"cmp"
	"context"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/page"
	"github.com/primecloud/primecloud/pkg/principal"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	"github.com/primecloud/primecloud/services/identity/internal/account"
)

type accounts struct {
	identityv1.UnimplementedAccountServiceServer
	use   *account.Accounts
	pages *page.Codec
}

func (s *accounts) CreateAccount(ctx context.Context, r *identityv1.CreateAccountRequest) (*identityv1.CreateAccountResponse, error) {
	a, err := s.use.Create(ctx, account.Draft{DisplayName: r.GetDisplayName(), CustomerReference: r.GetCustomerReference(), Slug: r.GetSlug()})
	if err != nil {
		return nil, err
	}
	return &identityv1.CreateAccountResponse{Account: Account(a)}, nil
}

func (s *accounts) GetAccount(ctx context.Context, r *identityv1.GetAccountRequest) (*identityv1.GetAccountResponse, error) {
	a, err := s.use.Get(ctx, r.GetAccountId())
	if err != nil {
		return nil, err
	}
	return &identityv1.GetAccountResponse{Account: Account(a)}, nil
}

func (s *accounts) ListAccounts(ctx context.Context, r *identityv1.ListAccountsRequest) (*identityv1.ListAccountsResponse, error) {
	asked := pageOf(r, identityv1.AccountService_ListAccounts_FullMethodName, principal.FromContext(ctx).ID)
	rows, next, err := page.List(s.pages, asked, func(after page.Position, limit int) ([]account.Membership, error) {
		return s.use.List(ctx, after.At(0), limit)
	}, func(m account.Membership) page.Position { return page.Position{m.Account.ID} })
	if err != nil {
		return nil, err
	}
	shown := each(rows, func(m account.Membership) *identityv1.Account { return Account(m.Account) })
	return &identityv1.ListAccountsResponse{Accounts: shown, NextPageToken: next}, nil
}

func (s *accounts) UpdateAccount(ctx context.Context, r *identityv1.UpdateAccountRequest) (*identityv1.UpdateAccountResponse, error) {
	fields, err := fieldsOf(r)
	if err != nil {
		return nil, err
	}
	// Whoever sends back the account as it was read sends its etag with it.
	a, err := s.use.Update(ctx, r.GetAccountId(), cmp.Or(r.GetEtag(), r.GetAccount().GetEtag()), fields)
	if err != nil {
		return nil, err
	}
	return &identityv1.UpdateAccountResponse{Account: Account(a)}, nil
}

func (s *accounts) CloseAccount(ctx context.Context, r *identityv1.CloseAccountRequest) (*identityv1.CloseAccountResponse, error) {
	a, err := s.use.Move(ctx, r.GetAccountId(), account.Close, cmp.Or(r.GetReason(), ownersWish), r.GetEtag())
	if err != nil {
		return nil, err
	}
	return &identityv1.CloseAccountResponse{Account: Account(a)}, nil
}

func (s *accounts) ReopenAccount(ctx context.Context, r *identityv1.ReopenAccountRequest) (*identityv1.ReopenAccountResponse, error) {
	a, err := s.use.Move(ctx, r.GetAccountId(), account.Reopen, cmp.Or(r.GetReason(), ownersWish), r.GetEtag())
	if err != nil {
		return nil, err
	}
	return &identityv1.ReopenAccountResponse{Account: Account(a)}, nil
}

// ownersWish is the reason of an owner who gives none: they owe nobody one.
const ownersWish = "the owner asked for it"

// fieldsOf returns the fields that the mask names. Without a mask these are the ones that
// are set (AIP-134); "*" names all that can be changed.
func fieldsOf(r *identityv1.UpdateAccountRequest) (account.Fields, error) {
	name, reference, slug := r.GetAccount().GetDisplayName(), r.GetAccount().GetCustomerReference(), r.GetAccount().GetSlug()
	var fields account.Fields
	if len(r.GetUpdateMask().GetPaths()) == 0 {
		if name != "" {
			fields.DisplayName = &name
		}
		if reference != "" {
			fields.CustomerReference = &reference
		}
		if slug != "" {
			fields.Slug = &slug
		}
		return fields, nil
	}
	for _, path := range r.GetUpdateMask().GetPaths() {
		switch path {
		case "display_name":
			fields.DisplayName = &name
		case "customer_reference":
			fields.CustomerReference = &reference
		case "slug":
			fields.Slug = &slug
		case "etag": // a precondition, which the call has
		case "*":
			fields.DisplayName, fields.CustomerReference, fields.Slug = &name, &reference, &slug
		default:
			return fields, account.ErrFieldNotUpdatable.With("field", path).WithViolation(errs.Violation{
				Field: "update_mask", Rule: "FIELD_NOT_UPDATABLE", Description: "drop " + path + " from the mask",
			})
		}
	}
	return fields, nil
}
