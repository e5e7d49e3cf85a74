package minio_test

import (
	"slices"
	"testing"
	"time"

	"github.com/minio/madmin-go/v3"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

func TestStraysOnTheRealMinIO(t *testing.T) {
	s := testkit.MinIO(t)
	b, adm, ctx := backend(t, s), rootAdmin(t, s), t.Context()
	t.Run("a user is shaped without its secret, and out of its groups", func(t *testing.T) {
		one, bucket := newTenant(t, b, name("b-")), name("b-")
		must(t, b.MakeBucket(ctx, bucket))
		must(t, b.AttachPolicy(ctx, one.user, "readwrite"))
		group := name("g-")
		must(t, adm.UpdateGroupMembers(ctx, madmin.GroupAddRemove{Group: group, Members: []string{one.user}}))
		must(t, adm.SetPolicy(ctx, "readwrite", group, true)) //nolint:staticcheck // replaces what was attached
		if u, err := b.ObserveUser(ctx, one.user); err != nil || !slices.Equal(u.Groups, []string{group}) {
			t.Errorf("%+v, %v", u, err)
		}
		shape := principal.User{Enabled: true, Policies: []string{one.policy}}
		must(t, b.ShapeUser(ctx, one.user, shape))
		must(t, b.ShapeUser(ctx, one.user, shape))
		as := s3(t, s.Address(), s.Region, one.user, one.secret)
		put(t, as, one.bucket, "k")
		if err := tryPut(ctx, as, bucket, "k"); code(err) != "AccessDenied" {
			t.Errorf("elsewhere: %v", err)
		}
		must(t, b.ShapeUser(ctx, one.user, principal.User{Policies: []string{"readwrite"}}))
		if err := tryPut(ctx, as, one.bucket, "k"); err == nil {
			t.Error("switched off, it works")
		}
		// Its policies can only be set while it is on.
		must(t, b.ShapeUser(ctx, one.user, principal.User{Enabled: true, Policies: []string{"diagnostics", "readwrite"}}))
		if u, err := b.ObserveUser(ctx, one.user); err != nil || !u.Enabled || !slices.Equal(u.Policies, []string{"diagnostics", "readwrite"}) {
			t.Errorf("%+v, %v", u, err)
		}
		// One that is not there, or not any more, leaves the user with what it has: that is no success.
		refused(t, b.ShapeUser(ctx, one.user, principal.User{Enabled: true, Policies: []string{name("p")}}), errs.Unavailable, "BACKEND_UNAVAILABLE")
		must(t, b.ShapeUser(ctx, one.user, principal.User{Enabled: true}))
		if u, err := b.ObserveUser(ctx, one.user); err != nil || !u.Enabled || len(u.Policies) != 0 {
			t.Errorf("%+v, %v", u, err)
		}
	})
	t.Run("an absent user and an absent key are left absent", func(t *testing.T) {
		must(t, b.ShapeUser(ctx, name("U"), principal.User{Enabled: true, Policies: []string{"readwrite"}}))
		must(t, b.RestoreKey(ctx, name("K"), principal.Key{Enabled: true}))
	})
	t.Run("a key is restored as it was observed, with and without a policy", func(t *testing.T) {
		one := newTenant(t, b, name("b-"))
		for what, spec := range map[string]madmin.AddServiceAccountReq{
			"without": {}, "with": {Policy: inlineOf(t, one.bucket, policy.Read)},
		} {
			spec.TargetUser, spec.AccessKey, spec.SecretKey = one.user, name("K"), "secret-secret"
			end := time.Now().Add(time.Hour)
			spec.Expiration = &end
			_, err := adm.AddServiceAccount(ctx, spec)
			must(t, err)
			was, err := b.ObserveKey(ctx, spec.AccessKey)
			must(t, err)
			_, err = b.ReviseKey(ctx, accesskey.Revision{ID: spec.AccessKey, Policy: inlineOf(t, one.bucket, policy.Write)})
			must(t, err)
			must(t, b.RestoreKey(ctx, spec.AccessKey, was))
			now, err := b.ObserveKey(ctx, spec.AccessKey)
			must(t, err)
			if now.Enabled != was.Enabled || !now.ExpireTime.Equal(was.ExpireTime) || (len(was.Policy) == 0) != (len(now.Policy) == 0) ||
				len(was.Policy) > 0 && !policy.Same(now.Policy, was.Policy) {
				t.Errorf("%s a policy it was %+v and is %+v", what, was, now)
			}
		}
	})
	t.Run("users and the keys under some of them are listed, the administrator is not", func(t *testing.T) {
		one := newTenant(t, b, name("b-"))
		users, err := b.ListUsers(ctx)
		must(t, err)
		if u := users[one.user]; !u.Exists || !u.Enabled || !slices.Equal(u.Policies, []string{one.policy}) {
			t.Errorf("%+v", u)
		}
		if _, ok := users[s.RootUser]; ok {
			t.Error("the administrator is listed")
		}
		keys, err := b.ListKeys(ctx, []string{one.user, name("U")})
		must(t, err)
		if len(keys) != 1 || !slices.Equal(keys[one.user], []string{one.key}) {
			t.Errorf("%v", keys)
		}
		if _, err := b.ListKeys(ctx, nil); err == nil {
			t.Error("nobody's keys are listed")
		}
	})
	t.Run("a key is no user, and who we work as is known", func(t *testing.T) {
		one := newTenant(t, b, name("b-"))
		if u, err := b.ObserveUser(ctx, one.key); err != nil || u.Exists {
			t.Errorf("%+v, %v", u, err)
		}
		if u, err := b.ObserveUser(ctx, s.RootUser); err != nil || !u.Exists || !u.Administrator {
			t.Errorf("%+v, %v", u, err)
		}
	})
}

func inlineOf(t *testing.T, bucket string, p policy.Permission) []byte {
	t.Helper()
	raw, err := policy.Key([]policy.Grant{{Bucket: bucket, Permission: p}})
	must(t, err)
	return raw
}
