package grpcapi

import (
	"context"
	"time"

	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/backend"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/session"
)

func (s *accessKeys) CreateTemporaryCredentials(ctx context.Context, r *storagev1.CreateTemporaryCredentialsRequest) (*storagev1.CreateTemporaryCredentialsResponse, error) {
	if err := s.fresh(ctx); err != nil {
		return nil, err
	}
	made, err := s.sessions.Create(ctx, session.NewCredentials{
		AccountID: r.GetAccountId(), Bucket: r.GetBucket(), Permission: permissionOf(r.GetPermission()),
		Prefixes: r.GetPrefixes(), Networks: r.GetNetworks(), Lifetime: time.Duration(r.GetMinutes()) * time.Minute,
	})
	if err != nil {
		return nil, err
	}
	at := s.backendNamed(made.Backend)
	return &storagev1.CreateTemporaryCredentialsResponse{
		AccessKeyId: made.ID, SecretAccessKey: made.Secret, SessionToken: made.Token, ExpireTime: stamp(made.ExpireTime),
		Endpoint: at.Endpoint, Region: at.Region,
	}, nil
}

// backendNamed returns a backend as clients see it.
func (s *accessKeys) backendNamed(name string) backend.Backend {
	for _, b := range s.backends.List() {
		if b.Name == name {
			return b
		}
	}
	return backend.Backend{}
}
