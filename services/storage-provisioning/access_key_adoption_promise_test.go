package storage_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/madmin-go/v3"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// asFound says what differs from how strayUser or strayKey made it, and from what works.
func (w *world) asFound(in adopting) error {
	ctx, adm := testkit.Context(w.t), w.admin()
	if !in.user {
		k, err := adm.InfoServiceAccount(ctx, in.id)
		if err == nil && (!k.ImpliedPolicy || k.AccountStatus != "on" || k.Expiration == nil || time.Until(*k.Expiration) < 23*time.Hour || k.Description != "made by hand") {
			err = fmt.Errorf("it is %+v", k)
		}
		return err
	}
	u, err := adm.GetUserInfo(ctx, in.id)
	policies := strings.Split(u.PolicyName, ",")
	slices.Sort(policies)
	if err == nil && (u.Status != madmin.AccountEnabled || !slices.Equal(policies, []string{"diagnostics", "readwrite"})) {
		err = fmt.Errorf("it is %+v", u)
	}
	return err
}

// letGo waits until nothing is recorded of any key of the account.
func (w *world) letGo(acc string) {
	w.t.Helper()
	ctx, conn := testkit.Context(w.t), w.database.Superuser(w.t)
	testkit.Eventually(w.t, 30*time.Second, func() error {
		var kept int
		err := conn.QueryRow(ctx, `select count(*) from storage.access_key where account_id = $1`, acc).Scan(&kept)
		if err == nil && kept != 0 {
			err = fmt.Errorf("%d keys are kept", kept)
		}
		return err
	})
	_ = conn.Close(ctx) // the steps of a promise are many
}

func TestPromise_of_adoptions_holds_wherever_a_call_is_cut(t *testing.T) {
	for form := range forms {
		for _, effect := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s with effect %v", form, effect), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, testkit.MinIO(t), cutShort)
				steps := 0
				for cutAdoption(t, w, form, cut{steps + 1, effect}) != "" {
					steps++
				}
				t.Logf("%d steps", steps)
				if steps < 5 {
					t.Errorf("only %d steps were seen", steps)
				}
			})
		}
	}
}

// cut is which call is cut, and whether after its effect.
type cut struct {
	n      int
	effect bool
}

func cutAdoption(t *testing.T, w *world, form string, at cut) string {
	in := adopting{user: form == "a user"}
	in.acc, in.granted = w.newAccount()
	in.found = forms[form](w, in.acc)
	request := adoption(in.acc, in.found, in.granted)
	hit, failure := w.cutKey(at.n, at.effect, func(ctx context.Context) error {
		deadline, _ := ctx.Deadline()
		login, cancel := context.WithDeadline(withKey(w.asClaims(operator), "k"+in.acc), deadline)
		defer cancel()
		_, err := w.adoptKey(login, request)
		return err
	})
	outcome := "success"
	switch {
	case failure == nil:
	case errs.ReasonOf(failure) == "OUTCOME_UNKNOWN":
		outcome = "unknown"
	default:
		outcome = errs.ReasonOf(failure)
		if at.n%2 == 0 { // else it is tried again at once
			w.letGo(in.acc)
			if err := w.asFound(in); err != nil {
				t.Errorf("step %d %s: told %v, %v", at.n, hit, failure, err)
			}
		}
	}
	// The same call again makes it so.
	var k *storagev1.AccessKey
	testkit.Eventually(t, 30*time.Second, func() (err error) {
		k, err = w.adoptKey(withKey(w.asClaims(operator), "k"+in.acc), request)
		return err
	})
	w.settled()
	told, err := w.keys.ListAccessKeys(w.as(in.acc), &storagev1.ListAccessKeysRequest{AccountId: in.acc})
	if err != nil || len(told.GetAccessKeys()) != 1 || told.GetAccessKeys()[0].GetId() != k.GetId() {
		t.Errorf("step %d %s: the account has %v, %v", at.n, hit, told, err)
	}
	if got := w.does(in.found, in.granted); got != "done" {
		t.Errorf("step %d %s: it gets %s", at.n, hit, got)
	}
	if err := w.asFound(in); err == nil {
		t.Errorf("step %d %s: it is as it was found", at.n, hit)
	}
	t.Logf("adopt %s step %2d %-18s effect %-5v %s", form, at.n, hit, at.effect, outcome)
	return hit
}

func TestAnAdoption_whose_process_dies_in_the_middle_is_brought_to_its_end(t *testing.T) {
	for form := range forms {
		for _, step := range []string{"minio.ReviseKey", "minio.ShapeUser"} {
			if (form == "a user") != (step == "minio.ShapeUser") {
				continue
			}
			t.Run(form, func(t *testing.T) {
				w := newWorld(t, testkit.MinIO(t), cutShort)
				in := adopting{user: form == "a user"}
				in.acc, in.granted = w.newAccount()
				in.found = forms[form](w, in.acc)
				w.settled()
				w.calls.panicAt(step)
				_, err := w.adoptKey(withKey(w.asClaims(operator), "k"), adoption(in.acc, in.found, in.granted))
				if err == nil {
					t.Fatal("it was told done")
				}
				if err := w.asFound(in); err != nil {
					t.Errorf("nothing was written, and %v", err)
				}
				w.calls.panicAt("")
				w.until(`exists (select from storage.access_key where account_id = $1 and state = 'READY' and not adopting and found is null)`, in.acc)
				k, err := w.adoptKey(withKey(w.asClaims(operator), "k"), adoption(in.acc, in.found, in.granted))
				if err != nil || k.GetState() != storagev1.AccessKeyState_ACCESS_KEY_STATE_READY {
					t.Errorf("the same call again: %v, %v", k, err)
				}
				if got := w.does(in.found, in.granted); got != "done" {
					t.Errorf("it gets %s", got)
				}
			})
		}
	}
}
