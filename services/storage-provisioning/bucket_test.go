package storage_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	operationv1 "github.com/primecloud/primecloud/proto/gen/primecloud/operation/v1"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

func TestBucket_comes_to_be_as_asked_and_goes(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket := account(), name()
	request := &storagev1.CreateBucketRequest{
		AccountId: acc, Name: bucket, CustomerReference: "C-7", Versioning: storagev1.Versioning_VERSIONING_ENABLED, QuotaBytes: 1 << 30,
		LifecycleRules: []*storagev1.LifecycleRule{{Id: "old", Prefix: "logs/", ExpireAfterDays: 30, ExpireNoncurrentAfterDays: 7}},
	}
	var created *storagev1.Bucket
	opn, err := operationID(func(o ...grpc.CallOption) error {
		response, err := w.buckets.CreateBucket(w.as(acc), request, o...)
		created = response.GetBucket()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if created.GetState() != storagev1.BucketState_BUCKET_STATE_READY || created.GetObservedGeneration() != created.GetGeneration() {
		t.Fatalf("the answer says %v", created)
	}
	t.Run("MinIO has it", func(t *testing.T) {
		ctx := testkit.Context(t)
		versioning, err := w.s3().GetBucketVersioning(ctx, bucket)
		if err != nil || !versioning.Enabled() {
			t.Errorf("versioning is %v, %v", versioning, err)
		}
		quota, err := w.admin().GetBucketQuota(ctx, bucket)
		if err != nil || quota.Size != 1<<30 || quota.Type != "hard" {
			t.Errorf("the quota is %v, %v", quota, err)
		}
		rules, err := w.s3().GetBucketLifecycle(ctx, bucket)
		if err != nil || len(rules.Rules) != 1 || rules.Rules[0].Expiration.Days != 30 {
			t.Errorf("the rules are %v, %v", rules, err)
		}
		tags, err := w.s3().GetBucketTagging(ctx, bucket)
		if err != nil || tags.ToMap()["primecloud-id"] != created.GetId() || tags.ToMap()["primecloud-account"] != acc {
			t.Errorf("the mark is %v, %v", tags, err)
		}
	})
	t.Run("it is read and listed", func(t *testing.T) {
		got, err := w.buckets.GetBucket(w.as(acc), &storagev1.GetBucketRequest{AccountId: acc, Bucket: bucket})
		if err != nil || got.GetBucket().GetEtag() != created.GetEtag() || got.GetBucket().GetQuotaBytes() != 1<<30 {
			t.Errorf("got %v, %v", got, err)
		}
		list, err := w.buckets.ListBuckets(w.as(acc), &storagev1.ListBucketsRequest{AccountId: acc, CustomerReference: "C-7"})
		if err != nil || len(list.GetBuckets()) != 1 || list.GetNextPageToken() != "" {
			t.Errorf("listed %v, %v", list, err)
		}
	})
	t.Run("its operation has succeeded", func(t *testing.T) {
		o, err := w.works.GetOperation(w.as(acc), &storagev1.GetOperationRequest{AccountId: acc, OperationId: opn})
		if err != nil || o.GetOperation().GetState() != operationv1.Operation_STATE_SUCCEEDED || o.GetOperation().GetResourceId() != created.GetId() {
			t.Errorf("got %v, %v", o, err)
		}
	})
	t.Run("it goes, and its name is free after a while", func(t *testing.T) {
		if _, err := w.buckets.DeleteBucket(w.as(acc), &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: bucket, Etag: created.GetEtag()}); err != nil {
			t.Fatal(err)
		}
		if w.exists(bucket) {
			t.Error("MinIO still has it")
		}
		_, err := w.buckets.GetBucket(w.as(acc), &storagev1.GetBucketRequest{AccountId: acc, Bucket: bucket})
		refused(t, err, errs.NotFound, "BUCKET_NOT_FOUND")
		other := account()
		_, err = w.buckets.CreateBucket(w.as(other), &storagev1.CreateBucketRequest{AccountId: other, Name: bucket})
		refused(t, err, errs.AlreadyExists, "BUCKET_NAME_TAKEN")
		w.gone(bucket)
		w.create(other, bucket)
	})
}

func TestUpdateBucket(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket := account(), name()
	created := w.create(acc, bucket)
	update := func(b *storagev1.Bucket, etag string, mask ...string) (*storagev1.Bucket, error) {
		response, err := w.buckets.UpdateBucket(w.as(acc), &storagev1.UpdateBucketRequest{
			AccountId: acc, BucketName: bucket, Bucket: b, Etag: etag, UpdateMask: &fieldmaskpb.FieldMask{Paths: mask},
		})
		return response.GetBucket(), err
	}
	w.calls.writes()
	t.Run("only what the mask names is changed, with one write", func(t *testing.T) {
		got, err := update(&storagev1.Bucket{QuotaBytes: 5000, Versioning: storagev1.Versioning_VERSIONING_ENABLED}, created.GetEtag(), "quota_bytes")
		if err != nil || got.GetQuotaBytes() != 5000 || got.GetVersioning() != storagev1.Versioning_VERSIONING_OFF {
			t.Fatalf("got %v, %v", got, err)
		}
		if writes := w.calls.writes(); !slices.Equal(writes, []string{"SetQuota"}) {
			t.Errorf("MinIO was written %v", writes)
		}
	})
	t.Run("a stale etag is refused", func(t *testing.T) {
		_, err := update(&storagev1.Bucket{QuotaBytes: 1}, created.GetEtag(), "quota_bytes")
		refused(t, err, errs.Aborted, "ETAG_MISMATCH")
		_, err = update(&storagev1.Bucket{QuotaBytes: 7, Etag: "0"}, "", "quota_bytes", "etag")
		refused(t, err, errs.Aborted, "ETAG_MISMATCH")
	})
	t.Run("what changes nothing, or nothing on the backend, costs no write there", func(t *testing.T) {
		if _, err := update(&storagev1.Bucket{QuotaBytes: 5000}, "", "quota_bytes"); err != nil {
			t.Fatal(err)
		}
		got, err := update(&storagev1.Bucket{CustomerReference: "new"}, "", "customer_reference")
		if err != nil || got.GetCustomerReference() != "new" {
			t.Fatalf("got %v, %v", got, err)
		}
		if writes := w.calls.writes(); len(writes) > 0 {
			t.Errorf("MinIO was written %v", writes)
		}
	})
	t.Run("versioning never goes back to off", func(t *testing.T) {
		if _, err := update(&storagev1.Bucket{Versioning: storagev1.Versioning_VERSIONING_ENABLED}, "", "versioning"); err != nil {
			t.Fatal(err)
		}
		_, err := update(&storagev1.Bucket{Versioning: storagev1.Versioning_VERSIONING_OFF}, "", "versioning")
		refused(t, err, errs.FailedPrecondition, "VERSIONING_IRREVERSIBLE")
	})
	t.Run("a field that never changes is refused by its name", func(t *testing.T) {
		_, err := update(&storagev1.Bucket{Name: "other"}, "", "name")
		refused(t, err, errs.InvalidArgument, "FIELD_NOT_UPDATABLE")
	})
	t.Run("rules and quota can be taken away", func(t *testing.T) {
		rules := []*storagev1.LifecycleRule{{Id: "a", ExpireAfterDays: 1}, {Id: "b", Prefix: "p/", ExpireNoncurrentAfterDays: 3, Disabled: true}}
		if got, err := update(&storagev1.Bucket{LifecycleRules: rules}, "", "lifecycle_rules"); err != nil || len(got.GetLifecycleRules()) != 2 {
			t.Fatalf("got %v, %v", got, err)
		}
		got, err := update(&storagev1.Bucket{}, "", "lifecycle_rules", "quota_bytes")
		if err != nil || len(got.GetLifecycleRules()) != 0 || got.GetQuotaBytes() != 0 {
			t.Fatalf("got %v, %v", got, err)
		}
	})
	t.Run("a rule that comes after the default one is refused", func(t *testing.T) {
		_, err := update(&storagev1.Bucket{LifecycleRules: []*storagev1.LifecycleRule{{Id: "a", AbortIncompleteUploadAfterDays: 8}}}, "", "lifecycle_rules")
		refused(t, err, errs.InvalidArgument, "LIFECYCLE_RULE_INVALID")
	})
}

func TestDeleteBucket_refuses_content(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket := account(), name()
	if _, err := w.buckets.CreateBucket(w.as(acc), &storagev1.CreateBucketRequest{
		AccountId: acc, Name: bucket, Versioning: storagev1.Versioning_VERSIONING_ENABLED,
	}); err != nil {
		t.Fatal(err)
	}
	w.put(bucket, "a")
	w.put(bucket, "a")
	if err := w.s3().RemoveObject(testkit.Context(t), bucket, "a", removeLatest); err != nil {
		t.Fatal(err)
	}
	w.calls.writes()
	_, err := w.buckets.DeleteBucket(w.as(acc), &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: bucket})
	if got := refused(t, err, errs.FailedPrecondition, "BUCKET_NOT_EMPTY").Metadata()["objects"]; got != "3" {
		t.Errorf("two versions and a delete marker were counted as %q", got)
	}
	if writes := w.calls.writes(); len(writes) > 0 {
		t.Errorf("MinIO was written %v", writes)
	}
	got, err := w.buckets.GetBucket(w.as(acc), &storagev1.GetBucketRequest{AccountId: acc, Bucket: bucket})
	if err != nil || got.GetBucket().GetState() != storagev1.BucketState_BUCKET_STATE_READY {
		t.Errorf("afterwards it is %v, %v", got, err)
	}
}

