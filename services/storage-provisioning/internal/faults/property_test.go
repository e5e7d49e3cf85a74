package faults_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"

	"github.com/minio/madmin-go/v3"
	client "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/lifecycle"
	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
)

const (
	// fewChecks random sequences are tried, manyChecks where the whole matrix is.
	fewChecks, manyChecks = "3", "20"
	// longest is how many things happen in one of them.
	longest = 10
)

// TestProperty: rapid says with which seed a sequence that failed comes again.
func TestAny_sequence_of_calls_outside_changes_and_crashes_converges_to_what_was_told(t *testing.T) {
	checks := fewChecks
	if os.Getenv(extent) != "" {
		checks = manyChecks
	}
	bound(t, map[string]string{"rapid.checks": checks, "rapid.shrinktime": "1ms", "rapid.nofailfile": "true"})
	w := newWorldOn(t, testkit.NewMinIO(t))
	w.settings["PRIMECLOUD_STORAGE_ATTEMPT"] = "4s"
	w.build()
	w.live()
	rapid.Check(t, func(rt *rapid.T) {
		s := newStory(rt, w)
		for range rapid.IntRange(longest/2, longest).Draw(rt, "length") {
			s.next()
		}
		s.end()
	})
}

// bound sets flags for one test: rapid knows no other way to bound what it does.
func bound(t *testing.T, values map[string]string) {
	t.Helper()
	for name, value := range values {
		known := flag.Lookup(name)
		if known == nil {
			t.Fatalf("there is no flag %s", name)
		}
		was := known.Value.String()
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = flag.Set(name, was) })
	}
}

// story is a random sequence of things that happen to one account, and the model: what its
// owner was told.
type story struct {
	t *rapid.T
	w *world
	// replica is one that is cut, and that comes and goes; the other one lives on.
	replica *hand
	bearer  string
	account string
	names   []string

	// buckets are those that are there, by name, with the operation that they are as after.
	buckets map[string]string
	// keys are those that are there, by their ids.
	keys map[string]storyKey
}

// storyKey is a key that its owner was given.
type storyKey struct {
	credentials
	bucket string
}

func newStory(rt *rapid.T, w *world) *story {
	first := w.newCell(createBucket) // for its account and its login
	s := &story{
		t: rt, w: w, account: first.call.Account, bearer: first.bearer, replica: newHand(w),
		names:   []string{"kill-" + random(), "kill-" + random(), "kill-" + random()},
		buckets: map[string]string{}, keys: map[string]storyKey{},
	}
	return s
}

// next has something happen.
func (s *story) next() {
	happenings := []struct {
		name string
		do   func()
	}{
		{"create a bucket", func() { s.change(call{Operation: createBucket, Bucket: s.name()}) }},
		{"create a bucket", func() { s.change(call{Operation: createBucket, Bucket: s.name()}) }},
		{"update a bucket", func() { s.change(call{Operation: updateBucket, Bucket: s.name()}) }},
		{"delete a bucket", func() { s.change(call{Operation: deleteBucket, Bucket: s.name()}) }},
		{"create a key", func() { s.change(call{Operation: createKey, Bucket: s.name()}) }},
		{"delete a key", s.deleteKey},
		{"change a bucket behind our back", s.tamperWithBucket},
		{"change the identity behind our back", s.tamperWithIdentity},
		{"stop and start a replica", s.replica.restart},
		{"kill a replica in a call", func() { s.crash(s.name()) }},
	}
	i := rapid.IntRange(0, len(happenings)-1).Draw(s.t, "happening")
	s.t.Log(happenings[i].name)
	happenings[i].do()
}

func (s *story) name() string { return rapid.SampledFrom(s.names).Draw(s.t, "bucket") }

// change sends a call to the replica that is cut, at a step of it that is drawn, and notes
// what its owner is told.
func (s *story) change(c call) {
	c.Account, c.Key = s.account, "key-"+random()
	s.replica.arm(rapid.IntRange(0, 12).Draw(s.t, "cut at"), rapid.Bool().Draw(s.t, "after its effect"))
	got, err := s.replica.send(c, s.bearer)
	s.t.Logf("%s of %s, cut at %q: %v", c.Operation, c.Bucket, s.replica.disarm(), err)
	if reason := errs.ReasonOf(err); err != nil && (reason == "OUTCOME_UNKNOWN" || errs.KindOf(err) == errs.Unknown) {
		got, err = s.insist(c)
	}
	s.note(c, got, err)
}

