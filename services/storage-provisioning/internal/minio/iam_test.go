package minio_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/minio"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

// Both ways of changing IAM pass the same suite.
func TestUsersAndKeysOnTheRealMinIO(t *testing.T) {
	s := testkit.MinIO(t)
	t.Run("by import", func(t *testing.T) { users(t, s, backend(t, s)); keys(t, s, backend(t, s)) })
	t.Run("by sealed verbs", func(t *testing.T) {
		b := backend(t, s)
		b.Distrust()
		users(t, s, b)
		keys(t, s, b)
	})
}

func users(t *testing.T, s *testkit.Storage, b *minio.Backend) {
	ctx := t.Context()
	t.Run("an absent user and an absent policy are observed as absent", func(t *testing.T) {
		u, err := b.ObserveUser(ctx, name("U"))
		must(t, err)
		_, exists, err := b.GetPolicy(ctx, name("p"))
		must(t, err)
		if u.Exists || exists {
			t.Errorf("%+v, %v", u, exists)
		}
	})
	t.Run("a user put twice has the second secret", func(t *testing.T) {
		one := newTenant(t, b, name("b-"))
		must(t, b.PutUser(ctx, one.user, "another-secret"))
		if err := tryPut(ctx, s3(t, s.Address(), s.Region, one.user, one.secret), one.bucket, "k"); err == nil {
			t.Error("the first secret still works")
		}
		put(t, s3(t, s.Address(), s.Region, one.user, "another-secret"), one.bucket, "k")
		u, err := b.ObserveUser(ctx, one.user)
		must(t, err)
		if !u.Exists || !u.Enabled || !slices.Equal(u.Policies, []string{one.policy}) {
			t.Errorf("%+v", u)
		}
	})
	t.Run("what is absent cannot be attached yet", func(t *testing.T) {
		one := newTenant(t, b, name("b-"))
		refused(t, b.AttachPolicy(ctx, one.user, name("p")), errs.Unavailable, "BACKEND_UNAVAILABLE")
		refused(t, b.AttachPolicy(ctx, name("U"), one.policy), errs.Unavailable, "BACKEND_UNAVAILABLE")
	})
	t.Run("a policy is read back as written, a long one too", func(t *testing.T) {
		for _, count := range []int{0, 1, 1000} {
			var buckets []string
			for i := range count {
				buckets = append(buckets, fmt.Sprintf("%s%04d", strings.Repeat("b", 59), i))
			}
			n, want := name("p"), policy.Documents{}.Account(buckets, false)
			must(t, b.PutPolicy(ctx, n, want))
			must(t, b.PutPolicy(ctx, n, want))
			got, exists, err := b.GetPolicy(ctx, n)
			must(t, err)
			if !exists || !policy.Same(got, want) {
				t.Errorf("%d buckets: got %s", count, got)
			}
		}
	})
	t.Run("attaching replaces what was attached", func(t *testing.T) {
		one := newTenant(t, b, name("b-"))
		other := name("p")
		must(t, b.PutPolicy(ctx, other, policy.Documents{}.Account(nil, false)))
		must(t, b.AttachPolicy(ctx, one.user, other))
		u, err := b.ObserveUser(ctx, one.user)
		must(t, err)
		if !slices.Equal(u.Policies, []string{other}) {
			t.Errorf("%+v", u)
		}
		if err := tryPut(ctx, s3(t, s.Address(), s.Region, one.key, one.keySecret), one.bucket, "k"); code(err) != "AccessDenied" {
			t.Errorf("the key outlives its user's policy: %v", err)
		}
	})
	t.Run("a disabled user is observed and enabled again", func(t *testing.T) {
		one := newTenant(t, b, name("b-"))
		must(t, rootAdmin(t, s).SetUserStatus(ctx, one.user, "disabled"))
		if u, err := b.ObserveUser(ctx, one.user); err != nil || u.Enabled {
			t.Errorf("%+v, %v", u, err)
		}
		must(t, b.PutUser(ctx, one.user, one.secret))
		put(t, s3(t, s.Address(), s.Region, one.key, one.keySecret), one.bucket, "k")
	})
}

