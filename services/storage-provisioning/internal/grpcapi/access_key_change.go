package grpcapi

import (
	"cmp"
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/clientconfig"
)

func (s *accessKeys) UpdateAccessKey(ctx context.Context, r *storagev1.UpdateAccessKeyRequest) (*storagev1.UpdateAccessKeyResponse, error) {
	if err := s.fresh(ctx); err != nil {
		return nil, err
	}
	changes, err := keyChangesOf(r)
	if err != nil {
		return nil, err
	}
	// Whoever sends back the key as it was read sends its etag with it.
	which := accesskey.Which{AccountID: r.GetAccountId(), ID: r.GetKeyId(), ETag: cmp.Or(r.GetEtag(), r.GetAccessKey().GetEtag())}
	done, err := s.use.Update(ctx, which, changes)
	if err != nil {
		return nil, err
	}
	return &storagev1.UpdateAccessKeyResponse{AccessKey: accessKey(done.AccessKey)}, begun(ctx, done.OperationID)
}

func (s *accessKeys) RotateAccessKey(ctx context.Context, r *storagev1.RotateAccessKeyRequest) (*storagev1.RotateAccessKeyResponse, error) {
	if err := s.fresh(ctx); err != nil {
		return nil, err
	}
	overlap := accesskey.DefaultOverlap
	if r.GetOverlap() != nil {
		overlap = r.GetOverlap().AsDuration()
	}
	done, err := s.use.Rotate(ctx, accesskey.Which{AccountID: r.GetAccountId(), ID: r.GetKeyId(), ETag: r.GetEtag()}, overlap)
	if err != nil {
		return nil, err
	}
	return &storagev1.RotateAccessKeyResponse{
		AccessKey: accessKey(done.AccessKey), SecretAccessKey: done.AccessKey.Secret, Files: s.files(done.AccessKey),
	}, begun(ctx, done.OperationID)
}

func (s *accessKeys) DisableAccessKey(ctx context.Context, r *storagev1.DisableAccessKeyRequest) (*storagev1.DisableAccessKeyResponse, error) {
	done, err := s.use.Disable(ctx, accesskey.Which{AccountID: r.GetAccountId(), ID: r.GetKeyId(), ETag: r.GetEtag()})
	if err != nil {
		return nil, err
	}
	return &storagev1.DisableAccessKeyResponse{AccessKey: accessKey(done.AccessKey)}, begun(ctx, done.OperationID)
}

func (s *accessKeys) EnableAccessKey(ctx context.Context, r *storagev1.EnableAccessKeyRequest) (*storagev1.EnableAccessKeyResponse, error) {
	if err := s.fresh(ctx); err != nil {
		return nil, err
	}
	done, err := s.use.Enable(ctx, accesskey.Which{AccountID: r.GetAccountId(), ID: r.GetKeyId(), ETag: r.GetEtag()})
	if err != nil {
		return nil, err
	}
	return &storagev1.EnableAccessKeyResponse{AccessKey: accessKey(done.AccessKey)}, begun(ctx, done.OperationID)
}

// expireTimeOf returns an expiry, zero for never.
func expireTimeOf(at *timestamppb.Timestamp) (time.Time, error) {
	if at == nil {
		return time.Time{}, nil
	}
	// The backend keeps whole seconds.
	t := at.AsTime().Truncate(time.Second)
	if t.IsZero() {
		// It stands for "never" from here on, which is not what was said.
		return time.Time{}, accesskey.ErrExpireTimeInvalid
	}
	return t, nil
}

// keyChangesOf returns the fields that the mask names. Without a mask these are the ones that
// are set (AIP-134); "*" names all that can be changed.
func keyChangesOf(r *storagev1.UpdateAccessKeyRequest) (accesskey.Changes, error) {
	k := r.GetAccessKey()
	expires, err := expireTimeOf(k.GetExpireTime())
	if err != nil {
		return accesskey.Changes{}, err
	}
	name, reference, networks := k.GetDisplayName(), k.GetCustomerReference(), k.GetNetworks()
	grants := all(k.GetGrants(), grantOf)
	var changes accesskey.Changes
	paths := r.GetUpdateMask().GetPaths()
	if len(paths) == 0 {
		paths = setKeyFields(k)
	}
	for _, path := range paths {
		switch path {
		case "display_name":
			changes.DisplayName = &name
		case "customer_reference":
			changes.CustomerReference = &reference
		case "grants":
			changes.Grants = &grants
		case "networks":
			changes.Networks = &networks
		case "expire_time":
			changes.ExpireTime = &expires
		case "etag": // a precondition, which the call has
		case "*":
			changes = accesskey.Changes{DisplayName: &name, CustomerReference: &reference, Grants: &grants, Networks: &networks, ExpireTime: &expires}
		default:
			return accesskey.Changes{}, accesskey.NotUpdatable(path)
		}
	}
	return changes, nil
}

func setKeyFields(k *storagev1.AccessKey) []string {
	var paths []string
	for path, set := range map[string]bool{
		"display_name": k.GetDisplayName() != "", "customer_reference": k.GetCustomerReference() != "",
		"grants": len(k.GetGrants()) > 0, "networks": len(k.GetNetworks()) > 0, "expire_time": k.GetExpireTime() != nil,
	} {
		if set {
			paths = append(paths, path)
		}
	}
	return paths
}

func keyUse(u accesskey.Use) *storagev1.KeyUse {
	if u.Time.IsZero() {
		return nil
	}
	return &storagev1.KeyUse{Time: stamp(u.Time), Operation: u.Operation, Address: u.Address}
}

var formats = map[clientconfig.Format]storagev1.CredentialFormat{
	clientconfig.Env:    storagev1.CredentialFormat_CREDENTIAL_FORMAT_ENV,
	clientconfig.AWS:    storagev1.CredentialFormat_CREDENTIAL_FORMAT_AWS_CREDENTIALS,
	clientconfig.Rclone: storagev1.CredentialFormat_CREDENTIAL_FORMAT_RCLONE,
	clientconfig.S3cmd:  storagev1.CredentialFormat_CREDENTIAL_FORMAT_S3CMD,
}

// files returns the configuration files for a key whose secret is known.
func (s *accessKeys) files(k accesskey.AccessKey) []*storagev1.CredentialFile {
	if k.Secret == "" {
		return nil
	}
	at := clientconfig.Credentials{ID: k.KeyID, Secret: k.Secret}
	b := s.backendNamed(k.Backend)
	at.Endpoint, at.Region = b.Endpoint, b.Region
	return all(clientconfig.Render(at), func(f clientconfig.File) *storagev1.CredentialFile {
		return &storagev1.CredentialFile{Format: formats[f.Format], FileName: f.Name, Content: f.Content}
	})
}
