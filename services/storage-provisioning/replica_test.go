package storage_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/madmin-go/v3"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// replica starts a second process of the same service on the same database and backend.
func (w *world) replica() *world {
	w.t.Helper()
	other := *w
	other.calls = &calls{}
	other.start()
	return &other
}

func TestReplicas_share_the_work_and_never_one_resource(t *testing.T) {
	one := newWorld(t, testkit.NewMinIO(t), everySecond)
	two := one.replica()
	acc := account()
	ctx := one.as(acc)
	names, outcomes := make([]string, 10), make([]error, 10)
	var running sync.WaitGroup
	for i := range names {
		names[i] = name()
		w := []*world{one, two}[i%2]
		running.Go(func() {
			_, outcomes[i] = w.buckets.CreateBucket(ctx, &storagev1.CreateBucketRequest{AccountId: acc, Name: names[i]})
		})
	}
	running.Wait()
	if err := errors.Join(outcomes...); err != nil {
		t.Fatal(err)
	}
	one.reaches(acc, names...)
	t.Run("a finding is told once, whoever finds it", func(t *testing.T) {
		if err := one.admin().SetBucketQuota(testkit.Context(t), names[0], &madmin.BucketQuota{Size: 9, Type: madmin.HardQuota}); err != nil {
			t.Fatal(err)
		}
		one.drift(acc, names[0], storagev1.Drift_KIND_DIFFERENT, "quota_bytes")
		if n := one.row(`select count(*)::text from storage.drift`); n != "1" {
			t.Errorf("there are %s findings", n)
		}
	})
}

// TestReplica_that_freezes stops one process in the midst of each step of a creation, as a
// machine that is suspended does, and lets it go on after another has taken over.
func TestReplica_that_freezes_is_taken_over_and_does_no_harm_when_it_wakes(t *testing.T) {
	minio := testkit.NewMinIO(t)
	for _, steps := range [][]string{
		{"minio.ObserveBucket"},
		{"minio.MakeBucket"},
		{"minio.MarkBucket"},
		{"minio.SetQuota"},
		{"minio.MakeBucket", "postgres.commit"},
		{"minio.SetQuota", "postgres.commit"},
	} {
		t.Run("at "+strings.Join(steps, " and then "), func(t *testing.T) {
			t.Parallel()
			one := newWorld(t, minio, func(s config.Source) { s["PRIMECLOUD_STORAGE_ATTEMPT"] = "1s" })
			two := one.replica()
			acc, bucket := account(), name()
			frozen := one.calls.freeze(steps...)
			var failure error
			var running sync.WaitGroup
			ctx := one.as(acc)
			running.Go(func() {
				_, failure = one.buckets.CreateBucket(ctx, &storagev1.CreateBucketRequest{AccountId: acc, Name: bucket, QuotaBytes: 4096})
			})
			ready := func() error {
				got, err := two.buckets.GetBucket(two.as(acc), &storagev1.GetBucketRequest{AccountId: acc, Bucket: bucket})
				if err == nil && got.GetBucket().GetState() != storagev1.BucketState_BUCKET_STATE_READY {
					err = fmt.Errorf("it is %s", got.GetBucket().GetState())
				}
				return err
			}
			testkit.Eventually(t, patience, ready)
			close(frozen)
			running.Wait()
			if failure != nil && errs.ReasonOf(failure) != "OUTCOME_UNKNOWN" {
				t.Errorf("the bucket is there, and the caller was told %v", failure)
			}
			testkit.Eventually(t, 10*time.Second, ready)
			quota, err := one.admin().GetBucketQuota(testkit.Context(t), bucket)
			if err != nil || quota.Size != 4096 {
				t.Errorf("MinIO has quota %v, %v", quota, err)
			}
			if len(one.calls.freezing) > 0 {
				t.Errorf("%v never came", one.calls.freezing)
			}
			t.Logf("the caller was told %v", failure)
		})
	}
}

// TestLease: the reconciler has just taken the lease when a call wants something else, so
// that it does what the call wants before the call can.
func TestLease_is_given_back_by_a_call_that_somebody_else_has_ended(t *testing.T) {
	one := newWorld(t, testkit.MinIO(t))
	two := one.replica()
	acc, bucket := account(), name()
	one.create(acc, bucket)
	one.quiet()
	claimed, held := two.calls.hold("postgres.commit")
	reconciled := make(chan error, 1)
	ctx := two.as(acc)
	go func() {
		_, err := two.buckets.ReconcileBucket(ctx, &storagev1.ReconcileBucketRequest{AccountId: acc, Bucket: bucket})
		reconciled <- err
	}()
	<-claimed
	updated := make(chan error, 1)
	go func() {
		_, err := one.buckets.UpdateBucket(ctx, &storagev1.UpdateBucketRequest{AccountId: acc, BucketName: bucket, Bucket: &storagev1.Bucket{QuotaBytes: 1000}})
		updated <- err
	}()
	one.until(`exists (select from storage.operation where state = 'TRYING')`)
	close(held)
	if err := errors.Join(<-reconciled, <-updated); err != nil {
		t.Fatal(err)
	}
	err := within(t, one.as(acc), 4*time.Second, func(ctx context.Context) error {
		_, err := one.buckets.UpdateBucket(ctx, &storagev1.UpdateBucketRequest{AccountId: acc, BucketName: bucket, Bucket: &storagev1.Bucket{QuotaBytes: 2000}})
		return err
	})
	if err != nil {
		t.Errorf("the next change, with nothing in its way: %v", err)
	}
}

