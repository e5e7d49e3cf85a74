package storage_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

func TestAccount_gets_no_more_buckets_and_keys_than_it_may_have(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t), measured, func(s config.Source) {
		s["PRIMECLOUD_STORAGE_QUOTA_BUCKETS_HARD"], s["PRIMECLOUD_STORAGE_QUOTA_ACCESS_KEYS_HARD"] = "3", "2"
		s["PRIMECLOUD_STORAGE_QUOTA_BUCKETS_SOFT"] = "2"
	})
	acc, bucket := account(), name()
	w.create(acc, bucket)
	make := func(bucket string) error {
		_, err := w.buckets.CreateBucket(w.as(acc), &storagev1.CreateBucketRequest{AccountId: acc, Name: bucket})
		return err
	}
	t.Run("of many that are made at once", func(t *testing.T) {
		failures := make5(func(i int) error { return make(name()) })
		made := 0
		for _, err := range failures {
			if err == nil {
				made++
				continue
			}
			e := refused(t, err, errs.ResourceExhausted, "QUOTA_EXCEEDED")
			if m := e.Metadata(); m["kind"] != "buckets" || m["limit"] != "3" || m["used"] != "3" {
				t.Errorf("it is refused with %v", m)
			}
		}
		if made != 2 {
			t.Errorf("%d more were made where 2 may be", made)
		}
	})
	t.Run("and a repetition is no further one", func(t *testing.T) {
		ctx := withKey(w.as(acc), "create-"+bucket)
		if _, err := w.buckets.CreateBucket(ctx, &storagev1.CreateBucketRequest{AccountId: acc, Name: bucket}); err != nil {
			t.Error(err)
		}
	})
	t.Run("keys alike", func(t *testing.T) {
		failures := make5(func(int) error {
			_, err := w.keys.CreateAccessKey(w.as(acc), &storagev1.CreateAccessKeyRequest{
				AccountId: acc, DisplayName: "a key", Grants: grants(storagev1.Permission_PERMISSION_READ, bucket),
			})
			return err
		})
		made := 0
		for _, err := range failures {
			if err == nil {
				made++
				continue
			}
			refused(t, err, errs.ResourceExhausted, "QUOTA_EXCEEDED")
		}
		if q := w.quota(acc); made != 2 || q.GetUsage().GetAccessKeys() != 2 || q.GetUsage().GetBuckets() != 3 || !q.GetDefaultLimits() {
			t.Errorf("%d were made, and the quota is %v", made, q)
		}
	})
	t.Run("people are told once that there are many", func(t *testing.T) {
		w.passes(3)
		w.quotaTold(acc, "soft_exceeded BUCKETS")
	})
	t.Run("one that goes makes room", func(t *testing.T) {
		if _, err := w.buckets.DeleteBucket(w.as(acc), &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: bucket}); err == nil {
			t.Log("deleted though keys name it")
		}
		w.limit(acc, &storagev1.QuotaLimits{BucketsHard: 4})
		if err := make(name()); err != nil {
			t.Error(err)
		}
	})
	t.Run("limits below what there is remove nothing", func(t *testing.T) {
		w.limit(acc, &storagev1.QuotaLimits{BucketsHard: 1})
		refused(t, make(name()), errs.ResourceExhausted, "QUOTA_EXCEEDED")
		if q := w.quota(acc); q.GetUsage().GetBuckets() < 3 || q.GetDefaultLimits() {
			t.Errorf("the quota is %v", q)
		}
	})
}

// make5 makes five calls at once and returns how they ended.
func make5(call func(int) error) []error {
	failures := make([]error, 5)
	var running sync.WaitGroup
	for i := range failures {
		running.Go(func() { failures[i] = call(i) })
	}
	running.Wait()
	return failures
}

