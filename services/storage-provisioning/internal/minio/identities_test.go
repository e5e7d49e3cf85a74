package minio_test

import (
	"archive/zip"
	"bytes"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/minio/madmin-go/v3"

	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/minio"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/policy"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/principal"
)

func TestACensusSaysOfEachWhatItsOwnLookSays(t *testing.T) {
	s := testkit.MinIO(t)
	b, ctx := backend(t, s), t.Context()
	plain, off, ending, bare := newTenant(t, b, name("b-")), newTenant(t, b, name("b-")), newTenant(t, b, name("b-")), newTenant(t, b, name("b-"))
	inline, err := policy.Key([]policy.Grant{{Bucket: off.bucket, Permission: policy.Read}})
	must(t, err)
	_, err = b.ReviseKey(ctx, accesskey.Revision{ID: off.key, Policy: inline})
	must(t, err)
	must(t, rootAdmin(t, s).SetUserStatus(ctx, off.user, madmin.AccountDisabled))
	must(t, b.PutKey(ctx, principal.KeySpec{User: ending.user, ID: ending.key, Secret: ending.keySecret, Policy: inline, ExpireTime: time.Now().Add(time.Hour)}))
	// One that somebody else has made, without a policy, under a user without one.
	must(t, rootAdmin(t, s).SetPolicy(ctx, "", bare.user, false)) //nolint:staticcheck // the newer verb adds to what is attached
	_, err = rootAdmin(t, s).AddServiceAccount(ctx, madmin.AddServiceAccountReq{TargetUser: bare.user, AccessKey: name("K")[:12], SecretKey: "secret-secret"})
	must(t, err)

	census, ok, err := b.TakeCensus(ctx)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	for what, one := range map[string]tenant{"plain": plain, "switched off": off, "ending": ending, "bare": bare} {
		user, err := b.ObserveUser(ctx, one.user)
		must(t, err)
		if got := census.Users[one.user]; !reflect.DeepEqual(got, user) {
			t.Errorf("%s: the user is %+v, and by itself %+v", what, got, user)
		}
		document, exists, err := b.GetPolicy(ctx, one.policy)
		must(t, err)
		if !exists || !policy.Same(census.Policies[one.policy], document) {
			t.Errorf("%s: the policy is %s, and by itself %s", what, census.Policies[one.policy], document)
		}
		key, err := b.ObserveKey(ctx, one.key)
		must(t, err)
		got := census.Keys[one.key]
		if !policy.Same(got.Policy, key.Policy) || got.ExpireTime.Sub(key.ExpireTime).Abs() > time.Second {
			t.Errorf("%s: the key is %+v, and by itself %+v", what, got, key)
		}
		got.Policy, key.Policy, got.ExpireTime, key.ExpireTime = nil, nil, time.Time{}, time.Time{}
		if !reflect.DeepEqual(got, key) {
			t.Errorf("%s: the key is %+v, and by itself %+v", what, got, key)
		}
	}
	found := 0
	for _, k := range census.Keys {
		if k.User == bare.user && k.Policy == nil {
			found++
		}
	}
	if found != 1 {
		t.Errorf("%d keys have no policy", found)
	}
	if got := census.Keys[name("K")]; got.Exists {
		t.Errorf("an absent key is %+v", got)
	}

	b.Distrust()
	if census, ok, err := b.TakeCensus(ctx); ok || err != nil || census.Users != nil {
		t.Errorf("secrets are asked for where others can read: %v %v", ok, err)
	}
}

func TestACensusIsTakenAgainWhenTheServerBreaksItOff(t *testing.T) {
	s := testkit.MinIO(t)
	proxy := testkit.NewProxy(t, s.Endpoint())
	b := at(t, proxy.Endpoint(), func(c *minio.Config) { c.Region, c.AdminKey, c.AdminSecret = s.Region, s.RootUser, s.RootPassword })
	var empty bytes.Buffer
	must(t, zip.NewWriter(&empty).Close())
	// So the server answers when a key is deleted meanwhile, before or after it has sent anything.
	gone := func(e *testkit.Exchange) {
		e.Answer(http.StatusBadRequest, "<Error><Code>XMinioInvalidIAMCredentials</Code></Error>")
	}
	cut := func(e *testkit.Exchange) { e.Answer(http.StatusOK, empty.String()) }
	pass := func(*testkit.Exchange) {}
	down := func(e *testkit.Exchange) {
		e.Answer(http.StatusServiceUnavailable, "<Error><Code>SlowDown</Code></Error>")
	}
	for name, c := range map[string]struct {
		answers []func(*testkit.Exchange)
		asked   int
		ok      bool
	}{
		"and is whole in the end":             {[]func(*testkit.Exchange){gone, cut, gone, cut, pass}, 5, true},
		"but not for ever":                    {[]func(*testkit.Exchange){gone, cut, gone, cut, gone, pass}, 5, false},
		"and not when it is in other trouble": {[]func(*testkit.Exchange){down, pass}, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			proxy.Order(func(e *testkit.Exchange) {
				asked++
				c.answers[asked-1](e)
			})
			_, ok, err := b.TakeCensus(t.Context())
			if ok != c.ok || ok == (err != nil) || asked != c.asked {
				t.Errorf("asked %d times: %t, %v", asked, ok, err)
			}
		})
	}
}

// BenchmarkTakeCensus takes a census of 1000 keys and says what one of them costs.
func BenchmarkTakeCensus(b *testing.B) {
	s := testkit.NewMinIO(b)
	on, ctx := backend(b, s), b.Context()
	one := newTenant(b, on, name("b-"))
	inline, err := policy.Key([]policy.Grant{{Bucket: one.bucket, Permission: policy.Read}})
	must(b, err)
	const many = 1000
	for range many - 1 {
		must(b, on.PutKey(ctx, principal.KeySpec{User: one.user, ID: name("K"), Secret: "secret-secret", Policy: inline}))
	}
	for b.Loop() {
		census, ok, err := on.TakeCensus(ctx)
		if err != nil || !ok || len(census.Keys) != many {
			b.Fatalf("%d keys, %v %v", len(census.Keys), ok, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/many, "us/key")
}
