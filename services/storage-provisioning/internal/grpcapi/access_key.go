package grpcapi

import (
	"context"

	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/backend"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/connection"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/lastuse"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/session"
)

type accessKeys struct {
	storagev1.UnimplementedAccessKeyServiceServer
	use         *accesskey.Service
	sessions    *session.Service
	connections *connection.Service
	uses        *lastuse.Service
	// backends says where the clients' configuration points.
	backends *backend.Registry
	fresh    func(context.Context) error
}

func (s *accessKeys) CreateAccessKey(ctx context.Context, r *storagev1.CreateAccessKeyRequest) (*storagev1.CreateAccessKeyResponse, error) {
	if err := s.fresh(ctx); err != nil {
		return nil, err
	}
	in := accesskey.NewAccessKey{
		AccountID: r.GetAccountId(), DisplayName: r.GetDisplayName(), CustomerReference: r.GetCustomerReference(),
		Grants: all(r.GetGrants(), grantOf), Networks: r.GetNetworks(), Backend: r.GetBackend(),
	}
	var err error
	if in.ExpireTime, err = expireTimeOf(r.GetExpireTime()); err != nil {
		return nil, err
	}
	done, err := s.use.Create(ctx, in)
	if err != nil {
		return nil, err
	}
	return &storagev1.CreateAccessKeyResponse{
		AccessKey: accessKey(done.AccessKey), SecretAccessKey: done.AccessKey.Secret, Files: s.files(done.AccessKey),
	}, begun(ctx, done.OperationID)
}

func (s *accessKeys) GetAccessKey(ctx context.Context, r *storagev1.GetAccessKeyRequest) (*storagev1.GetAccessKeyResponse, error) {
	k, err := s.use.Get(ctx, r.GetAccountId(), r.GetKeyId())
	if err != nil {
		return nil, err
	}
	return &storagev1.GetAccessKeyResponse{AccessKey: accessKey(k)}, nil
}

func (s *accessKeys) ListAccessKeys(ctx context.Context, r *storagev1.ListAccessKeysRequest) (*storagev1.ListAccessKeysResponse, error) {
	list, next, err := s.use.List(ctx, r.GetAccountId(), r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &storagev1.ListAccessKeysResponse{AccessKeys: all(list, accessKey), NextPageToken: next}, nil
}

func (s *accessKeys) DeleteAccessKey(ctx context.Context, r *storagev1.DeleteAccessKeyRequest) (*storagev1.DeleteAccessKeyResponse, error) {
	done, err := s.use.Delete(ctx, r.GetAccountId(), r.GetKeyId(), r.GetEtag())
	if err != nil {
		return nil, err
	}
	return &storagev1.DeleteAccessKeyResponse{}, begun(ctx, done.OperationID)
}

// accessKey returns a key as its owner sees it, without its secret.
func accessKey(k accesskey.AccessKey) *storagev1.AccessKey {
	return &storagev1.AccessKey{
		Id: k.ID, AccountId: k.AccountID, DisplayName: k.DisplayName, Backend: k.Backend, CustomerReference: k.CustomerReference,
		AccessKeyId: k.KeyID, Grants: all(k.Grants, keyGrant), ExpireTime: stamp(k.ExpireTime), State: accessKeyStates[k.State],
		Generation: k.Generation, ObservedGeneration: k.Observed, Conditions: conditions(k.Conditions), Etag: k.ETag(),
		CreateTime: stamp(k.CreatedAt), UpdateTime: stamp(k.UpdatedAt),
		Networks: k.Networks, Disabled: k.Disabled, OverlapEndTime: stamp(k.FormerEnd),
		LastUse: keyUse(k.LastUse), FormerLastUse: keyUse(k.FormerUse), Adopted: k.Adopted,
	}
}

// AccessKeyChanged returns a key as an event carries it: neither its secret nor its id on
// the backend.
func AccessKeyChanged(k accesskey.AccessKey) *storagev1.AccessKeyChanged {
	return &storagev1.AccessKeyChanged{AccountId: k.AccountID, KeyId: k.ID, DisplayName: k.DisplayName, Backend: k.Backend}
}

var accessKeyStates = map[accesskey.State]storagev1.AccessKeyState{
	accesskey.Creating:  storagev1.AccessKeyState_ACCESS_KEY_STATE_CREATING,
	accesskey.Ready:     storagev1.AccessKeyState_ACCESS_KEY_STATE_READY,
	accesskey.Lost:      storagev1.AccessKeyState_ACCESS_KEY_STATE_LOST,
	accesskey.Updating:  storagev1.AccessKeyState_ACCESS_KEY_STATE_UPDATING,
	accesskey.Deleting:  storagev1.AccessKeyState_ACCESS_KEY_STATE_DELETING,
	accesskey.Vanishing: storagev1.AccessKeyState_ACCESS_KEY_STATE_DELETING,
}

var permissions = map[policy.Permission]storagev1.Permission{
	policy.Read:      storagev1.Permission_PERMISSION_READ,
	policy.Write:     storagev1.Permission_PERMISSION_WRITE,
	policy.ReadWrite: storagev1.Permission_PERMISSION_READ_WRITE,
	policy.List:      storagev1.Permission_PERMISSION_LIST,
}

func keyGrant(g policy.Grant) *storagev1.Grant {
	return &storagev1.Grant{Bucket: g.Bucket, Permission: permissions[g.Permission], Prefix: g.Prefix}
}

func grantOf(g *storagev1.Grant) policy.Grant {
	return policy.Grant{Bucket: g.GetBucket(), Permission: permissionOf(g.GetPermission()), Prefix: g.GetPrefix()}
}

func permissionOf(p storagev1.Permission) policy.Permission {
	for permission, wire := range permissions {
		if wire == p {
			return permission
		}
	}
	return ""
}
