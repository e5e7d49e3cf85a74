package storage_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/event"
	"github.com/primecloud/primecloud/pkg/testkit"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

func TestWhoIsRemovedAndComesBackFindsNoneOfTheirGrants(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, user := account(), person()
	granted, later := w.create(acc, name()), w.create(acc, name())
	w.says(membership("created", acc, user, "external", 2), acceptance(acc, user, 2, offer(granted.GetId(), "read")))
	w.sees(acc, user, granted.GetName())
	w.says(membership("deleted", acc, user, "external", 3))
	w.sees(acc, user)
	w.reachesNothing(w.asPerson(acc, user, "external"), acc, granted.GetName())
	w.tells(acc, 1, "bucket_grant.delete SUCCEEDED by storage-provisioning")
	_, err := w.grants.SetBucketGrant(w.as(acc), &storagev1.SetBucketGrantRequest{
		AccountId: acc, Bucket: granted.GetName(), UserId: user, Permission: storagev1.Permission_PERMISSION_READ,
	})
	refused(t, err, errs.NotFound, "EXTERNAL_MEMBER_NOT_FOUND")
	w.says(membership("created", acc, user, "external", 4), acceptance(acc, user, 4, offer(later.GetId(), "read_write")))
	w.sees(acc, user, later.GetName())
}

func TestAnotherRoleEndsTheGrants(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, user := account(), person()
	bucket := w.create(acc, name())
	w.says(membership("created", acc, user, "external", 2), acceptance(acc, user, 2, offer(bucket.GetId(), "read")))
	w.sees(acc, user, bucket.GetName())
	w.says(membership("updated", acc, user, "developer", 3))
	w.tells(acc, 1, "bucket_grant.delete SUCCEEDED by storage-provisioning")
	w.says(membership("updated", acc, user, "external", 4))
	w.set(acc, bucket.GetName(), user, storagev1.Permission_PERMISSION_READ)
	w.sees(acc, user, bucket.GetName())
}

func TestEventsOfMembersMayComeInAnyOrderAndTwice(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc := account()
	first, second := w.create(acc, name()), w.create(acc, name())
	// Somebody joined, was removed, and joined again with another grant.
	story := func(user string) []event.Event {
		return []event.Event{
			membership("created", acc, user, "external", 2), acceptance(acc, user, 2, offer(first.GetId(), "read")),
			membership("deleted", acc, user, "external", 3),
			membership("created", acc, user, "external", 4), acceptance(acc, user, 4, offer(second.GetId(), "read")),
		}
	}
	for _, order := range [][]int{{0, 1, 2, 3, 4}, {4, 3, 2, 1, 0}, {1, 4, 0, 2, 3}, {3, 2, 1, 4, 0}, {2, 4, 1, 3, 0}, {1, 0, 3, 2, 4}} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			user := person()
			told := story(user)
			for _, at := range order {
				w.says(told[at])
				w.heard(t, user, told[at])
			}
			w.sees(acc, user, second.GetName())
			// All once more, as a relay does that lost its place, and as other events that say the same.
			w.says(told...)
			for i := range told {
				told[i].ID = "evt_" + random()
				w.says(told[i])
				w.heard(t, user, told[i])
			}
			w.sees(acc, user, second.GetName())
		})
	}
	t.Run("what was taken away since stays so", func(t *testing.T) {
		user := person()
		accepted := acceptance(acc, user, 2, offer(first.GetId(), "read"))
		w.says(accepted)
		w.sees(acc, user, first.GetName())
		if _, err := w.grants.DeleteBucketGrant(w.as(acc), &storagev1.DeleteBucketGrantRequest{AccountId: acc, Bucket: first.GetName(), UserId: user}); err != nil {
			t.Fatal(err)
		}
		accepted.ID = "evt_" + random()
		w.says(accepted)
		w.heard(t, user, accepted)
		w.sees(acc, user)
	})
}

// heard waits until an event had its effect, or was put aside.
func (w *world) heard(t *testing.T, about string, e event.Event) {
	t.Helper()
	testkit.Eventually(t, 30*time.Second, func() error {
		if n := w.row(`select (select count(*) from storage.inbox where event_id = $1) + (select count(*) from storage.dead_letter where event_id = $1) || ''`, e.ID); n == "0" {
			return fmt.Errorf("%s about %s was not heard", e.Type, about)
		}
		return nil
	})
}

