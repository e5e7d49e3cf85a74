package storage_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// TestRace has calls about one name meet on two replicas.
func TestRace_for_one_name_on_two_replicas(t *testing.T) {
	one := newWorld(t, testkit.MinIO(t))
	two := one.replica()
	t.Run("of two accounts one wins, and the other reaches nothing of it", func(t *testing.T) { twoAccounts(t, one, two) })
	t.Run("of one account one call makes it, and its repetition is told so", func(t *testing.T) { oneKeyTwice(t, one, two) })
	t.Run("a delete during a create waits its turn", func(t *testing.T) { deleteDuringCreate(t, one, two) })
	t.Run("a create during a delete waits until the name is free", func(t *testing.T) { createDuringDelete(t, one, two) })
	t.Run("whatever the order, what was told last is", func(t *testing.T) { shuffled(t, one, two) })
}

func createIn(w *world, ctx context.Context, acc, bucket string) error {
	_, err := w.buckets.CreateBucket(ctx, &storagev1.CreateBucketRequest{AccountId: acc, Name: bucket})
	return err
}

func deleteIn(w *world, ctx context.Context, acc, bucket string) error {
	_, err := w.buckets.DeleteBucket(ctx, &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: bucket})
	return err
}

// atOnce makes both calls at once.
func atOnce(first, second func() error) (error, error) {
	var failures [2]error
	var running sync.WaitGroup
	start := make(chan struct{})
	for i, do := range []func() error{first, second} {
		running.Go(func() { <-start; failures[i] = do() })
	}
	close(start)
	running.Wait()
	return failures[0], failures[1]
}

func twoAccounts(t *testing.T, one, two *world) {
	accounts := [2]string{account(), account()}
	for _, acc := range accounts {
		one.create(acc, name()) // so that both have an identity
	}
	for range 8 {
		bucket := name()
		ctx := [2]context.Context{one.as(accounts[0]), two.as(accounts[1])}
		first, second := atOnce(
			func() error { return createIn(one, ctx[0], accounts[0], bucket) },
			func() error { return createIn(two, ctx[1], accounts[1], bucket) },
		)
		winner, lost := 0, second
		if first != nil {
			winner, lost = 1, first
		}
		if first != nil && second != nil {
			t.Fatalf("nobody has it: %v, %v", first, second)
		}
		refused(t, lost, errs.AlreadyExists, "BUCKET_NAME_TAKEN")
		loser := accounts[1-winner]
		tags, err := one.s3().GetBucketTagging(testkit.Context(t), bucket)
		if err != nil || tags.ToMap()["primecloud-account"] != accounts[winner] {
			t.Errorf("MinIO has it for %v, %v; %s won", tags, err, accounts[winner])
		}
		if n := one.row(`select string_agg(account_id, ' ') from storage.bucket where name = $1`, bucket); n != accounts[winner] {
			t.Errorf("it is recorded for %s, and %s won", n, accounts[winner])
		}
		_, err = two.told(loser, bucket)
		refused(t, err, errs.NotFound, "BUCKET_NOT_FOUND")
		if strings.Contains(one.policyOf(one.identityOf(loser)), bucket) {
			t.Error("the policy of who lost names it")
		}
	}
}

func oneKeyTwice(t *testing.T, one, two *world) {
	acc := account()
	for range 5 {
		bucket := name()
		ctx := withKey(one.as(acc), bucket)
		first, second := atOnce(
			func() error { return createIn(one, ctx, acc, bucket) }, func() error { return createIn(two, ctx, acc, bucket) },
		)
		for _, err := range []error{first, second} {
			if err != nil {
				refused(t, err, errs.Aborted, "IDEMPOTENCY_KEY_IN_PROGRESS")
			}
		}
		if first != nil && second != nil {
			t.Fatalf("nobody has it: %v, %v", first, second)
		}
		for _, w := range []*world{one, two} {
			if err := createIn(w, ctx, acc, bucket); err != nil {
				t.Errorf("the same call again: %v", err)
			}
		}
		if n := one.row(`select count(*)::text from storage.operation o join storage.bucket b on b.id = o.resource_id where b.name = $1`, bucket); n != "1" {
			t.Errorf("it took %s operations", n)
		}
	}
}

func deleteDuringCreate(t *testing.T, one, two *world) {
	acc, bucket := account(), name()
	ctx := one.as(acc)
	reached, held := one.calls.hold("minio.MakeBucket")
	created := make(chan error, 1)
	go func() { created <- createIn(one, ctx, acc, bucket) }()
	<-reached
	refused(t, deleteIn(two, ctx, acc, bucket), errs.Aborted, "OPERATION_IN_PROGRESS")
	refused(t, createIn(two, ctx, acc, bucket), errs.AlreadyExists, "BUCKET_NAME_TAKEN")
	close(held)
	if err := <-created; err != nil {
		t.Fatal(err)
	}
	if err := present(0)(one, acc, bucket); err != nil {
		t.Errorf("the create was told as done: %v", err)
	}
	if err := deleteIn(two, ctx, acc, bucket); err != nil {
		t.Fatal(err)
	}
	if err := absent(one, acc, bucket); err != nil {
		t.Errorf("the delete was told as done: %v", err)
	}
}

func createDuringDelete(t *testing.T, one, two *world) {
	acc, other, bucket := account(), account(), name()
	one.create(acc, bucket)
	one.quiet()
	ctx, theirs := one.as(acc), two.as(other)
	reached, held := one.calls.hold("minio.RemoveBucket")
	deleted := make(chan error, 1)
	go func() { deleted <- deleteIn(one, ctx, acc, bucket) }()
	<-reached
	if one.exists(bucket) {
		t.Error("MinIO still has it")
	}
	// MinIO has let the name go. We have not: nobody has heard of that yet.
	refused(t, createIn(two, theirs, other, bucket), errs.AlreadyExists, "BUCKET_NAME_TAKEN")
	refused(t, createIn(two, ctx, acc, bucket), errs.AlreadyExists, "BUCKET_NAME_TAKEN")
	close(held)
	if err := <-deleted; err != nil {
		t.Fatal(err)
	}
	one.gone(bucket)
	if err := createIn(two, theirs, other, bucket); err != nil {
		t.Fatal(err)
	}
	if err := present(0)(two, other, bucket); err != nil {
		t.Error(err)
	}
}

// shuffled creates and deletes one name on both replicas at once, again and again: whoever
// was told of success last is right.
func shuffled(t *testing.T, one, two *world) {
	acc, bucket := account(), name()
	one.create(acc, bucket)
	there := true
	for range 8 {
		ctx := one.as(acc)
		created, deleted := atOnce(
			func() error { return createIn(one, ctx, acc, bucket) }, func() error { return deleteIn(two, ctx, acc, bucket) },
		)
		for _, err := range []error{created, deleted} {
			kind := errs.KindOf(err)
			if err != nil && kind != errs.Aborted && kind != errs.AlreadyExists && kind != errs.NotFound {
				t.Errorf("neither done nor refused: %v", err)
			}
		}
		switch {
		case created == nil && deleted == nil && there, created == nil && deleted != nil:
			there = true // it went and came again, or came
		case deleted == nil:
			there = false // it went, or came and went
		}
		want := absent
		if there {
			want = present(0)
		}
		testkit.Eventually(t, patience, func() error {
			if err := want(one, acc, bucket); err != nil {
				return fmt.Errorf("create was told %v, delete %v: %w", created, deleted, err)
			}
			return nil
		})
	}
}