func TestBucketName_is_reserved_once(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket := account(), name()
	w.create(acc, bucket)
	t.Run("another tenant, and the same, hear the same", func(t *testing.T) {
		other := account()
		_, err := w.buckets.CreateBucket(w.as(other), &storagev1.CreateBucketRequest{AccountId: other, Name: bucket})
		theirs := refused(t, err, errs.AlreadyExists, "BUCKET_NAME_TAKEN")
		_, err = w.buckets.CreateBucket(w.as(acc), &storagev1.CreateBucketRequest{AccountId: acc, Name: bucket})
		if ours := refused(t, err, errs.AlreadyExists, "BUCKET_NAME_TAKEN"); ours.Message() != theirs.Message() {
			t.Errorf("%q differs from %q", ours.Message(), theirs.Message())
		}
	})
	t.Run("what somebody made behind our back is never adopted", func(t *testing.T) {
		for _, content := range []bool{false, true} {
			foreign := name()
			if err := w.s3().MakeBucket(testkit.Context(t), foreign, makeOptions(w)); err != nil {
				t.Fatal(err)
			}
			if content {
				w.put(foreign, "theirs")
			}
			w.calls.writes()
			_, err := w.buckets.CreateBucket(w.as(acc), &storagev1.CreateBucketRequest{AccountId: acc, Name: foreign})
			refused(t, err, errs.AlreadyExists, "BUCKET_NAME_TAKEN")
			w.gone(foreign)
			for _, call := range w.calls.writes() {
				if call != "PutPolicy" {
					t.Errorf("MinIO was written %s", call)
				}
			}
			if !w.exists(foreign) {
				t.Error("the bucket is gone")
			}
			_, err = w.buckets.GetBucket(w.as(acc), &storagev1.GetBucketRequest{AccountId: acc, Bucket: foreign})
			refused(t, err, errs.NotFound, "BUCKET_NOT_FOUND")
			drifts, err := w.drifts.ListDrifts(w.as(acc), &storagev1.ListDriftsRequest{AccountId: acc})
			if err != nil || !slices.ContainsFunc(drifts.GetDrifts(), func(d *storagev1.Drift) bool {
				return d.GetResourceName() == foreign && d.GetKind() == storagev1.Drift_KIND_EXTRA
			}) {
				t.Errorf("the drift is not told: %v, %v", drifts, err)
			}
		}
	})
	t.Run("a broken rule is named", func(t *testing.T) {
		_, err := w.buckets.CreateBucket(w.as(acc), &storagev1.CreateBucketRequest{AccountId: acc, Name: "Upper_case"})
		e := refused(t, err, errs.InvalidArgument, "BUCKET_NAME_INVALID")
		if v := e.Violations(); len(v) != 1 || v[0].Rule != "NAME_CHARACTERS" || v[0].Field != "name" {
			t.Errorf("the violations are %v", v)
		}
	})
}

