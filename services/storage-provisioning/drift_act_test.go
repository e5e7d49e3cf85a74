package storage_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/pkg/token"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// operator is the platform's administrator.
var operator = token.Claims{Subject: "usr_operator", Kind: principal.Operator, Role: "platform_admin", Session: "ses_operator"}

// unowned waits for a finding about a bucket of nobody's.
func (w *world) unowned(bucket string, standing storagev1.DriftStanding) *storagev1.Drift {
	w.t.Helper()
	var found *storagev1.Drift
	platform := storagev1.NewPlatformDriftServiceClient(w.conn)
	testkit.Eventually(w.t, patience, func() error {
		list, err := platform.ListPlatformDrifts(w.asClaims(operator), &storagev1.ListPlatformDriftsRequest{
			Unowned: true, ResourceKind: "bucket", Standing: standing, PageSize: 1000,
		})
		if err != nil {
			return err
		}
		for _, d := range list.GetDrifts() {
			if d.GetResourceName() == bucket {
				found = d
				return nil
			}
		}
		return fmt.Errorf("not among %d findings", len(list.GetDrifts()))
	})
	return found
}

func TestAnOperatorIgnoresWhatNobodyMadeUntilItIsGone(t *testing.T) {
	w := newWorld(t, testkit.NewMinIO(t), everySecond)
	ctx, platform := testkit.Context(t), storagev1.NewPlatformDriftServiceClient(w.conn)
	bucket := name()
	if err := w.s3().MakeBucket(ctx, bucket, makeOptions(w)); err != nil {
		t.Fatal(err)
	}
	found := w.unowned(bucket, storagev1.DriftStanding_DRIFT_STANDING_OPEN)
	if found.GetAccountId() != "" || found.GetKind() != storagev1.Drift_KIND_EXTRA {
		t.Errorf("it is told as %v", found)
	}
	ignored, err := platform.IgnorePlatformDrift(w.asClaims(operator), &storagev1.IgnorePlatformDriftRequest{DriftId: found.GetId(), Reason: "the monitoring's own"})
	if err != nil || ignored.GetDrift().GetIgnoreReason() != "the monitoring's own" || ignored.GetDrift().GetIgnoreTime() == nil {
		t.Fatalf("%v, %v", ignored, err)
	}
	if again := w.unowned(bucket, storagev1.DriftStanding_DRIFT_STANDING_IGNORED); again.GetId() != found.GetId() {
		t.Errorf("it was found anew as %s", again.GetId())
	}
	if _, err := platform.UnignorePlatformDrift(w.asClaims(operator), &storagev1.UnignorePlatformDriftRequest{DriftId: found.GetId()}); err != nil {
		t.Fatal(err)
	}
	w.unowned(bucket, storagev1.DriftStanding_DRIFT_STANDING_OPEN)
	if err := w.s3().RemoveBucket(ctx, bucket); err != nil {
		t.Fatal(err)
	}
	w.unowned(bucket, storagev1.DriftStanding_DRIFT_STANDING_REPAIRED)
	_, err = platform.IgnorePlatformDrift(w.asClaims(operator), &storagev1.IgnorePlatformDriftRequest{DriftId: found.GetId(), Reason: "late"})
	refused(t, err, errs.FailedPrecondition, "DRIFT_REPAIRED")
	_, err = platform.IgnorePlatformDrift(w.asClaims(operator), &storagev1.IgnorePlatformDriftRequest{DriftId: "dft_never", Reason: "x"})
	refused(t, err, errs.NotFound, "DRIFT_NOT_FOUND")
}