func TestAGrantThatCannotBeIsLeftOutAndTold(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, other, user := account(), account(), person()
	mine, gone, foreign := w.create(acc, name()), w.create(acc, name()), w.create(other, name())
	if _, err := w.buckets.DeleteBucket(w.as(acc), &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: gone.GetName()}); err != nil {
		t.Fatal(err)
	}
	strange := w.create(acc, name())
	w.says(acceptance(acc, user, 2, offer(mine.GetId(), "read"), offer(gone.GetId(), "read"), offer(foreign.GetId(), "read_write"),
		offer("bkt_never", "read"), offer(strange.GetId(), "everything")))
	w.sees(acc, user, mine.GetName())
	w.tells(acc, 3, "bucket_grant.create FAILED by storage-provisioning BUCKET_NOT_FOUND")
	w.tells(acc, 1, "bucket_grant.create FAILED by storage-provisioning ACCESS_LEVEL_UNKNOWN")
	w.tells(acc, 1, "bucket_grant.create SUCCEEDED by storage-provisioning")
	w.reachesNothing(w.asPerson(other, user, "external"), other, foreign.GetName())
	if n := w.row("select count(*)::text from storage.bucket_grant"); n != "1" {
		t.Errorf("there are %s grants", n)
	}

	late := person()
	removed := membership("deleted", acc, late, "external", 9)
	w.says(removed)
	w.heard(t, late, removed)
	w.says(acceptance(acc, late, 8, offer(mine.GetId(), "read")))
	w.tells(acc, 1, "bucket_grant.create FAILED by storage-provisioning MEMBERSHIP_CHANGED")
	w.sees(acc, late)
}

func TestAnEventThatContradictsItselfHasNoEffect(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, other, user := account(), account(), person()
	bucket := w.create(acc, name())
	w.says(membership("created", acc, user, "external", 2), acceptance(acc, user, 2, offer(bucket.GetId(), "read")))
	w.sees(acc, user, bucket.GetName())
	thief := person()
	lie := func(e event.Event, change func(*event.Event)) event.Event { change(&e); return e }
	pending := acceptance(acc, thief, 3, offer(bucket.GetId(), "read"))
	var payload identityv1.InvitationChanged
	if err := proto.Unmarshal(pending.Payload, &payload); err != nil {
		t.Fatal(err)
	}
	payload.Invitation.State = identityv1.InvitationState_INVITATION_STATE_PENDING
	raw, err := proto.Marshal(&payload)
	if err != nil {
		t.Fatal(err)
	}
	pending.Payload = raw
	lies := map[string]event.Event{
		"another account than its payload's": lie(acceptance(acc, thief, 3, offer(bucket.GetId(), "read")), func(e *event.Event) { e.AccountID = other }),
		"no person":                          acceptance(acc, "", 3, offer(bucket.GetId(), "read")),
		"no version of the membership":       acceptance(acc, thief, 0, offer(bucket.GetId(), "read")),
		"an invitation that is pending":      pending,
		"another payload":                    lie(membership("deleted", acc, user, "external", 5), func(e *event.Event) { e.PayloadType = "primecloud.identity.v1.UserChanged" }),
		"a removal of another account":       lie(membership("deleted", acc, user, "external", 5), func(e *event.Event) { e.AccountID = other }),
		"no payload":                         lie(membership("deleted", acc, user, "external", 5), func(e *event.Event) { e.Payload = []byte{0xff} }),
		"no role":                            membership("created", acc, thief, "", 5),
	}
	for _, e := range lies {
		w.says(e)
	}
	testkit.Eventually(t, 60*time.Second, func() error {
		if n := w.row("select count(*)::text from storage.dead_letter"); n != fmt.Sprint(len(lies)) {
			return fmt.Errorf("%s events were put aside, want %d", n, len(lies))
		}
		return nil
	})
	w.sees(acc, user, bucket.GetName())
	w.reachesNothing(w.asPerson(acc, thief, "external"), acc, bucket.GetName())
	if n := w.row("select count(*)::text from storage.bucket_grant"); n != "1" {
		t.Errorf("there are %s grants", n)
	}
}