// TestCall: the reconciler has just taken the lease when a call wants something else.
func TestCall_does_itself_what_it_wants_of_a_bucket_that_is_being_looked_at(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t), func(s config.Source) { s["PRIMECLOUD_STORAGE_SWEEP"] = "2s" })
	acc, bucket := account(), name()
	w.create(acc, bucket)
	w.passed()
	w.quiet()
	w.until(`not exists (select from storage.outbox where published_at is null)`)
	claimed, held := w.calls.hold("postgres.commit")
	w.row(`update storage.managed_resource set due_at = now() where kind = 'bucket' returning id`)
	<-claimed
	w.until(`exists (select from storage.managed_resource where kind = 'bucket' and lease_owner is not null)`)
	updated := make(chan error, 1)
	ctx := w.as(acc)
	go func() {
		_, err := w.buckets.UpdateBucket(ctx, &storagev1.UpdateBucketRequest{AccountId: acc, BucketName: bucket, Bucket: &storagev1.Bucket{QuotaBytes: 1000}})
		updated <- err
	}()
	w.until(`exists (select from storage.operation where state = 'TRYING')`)
	close(held)
	if err := <-updated; err != nil {
		t.Fatal(err)
	}
	if n := w.row(`select count(*)::text from storage.outbox where type like '%.bucket.updated.v1' and position($1::bytea in payload) > 0`, []byte("usr_"+acc)); n != "1" {
		t.Error("the event of the change does not name who made it")
	}
}

func TestService_recovers_from_a_crash_of_PostgreSQL(t *testing.T) {
	cluster := testkit.NewPostgres(t)
	w := newWorldOn(t, cluster, testkit.MinIO(t))
	acc := account()
	w.create(acc, name())
	if err := cluster.Kill(); err != nil {
		t.Fatal(err)
	}
	// The server's last processes may still have taken in the beginning.
	request := &storagev1.CreateBucketRequest{AccountId: acc, Name: name()}
	err := within(t, withKey(w.as(acc), "k"), 3*time.Second, func(ctx context.Context) error {
		_, err := w.buckets.CreateBucket(ctx, request)
		return err
	})
	if reason := errs.ReasonOf(err); reason != "DATABASE_UNAVAILABLE" && reason != "OUTCOME_UNKNOWN" {
		t.Fatalf("without a database: %v", err)
	}
	if err := cluster.Start(testkit.Context(t)); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 15*time.Second, func() error {
		_, err := w.buckets.CreateBucket(withKey(w.as(acc), "k"), request)
		return err
	})
	testkit.Eventually(t, 15*time.Second, func() error {
		events, err := w.published()
		if err == nil && len(events) < 5 {
			err = fmt.Errorf("%d events were published", len(events))
		}
		return err
	})
}

func TestPrincipal_is_repaired(t *testing.T) {
	w := newWorld(t, testkit.NewMinIO(t), everySecond)
	ctx := testkit.Context(t)
	acc, bucket := account(), name()
	w.create(acc, bucket)
	policy := "primecloud-" + w.row(`select id from storage.principal where account_id = $1`, acc)
	users, err := w.admin().ListUsers(ctx)
	if err != nil || len(users) != 1 {
		t.Fatalf("the users are %v, %v", users, err)
	}
	var user string
	for name := range users {
		user = name
	}
	found := func(field string) {
		t.Helper()
		w.drift(acc, "", storagev1.Drift_KIND_DIFFERENT, field)
	}
	t.Run("a policy that somebody widened", func(t *testing.T) {
		wide := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::*"]}]}`
		if err := w.admin().AddCannedPolicy(ctx, policy, []byte(wide)); err != nil {
			t.Fatal(err)
		}
		found("policy")
		w.reaches(acc, bucket)
	})
	t.Run("a user that somebody removed", func(t *testing.T) {
		if err := w.admin().RemoveUser(ctx, user); err != nil {
			t.Fatal(err)
		}
		found("user")
		testkit.Eventually(t, 10*time.Second, func() error {
			info, err := w.admin().GetUserInfo(ctx, user)
			if err == nil && info.PolicyName != policy {
				err = fmt.Errorf("its policy is %q", info.PolicyName)
			}
			return err
		})
	})
}