func TestATenantHasItsOwnFindingsRepairedAndSeesNoOthers(t *testing.T) {
	w := newWorld(t, testkit.NewMinIO(t))
	ctx := testkit.Context(t)
	acc, other, bucket := account(), account(), name()
	w.create(acc, bucket)
	w.passed()
	w.settled()
	// A mark that is gone stands until somebody puts it back: repairing finds it there again.
	id := w.row(`select id from storage.bucket where name = $1`, bucket)
	tags, err := w.s3().GetBucketTagging(ctx, bucket)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.s3().RemoveBucketTagging(ctx, bucket); err != nil {
		t.Fatal(err)
	}
	if _, err := w.buckets.ReconcileBucket(w.as(acc), &storagev1.ReconcileBucketRequest{AccountId: acc, Bucket: bucket}); err != nil {
		t.Logf("the look that finds it: %v", err)
	}
	found := w.drift(acc, bucket, storagev1.Drift_KIND_DIFFERENT, "mark")
	if found.GetResourceId() != id {
		t.Errorf("the finding is about %s", found.GetResourceId())
	}
	for name, call := range map[string]func() error{
		"get": func() error {
			_, err := w.drifts.GetDrift(w.as(other), &storagev1.GetDriftRequest{AccountId: other, DriftId: found.GetId()})
			return err
		},
		"repair": func() error {
			_, err := w.drifts.RepairDrift(w.as(other), &storagev1.RepairDriftRequest{AccountId: other, DriftId: found.GetId()})
			return err
		},
		"ignore": func() error {
			_, err := w.drifts.IgnoreDrift(w.as(other), &storagev1.IgnoreDriftRequest{AccountId: other, DriftId: found.GetId(), Reason: "mine"})
			return err
		},
	} {
		t.Run("another tenant cannot "+name+" it", func(t *testing.T) { refused(t, call(), errs.NotFound, "DRIFT_NOT_FOUND") })
	}
	if err := w.s3().SetBucketTagging(ctx, bucket, tags); err != nil {
		t.Fatal(err)
	}
	if _, err := w.drifts.RepairDrift(w.as(acc), &storagev1.RepairDriftRequest{AccountId: acc, DriftId: found.GetId()}); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 10*time.Second, func() error {
		got, err := w.drifts.GetDrift(w.as(acc), &storagev1.GetDriftRequest{AccountId: acc, DriftId: found.GetId()})
		if err == nil && got.GetDrift().GetRepairTime() == nil {
			err = fmt.Errorf("it stands: %v", got)
		}
		return err
	})
	_, err = w.drifts.RepairDrift(w.as(acc), &storagev1.RepairDriftRequest{AccountId: acc, DriftId: found.GetId()})
	refused(t, err, errs.FailedPrecondition, "DRIFT_REPAIRED")
	w.tells(acc, 1, "drift.repair SUCCEEDED by usr_"+acc)
}

func TestWhatWasFoundIsCountedUntilItIsIgnored(t *testing.T) {
	w := newWorld(t, testkit.NewMinIO(t), everySecond)
	acc, bucket := account(), name()
	w.create(acc, bucket)
	if err := w.s3().RemoveBucketTagging(testkit.Context(t), bucket); err != nil {
		t.Fatal(err)
	}
	found := w.drift(acc, bucket, storagev1.Drift_KIND_DIFFERENT, "mark")
	if n := w.row(`select count(*)::text from storage.drift where repaired_at is null and ignored_at is null`); n != "1" {
		t.Errorf("%s are counted", n)
	}
	if _, err := w.drifts.IgnoreDrift(w.as(acc), &storagev1.IgnoreDriftRequest{AccountId: acc, DriftId: found.GetId(), Reason: "seen to"}); err != nil {
		t.Fatal(err)
	}
	list, err := w.drifts.ListDrifts(w.as(acc), &storagev1.ListDriftsRequest{AccountId: acc, Standing: storagev1.DriftStanding_DRIFT_STANDING_OPEN})
	if err != nil || len(list.GetDrifts()) != 0 {
		t.Errorf("open are %v, %v", list, err)
	}
	list, err = w.drifts.ListDrifts(w.as(acc), &storagev1.ListDriftsRequest{AccountId: acc, Standing: storagev1.DriftStanding_DRIFT_STANDING_IGNORED})
	if err != nil || len(list.GetDrifts()) != 1 || !strings.Contains(list.GetDrifts()[0].GetIgnoreReason(), "seen to") {
		t.Errorf("ignored are %v, %v", list, err)
	}
	if n := w.row(`select count(*)::text from storage.drift where repaired_at is null and ignored_at is null`); n != "0" {
		t.Errorf("%s are counted", n)
	}
}
