package faults_test

import (
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/rpc"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

// made is how every bucket is created, changed how it is updated: each field differs, so
// that each takes a step of its own.
var (
	made = bucket.Spec{
		Versioning: bucket.VersioningEnabled, QuotaBytes: 1 << 30,
		Lifecycle: []bucket.Rule{{ID: "old", Prefix: "tmp/", ExpireAfterDays: 7}},
		Tags:      map[string]string{"team": "red"},
	}
	changed = bucket.Spec{
		Versioning: bucket.VersioningSuspended, QuotaBytes: 2 << 30,
		Lifecycle: []bucket.Rule{{ID: "new", Prefix: "log/", ExpireAfterDays: 30}},
		Tags:      map[string]string{"team": "blue"},
	}
)

// The operations.
const (
	createBucket = "create bucket"
	updateBucket = "update bucket"
	deleteBucket = "delete bucket"
	// refusedDelete deletes a bucket that has content: the one that ends ABANDONED.
	refusedDelete = "refused delete"
	createKey     = "create key"
	// createKeyOnce has no idempotency key: nobody could ask for the secret again.
	createKeyOnce = "create key once"
	deleteKey     = "delete key"
	// What is adopted stands on the backend before: a bucket, a service account of the
	// account's user, a user by itself.
	adoptBucket = "adopt bucket"
	adoptKey    = "adopt key"
	adoptUser   = "adopt user"
	// reconcileBucket and presignUpload change nothing that is recorded.
	reconcileBucket = "reconcile bucket"
	presignUpload   = "presign upload"
)

// operations are those that end an operation of the record.
var operations = []string{createBucket, updateBucket, deleteBucket, refusedDelete, createKey, createKeyOnce, deleteKey, adoptBucket, adoptKey, adoptUser}

// call is one call that changes something, the same whoever sends it and how often.
type call struct {
	// Operation is one of those above.
	Operation string
	// Account and Bucket are this call's alone.
	Account, Bucket string
	// Key is the idempotency key; none for one that is sent once.
	Key string
	// AccessKey is the access key that is deleted, or the id of the one that is adopted.
	AccessKey string
}

// credentials are an access key and its secret; of a presigned URL, the secret is all.
type credentials struct{ resource, id, secret string }

// aboutKey says whether the call changes an access key rather than a bucket.
func (c call) aboutKey() bool { return c.adoptsKey() || strings.Contains(c.Operation, "key") }

// method is the full name of what is called.
func (c call) method() string {
	const buckets, keys = "/primecloud.storage.v1.BucketService/", "/primecloud.storage.v1.AccessKeyService/"
	const platform = "/primecloud.storage.v1.PlatformDriftService/"
	switch c.Operation {
	case reconcileBucket, presignUpload:
		return "none"
	case createBucket:
		return buckets + "CreateBucket"
	case updateBucket:
		return buckets + "UpdateBucket"
	case createKey, createKeyOnce:
		return keys + "CreateAccessKey"
	case deleteKey:
		return keys + "DeleteAccessKey"
	case adoptBucket:
		return platform + "AdoptBucket"
	case adoptKey, adoptUser:
		return platform + "AdoptAccessKey"
	default:
		return buckets + "DeleteBucket"
	}
}

// event is the type of the event that tells of the call's success.
func (c call) event() string {
	const bucket, key = "primecloud.storage.bucket.", "primecloud.storage.access_key."
	switch c.Operation {
	case reconcileBucket, presignUpload:
		return "none"
	case createBucket, adoptBucket:
		return bucket + "created.v1"
	case updateBucket:
		return bucket + "updated.v1"
	case createKey, createKeyOnce, adoptKey, adoptUser:
		return key + "created.v1"
	case deleteKey:
		return key + "deleted.v1"
	default:
		return bucket + "deleted.v1"
	}
}

// told is how the operation of a call that was answered has ended.
func (c call) told() string {
	switch c.Operation {
	case refusedDelete:
		return abandoned
	case reconcileBucket, presignUpload:
		return none
	default:
		return succeeded
	}
}

// wantsFresh says whether a replica answers the call only while it knows what is revoked.
func (c call) wantsFresh() bool {
	return c.Operation == createKey || c.Operation == createKeyOnce || c.Operation == presignUpload || c.adoptsKey()
}

// want is what must be there when the operation ended so: the bucket, unless there is
// none, and how many access keys.
func (c call) want(outcome string) (spec bucket.Spec, there bool, keys int) {
	done := outcome == succeeded
	switch c.Operation {
	case createBucket:
		return made, done, 0
	case adoptBucket:
		return asFound, done, 0
	case updateBucket:
		if done {
			return changed, true, 0
		}
		return made, true, 0
	case deleteBucket:
		return made, !done, 0
	case createKey, createKeyOnce, adoptKey, adoptUser:
		return made, true, number(done)
	case deleteKey:
		return made, true, number(!done)
	default:
		return made, true, 0
	}
}

// number is one of something that is there.
func number(there bool) int {
	if there {
		return 1
	}
	return 0
}

// judge says what is wrong with an answer.
func (c call) judge(answer error) error {
	switch {
	case c.Operation != refusedDelete:
		return answer
	case errs.ReasonOf(answer) == "BUCKET_NOT_EMPTY":
		return nil
	default:
		return errors.Join(errors.New("wanted the answer BUCKET_NOT_EMPTY"), answer)
	}
}

// sendWhenFresh sends the call as soon as the replica knows what is revoked.
func (c call) sendWhenFresh(ctx context.Context, conn grpc.ClientConnInterface) (credentials, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		got, err := c.send(ctx, conn)
		if errs.ReasonOf(err) != "DEPENDENCY_UNAVAILABLE" {
			return got, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return got, err
		}
	}
}