// insist sends a call, whose outcome is not known, to the replica that lives on until it is.
func (s *story) insist(c call) (credentials, error) {
	deadline := time.Now().Add(restWithin)
	for {
		got, err := s.w.send(c, s.bearer)
		unknown := errs.KindOf(err) == errs.Aborted || errs.KindOf(err) == errs.Unavailable || errs.ReasonOf(err) == "OUTCOME_UNKNOWN"
		if err == nil || !unknown || time.Now().After(deadline) {
			s.t.Logf("%s of %s, again: %v", c.Operation, c.Bucket, err)
			return got, err
		}
		<-time.After(100 * time.Millisecond)
	}
}

// note writes down what was told: success, that nothing changed, or that it cannot be.
func (s *story) note(c call, got credentials, err error) {
	_, there := s.buckets[c.Bucket]
	_, has := s.keys[c.AccessKey]
	kind := errs.KindOf(err)
	switch {
	case err == nil && c.Operation == deleteBucket:
		delete(s.buckets, c.Bucket)
	case err == nil && c.Operation == createKey:
		s.keys[got.resource] = storyKey{credentials: got, bucket: c.Bucket}
	case err == nil && c.Operation == deleteKey:
		delete(s.keys, c.AccessKey)
	case err == nil:
		if there && c.Operation == createBucket {
			s.t.Fatalf("%s was made twice", c.Bucket)
		}
		s.buckets[c.Bucket] = c.Operation
	case kind == errs.Unavailable, kind == errs.Aborted: // it is as before
	case kind == errs.AlreadyExists && c.Operation == createBucket && there:
	case kind == errs.NotFound && c.Operation == deleteKey && !has:
	case kind == errs.InvalidArgument && c.Operation == createKey && !there:
	case kind == errs.NotFound && c.Operation != createBucket && !there:
	default:
		s.t.Fatalf("%s of %s, which is there: %t: %v", c.Operation, c.Bucket, there, err)
	}
}

func (s *story) deleteKey() {
	for id, k := range s.keys {
		s.change(call{Operation: deleteKey, AccessKey: id, Bucket: k.bucket})
		return
	}
}

// crash kills a process in the midst of a call; its owner asks again.
func (s *story) crash(bucket string) {
	c := call{Operation: createBucket, Bucket: bucket, Account: s.account, Key: "key-" + random()}
	steps := []string{"minio.MakeBucket#1", "minio.MarkBucket#1", "minio.SetQuota#1", "postgres.commit#2"}
	if as, there := s.buckets[bucket]; there {
		if c.Operation = updateBucket; as == updateBucket {
			return // it has nothing to do
		}
		steps = []string{"postgres.commit#1", "minio.SetVersioning#1", "minio.SetLifecycle#1", "postgres.commit#2"}
	}
	step := rapid.SampledFrom(steps).Draw(s.t, "step")
	victim := s.w.start(victimName, order{Call: c, Bearer: s.bearer, Step: step, After: rapid.Bool().Draw(s.t, "after")})
	s.t.Logf("killed at %s: %v", step, victim.Wait())
	got, err := s.insist(c)
	s.note(c, got, err)
}

// tamperWithBucket changes a bucket on the backend, past us.
func (s *story) tamperWithBucket() {
	ctx, name := s.w.t.Context(), s.name()
	if _, there := s.buckets[name]; !there {
		return
	}
	var err error
	switch what := rapid.SampledFrom([]string{"remove", "quota", "versioning", "lifecycle"}).Draw(s.t, "what"); what {
	case "remove":
		err = s.w.s3.RemoveBucket(ctx, name)
	case "quota":
		err = s.w.admin.SetBucketQuota(ctx, name, &madmin.BucketQuota{Size: 9999, Type: madmin.HardQuota})
	case "versioning":
		err = s.w.s3.SetBucketVersioning(ctx, name, client.BucketVersioningConfiguration{Status: "Suspended"})
	case "lifecycle":
		err = s.w.s3.SetBucketLifecycle(ctx, name, lifecycle.NewConfiguration())
	}
	s.t.Logf("of %s: %v", name, err) // it may be gone already
}

