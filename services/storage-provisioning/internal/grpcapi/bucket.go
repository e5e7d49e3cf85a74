package grpcapi

import (
	"cmp"
	"context"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/bucket"
)

type buckets struct {
	storagev1.UnimplementedBucketServiceServer
	use *bucket.Service
}

func (s *buckets) CreateBucket(ctx context.Context, r *storagev1.CreateBucketRequest) (*storagev1.CreateBucketResponse, error) {
	done, err := s.use.Create(ctx, bucket.NewBucket{
		AccountID: r.GetAccountId(), Name: r.GetName(), Backend: r.GetBackend(), CustomerReference: r.GetCustomerReference(),
		Labels: r.GetLabels(), CORSRules: len(r.GetCorsRules()),
		Spec: bucket.Spec{
			Versioning: versioningOf(r.GetVersioning()), QuotaBytes: r.GetQuotaBytes(), Lifecycle: all(r.GetLifecycleRules(), ruleOf),
			Tags: r.GetTags(), Lock: lockOf(r.GetObjectLock()), Encryption: encryptionOf(r.GetDefaultEncryption()),
		},
	})
	if err != nil {
		return nil, err
	}
	return &storagev1.CreateBucketResponse{Bucket: Bucket(done.Bucket)}, begun(ctx, done.OperationID)
}

func (s *buckets) GetBucket(ctx context.Context, r *storagev1.GetBucketRequest) (*storagev1.GetBucketResponse, error) {
	b, err := s.use.Get(ctx, r.GetAccountId(), r.GetBucket())
	if err != nil {
		return nil, err
	}
	return &storagev1.GetBucketResponse{Bucket: Bucket(b)}, nil
}

func (s *buckets) ListBuckets(ctx context.Context, r *storagev1.ListBucketsRequest) (*storagev1.ListBucketsResponse, error) {
	list, next, err := s.use.List(ctx, bucket.Query{
		AccountID: r.GetAccountId(), Backend: r.GetBackend(), CustomerReference: r.GetCustomerReference(),
		Labels: r.GetLabels(),
	}, r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &storagev1.ListBucketsResponse{Buckets: all(list, Bucket), NextPageToken: next}, nil
}

func (s *buckets) UpdateBucket(ctx context.Context, r *storagev1.UpdateBucketRequest) (*storagev1.UpdateBucketResponse, error) {
	changes, err := changesOf(r)
	if err != nil {
		return nil, err
	}
	// Whoever sends back the bucket as it was read sends its etag with it.
	etag := cmp.Or(r.GetEtag(), r.GetBucket().GetEtag())
	done, err := s.use.Update(ctx, r.GetAccountId(), r.GetBucketName(), etag, changes)
	if err != nil {
		return nil, err
	}
	return &storagev1.UpdateBucketResponse{Bucket: Bucket(done.Bucket)}, begun(ctx, done.OperationID)
}

func (s *buckets) DeleteBucket(ctx context.Context, r *storagev1.DeleteBucketRequest) (*storagev1.DeleteBucketResponse, error) {
	done, err := s.use.Delete(ctx, r.GetAccountId(), r.GetBucket(), r.GetEtag())
	if err != nil {
		return nil, err
	}
	return &storagev1.DeleteBucketResponse{}, begun(ctx, done.OperationID)
}

func (s *buckets) ReconcileBucket(ctx context.Context, r *storagev1.ReconcileBucketRequest) (*storagev1.ReconcileBucketResponse, error) {
	b, err := s.use.Reconcile(ctx, r.GetAccountId(), r.GetBucket())
	if err != nil {
		return nil, err
	}
	return &storagev1.ReconcileBucketResponse{Bucket: Bucket(b)}, nil
}

// changesOf returns the fields that the mask names. Without a mask these are the ones that
// are set (AIP-134); "*" names all that can be changed.
func changesOf(r *storagev1.UpdateBucketRequest) (bucket.Changes, error) {
	b := r.GetBucket()
	var changes bucket.Changes
	paths := r.GetUpdateMask().GetPaths()
	if len(paths) == 0 {
		paths = setFields(b)
	}
	for _, path := range paths {
		// Over REST the mask names what is inside of a field; a field changes as a whole.
		path, _, _ := strings.Cut(path, ".")
		switch take, known := changeable[path]; {
		case known:
			take(b, &changes)
		case path == "etag": // a precondition, which the call has
		case path == "*":
			for _, take := range changeable {
				take(b, &changes)
			}
		default:
			return bucket.Changes{}, bucket.NotUpdatable(path)
		}
	}
	return changes, nil
}

// changeable are the fields that UpdateBucket changes.
var changeable = map[string]func(*storagev1.Bucket, *bucket.Changes){
	"versioning":         func(b *storagev1.Bucket, c *bucket.Changes) { c.Versioning = new(versioningOf(b.GetVersioning())) },
	"quota_bytes":        func(b *storagev1.Bucket, c *bucket.Changes) { c.QuotaBytes = new(b.GetQuotaBytes()) },
	"lifecycle_rules":    func(b *storagev1.Bucket, c *bucket.Changes) { c.Lifecycle = new(all(b.GetLifecycleRules(), ruleOf)) },
	"customer_reference": func(b *storagev1.Bucket, c *bucket.Changes) { c.CustomerReference = new(b.GetCustomerReference()) },
	"tags":               func(b *storagev1.Bucket, c *bucket.Changes) { c.Tags = new(b.GetTags()) },
	"labels":             func(b *storagev1.Bucket, c *bucket.Changes) { c.Labels = new(b.GetLabels()) },
	"object_lock":        func(b *storagev1.Bucket, c *bucket.Changes) { c.Lock = new(lockOf(b.GetObjectLock())) },
	"default_encryption": func(b *storagev1.Bucket, c *bucket.Changes) {
		c.Encryption = new(encryptionOf(b.GetDefaultEncryption()))
	},
	"cors_rules": func(b *storagev1.Bucket, c *bucket.Changes) { c.CORSRules = len(b.GetCorsRules()) },
}

// setFields names the changeable fields that are set.
func setFields(b *storagev1.Bucket) []string {
	var paths []string
	b.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if _, known := changeable[string(field.Name())]; known {
			paths = append(paths, string(field.Name()))
		}
		return true
	})
	return paths
}