func keys(t *testing.T, s *testkit.Storage, b *minio.Backend) {
	ctx := t.Context()
	inline := func(bucket string, p policy.Permission) []byte {
		raw, err := policy.Key([]policy.Grant{{Bucket: bucket, Permission: p}})
		must(t, err)
		return raw
	}
	t.Run("an absent key is observed as absent and removed without an error", func(t *testing.T) {
		k, err := b.ObserveKey(ctx, name("K"))
		must(t, err)
		if k.Exists {
			t.Errorf("%+v", k)
		}
		must(t, b.RemoveKey(ctx, name("K")))
	})
	t.Run("a key is read back as made, and works at once", func(t *testing.T) {
		one := newTenant(t, b, name("b-"))
		must(t, b.TryKey(ctx, accesskey.Trial{ID: one.key, Secret: one.keySecret, Bucket: one.bucket}))
		put(t, s3(t, s.Address(), s.Region, one.key, one.keySecret), one.bucket, "k")
		k, err := b.ObserveKey(ctx, one.key)
		must(t, err)
		if !k.Exists || !k.Enabled || k.User != one.user || !k.ExpireTime.IsZero() || !policy.Same(k.Policy, inline(one.bucket, policy.ReadWrite)) {
			t.Errorf("%+v", k)
		}
	})
	t.Run("every permission can be tried", func(t *testing.T) {
		one := newTenant(t, b, name("b-"))
		for _, p := range []policy.Permission{policy.Read, policy.Write, policy.ReadWrite} {
			id := name("K")
			must(t, b.PutKey(ctx, principal.KeySpec{User: one.user, ID: id, Secret: "secret-secret", Policy: inline(one.bucket, p)}))
			if err := b.TryKey(ctx, accesskey.Trial{ID: id, Secret: "secret-secret", Bucket: one.bucket}); err != nil {
				t.Errorf("%s: %v", p, err)
			}
		}
	})
	t.Run("a key that does not work is told by trying", func(t *testing.T) {
		one := newTenant(t, b, name("b-"))
		other := newTenant(t, b, one.bucket+"-corp")
		for what, err := range map[string]error{
			"wrong secret":   b.TryKey(ctx, accesskey.Trial{ID: one.key, Secret: "wrong-secret", Bucket: one.bucket}),
			"another bucket": b.TryKey(ctx, accesskey.Trial{ID: one.key, Secret: one.keySecret, Bucket: other.bucket}),
			"absent key":     b.TryKey(ctx, accesskey.Trial{ID: name("K"), Secret: one.keySecret, Bucket: one.bucket}),
		} {
			if errs.ReasonOf(err) != "BACKEND_REJECTED" {
				t.Errorf("%s: got %v", what, err)
			}
		}
	})
	t.Run("a key put again is brought to the new specification", func(t *testing.T) {
		one := newTenant(t, b, name("b-"))
		spec := principal.KeySpec{User: one.user, ID: one.key, Secret: "second-secret", Policy: inline(one.bucket, policy.Read), ExpireTime: time.Now().Add(time.Hour)}
		must(t, b.PutKey(ctx, spec))
		if err := b.TryKey(ctx, accesskey.Trial{ID: one.key, Secret: one.keySecret, Bucket: one.bucket}); err == nil {
			t.Error("the first secret still works")
		}
		if err := tryPut(ctx, s3(t, s.Address(), s.Region, one.key, spec.Secret), one.bucket, "k"); code(err) != "AccessDenied" {
			t.Errorf("it still writes: %v", err)
		}
		k, err := b.ObserveKey(ctx, one.key)
		must(t, err)
		if k.ExpireTime.Sub(spec.ExpireTime).Abs() > time.Second || !policy.Same(k.Policy, spec.Policy) {
			t.Errorf("%+v", k)
		}
		spec.ExpireTime = time.Time{}
		must(t, b.PutKey(ctx, spec))
		if k, err := b.ObserveKey(ctx, one.key); err != nil || !k.ExpireTime.IsZero() {
			t.Errorf("the expiry stays: %+v, %v", k, err)
		}
	})
	t.Run("an id that another user holds is refused and stays theirs", func(t *testing.T) {
		one, other := newTenant(t, b, name("b-")), newTenant(t, b, name("b-"))
		err := b.PutKey(ctx, principal.KeySpec{User: other.user, ID: one.key, Secret: "stolen-secret", Policy: inline(other.bucket, policy.Read)})
		refused(t, err, errs.FailedPrecondition, "BACKEND_REJECTED")
		must(t, b.TryKey(ctx, accesskey.Trial{ID: one.key, Secret: one.keySecret, Bucket: one.bucket}))
	})
	t.Run("an id that is a user's name is refused, by what says why", func(t *testing.T) {
		one, other := newTenant(t, b, name("b-")), newTenant(t, b, name("b-"))
		err := b.PutKey(ctx, principal.KeySpec{User: one.user, ID: other.user, Secret: "stolen-secret", Policy: inline(one.bucket, policy.Read)})
		refused(t, err, errs.FailedPrecondition, "BACKEND_REJECTED")
		t.Log(err)
	})
	t.Run("a removed key is refused at once", func(t *testing.T) {
		one := newTenant(t, b, name("b-"))
		must(t, b.RemoveKey(ctx, one.key))
		if err := tryPut(ctx, s3(t, s.Address(), s.Region, one.key, one.keySecret), one.bucket, "k"); code(err) != "InvalidAccessKeyId" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("an expiry that came too near is moved to the nearest one", func(t *testing.T) {
		one := newTenant(t, b, name("b-"))
		must(t, b.PutKey(ctx, principal.KeySpec{User: one.user, ID: one.key, Secret: one.keySecret, Policy: inline(one.bucket, policy.Read), ExpireTime: time.Now().Add(time.Minute)}))
		k, err := b.ObserveKey(ctx, one.key)
		must(t, err)
		if left := time.Until(k.ExpireTime); left < 14*time.Minute || left > 16*time.Minute {
			t.Errorf("it ends in %s", left)
		}
	})
	t.Run("an expiry that is too far is refused", func(t *testing.T) {
		one := newTenant(t, b, name("b-"))
		err := b.PutKey(ctx, principal.KeySpec{User: one.user, ID: name("K"), Secret: one.keySecret, Policy: inline(one.bucket, policy.Read), ExpireTime: time.Now().AddDate(2, 0, 0)})
		refused(t, err, errs.FailedPrecondition, "BACKEND_REJECTED")
	})
	t.Run("a key without a policy is refused, since it could do what its user can", func(t *testing.T) {
		one := newTenant(t, b, name("b-"))
		err := b.PutKey(ctx, principal.KeySpec{User: one.user, ID: name("K"), Secret: one.keySecret})
		refused(t, err, errs.FailedPrecondition, "BACKEND_REJECTED")
	})
	t.Run("a key of an absent user reaches nothing", func(t *testing.T) {
		one := newTenant(t, b, name("b-"))
		id := name("K")
		if err := b.PutKey(ctx, principal.KeySpec{User: name("U"), ID: id, Secret: "secret-secret", Policy: inline(one.bucket, policy.Read)}); err == nil {
			if err := b.TryKey(ctx, accesskey.Trial{ID: id, Secret: "secret-secret", Bucket: one.bucket}); err == nil {
				t.Error("it works")
			}
		}
	})
	t.Run("a key is switched off and on again without its secret, and keeps its bounds", func(t *testing.T) {
		one := newTenant(t, b, name("b-"))
		revision := accesskey.Revision{ID: one.key, Policy: inline(one.bucket, policy.ReadWrite)}
		for range 2 {
			exists, err := b.ReviseKey(ctx, revision)
			must(t, err)
			if !exists {
				t.Error("it does not exist")
			}
		}
		if err := tryPut(ctx, s3(t, s.Address(), s.Region, one.key, one.keySecret), one.bucket, "k"); err == nil {
			t.Error("a key that is off works")
		} else {
			t.Logf("a key that is off gets %s", code(err))
		}
		if k, err := b.ObserveKey(ctx, one.key); err != nil || !k.Exists || k.Enabled {
			t.Errorf("%+v, %v", k, err)
		}
		revision.Enabled, revision.ExpireTime, revision.Policy = true, time.Now().Add(time.Hour), inline(one.bucket, policy.Read)
		_, err := b.ReviseKey(ctx, revision)
		must(t, err)
		must(t, b.TryKey(ctx, accesskey.Trial{ID: one.key, Secret: one.keySecret, Bucket: one.bucket}))
		k, err := b.ObserveKey(ctx, one.key)
		must(t, err)
		if !k.Enabled || k.ExpireTime.IsZero() || !policy.Same(k.Policy, revision.Policy) {
			t.Errorf("%+v", k)
		}
		revision.ExpireTime = time.Time{}
		_, err = b.ReviseKey(ctx, revision)
		must(t, err)
		if k, err := b.ObserveKey(ctx, one.key); err != nil || !k.ExpireTime.IsZero() || !policy.Same(k.Policy, revision.Policy) {
			t.Errorf("%+v, %v", k, err)
		}
	})
	t.Run("revising an absent key says that it is absent", func(t *testing.T) {
		exists, err := b.ReviseKey(ctx, accesskey.Revision{ID: name("K"), Policy: inline("acme", policy.Read)})
		must(t, err)
		if exists {
			t.Error("it exists")
		}
	})
	t.Run("revising without a policy is refused, since it would widen the key", func(t *testing.T) {
		one := newTenant(t, b, name("b-"))
		_, err := b.ReviseKey(ctx, accesskey.Revision{ID: one.key})
		refused(t, err, errs.FailedPrecondition, "BACKEND_REJECTED")
	})
}