func TestAccessIsExplainedByWhatDecides(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, ext, dev := account(), person(), person()
	bucket, hidden := w.create(acc, name()), w.create(acc, name())
	w.says(membership("created", acc, dev, "viewer", 2), membership("created", acc, ext, "external", 3), acceptance(acc, ext, 3, offer(bucket.GetId(), "read")))
	w.sees(acc, ext, bucket.GetName())
	explain := func(user, as, role, bucket string) (string, error) {
		response, err := w.grants.ExplainBucketAccess(w.asPerson(acc, as, role), &storagev1.ExplainBucketAccessRequest{AccountId: acc, Bucket: bucket, UserId: user})
		a := response.GetBucketAccess()
		said := []string{strings.TrimPrefix(a.GetRole().String(), "ROLE_")}
		for _, ability := range a.GetAbilities() {
			if ability.GetExplanation() == "" || ability.GetAllowed() != (ability.GetReason() == "") {
				t.Errorf("unexplained: %v", ability)
			}
			said = append(said, strings.TrimPrefix(ability.GetAct().String(), "ACT_")+"="+ability.GetReason())
		}
		if a.GetGrant() != nil {
			said = append(said, a.GetGrant().GetPermission().String())
		}
		return strings.Join(said, " "), err
	}
	testkit.Eventually(t, patience, func() error {
		if got, _ := explain(dev, "usr_"+acc, "owner", bucket.GetName()); !strings.HasPrefix(got, "VIEWER") {
			return fmt.Errorf("got %s", got)
		}
		return nil
	})
	for name, c := range map[string]struct{ user, as, role, bucket, want string }{
		"an owner about themselves":            {"", "usr_" + acc, "owner", bucket.GetName(), "OWNER SEE= DOWNLOAD= UPLOAD="},
		"an admin about an external person":    {ext, "usr_x", "admin", bucket.GetName(), "EXTERNAL SEE= DOWNLOAD= UPLOAD=BUCKET_GRANT_TOO_LOW PERMISSION_READ"},
		"about them where there is no grant":   {ext, "usr_x", "admin", hidden.GetName(), "EXTERNAL SEE=BUCKET_NOT_FOUND DOWNLOAD=BUCKET_NOT_FOUND UPLOAD=BUCKET_NOT_FOUND"},
		"about a viewer":                       {dev, "usr_x", "admin", bucket.GetName(), "VIEWER SEE= DOWNLOAD= UPLOAD=ROLE_NOT_ALLOWED"},
		"about somebody who is no member":      {person(), "usr_x", "admin", bucket.GetName(), "UNSPECIFIED SEE=NOT_FOUND DOWNLOAD=NOT_FOUND UPLOAD=NOT_FOUND"},
		"an external person about themselves":  {"", ext, "external", bucket.GetName(), "EXTERNAL SEE= DOWNLOAD= UPLOAD=BUCKET_GRANT_TOO_LOW PERMISSION_READ"},
		"somebody of billing about themselves": {"", "usr_y", "billing", bucket.GetName(), "BILLING SEE=ROLE_NOT_ALLOWED DOWNLOAD=ROLE_NOT_ALLOWED UPLOAD=ROLE_NOT_ALLOWED"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := explain(c.user, c.as, c.role, c.bucket); err != nil || got != c.want {
				t.Errorf("got %s, %v, want %s", got, err, c.want)
			}
		})
	}
	for _, role := range []string{"developer", "viewer", "billing", "external"} {
		_, err := explain(ext, "usr_z", role, hidden.GetName())
		refused(t, err, errs.PermissionDenied, "ROLE_NOT_ALLOWED")
	}
	_, err := explain("", ext, "external", hidden.GetName())
	refused(t, err, errs.NotFound, "BUCKET_NOT_FOUND")
	_, err = explain(ext, "usr_x", "owner", "never-was")
	refused(t, err, errs.NotFound, "BUCKET_NOT_FOUND")
}