func TestQuota_is_set_by_operators_and_raised_by_request(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc := account()
	w.create(acc, name())
	t.Run("an operator sets it, with a reason in the trail", func(t *testing.T) {
		q := w.limit(acc, &storagev1.QuotaLimits{StorageSoftBytes: 800, StorageHardBytes: 1000, BucketsHard: 5})
		if q.GetDefaultLimits() || q.GetResumeBelowBytes() != 950 || !proto.Equal(q.GetLimits(), w.quota(acc).GetLimits()) {
			t.Errorf("it is %v", q)
		}
		w.quotaTold(acc, "updated")
		events, err := w.published()
		if err != nil {
			t.Fatal(err)
		}
		if said := trail(t, events, acc); said[len(said)-1] != "quota.update SUCCEEDED by usr_operator" {
			t.Errorf("the trail says %q", said)
		}
	})
	t.Run("a repetition with the same key is the same call, whatever came after", func(t *testing.T) {
		set := func(buckets int64) *storagev1.AccountQuota {
			response, err := w.platform().SetPlatformQuota(withKey(w.operator(), fmt.Sprint("set-", buckets)), &storagev1.SetPlatformQuotaRequest{
				AccountId: acc, Reason: "for a test", Limits: &storagev1.QuotaLimits{StorageSoftBytes: 800, StorageHardBytes: 1000, BucketsHard: buckets},
			})
			if err != nil {
				t.Fatal(err)
			}
			return response.GetQuota()
		}
		set(4)
		set(5)
		if q := set(4); q.GetLimits().GetBucketsHard() != 5 || q.GetEtag() != "quota.3" {
			t.Errorf("the quota is %v", q)
		}
		w.quotaTold(acc, "updated", "updated", "updated")
	})
	t.Run("limits that contradict themselves and an old etag are refused", func(t *testing.T) {
		set := func(r *storagev1.SetPlatformQuotaRequest) error {
			r.AccountId, r.Reason = acc, "for a test"
			_, err := w.platform().SetPlatformQuota(w.operator(), r)
			return err
		}
		refused(t, set(&storagev1.SetPlatformQuotaRequest{Limits: &storagev1.QuotaLimits{BucketsSoft: 2, BucketsHard: 1}}), errs.InvalidArgument, "QUOTA_INVALID")
		refused(t, set(&storagev1.SetPlatformQuotaRequest{Limits: &storagev1.QuotaLimits{}, Etag: "quota.0"}), errs.Aborted, "ETAG_MISMATCH")
	})
	ask := func(r *storagev1.CreateQuotaRequestRequest) (*storagev1.QuotaRequest, error) {
		r.AccountId, r.Note = acc, "we grow"
		response, err := w.quotas().CreateQuotaRequest(w.as(acc), r)
		return response.GetQuotaRequest(), err
	}
	approve := func(r *storagev1.QuotaRequest) error {
		_, err := w.platform().ApproveQuotaRequest(w.operator(), &storagev1.ApproveQuotaRequestRequest{AccountId: r.GetAccountId(), QuotaRequestId: r.GetId()})
		return err
	}
	t.Run("a request for no more is refused", func(t *testing.T) {
		for _, r := range []*storagev1.CreateQuotaRequestRequest{{}, {StorageHardBytes: 1000}, {AccessKeysHard: 7}} {
			_, err := ask(r)
			refused(t, err, errs.InvalidArgument, "QUOTA_REQUEST_INVALID")
		}
	})
	t.Run("asked and approved", func(t *testing.T) {
		asked, err := ask(&storagev1.CreateQuotaRequestRequest{StorageHardBytes: 2000})
		if err != nil {
			t.Fatal(err)
		}
		_, err = ask(&storagev1.CreateQuotaRequestRequest{StorageHardBytes: 3000})
		refused(t, err, errs.FailedPrecondition, "QUOTA_REQUEST_OPEN")
		open, err := w.platform().ListPlatformQuotaRequests(w.operator(), &storagev1.ListPlatformQuotaRequestsRequest{State: storagev1.QuotaRequest_STATE_OPEN})
		if err != nil || len(open.GetQuotaRequests()) != 1 || open.GetQuotaRequests()[0].GetId() != asked.GetId() {
			t.Fatalf("operators are shown %v, %v", open, err)
		}
		if err := approve(asked); err != nil {
			t.Fatal(err)
		}
		want := &storagev1.QuotaLimits{StorageSoftBytes: 1600, StorageHardBytes: 2000, BucketsHard: 5}
		if got := w.quota(acc).GetLimits(); !proto.Equal(got, want) {
			t.Errorf("the limits are %v", got)
		}
		got, err := w.quotas().GetQuotaRequest(w.as(acc), &storagev1.GetQuotaRequestRequest{AccountId: acc, QuotaRequestId: asked.GetId()})
		if r := got.GetQuotaRequest(); err != nil || r.GetState() != storagev1.QuotaRequest_STATE_APPROVED || r.GetDecideUserId() != "usr_operator" {
			t.Errorf("it is shown as %v, %v", got, err)
		}
		refused(t, approve(asked), errs.FailedPrecondition, "QUOTA_REQUEST_CLOSED")
	})
	t.Run("asked and refused with a note", func(t *testing.T) {
		asked, err := ask(&storagev1.CreateQuotaRequestRequest{BucketsHard: 6})
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.platform().RefuseQuotaRequest(w.operator(), &storagev1.RefuseQuotaRequestRequest{
			AccountId: acc, QuotaRequestId: asked.GetId(), Note: "pay first",
		})
		if r := got.GetQuotaRequest(); err != nil || r.GetState() != storagev1.QuotaRequest_STATE_REFUSED || r.GetDecisionNote() != "pay first" {
			t.Errorf("it is %v, %v", got, err)
		}
		if w.quota(acc).GetLimits().GetBucketsHard() != 5 {
			t.Error("the limit changed")
		}
	})
	t.Run("asked and taken back", func(t *testing.T) {
		asked, err := ask(&storagev1.CreateQuotaRequestRequest{BucketsHard: 6})
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.quotas().WithdrawQuotaRequest(w.as(acc), &storagev1.WithdrawQuotaRequestRequest{AccountId: acc, QuotaRequestId: asked.GetId()})
		if err != nil || got.GetQuotaRequest().GetState() != storagev1.QuotaRequest_STATE_WITHDRAWN {
			t.Errorf("it is %v, %v", got, err)
		}
		refused(t, approve(asked), errs.FailedPrecondition, "QUOTA_REQUEST_CLOSED")
	})
	t.Run("nobody else sees or decides it", func(t *testing.T) {
		other := account()
		list, err := w.quotas().ListQuotaRequests(w.as(acc), &storagev1.ListQuotaRequestsRequest{AccountId: acc, PageSize: 2})
		if err != nil || len(list.GetQuotaRequests()) != 2 || list.GetNextPageToken() == "" {
			t.Fatalf("the account is shown %v, %v", list, err)
		}
		rest, err := w.quotas().ListQuotaRequests(w.as(acc), &storagev1.ListQuotaRequestsRequest{AccountId: acc, PageSize: 2, PageToken: list.GetNextPageToken()})
		if err != nil || len(rest.GetQuotaRequests()) != 1 {
			t.Errorf("and then %v, %v", rest, err)
		}
		id := list.GetQuotaRequests()[0].GetId()
		_, err = w.quotas().GetQuotaRequest(w.as(other), &storagev1.GetQuotaRequestRequest{AccountId: other, QuotaRequestId: id})
		refused(t, err, errs.NotFound, "QUOTA_REQUEST_NOT_FOUND")
		_, err = w.platform().ApproveQuotaRequest(w.as(acc), &storagev1.ApproveQuotaRequestRequest{AccountId: acc, QuotaRequestId: id})
		refused(t, err, errs.PermissionDenied, "CALLER_NOT_ALLOWED")
		_, err = w.quotas().GetAccountQuota(w.asRole(acc, "external"), &storagev1.GetAccountQuotaRequest{AccountId: acc})
		refused(t, err, errs.PermissionDenied, "ROLE_NOT_ALLOWED")
	})
	t.Run("each is told", func(t *testing.T) {
		testkit.Eventually(t, patience, func() error {
			events, err := w.published()
			if err != nil {
				return err
			}
			var told []string
			for _, e := range events {
				if verb, ours := strings.CutPrefix(e.Type, "primecloud.storage.quota_request."); ours && e.AccountID == acc {
					told = append(told, strings.TrimSuffix(verb, ".v1"))
				}
			}
			if got := strings.Join(told, " "); got != "created approved created refused created withdrawn" {
				return fmt.Errorf("told %q", got)
			}
			return nil
		})
	})
}
