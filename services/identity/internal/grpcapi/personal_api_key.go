package grpcapi

import (
	"cmp"
	"context"

	"github.com/primecloud/primecloud/pkg/page"
	"github.com/primecloud/primecloud/pkg/principal"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	"github.com/primecloud/primecloud/services/identity/internal/apikey"
)

// personalKeys are the same use cases as apiKeys, for the caller's own keys.
type personalKeys struct {
	identityv1.UnimplementedPersonalApiKeyServiceServer
	use   *apikey.APIKeys
	pages *page.Codec
}

// own names a key that the caller says is theirs.
func own(r interface {
	GetAccountId() string
	GetApiKeyId() string
},
) apikey.Which {
	return apikey.Which{AccountID: r.GetAccountId(), KeyID: r.GetApiKeyId(), Personal: true}
}

func (s *personalKeys) CreatePersonalApiKey(ctx context.Context, r *identityv1.CreatePersonalApiKeyRequest) (*identityv1.CreatePersonalApiKeyResponse, error) {
	expires, err := timeOf("expire_time", r.GetExpireTime())
	if err != nil {
		return nil, err
	}
	created, err := s.use.Create(ctx, apikey.Wanted{
		AccountID: r.GetAccountId(), DisplayName: r.GetDisplayName(), Personal: true,
		Scopes: r.GetScopes(), ExpireTime: expires, Networks: r.GetAllowedNetworks(),
	})
	if err != nil {
		return nil, err
	}
	return &identityv1.CreatePersonalApiKeyResponse{ApiKey: APIKey(created.Key), Secret: created.Secret}, nil
}

func (s *personalKeys) GetPersonalApiKey(ctx context.Context, r *identityv1.GetPersonalApiKeyRequest) (*identityv1.GetPersonalApiKeyResponse, error) {
	k, err := s.use.Get(ctx, own(r))
	if err != nil {
		return nil, err
	}
	return &identityv1.GetPersonalApiKeyResponse{ApiKey: APIKey(k)}, nil
}

func (s *personalKeys) ListPersonalApiKeys(ctx context.Context, r *identityv1.ListPersonalApiKeysRequest) (*identityv1.ListPersonalApiKeysResponse, error) {
	asked := pageOf(r, identityv1.PersonalApiKeyService_ListPersonalApiKeys_FullMethodName, r.GetAccountId(), principal.FromContext(ctx).ID)
	rows, next, err := page.List(s.pages, asked, func(after page.Position, limit int) ([]apikey.Key, error) {
		return s.use.ListPersonal(ctx, r.GetAccountId(), after.At(0), limit)
	}, func(k apikey.Key) page.Position { return page.Position{k.ID} })
	if err != nil {
		return nil, err
	}
	return &identityv1.ListPersonalApiKeysResponse{ApiKeys: each(rows, APIKey), NextPageToken: next}, nil
}

func (s *personalKeys) UpdatePersonalApiKey(ctx context.Context, r *identityv1.UpdatePersonalApiKeyRequest) (*identityv1.UpdatePersonalApiKeyResponse, error) {
	fields, err := keyFieldsOf(r.GetApiKey(), r.GetUpdateMask())
	if err != nil {
		return nil, err
	}
	k, err := s.use.Update(ctx, own(r), cmp.Or(r.GetEtag(), r.GetApiKey().GetEtag()), fields)
	if err != nil {
		return nil, err
	}
	return &identityv1.UpdatePersonalApiKeyResponse{ApiKey: APIKey(k)}, nil
}

func (s *personalKeys) RotatePersonalApiKey(ctx context.Context, r *identityv1.RotatePersonalApiKeyRequest) (*identityv1.RotatePersonalApiKeyResponse, error) {
	rotated, err := s.use.Rotate(ctx, own(r), overlapOf(r.GetOverlap()))
	if err != nil {
		return nil, err
	}
	return &identityv1.RotatePersonalApiKeyResponse{ApiKey: APIKey(rotated.Key), Secret: rotated.Secret}, nil
}

func (s *personalKeys) RevokePersonalApiKey(ctx context.Context, r *identityv1.RevokePersonalApiKeyRequest) (*identityv1.RevokePersonalApiKeyResponse, error) {
	k, err := s.use.Revoke(ctx, own(r))
	if err != nil {
		return nil, err
	}
	return &identityv1.RevokePersonalApiKeyResponse{ApiKey: APIKey(k)}, nil
}
