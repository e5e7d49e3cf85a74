package storage_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

func TestAGrantWaitsUntilItIsKnownWhetherItsBucketGoes(t *testing.T) {
	for name, goes := range map[string]bool{"it goes": true, "it stays": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, testkit.MinIO(t))
			acc, user := account(), person()
			bucket := w.create(acc, "t-"+random())
			if !goes {
				w.put(bucket.GetName(), "a")
			}
			reached, held := w.calls.hold("minio.CountContent")
			deleted := make(chan error, 1)
			go func() {
				_, err := w.buckets.DeleteBucket(w.as(acc), &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: bucket.GetName()})
				deleted <- err
			}()
			select {
			case <-reached:
			case <-time.After(20 * time.Second):
				t.Fatal("the delete did not get so far")
			}
			accepted := acceptance(acc, user, 2, offer(bucket.GetId(), "read"))
			w.says(accepted, membership("created", acc, user, "external", 2))
			testkit.Eventually(t, patience, func() error {
				_, err := w.grants.SetBucketGrant(w.as(acc), &storagev1.SetBucketGrantRequest{
					AccountId: acc, Bucket: bucket.GetName(), UserId: user, Permission: storagev1.Permission_PERMISSION_READ,
				})
				if errs.ReasonOf(err) != "BUCKET_DELETING" {
					return fmt.Errorf("a grant is refused with %w", err)
				}
				return nil
			})
			close(held)
			if err := <-deleted; (err == nil) != goes {
				t.Fatalf("the delete ended with %v", err)
			}
			w.heard(t, user, accepted)
			if goes {
				w.tells(acc, 1, "bucket_grant.create FAILED by storage-provisioning BUCKET_NOT_FOUND")
				w.sees(acc, user)
				return
			}
			w.sees(acc, user, bucket.GetName())
		})
	}
}

func TestGrantsThatAreSetAtOnceAreOne(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, user, bucket := account(), person(), name()
	w.create(acc, bucket)
	w.says(membership("created", acc, user, "external", 2))
	w.set(acc, bucket, user, storagev1.Permission_PERMISSION_READ)
	if _, err := w.grants.DeleteBucketGrant(w.as(acc), &storagev1.DeleteBucketGrantRequest{AccountId: acc, Bucket: bucket, UserId: user}); err != nil {
		t.Fatal(err)
	}
	const many = 8
	var running sync.WaitGroup
	made := make([]string, many)
	for i := range many {
		running.Go(func() {
			response, err := w.grants.SetBucketGrant(w.as(acc), &storagev1.SetBucketGrantRequest{
				AccountId: acc, Bucket: bucket, UserId: user, Permission: storagev1.Permission_PERMISSION_READ_WRITE,
			})
			if err != nil {
				t.Error(err)
			}
			made[i] = response.GetBucketGrant().GetEtag()
		})
	}
	running.Wait()
	for _, etag := range made {
		if etag != made[0] {
			t.Errorf("they made %s", strings.Join(made, ", "))
		}
	}
	w.tells(acc, 2, "bucket_grant.create SUCCEEDED")
}

// A bucket's end, a member's end and new grants lock rows of each other.
func TestGrantsBucketsAndMembersThatEndAtOnceLeaveNothing(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc := account()
	var buckets []*storagev1.Bucket
	for range 3 {
		buckets = append(buckets, w.create(acc, name()))
	}
	var people []string
	for range 4 {
		user := person()
		people = append(people, user)
		w.says(acceptance(acc, user, 2, offer(buckets[0].GetId(), "read"), offer(buckets[1].GetId(), "read"), offer(buckets[2].GetId(), "read")))
	}
	for _, user := range people {
		w.sees(acc, user, buckets[0].GetName(), buckets[1].GetName(), buckets[2].GetName())
	}
	var running sync.WaitGroup
	for _, b := range buckets[:2] {
		running.Go(func() {
			if _, err := w.buckets.DeleteBucket(w.as(acc), &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: b.GetName()}); err != nil {
				t.Error(err)
			}
		})
	}
	for _, user := range people[2:] {
		running.Go(func() {
			_, err := w.grants.SetBucketGrant(w.as(acc), &storagev1.SetBucketGrantRequest{
				AccountId: acc, Bucket: buckets[2].GetName(), UserId: user, Permission: storagev1.Permission_PERMISSION_READ_WRITE,
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	for _, user := range people[:2] {
		w.says(membership("deleted", acc, user, "external", 3))
	}
	running.Wait()
	for _, user := range people[:2] {
		w.sees(acc, user)
	}
	for _, user := range people[2:] {
		w.sees(acc, user, buckets[2].GetName())
	}
	w.tells(acc, 10, "bucket_grant.delete SUCCEEDED")
}
