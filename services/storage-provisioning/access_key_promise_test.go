package storage_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// keysOf returns the account's keys as they are told, and those that MinIO has besides the
// hidden reader.
func (w *world) keysOf(acc string) (told []*storagev1.AccessKey, onMinIO int, err error) {
	list, err := w.keys.ListAccessKeys(w.as(acc), &storagev1.ListAccessKeysRequest{AccountId: acc})
	if err != nil {
		return nil, 0, err
	}
	policy := "primecloud-" + w.row(`select id from storage.principal where account_id = $1`, acc)
	users, err := w.admin().ListUsers(testkit.Context(w.t))
	if err != nil {
		return nil, 0, err
	}
	for name, user := range users {
		if user.PolicyName != policy {
			continue
		}
		found, err := w.admin().ListServiceAccounts(testkit.Context(w.t), name)
		if err != nil {
			return nil, 0, err
		}
		onMinIO += len(found.Accounts)
	}
	return list.GetAccessKeys(), onMinIO - 1, nil
}

// noKey says whether the account has no key, told or on MinIO.
func (w *world) noKey(acc string) error {
	told, onMinIO, err := w.keysOf(acc)
	if err == nil && (len(told) != 0 || onMinIO != 0) {
		err = fmt.Errorf("%d keys are told, MinIO has %d", len(told), onMinIO)
	}
	return err
}

// cutKey cuts the n-th call of do and returns which one that was, or "" when there is none.
func (w *world) cutKey(n int, effect bool, do func(ctx context.Context) error) (hit string, failure error) {
	w.settled()
	w.calls.arm(n, effect)
	ctx, cancel := context.WithTimeout(testkit.Context(w.t), 5*time.Second)
	defer cancel()
	failure = do(ctx)
	w.calls.mu.Lock()
	hit = w.calls.hit
	w.calls.mu.Unlock()
	w.calls.arm(0, false)
	return hit, failure
}

// bearing returns ctx with the login of the account and an idempotency key, if there is one.
func (w *world) bearing(ctx context.Context, acc, key string) context.Context {
	login := w.as(acc)
	if key != "" {
		login = withKey(login, key)
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		return login
	}
	login, cancel := context.WithDeadline(login, deadline)
	w.t.Cleanup(cancel)
	return login
}

func TestPromise_of_access_keys_holds_wherever_a_call_is_cut(t *testing.T) {
	for name, test := range map[string]func(*testing.T, *world, int, bool) string{
		"create": cutCreate, "create without an idempotency key": cutCreateOnce, "delete": cutDelete,
	} {
		for _, effect := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s with effect %v", name, effect), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, testkit.MinIO(t), cutShort)
				steps := 0
				for {
					hit := test(t, w, steps+1, effect)
					if hit == "" {
						break
					}
					steps++
				}
				t.Logf("%d steps", steps)
				if steps < 3 {
					t.Errorf("only %d steps were seen", steps)
				}
			})
		}
	}
}

// newAccount returns an account with a bucket.
func (w *world) newAccount() (acc, bucket string) {
	acc, bucket = account(), name()
	w.create(acc, bucket)
	return acc, bucket
}

func cutCreate(t *testing.T, w *world, n int, effect bool) string {
	acc, bucket := w.newAccount()
	request := &storagev1.CreateAccessKeyRequest{AccountId: acc, DisplayName: "a key", Grants: grants(readWrite, bucket)}
	var first pair
	hit, failure := w.cutKey(n, effect, func(ctx context.Context) error {
		response, err := w.keys.CreateAccessKey(w.bearing(ctx, acc, "k"), request)
		first = pair{response.GetAccessKey(), response.GetSecretAccessKey()}
		return err
	})
	outcome := "success"
	switch {
	case failure == nil:
		if err := w.uses(first, bucket); err != nil {
			t.Errorf("step %d %s: told a key that does not work: %v", n, hit, err)
		}
	case errs.ReasonOf(failure) == "OUTCOME_UNKNOWN":
		outcome = "unknown"
	default:
		outcome = errs.ReasonOf(failure)
		testkit.Eventually(t, 15*time.Second, func() error { return w.noKey(acc) })
	}
	// The same call again makes it so, with the same secret if one was told.
	testkit.Eventually(t, 30*time.Second, func() error {
		response, err := w.keys.CreateAccessKey(withKey(w.as(acc), "k"), request)
		if err != nil {
			return err
		}
		again := pair{response.GetAccessKey(), response.GetSecretAccessKey()}
		if failure == nil && again.secret != first.secret {
			return errors.New("another secret is told")
		}
		return w.uses(again, bucket)
	})
	testkit.Eventually(t, 15*time.Second, func() error {
		told, onMinIO, err := w.keysOf(acc)
		if err == nil && (len(told) != 1 || onMinIO != 1) {
			err = fmt.Errorf("%d keys are told, MinIO has %d", len(told), onMinIO)
		}
		return err
	})
	t.Logf("create step %2d %-18s effect %-5v %s", n, hit, effect, outcome)
	return hit
}

// cutCreateOnce has no idempotency key: what was not told must not stay, since nobody
// could ever use it.
func cutCreateOnce(t *testing.T, w *world, n int, effect bool) string {
	acc, bucket := w.newAccount()
	var first pair
	hit, failure := w.cutKey(n, effect, func(ctx context.Context) error {
		response, err := w.keys.CreateAccessKey(w.bearing(ctx, acc, ""), &storagev1.CreateAccessKeyRequest{
			AccountId: acc, DisplayName: "a key", Grants: grants(readWrite, bucket),
		})
		first = pair{response.GetAccessKey(), response.GetSecretAccessKey()}
		return err
	})
	if failure == nil {
		w.settled()
		if err := w.uses(first, bucket); err != nil {
			t.Errorf("step %d %s: told a key that does not work: %v", n, hit, err)
		}
		return hit
	}
	testkit.Eventually(t, 30*time.Second, func() error { return w.noKey(acc) })
	t.Logf("create once step %2d %-18s effect %-5v %s", n, hit, effect, errs.ReasonOf(failure))
	return hit
}

func cutDelete(t *testing.T, w *world, n int, effect bool) string {
	acc, bucket := w.newAccount()
	k := w.createKey(w.as(acc), acc, readWrite, bucket)
	request := &storagev1.DeleteAccessKeyRequest{AccountId: acc, KeyId: k.GetId()}
	hit, failure := w.cutKey(n, effect, func(ctx context.Context) error {
		_, err := w.keys.DeleteAccessKey(w.bearing(ctx, acc, "k"), request)
		return err
	})
	outcome := "success"
	switch {
	case failure == nil:
		if err := w.uses(k, bucket); err == nil {
			t.Errorf("step %d %s: told as deleted, it works", n, hit)
		}
	case errs.ReasonOf(failure) == "OUTCOME_UNKNOWN":
		outcome = "unknown"
	default:
		outcome = errs.ReasonOf(failure)
		w.settled()
		if err := w.uses(k, bucket); err != nil {
			t.Errorf("step %d %s: told %v, it does not work: %v", n, hit, failure, err)
		}
	}
	testkit.Eventually(t, 30*time.Second, func() error {
		_, err := w.keys.DeleteAccessKey(withKey(w.as(acc), "k"), request)
		return err
	})
	if err := w.uses(k, bucket); err == nil {
		t.Errorf("step %d %s: deleted, it works", n, hit)
	}
	testkit.Eventually(t, 15*time.Second, func() error { return w.noKey(acc) })
	t.Logf("delete step %2d %-18s effect %-5v %s", n, hit, effect, outcome)
	return hit
}
