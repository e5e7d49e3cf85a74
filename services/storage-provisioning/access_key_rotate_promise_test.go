package storage_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

func TestRotateAccessKey_cut_at_each_call_comes_to_what_its_caller_was_told(t *testing.T) {
	t.Parallel() // it waits most of its time
	w := newWorld(t, testkit.MinIO(t), cutShort)
	acc, bucket := account(), name()
	w.create(acc, bucket)
	for n := 1; n <= 12; n++ {
		for _, effect := range []bool{false, true} {
			k := w.createKey(w.as(acc), acc, readWrite, bucket)
			w.calls.arm(n, effect)
			response, err := w.keys.RotateAccessKey(w.as(acc), &storagev1.RotateAccessKeyRequest{
				AccountId: acc, KeyId: k.GetId(), Overlap: durationpb.New(0),
			})
			w.calls.mu.Lock()
			hit := w.calls.hit
			w.calls.mu.Unlock()
			w.calls.arm(0, false)
			what := fmt.Sprintf("call %d (%s), effect %v, told %v", n, hit, effect, err)
			testkit.Eventually(t, 30*time.Second, func() error {
				now := w.getKey(acc, k.GetId())
				if now.GetState() != storagev1.AccessKeyState_ACCESS_KEY_STATE_READY {
					return fmt.Errorf("%s: it is %s", what, now.GetState())
				}
				before := w.uses(k, bucket)
				switch {
				case err == nil:
					if made := w.uses(pair{response.GetAccessKey(), response.GetSecretAccessKey()}, bucket); made != nil {
						return fmt.Errorf("%s: the new one: %w", what, made)
					}
					if before == nil {
						return errors.New(what + ": the one before works")
					}
				case now.GetAccessKeyId() == k.GetAccessKeyId() && before != nil:
					return fmt.Errorf("%s: it went back, and the one before does not work: %w", what, before)
				case now.GetAccessKeyId() != k.GetAccessKeyId() && before == nil:
					return errors.New(what + ": it was rotated, and the one before works")
				}
				return nil
			})
		}
	}
}
