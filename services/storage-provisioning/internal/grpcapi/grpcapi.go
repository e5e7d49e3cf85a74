// Package grpcapi is storage's side of the contract: each method converts, calls one use
// case, and converts back. It decides nothing; who may call and what a request must look
// like was settled by the interceptors before it gets here.
package grpcapi

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/primecloud/primecloud/pkg/reconcile"
	"github.com/primecloud/primecloud/pkg/rpc"
	operationv1 "github.com/primecloud/primecloud/proto/gen/primecloud/operation/v1"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/backend"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/connection"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/drift"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/favourite"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/lastuse"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/lifecycle"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/operationview"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/purge"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/quota"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/removal"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/session"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/share"
)

// UseCases are what the methods call.
type UseCases struct {
	Buckets    *bucket.Service
	Lifecycle  *lifecycle.Service
	AccessKeys *accesskey.Service
	Objects    *object.Service
	Grants     *grant.Service
	Purges     *purge.Service
	Removals   *removal.Service
	Quotas     *quota.Service
	Sessions   *session.Service
	// Connections tries keys.
	Connections *connection.Service
	// Uses says who used which key.
	Uses *lastuse.Service
	// Principals is for the reconciler; no method calls it.
	Principals *principal.Service
	Operations *operationview.Service
	Drifts     *drift.Service
	Backends   *backend.Registry
	Shares     *share.Service
	Favourites *favourite.Service
	// Fresh fails while it is not known whether logins were revoked. What makes something
	// that outlives a token asks it first.
	Fresh func(ctx context.Context) error
}

// Register puts every service of storage on the server.
func Register(server grpc.ServiceRegistrar, u UseCases) {
	storagev1.RegisterBucketServiceServer(server, &buckets{use: u.Buckets})
	storagev1.RegisterLifecycleRuleServiceServer(server, &lifecycleRules{use: u.Buckets, effects: u.Lifecycle})
	storagev1.RegisterAccessKeyServiceServer(server, &accessKeys{use: u.AccessKeys, sessions: u.Sessions, connections: u.Connections, uses: u.Uses, backends: u.Backends, fresh: u.Fresh})
	storagev1.RegisterObjectServiceServer(server, &objects{use: u.Objects, fresh: u.Fresh})
	storagev1.RegisterMultipartUploadServiceServer(server, &multipartUploads{use: u.Objects, fresh: u.Fresh})
	storagev1.RegisterBucketGrantServiceServer(server, &bucketGrants{use: u.Grants})
	storagev1.RegisterBucketPurgeServiceServer(server, &bucketPurges{use: u.Purges})
	storagev1.RegisterDeletedBucketServiceServer(server, &deletedBuckets{use: u.Buckets})
	storagev1.RegisterAccountRemovalServiceServer(server, &accountRemovals{use: u.Removals})
	storagev1.RegisterQuotaServiceServer(server, &quotas{use: u.Quotas})
	storagev1.RegisterPlatformQuotaServiceServer(server, &platformQuotas{use: u.Quotas})
	storagev1.RegisterOperationServiceServer(server, &operations{use: u.Operations})
	storagev1.RegisterDriftServiceServer(server, &drifts{use: u.Drifts})
	storagev1.RegisterPlatformDriftServiceServer(server, &platformDrifts{use: u.Drifts, buckets: u.Buckets, keys: u.AccessKeys, fresh: u.Fresh})
	storagev1.RegisterBackendServiceServer(server, &backends{use: u.Backends})
	storagev1.RegisterShareServiceServer(server, &shares{use: u.Shares, fresh: u.Fresh})
	storagev1.RegisterFavouriteServiceServer(server, &favourites{use: u.Favourites})
}

// begun tells the caller which operation its call is.
func begun(ctx context.Context, operationID string) error {
	if operationID == "" {
		return nil
	}
	return rpc.SetOperationID(ctx, operationID)
}

// stamp returns a time as it travels; the zero time is absent.
func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	// To what the database keeps: a resource shows the same times when it is made as when it is read.
	return timestamppb.New(t.Truncate(time.Microsecond))
}

func conditions(list []reconcile.Condition) []*operationv1.Condition {
	out := make([]*operationv1.Condition, len(list))
	for i, c := range list {
		out[i] = &operationv1.Condition{
			Type: c.Type, Status: c.Status, Reason: c.Reason, Message: c.Message, TransitionTime: stamp(c.Since),
		}
	}
	return out
}