func TestIdempotencyKey(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket := account(), name()
	request := &storagev1.CreateBucketRequest{AccountId: acc, Name: bucket}
	first, err := w.buckets.CreateBucket(withKey(w.as(acc), "k1"), request)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("the same call again is the same call", func(t *testing.T) {
		w.calls.writes()
		again, err := w.buckets.CreateBucket(withKey(w.as(acc), "k1"), request)
		if err != nil || again.GetBucket().GetId() != first.GetBucket().GetId() || again.GetBucket().GetEtag() != first.GetBucket().GetEtag() {
			t.Errorf("got %v, %v", again, err)
		}
		if writes := w.calls.writes(); len(writes) > 0 {
			t.Errorf("MinIO was written %v", writes)
		}
	})
	t.Run("with another payload it is refused", func(t *testing.T) {
		_, err := w.buckets.CreateBucket(withKey(w.as(acc), "k1"), &storagev1.CreateBucketRequest{AccountId: acc, Name: name()})
		refused(t, err, errs.InvalidArgument, "IDEMPOTENCY_KEY_REUSED")
	})
	t.Run("a delete is repeated too", func(t *testing.T) {
		remove := &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: bucket}
		for range 2 {
			if _, err := w.buckets.DeleteBucket(withKey(w.as(acc), "k2"), remove); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("one that was refused starts again", func(t *testing.T) {
		full := name()
		w.create(acc, full)
		w.put(full, "a")
		remove := &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: full}
		_, err := w.buckets.DeleteBucket(withKey(w.as(acc), "k3"), remove)
		refused(t, err, errs.FailedPrecondition, "BUCKET_NOT_EMPTY")
		if err := w.s3().RemoveObject(testkit.Context(t), full, "a", removeLatest); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, 10*time.Second, func() error {
			_, err := w.buckets.DeleteBucket(withKey(w.as(acc), "k3"), remove)
			return err
		})
	})
}