// tamperWithIdentity changes the account's user, policy or keys on the backend, past us.
func (s *story) tamperWithIdentity() {
	ctx, w := s.w.t.Context(), s.w
	ids, err := w.list(ctx, `select id from storage.principal where account_id = $1 and applied <> ''`, s.account)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(ids) == 0 {
		return
	}
	policy := "primecloud-" + ids[0]
	what := rapid.SampledFrom([]string{"disable", "detach", "widen", "remove user", "remove key"}).Draw(s.t, "what")
	user, err := w.userOf(ctx, policy)
	if err != nil {
		s.t.Logf("no user now: %v", err)
		return
	}
	switch what {
	case "disable":
		err = w.admin.SetUserStatus(ctx, user, madmin.AccountDisabled)
	case "detach":
		_, err = w.admin.DetachPolicy(ctx, madmin.PolicyAssociationReq{Policies: []string{policy}, User: user})
	case "widen":
		err = w.admin.AddCannedPolicy(ctx, policy, []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::*"]}]}`))
	case "remove user":
		err = w.admin.RemoveUser(ctx, user)
	case "remove key":
		for _, k := range s.keys {
			err = w.admin.DeleteServiceAccount(ctx, k.id)
			break
		}
	}
	s.t.Logf("%s: %v", what, err)
}

// end has all looked at, waits until it is at rest, and holds it against the model.
func (s *story) end() {
	s.replica.stop()
	defer s.replica.close()
	ctx, cancel := context.WithTimeout(s.w.t.Context(), restWithin)
	defer cancel()
	// What the hourly look at everything does.
	for range 2 {
		if _, err := s.w.rows.Exec(ctx, `update storage.managed_resource set due_at = now() where account_id = $1`, s.account); err != nil {
			s.t.Fatal(err)
		}
		s.until(ctx, func() error {
			left, err := unsettled(ctx, s.w.rows, s.account)
			if err == nil && left > 0 {
				err = fmt.Errorf("%d resources are not settled", left)
			}
			return err
		})
	}
	s.until(ctx, func() error { return s.w.compare(ctx, s.account) })
	s.hold(ctx)
}

// hold holds what is recorded, which the backend has, against the model.
func (s *story) hold(ctx context.Context) {
	had, err := s.w.list(ctx, `select name || ' ' || quota_bytes from storage.bucket where account_id = $1 and desired = 'PRESENT' order by name`, s.account)
	if err != nil {
		s.t.Fatal(err)
	}
	var want []string
	for name, as := range s.buckets {
		quota := made.QuotaBytes
		if as == updateBucket {
			quota = changed.QuotaBytes
		}
		want = append(want, fmt.Sprint(name, " ", quota))
	}
	slices.Sort(want)
	if !slices.Equal(had, want) {
		s.t.Fatalf("there is %q, and its owner was told %q", had, want)
	}
	ids, err := s.w.list(ctx, `select id from storage.access_key where account_id = $1 and desired = 'PRESENT'`, s.account)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(ids) != len(s.keys) {
		s.t.Fatalf("there are the keys %q, and their owner was told of %d", ids, len(s.keys))
	}
	for id, k := range s.keys {
		if !slices.Contains(ids, id) {
			s.t.Fatalf("the key %s is gone", id)
		}
		if _, there := s.buckets[k.bucket]; !there {
			continue
		}
		if err := s.w.backend.TryKey(ctx, accesskey.Trial{ID: k.id, Secret: k.secret, Bucket: k.bucket}); err != nil {
			s.t.Fatalf("the key %s does not work: %v", id, err)
		}
	}
	s.t.Logf("at rest with %d buckets and %d keys", len(s.buckets), len(s.keys))
}

func (s *story) until(ctx context.Context, check func() error) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.t.Fatalf("not at rest: %v", strings.TrimSpace(err.Error()))
		}
	}
}
