package storage_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// strayFound waits for a finding of that standing about a key of nobody's, in these words.
func (w *world) strayFound(words string, standing storagev1.DriftStanding) *storagev1.Drift {
	w.t.Helper()
	var found *storagev1.Drift
	testkit.Eventually(w.t, 30*time.Second, func() error {
		list, err := storagev1.NewPlatformDriftServiceClient(w.conn).ListPlatformDrifts(w.asClaims(operator), &storagev1.ListPlatformDriftsRequest{
			Unowned: true, ResourceKind: "access_key", Standing: standing, PageSize: 1000,
		})
		if err != nil {
			return err
		}
		for _, d := range list.GetDrifts() {
			if d.GetObserved() == words {
				found = d
				return nil
			}
		}
		return fmt.Errorf("%q is not among %v", words, list.GetDrifts())
	})
	return found
}

func TestKeysOfNobody_are_found_without_telling_their_ids_and_adopted_by_the_finding(t *testing.T) {
	w := newWorld(t, testkit.NewMinIO(t), everySecond)
	acc, bucket := w.newAccount()
	// What is ours is not reported: keys of either form, and what they stand on.
	w.createKey(w.as(acc), acc, readWrite, bucket)
	w.askKey(&storagev1.CreateAccessKeyRequest{AccountId: acc, Grants: grants(readWrite, "t-*")})
	user, key := w.strayUser(), w.strayKey(w.accountUser(acc))
	said := map[string]found{"a user, switched on": user, "a service account of the user of " + acc: key}
	for words, one := range said {
		finding := w.strayFound(words, storagev1.DriftStanding_DRIFT_STANDING_OPEN)
		if finding.GetKind() != storagev1.Drift_KIND_EXTRA || !strings.HasPrefix(finding.GetResourceId(), "local/") ||
			strings.Contains(finding.String(), one.id) {
			t.Errorf("the finding is %v", finding)
		}
		request := adoption(acc, one, bucket)
		request.Which = &storagev1.AdoptAccessKeyRequest_DriftId{DriftId: finding.GetId()}
		k, err := w.adoptKey(withKey(w.asClaims(operator), one.id), request)
		if err != nil || k.GetAccessKeyId() != one.id {
			t.Fatalf("%v, %v", k, err)
		}
		if got := w.does(one, bucket); got != "done" {
			t.Errorf("it gets %s", got)
		}
		closed := w.strayFound(words, storagev1.DriftStanding_DRIFT_STANDING_REPAIRED)
		if closed.GetId() != finding.GetId() || closed.GetRepairTime() == nil {
			t.Errorf("the finding is %v", closed)
		}
		again, err := w.adoptKey(withKey(w.asClaims(operator), one.id), request)
		if err != nil || again.GetId() != k.GetId() {
			t.Errorf("the same call again: %v, %v", again, err)
		}
		other := proto.CloneOf(request)
		other.DisplayName = "another"
		_, err = w.adoptKey(w.asClaims(operator), other)
		refused(t, err, errs.FailedPrecondition, "DRIFT_REPAIRED")
	}
	if open := w.row(`select count(*)::text from storage.drift where resource_kind = 'access_key' and repaired_at is null`); open != "0" {
		t.Errorf("%s findings are open", open)
	}
	_, err := w.adoptKey(w.asClaims(operator), &storagev1.AdoptAccessKeyRequest{
		AccountId: acc, Which: &storagev1.AdoptAccessKeyRequest_DriftId{DriftId: "dft_none"}, DisplayName: "none",
		Grants: grants(readWrite, bucket), Reason: "none",
	})
	refused(t, err, errs.NotFound, "DRIFT_NOT_FOUND")
}

func TestAFinding_about_a_key_of_nobodys_is_closed_when_the_key_is_gone(t *testing.T) {
	w := newWorld(t, testkit.NewMinIO(t), everySecond)
	user := w.strayUser()
	finding := w.strayFound("a user, switched on", storagev1.DriftStanding_DRIFT_STANDING_OPEN)
	if err := w.admin().RemoveUser(testkit.Context(t), user.id); err != nil {
		t.Fatal(err)
	}
	if closed := w.strayFound("a user, switched on", storagev1.DriftStanding_DRIFT_STANDING_REPAIRED); closed.GetId() != finding.GetId() {
		t.Errorf("the finding is %v", closed)
	}
	acc, bucket := w.newAccount()
	request := adoption(acc, user, bucket)
	request.Which = &storagev1.AdoptAccessKeyRequest_DriftId{DriftId: finding.GetId()}
	_, err := w.adoptKey(w.asClaims(operator), request)
	refused(t, err, errs.FailedPrecondition, "DRIFT_REPAIRED")
}
