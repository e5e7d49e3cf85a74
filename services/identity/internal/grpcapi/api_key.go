package grpcapi

import (
	"context"

	"github.com/primecloud/primecloud/pkg/page"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	"github.com/primecloud/primecloud/services/identity/internal/apikey"
)

type apiKeys struct {
	identityv1.UnimplementedApiKeyServiceServer
	use   *apikey.APIKeys
	pages pager
}

func (s *apiKeys) CreateApiKey(ctx context.Context, r *identityv1.CreateApiKeyRequest) (*identityv1.CreateApiKeyResponse, error) {
	expires, err := timeOf("expire_time", r.GetExpireTime())
	if err != nil {
		return nil, err
	}
	created, err := s.use.Create(ctx, apikey.Wanted{
		AccountID: r.GetAccountId(), DisplayName: r.GetDisplayName(), Role: roleOf(r.GetRole()),
		Scopes: r.GetScopes(), ExpireTime: expires,
	})
	if err != nil {
		return nil, err
	}
	return &identityv1.CreateApiKeyResponse{ApiKey: APIKey(created.Key), Secret: created.Secret}, nil
}

func (s *apiKeys) GetApiKey(ctx context.Context, r *identityv1.GetApiKeyRequest) (*identityv1.GetApiKeyResponse, error) {
	k, err := s.use.Get(ctx, r.GetAccountId(), r.GetApiKeyId())
	if err != nil {
		return nil, err
	}
	return &identityv1.GetApiKeyResponse{ApiKey: APIKey(k)}, nil
}

func (s *apiKeys) ListApiKeys(ctx context.Context, r *identityv1.ListApiKeysRequest) (*identityv1.ListApiKeysResponse, error) {
	v, err := s.pages.open(identityv1.ApiKeyService_ListApiKeys_FullMethodName, r, r.GetAccountId())
	if err != nil {
		return nil, err
	}
	rows, err := s.use.List(ctx, r.GetAccountId(), v.at(0), v.limit())
	if err != nil {
		return nil, err
	}
	shown, next := cut(v, rows, APIKey, func(k apikey.Key) page.Position { return page.Position{k.ID} })
	return &identityv1.ListApiKeysResponse{ApiKeys: shown, NextPageToken: next}, nil
}

func (s *apiKeys) RevokeApiKey(ctx context.Context, r *identityv1.RevokeApiKeyRequest) (*identityv1.RevokeApiKeyResponse, error) {
	k, err := s.use.Revoke(ctx, r.GetAccountId(), r.GetApiKeyId())
	if err != nil {
		return nil, err
	}
	return &identityv1.RevokeApiKeyResponse{ApiKey: APIKey(k)}, nil
}

// APIKey returns a key as it travels, never its secret.
func APIKey(k apikey.Key) *identityv1.ApiKey {
	return &identityv1.ApiKey{
		Id: k.ID, AccountId: k.AccountID, DisplayName: k.DisplayName, Role: roleName(k.Role), Scopes: k.Scopes,
		Prefix: apikey.Shown(k.ID), ExpireTime: stamp(k.ExpireTime), LastUseTime: stamp(k.LastUseTime),
		RevokeTime: stamp(k.RevokeTime), CreateTime: stamp(k.CreateTime),
	}
}
