package grpcapi

import (
	"cmp"
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/network"
	"github.com/primecloud/primecloud/pkg/page"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	"github.com/primecloud/primecloud/services/identity/internal/account"
	"github.com/primecloud/primecloud/services/identity/internal/apikey"
)

type apiKeys struct {
	identityv1.UnimplementedApiKeyServiceServer
	use   *apikey.APIKeys
	pages *page.Codec
}

func (s *apiKeys) CreateApiKey(ctx context.Context, r *identityv1.CreateApiKeyRequest) (*identityv1.CreateApiKeyResponse, error) {
	expires, err := timeOf("expire_time", r.GetExpireTime())
	if err != nil {
		return nil, err
	}
	created, err := s.use.Create(ctx, apikey.Wanted{
		AccountID: r.GetAccountId(), DisplayName: r.GetDisplayName(), Role: roleOf(r.GetRole()),
		Scopes: r.GetScopes(), ExpireTime: expires, Networks: r.GetAllowedNetworks(),
	})
	if err != nil {
		return nil, err
	}
	return &identityv1.CreateApiKeyResponse{ApiKey: APIKey(created.Key), Secret: created.Secret}, nil
}

func (s *apiKeys) GetApiKey(ctx context.Context, r *identityv1.GetApiKeyRequest) (*identityv1.GetApiKeyResponse, error) {
	k, err := s.use.Get(ctx, apikey.Which{AccountID: r.GetAccountId(), KeyID: r.GetApiKeyId()})
	if err != nil {
		return nil, err
	}
	return &identityv1.GetApiKeyResponse{ApiKey: APIKey(k)}, nil
}

func (s *apiKeys) ListApiKeys(ctx context.Context, r *identityv1.ListApiKeysRequest) (*identityv1.ListApiKeysResponse, error) {
	asked := pageOf(r, identityv1.ApiKeyService_ListApiKeys_FullMethodName, r.GetAccountId())
	rows, next, err := page.List(s.pages, asked, func(after page.Position, limit int) ([]apikey.Key, error) {
		return s.use.List(ctx, r.GetAccountId(), after.At(0), limit)
	}, func(k apikey.Key) page.Position { return page.Position{k.ID} })
	if err != nil {
		return nil, err
	}
	return &identityv1.ListApiKeysResponse{ApiKeys: each(rows, APIKey), NextPageToken: next}, nil
}

func (s *apiKeys) UpdateApiKey(ctx context.Context, r *identityv1.UpdateApiKeyRequest) (*identityv1.UpdateApiKeyResponse, error) {
	fields, err := keyFieldsOf(r.GetApiKey(), r.GetUpdateMask())
	if err != nil {
		return nil, err
	}
	// Whoever sends back the key as it was read sends its etag with it.
	etag := cmp.Or(r.GetEtag(), r.GetApiKey().GetEtag())
	k, err := s.use.Update(ctx, apikey.Which{AccountID: r.GetAccountId(), KeyID: r.GetApiKeyId()}, etag, fields)
	if err != nil {
		return nil, err
	}
	return &identityv1.UpdateApiKeyResponse{ApiKey: APIKey(k)}, nil
}

func (s *apiKeys) RotateApiKey(ctx context.Context, r *identityv1.RotateApiKeyRequest) (*identityv1.RotateApiKeyResponse, error) {
	rotated, err := s.use.Rotate(ctx, apikey.Which{AccountID: r.GetAccountId(), KeyID: r.GetApiKeyId()}, overlapOf(r.GetOverlap()))
	if err != nil {
		return nil, err
	}
	return &identityv1.RotateApiKeyResponse{ApiKey: APIKey(rotated.Key), Secret: rotated.Secret}, nil
}

// overlapOf returns how long the secret before a rotation works still.
func overlapOf(d *durationpb.Duration) time.Duration {
	if d == nil {
		return apikey.DefaultOverlap
	}
	return d.AsDuration()
}

// keyFieldsOf returns the fields that the mask names. Without a mask these are the ones that
// are set (AIP-134); "*" names all that can be changed.
func keyFieldsOf(k *identityv1.ApiKey, mask *fieldmaskpb.FieldMask) (apikey.Fields, error) {
	paths := mask.GetPaths()
	if len(paths) == 0 {
		paths = keyFieldsSet(k)
	}
	var fields apikey.Fields
	for _, path := range paths {
		all := path == "*"
		switch path {
		case "display_name", "expire_time", "allowed_networks", "*":
		case "etag": // a precondition, which the call has
		default:
			return fields, account.ErrFieldNotUpdatable.With("field", path).WithViolation(errs.Violation{
				Field: "update_mask", Rule: "FIELD_NOT_UPDATABLE", Description: "drop " + path + " from the mask",
			})
		}
		if name := k.GetDisplayName(); all || path == "display_name" {
			fields.DisplayName = &name
		}
		if networks := k.GetAllowedNetworks(); all || path == "allowed_networks" {
			fields.Networks = &networks
		}
		if all || path == "expire_time" {
			expires, err := timeOf("api_key.expire_time", k.GetExpireTime())
			if err != nil {
				return fields, err
			}
			expires = expires.Truncate(time.Microsecond)
			fields.ExpireTime = &expires
		}
	}
	return fields, nil
}

func keyFieldsSet(k *identityv1.ApiKey) []string {
	var set []string
	if k.GetDisplayName() != "" {
		set = append(set, "display_name")
	}
	if k.GetExpireTime() != nil {
		set = append(set, "expire_time")
	}
	if len(k.GetAllowedNetworks()) > 0 {
		set = append(set, "allowed_networks")
	}
	return set
}

func (s *apiKeys) RevokeApiKey(ctx context.Context, r *identityv1.RevokeApiKeyRequest) (*identityv1.RevokeApiKeyResponse, error) {
	k, err := s.use.Revoke(ctx, apikey.Which{AccountID: r.GetAccountId(), KeyID: r.GetApiKeyId()})
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
		RevokeTime: stamp(k.RevokeTime), CreateTime: stamp(k.CreateTime), LastUseAddress: k.LastUseAddress,
		AllowedNetworks: network.Spell(k.Networks), OverlapEndTime: stamp(k.FormerEnd), Etag: k.ETag(), UserId: k.UserID,
	}
}