// send sends the call; a creation of an access key returns it.
func (c call) send(ctx context.Context, conn grpc.ClientConnInterface) (credentials, error) {
	buckets, keys := storagev1.NewBucketServiceClient(conn), storagev1.NewAccessKeyServiceClient(conn)
	if c.Key != "" {
		ctx = rpc.WithIdempotencyKey(ctx, c.Key)
	}
	var err error
	switch c.Operation {
	case createBucket:
		_, err = buckets.CreateBucket(ctx, &storagev1.CreateBucketRequest{
			AccountId: c.Account, Name: c.Bucket, Versioning: storagev1.Versioning_VERSIONING_ENABLED,
			QuotaBytes: made.QuotaBytes, LifecycleRules: rules(made), Tags: made.Tags,
		})
	case updateBucket:
		_, err = buckets.UpdateBucket(ctx, &storagev1.UpdateBucketRequest{
			AccountId: c.Account, BucketName: c.Bucket,
			Bucket: &storagev1.Bucket{
				Versioning: storagev1.Versioning_VERSIONING_SUSPENDED, QuotaBytes: changed.QuotaBytes, LifecycleRules: rules(changed),
				Tags: changed.Tags,
			},
			UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"versioning", "quota_bytes", "lifecycle_rules", "tags"}},
		})
	case createKey, createKeyOnce:
		var response *storagev1.CreateAccessKeyResponse
		response, err = keys.CreateAccessKey(ctx, &storagev1.CreateAccessKeyRequest{
			AccountId: c.Account, DisplayName: "a key",
			Grants: []*storagev1.Grant{{Bucket: c.Bucket, Permission: storagev1.Permission_PERMISSION_READ_WRITE}},
		})
		k := response.GetAccessKey()
		return credentials{resource: k.GetId(), id: k.GetAccessKeyId(), secret: response.GetSecretAccessKey()}, err
	case reconcileBucket:
		_, err = buckets.ReconcileBucket(ctx, &storagev1.ReconcileBucketRequest{AccountId: c.Account, Bucket: c.Bucket})
	case presignUpload:
		var response *storagev1.PresignUploadResponse
		response, err = storagev1.NewObjectServiceClient(conn).PresignUpload(ctx, &storagev1.PresignUploadRequest{
			AccountId: c.Account, Bucket: c.Bucket, Key: "by-url",
		})
		return credentials{secret: response.GetUrl()}, err
	case adoptBucket:
		err = c.adoptBucket(ctx, conn)
	case adoptKey, adoptUser:
		err = c.adoptKey(ctx, conn)
	case deleteKey:
		_, err = keys.DeleteAccessKey(ctx, &storagev1.DeleteAccessKeyRequest{AccountId: c.Account, KeyId: c.AccessKey})
	default:
		_, err = buckets.DeleteBucket(ctx, &storagev1.DeleteBucketRequest{AccountId: c.Account, Bucket: c.Bucket})
	}
	return credentials{}, err
}

func rules(s bucket.Spec) []*storagev1.LifecycleRule {
	var list []*storagev1.LifecycleRule
	for _, r := range s.Lifecycle {
		list = append(list, &storagev1.LifecycleRule{Id: r.ID, Prefix: r.Prefix, ExpireAfterDays: int32(r.ExpireAfterDays)})
	}
	return list
}
