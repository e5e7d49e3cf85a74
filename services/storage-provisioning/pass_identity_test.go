package storage_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/minio/madmin-go/v3"

	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

func TestAPassOverUnchangedKeysAsksForAllAtOnceAndSeesToWhatWasChanged(t *testing.T) {
	w := newWorld(t, testkit.NewMinIO(t))
	const accounts = 3
	var plain, own []pair
	var accs []string
	for range accounts {
		acc, bucket := account(), name()
		w.create(acc, bucket)
		plain = append(plain, w.createKey(w.as(acc), acc, readWrite, bucket))
		own = append(own, w.createKey(w.as(acc), acc, readWrite, bucket[:8]+"*"))
		accs = append(accs, acc)
	}
	w.settled()
	w.passed()
	w.stop()
	w.pass()
	w.settled()
	w.calls.mu.Lock()
	asked := slices.Clone(w.calls.names)
	w.calls.mu.Unlock()
	counts := map[string]int{}
	for _, call := range asked {
		counts[strings.TrimPrefix(call, "minio.")]++
	}
	if counts["TakeCensus"] == 0 || counts["ObserveKey"] != 0 || counts["ObserveUser"] != 0 || counts["GetPolicy"] != 0 {
		t.Errorf("MinIO was asked %v", counts)
	}
	if writes := w.calls.writes(); len(writes) != 0 {
		t.Errorf("MinIO was written %v", writes)
	}

	w.stop()
	ctx, adm := testkit.Context(t), w.admin()
	open := []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::*"]}]}`)
	first, second, third := w.userBehind(plain[0]), w.userBehind(plain[1]), w.userBehind(own[2])
	for what, err := range map[string]error{
		"a key's policy":              adm.UpdateServiceAccount(ctx, plain[0].GetAccessKeyId(), madmin.UpdateServiceAccountReq{NewPolicy: open}),
		"a key switched off":          adm.UpdateServiceAccount(ctx, plain[1].GetAccessKeyId(), madmin.UpdateServiceAccountReq{NewStatus: "off"}),
		"a key removed":               adm.DeleteServiceAccount(ctx, plain[2].GetAccessKeyId()),
		"a user switched off":         adm.SetUserStatus(ctx, second, madmin.AccountDisabled),
		"another policy":              adm.SetPolicy(ctx, "readwrite", first, false), //nolint:staticcheck // the newer verb adds to what is attached
		"the policy of a key's user":  adm.AddCannedPolicy(ctx, "primecloud-"+own[0].GetId(), open),
		"a key's own user, taken off": adm.SetUserStatus(ctx, third, madmin.AccountDisabled),
	} {
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	w.pass()
	w.settled()
	testkit.Eventually(t, patience, func() error {
		for i := range accounts {
			bucket := plain[i].GetGrants()[0].GetBucket()
			for what, k := range map[string]pair{"key": plain[i], "key with a user of its own": own[i]} {
				if k == plain[2] {
					continue // its secret is gone, so that it is lost
				}
				if err := w.uses(k, bucket); err != nil {
					return fmt.Errorf("the %s of account %d: %w", what, i, err)
				}
			}
		}
		if k := w.getKey(accs[2], plain[2].GetId()); k.GetState() != storagev1.AccessKeyState_ACCESS_KEY_STATE_LOST {
			return fmt.Errorf("the key that was removed is %s", k.GetState())
		}
		u, err := adm.GetUserInfo(ctx, first)
		if err == nil && u.PolicyName != "primecloud-"+w.identityOf(accs[0]) {
			err = fmt.Errorf("the user has %s", u.PolicyName)
		}
		if err != nil {
			return err
		}
		k, err := adm.InfoServiceAccount(ctx, plain[0].GetAccessKeyId())
		if err == nil && strings.Contains(k.Policy, "arn:aws:s3:::*") {
			err = fmt.Errorf("the key has %s", k.Policy)
		}
		p, failure := adm.InfoCannedPolicyV2(ctx, "primecloud-"+own[0].GetId())
		if failure == nil && strings.Contains(string(p.Policy), `"s3:*"`) {
			failure = fmt.Errorf("the key's user has %s", p.Policy)
		}
		if err == nil {
			err = failure
		}
		return err
	})
}