func TestListBuckets_pages(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, prefix := account(), name()
	for i := range 5 {
		w.create(acc, fmt.Sprintf("%s-%d", prefix, i))
	}
	var seen []string
	token := ""
	for {
		page, err := w.buckets.ListBuckets(w.as(acc), &storagev1.ListBucketsRequest{AccountId: acc, PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range page.GetBuckets() {
			seen = append(seen, b.GetName())
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if len(seen) != 5 || !slices.IsSorted(seen) {
		t.Errorf("the pages have %v", seen)
	}
	first, err := w.buckets.ListBuckets(w.as(acc), &storagev1.ListBucketsRequest{AccountId: acc, PageSize: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("a token of another list is refused", func(t *testing.T) {
		for _, r := range []*storagev1.ListBucketsRequest{
			{AccountId: acc, PageToken: first.GetNextPageToken(), CustomerReference: "other"},
			{AccountId: acc, PageToken: "forged"},
		} {
			_, err := w.buckets.ListBuckets(w.as(acc), r)
			refused(t, err, errs.InvalidArgument, "PAGE_TOKEN_INVALID")
		}
		other := account()
		_, err := w.buckets.ListBuckets(w.as(other), &storagev1.ListBucketsRequest{AccountId: other, PageToken: first.GetNextPageToken()})
		refused(t, err, errs.InvalidArgument, "PAGE_TOKEN_INVALID")
	})
}

func TestTenants_see_nothing_of_each_other(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, other, bucket := account(), account(), name()
	w.create(acc, bucket)
	w.create(other, name())
	ctx := w.as(other)
	calls := map[string]func(accountID string) error{
		"GetBucket": func(a string) error {
			_, err := w.buckets.GetBucket(ctx, &storagev1.GetBucketRequest{AccountId: a, Bucket: bucket})
			return err
		},
		"UpdateBucket": func(a string) error {
			_, err := w.buckets.UpdateBucket(ctx, &storagev1.UpdateBucketRequest{AccountId: a, BucketName: bucket, Bucket: &storagev1.Bucket{QuotaBytes: 1}})
			return err
		},
		"DeleteBucket": func(a string) error {
			_, err := w.buckets.DeleteBucket(ctx, &storagev1.DeleteBucketRequest{AccountId: a, Bucket: bucket})
			return err
		},
		"ReconcileBucket": func(a string) error {
			_, err := w.buckets.ReconcileBucket(ctx, &storagev1.ReconcileBucketRequest{AccountId: a, Bucket: bucket})
			return err
		},
	}
	for method, call := range calls {
		t.Run(method+" in one's own account finds nothing", func(t *testing.T) {
			refused(t, call(other), errs.NotFound, "BUCKET_NOT_FOUND")
		})
		t.Run(method+" in the other's account finds nothing", func(t *testing.T) {
			refused(t, call(acc), errs.NotFound, "NOT_FOUND")
		})
	}
	t.Run("a viewer may not write", func(t *testing.T) {
		_, err := w.buckets.DeleteBucket(w.asRole(acc, "viewer"), &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: bucket})
		refused(t, err, errs.PermissionDenied, "ROLE_NOT_ALLOWED")
	})
	t.Run("drift and operations stay in the account", func(t *testing.T) {
		list, err := w.works.ListOperations(ctx, &storagev1.ListOperationsRequest{AccountId: other})
		if err != nil || len(list.GetOperations()) != 1 {
			t.Errorf("got %v, %v", list, err)
		}
	})
}

func TestBucket_shows_the_same_times_when_it_is_made_as_when_it_is_read(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket := account(), name()
	made := w.create(acc, bucket)
	read, err := w.buckets.GetBucket(w.as(acc), &storagev1.GetBucketRequest{AccountId: acc, Bucket: bucket})
	if err != nil || !proto.Equal(read.GetBucket(), made) {
		t.Errorf("made %v\nread %v, %v", made, read.GetBucket(), err)
	}
}