// Bucket returns a bucket as it travels.
func Bucket(b bucket.Bucket) *storagev1.Bucket {
	return &storagev1.Bucket{
		Id: b.ID, AccountId: b.AccountID, Name: b.Name, Backend: b.Backend, CustomerReference: b.CustomerReference,
		Versioning: versioning[b.Spec.Versioning], QuotaBytes: b.Spec.QuotaBytes, LifecycleRules: all(b.Spec.Lifecycle, rule),
		Tags: b.Spec.Tags, Labels: b.Labels, ObjectLock: lock(b.Spec.Lock), DefaultEncryption: encryption[b.Spec.Encryption],
		PublicAccess: public(b),
		State:        bucketStates[b.State], Generation: b.Generation, ObservedGeneration: b.Observed,
		Conditions: conditions(b.Conditions), Etag: b.ETag(), CreateTime: stamp(b.CreatedAt), UpdateTime: stamp(b.UpdatedAt),
	}
}

var bucketStates = map[bucket.State]storagev1.BucketState{
	bucket.Creating: storagev1.BucketState_BUCKET_STATE_CREATING,
	bucket.Ready:    storagev1.BucketState_BUCKET_STATE_READY,
	bucket.Updating: storagev1.BucketState_BUCKET_STATE_UPDATING,
	bucket.Deleting: storagev1.BucketState_BUCKET_STATE_DELETING,
	// The last thing an event tells of a bucket.
	bucket.Vanishing: storagev1.BucketState_BUCKET_STATE_DELETING,
	bucket.Purging:   storagev1.BucketState_BUCKET_STATE_PURGING,
	bucket.Conflict:  storagev1.BucketState_BUCKET_STATE_CONFLICT,
}

var versioning = map[bucket.Versioning]storagev1.Versioning{
	bucket.VersioningOff:       storagev1.Versioning_VERSIONING_OFF,
	bucket.VersioningEnabled:   storagev1.Versioning_VERSIONING_ENABLED,
	bucket.VersioningSuspended: storagev1.Versioning_VERSIONING_SUSPENDED,
}

func versioningOf(v storagev1.Versioning) bucket.Versioning {
	switch v {
	case storagev1.Versioning_VERSIONING_ENABLED:
		return bucket.VersioningEnabled
	case storagev1.Versioning_VERSIONING_SUSPENDED:
		return bucket.VersioningSuspended
	default:
		return bucket.VersioningOff
	}
}

// all converts a list.
func all[T, P any](list []T, convert func(T) P) []P {
	out := make([]P, len(list))
	for i, v := range list {
		out[i] = convert(v)
	}
	return out
}
