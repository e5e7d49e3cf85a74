package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	client "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/tags"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

const (
	waiting   = storagev1.BucketPurgeState_BUCKET_PURGE_STATE_WAITING
	running   = storagev1.BucketPurgeState_BUCKET_PURGE_STATE_RUNNING
	blocked   = storagev1.BucketPurgeState_BUCKET_PURGE_STATE_BLOCKED
	cancelled = storagev1.BucketPurgeState_BUCKET_PURGE_STATE_CANCELLED
	done      = storagev1.BucketPurgeState_BUCKET_PURGE_STATE_DONE
)

// purgedAtOnce has purges begin without a time of grace, and try again soon.
func purgedAtOnce(s config.Source) {
	s["PRIMECLOUD_STORAGE_PURGE_GRACE"], s["PRIMECLOUD_STORAGE_PURGE_RETRY"] = "0s", "1s"
}

func (w *world) purges() storagev1.BucketPurgeServiceClient {
	return storagev1.NewBucketPurgeServiceClient(w.conn)
}

// purge begins a purge that must be accepted.
func (w *world) purge(account, bucket string) *storagev1.BucketPurge {
	w.t.Helper()
	begun, err := w.purges().PurgeBucket(w.as(account), &storagev1.PurgeBucketRequest{
		AccountId: account, Bucket: bucket, ConfirmBucket: bucket,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return begun.GetBucketPurge()
}

func (w *world) cancelPurge(p *storagev1.BucketPurge) (*storagev1.BucketPurge, error) {
	r, err := w.purges().CancelBucketPurge(w.as(p.GetAccountId()), &storagev1.CancelBucketPurgeRequest{
		AccountId: p.GetAccountId(), PurgeId: p.GetId(),
	})
	return r.GetBucketPurge(), err
}

// purged waits until the purge is so.
func (w *world) purged(p *storagev1.BucketPurge, so func(*storagev1.BucketPurge) bool) *storagev1.BucketPurge {
	w.t.Helper()
	var now *storagev1.BucketPurge
	testkit.Eventually(w.t, 60*time.Second, func() error {
		r, err := w.purges().GetBucketPurge(w.as(p.GetAccountId()), &storagev1.GetBucketPurgeRequest{
			AccountId: p.GetAccountId(), PurgeId: p.GetId(),
		})
		if now = r.GetBucketPurge(); err == nil && !so(now) {
			err = fmt.Errorf("the purge is %v", now)
		}
		return err
	})
	return now
}

func is(state storagev1.BucketPurgeState) func(*storagev1.BucketPurge) bool {
	return func(p *storagev1.BucketPurge) bool { return p.GetState() == state }
}

// state returns where a bucket stands.
func (w *world) state(account, bucket string) storagev1.BucketState {
	w.t.Helper()
	r, err := w.buckets.GetBucket(w.as(account), &storagev1.GetBucketRequest{AccountId: account, Bucket: bucket})
	if err != nil {
		w.t.Fatal(err)
	}
	return r.GetBucket().GetState()
}

// fill puts n objects of seven bytes.
func (w *world) fill(bucket string, n int) {
	w.t.Helper()
	s3 := w.s3()
	var writers sync.WaitGroup
	failures := make(chan error, n)
	for worker := range 16 {
		writers.Go(func() {
			for i := worker; i < n; i += 16 {
				_, err := s3.PutObject(w.t.Context(), bucket, fmt.Sprintf("many/%05d", i), strings.NewReader("content"), 7, client.PutObjectOptions{})
				if err != nil {
					failures <- err
				}
			}
		})
	}
	writers.Wait()
	close(failures)
	for err := range failures {
		w.t.Fatal(err)
	}
}

// entries counts what is in a bucket.
func (w *world) entries(bucket string) (n int) {
	w.t.Helper()
	for o := range w.s3().ListObjectsIter(testkit.Context(w.t), bucket, client.ListObjectsOptions{WithVersions: true, Recursive: true}) {
		if o.Err != nil {
			w.t.Fatal(o.Err)
		}
		n++
	}
	return n
}

func TestPurge_waits_for_its_time_and_can_be_undone_until_then(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	ctx := testkit.Context(t)
	acc, bucket := account(), name()
	made, err := w.buckets.CreateBucket(w.as(acc), &storagev1.CreateBucketRequest{
		AccountId: acc, Name: bucket, Versioning: storagev1.Versioning_VERSIONING_ENABLED, QuotaBytes: 1 << 30, CustomerReference: "c-1",
	})
	if err != nil {
		t.Fatal(err)
	}
	key := w.createKey(w.as(acc), acc, readWrite, bucket)
	s3 := w.s3As(key.GetAccessKeyId(), key.secret)
	w.put(bucket, "a")
	w.put(bucket, "a")
	w.put(bucket, "b")
	reads := func() error {
		o, err := s3.GetObject(ctx, bucket, "a", client.GetObjectOptions{})
		if err == nil {
			_, err = io.Copy(io.Discard, o)
		}
		return err
	}
	if err := reads(); err != nil {
		t.Fatal(err)
	}

	_, err = w.purges().PurgeBucket(w.as(acc), &storagev1.PurgeBucketRequest{AccountId: acc, Bucket: bucket, ConfirmBucket: bucket + "x"})
	refused(t, err, errs.InvalidArgument, "BUCKET_PURGE_UNCONFIRMED")
	_, err = w.purges().PurgeBucket(w.as(acc), &storagev1.PurgeBucketRequest{AccountId: acc, Bucket: bucket, ConfirmBucket: bucket, Etag: "0"})
	refused(t, err, errs.Aborted, "ETAG_MISMATCH")
	other := account()
	_, err = w.purges().PurgeBucket(w.as(other), &storagev1.PurgeBucketRequest{AccountId: other, Bucket: bucket, ConfirmBucket: bucket})
	refused(t, err, errs.NotFound, "BUCKET_NOT_FOUND")

	request := &storagev1.PurgeBucketRequest{AccountId: acc, Bucket: bucket, ConfirmBucket: bucket, Etag: made.GetBucket().GetEtag()}
	begun, err := w.purges().PurgeBucket(withKey(w.as(acc), "p"), request)
	if err != nil {
		t.Fatal(err)
	}
	p := begun.GetBucketPurge()
	if p.GetState() != waiting || p.GetRequestedBy() != "person:usr_"+acc || p.GetBeginTime().AsTime().Sub(p.GetCreateTime().AsTime()) != 24*time.Hour {
		t.Errorf("it began as %v", p)
	}
	repeated, err := w.purges().PurgeBucket(withKey(w.as(acc), "p"), request)
	if err != nil || repeated.GetBucketPurge().GetId() != p.GetId() {
		t.Errorf("the same call again: %v, %v", repeated, err)
	}
	if w.state(acc, bucket) != storagev1.BucketState_BUCKET_STATE_PURGING {
		t.Error("the bucket is not shown as being purged")
	}
	if err := reads(); client.ToErrorResponse(err).Code != "AccessDenied" {
		t.Errorf("a key still reaches it: %v", err)
	}
	if now := w.purged(p, (*storagev1.BucketPurge).GetCounted); now.GetFoundEntries() != 3 || now.GetFoundObjects() != 2 ||
		now.GetFoundBytes() != 21 || now.GetRemainingEntries() != 3 || now.GetState() != waiting || now.GetRemovedEntries() != 0 {
		t.Errorf("it counted %v", now)
	}

	_, err = w.purges().PurgeBucket(w.as(acc), &storagev1.PurgeBucketRequest{AccountId: acc, Bucket: bucket, ConfirmBucket: bucket})
	refused(t, err, errs.FailedPrecondition, "BUCKET_PURGING")
	_, err = w.buckets.UpdateBucket(w.as(acc), &storagev1.UpdateBucketRequest{AccountId: acc, BucketName: bucket, Bucket: &storagev1.Bucket{QuotaBytes: 1}})
	refused(t, err, errs.FailedPrecondition, "BUCKET_PURGING")
	_, err = w.buckets.DeleteBucket(w.as(acc), &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: bucket})
	refused(t, err, errs.FailedPrecondition, "BUCKET_PURGING")
	_, err = w.objects.PresignDownload(w.as(acc), &storagev1.PresignDownloadRequest{AccountId: acc, Bucket: bucket, Key: "a"})
	refused(t, err, errs.FailedPrecondition, "BUCKET_PURGING")
	if _, err := w.buckets.ReconcileBucket(w.as(acc), &storagev1.ReconcileBucketRequest{AccountId: acc, Bucket: bucket}); err != nil {
		t.Error(err)
	}
	_, err = w.purges().GetBucketPurge(w.as(other), &storagev1.GetBucketPurgeRequest{AccountId: other, PurgeId: p.GetId()})
	refused(t, err, errs.NotFound, "BUCKET_PURGE_NOT_FOUND")
	_, err = w.purges().CancelBucketPurge(w.as(other), &storagev1.CancelBucketPurgeRequest{AccountId: other, PurgeId: p.GetId()})
	refused(t, err, errs.NotFound, "BUCKET_PURGE_NOT_FOUND")

	for range 2 { // a cancelling that is repeated changes nothing
		if ended, err := w.cancelPurge(p); err != nil || ended.GetState() != cancelled || ended.GetEndTime() == nil {
			t.Errorf("cancelled: %v, %v", ended, err)
		}
	}
	if err := reads(); err != nil {
		t.Errorf("the key does not reach it again: %v", err)
	}
	back, err := w.buckets.GetBucket(w.as(acc), &storagev1.GetBucketRequest{AccountId: acc, Bucket: bucket})
	if b := back.GetBucket(); err != nil || b.GetState() != storagev1.BucketState_BUCKET_STATE_READY || b.GetQuotaBytes() != 1<<30 ||
		b.GetCustomerReference() != "c-1" || b.GetVersioning() != storagev1.Versioning_VERSIONING_ENABLED || w.entries(bucket) != 3 {
		t.Errorf("it came back as %v, %v", b, err)
	}

	second := w.purge(acc, bucket)
	list, err := w.purges().ListBucketPurges(w.as(acc), &storagev1.ListBucketPurgesRequest{AccountId: acc, PageSize: 1})
	if err != nil || len(list.GetBucketPurges()) != 1 || list.GetBucketPurges()[0].GetId() != second.GetId() || list.GetNextPageToken() == "" {
		t.Errorf("the first page is %v, %v", list, err)
	}
	list, err = w.purges().ListBucketPurges(w.as(acc), &storagev1.ListBucketPurgesRequest{AccountId: acc, PageSize: 1, PageToken: list.GetNextPageToken()})
	if err != nil || len(list.GetBucketPurges()) != 1 || list.GetBucketPurges()[0].GetId() != p.GetId() || list.GetNextPageToken() != "" {
		t.Errorf("the second page is %v, %v", list, err)
	}
}

func TestPurge_removes_a_bucket_with_all_that_is_in_it(t *testing.T) {
	t.Parallel() // it waits most of its time
	w := newWorld(t, testkit.MinIO(t), purgedAtOnce)
	ctx := testkit.Context(t)
	acc := account()

	t.Run("versions, delete markers, incomplete uploads and more objects than a batch has", func(t *testing.T) {
		bucket := name()
		if _, err := w.buckets.CreateBucket(w.as(acc), &storagev1.CreateBucketRequest{
			AccountId: acc, Name: bucket, Versioning: storagev1.Versioning_VERSIONING_ENABLED,
		}); err != nil {
			t.Fatal(err)
		}
		w.fill(bucket, 1010)
		for _, key := range []string{"old", "old", "gone", "line\nbreak", "ünï&<code>", "control\x01"} {
			w.put(bucket, key)
		}
		if err := w.s3().RemoveObject(ctx, bucket, "gone", client.RemoveObjectOptions{}); err != nil {
			t.Fatal(err)
		}
		core := client.Core{Client: w.s3()}
		upload, err := core.NewMultipartUpload(ctx, bucket, "half", client.PutObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := core.PutObjectPart(ctx, bucket, "half", upload, 1, bytes.NewReader(make([]byte, 100)), 100, client.PutObjectPartOptions{}); err != nil {
			t.Fatal(err)
		}
		p := w.purged(w.purge(acc, bucket), is(done))
		if p.GetFoundEntries() != 1017 || p.GetRemovedEntries() != 1017 || p.GetRemovedBytes() != 1016*7 || p.GetRemovedUploads() != 1 ||
			p.GetRemainingEntries() != 0 || p.GetFoundObjects() != 1014 {
			t.Errorf("it ended as %v", p)
		}
		if w.exists(bucket) {
			t.Error("the bucket is still there")
		}
		w.gone(bucket)
		_, err = w.cancelPurge(p)
		refused(t, err, errs.FailedPrecondition, "BUCKET_PURGE_ENDED")
		w.create(acc, bucket)
		w.recounts(acc, "bucket_purge.create STARTED by usr_"+acc, "bucket_purge.run STARTED by storage-provisioning",
			"bucket.delete SUCCEEDED by storage-provisioning", "bucket_purge.run SUCCEEDED by storage-provisioning")
	})

	t.Run("a bucket without versioning", func(t *testing.T) {
		bucket := name()
		w.create(acc, bucket)
		w.fill(bucket, 20)
		if p := w.purged(w.purge(acc, bucket), is(done)); p.GetRemovedEntries() != 20 || p.GetRemovedBytes() != 140 || w.exists(bucket) {
			t.Errorf("it ended as %v", p)
		}
	})

	t.Run("an empty bucket", func(t *testing.T) {
		bucket := name()
		w.create(acc, bucket)
		if w.purged(w.purge(acc, bucket), is(done)); w.exists(bucket) {
			t.Error("the bucket is still there")
		}
	})

	t.Run("what comes in at the last moment is not lost from sight", func(t *testing.T) {
		bucket := name()
		w.create(acc, bucket)
		w.put(bucket, "a")
		frozen := w.calls.freeze("minio.RemoveBucket")
		p := w.purge(acc, bucket)
		w.purged(p, func(p *storagev1.BucketPurge) bool { return p.GetRemovedEntries() == 1 })
		w.eventually(func() error {
			if w.state(acc, bucket) != storagev1.BucketState_BUCKET_STATE_DELETING {
				return errors.New("it is not at its last step yet")
			}
			return nil
		})
		_, err := w.cancelPurge(p)
		refused(t, err, errs.FailedPrecondition, "BUCKET_PURGE_ENDED")
		w.put(bucket, "late")
		close(frozen)
		if p = w.purged(p, is(done)); p.GetRemovedEntries() != 2 || w.exists(bucket) {
			t.Errorf("it ended as %v", p)
		}
	})

	t.Run("a bucket that went behind our back", func(t *testing.T) {
		bucket := name()
		w.create(acc, bucket)
		w.put(bucket, "a")
		reached, held := w.calls.hold("minio.CountEntries")
		p := w.purge(acc, bucket)
		<-reached
		if err := w.s3().RemoveBucketWithOptions(ctx, bucket, client.RemoveBucketOptions{ForceDelete: true}); err != nil {
			t.Fatal(err)
		}
		close(held)
		w.purged(p, is(done))
		w.gone(bucket)
	})
}

func (w *world) eventually(fn func() error) {
	w.t.Helper()
	testkit.Eventually(w.t, 30*time.Second, fn)
}

// recounts waits until the account's trail has these entries, in this order.
func (w *world) recounts(account string, want ...string) {
	w.t.Helper()
	w.eventually(func() error {
		events, err := w.published()
		if err != nil {
			return err
		}
		left := want
		got := trail(w.t, events, account)
		for _, said := range got {
			if len(left) > 0 && said == left[0] {
				left = left[1:]
			}
		}
		if len(left) > 0 {
			return fmt.Errorf("the trail lacks %v and has\n%s", left, strings.Join(got, "\n"))
		}
		return nil
	})
}

func TestCancelling_a_purge_that_runs_brings_back_what_is_left(t *testing.T) {
	t.Parallel() // it waits most of its time
	w := newWorld(t, testkit.MinIO(t), purgedAtOnce)
	acc, bucket := account(), name()
	w.create(acc, bucket)
	w.fill(bucket, 1010)
	reached, held := w.calls.hold("minio.RemoveEntries")
	p := w.purge(acc, bucket)
	<-reached
	ended, err := w.cancelPurge(p)
	if err != nil || ended.GetState() != storagev1.BucketPurgeState_BUCKET_PURGE_STATE_CANCELLING {
		t.Errorf("while a batch is under way: %v, %v", ended, err)
	}
	if w.state(acc, bucket) != storagev1.BucketState_BUCKET_STATE_PURGING {
		t.Error("it is back before the batch has ended")
	}
	close(held)
	if p = w.purged(p, is(cancelled)); p.GetRemovedEntries() != 1000 || p.GetRemainingEntries() != 10 {
		t.Errorf("it ended as %v", p)
	}
	if w.state(acc, bucket) != storagev1.BucketState_BUCKET_STATE_READY || w.entries(bucket) != 10 {
		t.Errorf("%d are left", w.entries(bucket))
	}
	w.reaches(acc, bucket)
	w.recounts(acc, "bucket_purge.cancel STARTED by usr_"+acc, "bucket_purge.cancel SUCCEEDED by storage-provisioning")
	// Nothing goes on behind its back.
	w.stop()
	w.start()
	if w.purged(p, is(cancelled)); w.entries(bucket) != 10 {
		t.Errorf("%d are left", w.entries(bucket))
	}
}

func TestPurge_goes_on_after_whatever_cut_it_off(t *testing.T) {
	t.Parallel() // it waits most of its time
	w := newWorld(t, testkit.MinIO(t), purgedAtOnce)
	acc := account()
	for _, c := range []struct {
		call   string
		effect bool
	}{
		{"minio.CountEntries", false},
		{"minio.RemoveEntries", true},
		{"minio.RemoveEntries", false},
		{"minio.RemoveBucket", true},
		{"minio.RemoveBucket", false},
	} {
		t.Run(fmt.Sprintf("%s, effect %v", c.call, c.effect), func(t *testing.T) {
			bucket := name()
			w.create(acc, bucket)
			w.fill(bucket, 5)
			w.calls.cutNext(c.call, c.effect)
			p := w.purge(acc, bucket)
			w.eventually(func() error {
				if w.calls.wasHit() == "" {
					return errors.New("not there yet")
				}
				return nil
			})
			w.stop()
			w.start()
			if p = w.purged(p, is(done)); w.exists(bucket) || p.GetFoundEntries() != 5 || p.GetRemovedEntries() > 5 {
				t.Errorf("it ended as %v", p)
			}
			w.gone(bucket)
		})
	}
}

// wasHit returns the call that was cut.
func (c *calls) wasHit() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hit
}

func TestPurge_keeps_off_what_is_not_to_be_removed(t *testing.T) {
	t.Parallel() // it waits most of its time
	w := newWorld(t, testkit.MinIO(t), purgedAtOnce)
	ctx := testkit.Context(t)
	acc := account()

	t.Run("a bucket of somebody else under our name", func(t *testing.T) {
		bucket := name()
		w.create(acc, bucket)
		reached, held := w.calls.hold("minio.CountEntries")
		p := w.purge(acc, bucket)
		<-reached
		if err := w.s3().RemoveBucket(ctx, bucket); err != nil {
			t.Fatal(err)
		}
		if err := w.s3().MakeBucket(ctx, bucket, makeOptions(w)); err != nil {
			t.Fatal(err)
		}
		w.put(bucket, "theirs")
		close(held)
		p = w.purged(p, func(p *storagev1.BucketPurge) bool { return p.GetReason() == "BUCKET_CONFLICT" && p.GetMessage() != "" })
		w.tick(3)
		if w.entries(bucket) != 1 {
			t.Error("the content of somebody else's bucket was removed")
		}
		if ended, err := w.cancelPurge(p); err != nil || ended.GetState() != cancelled {
			t.Errorf("cancelled: %v, %v", ended, err)
		}
	})

	t.Run("objects under retention wait for its end", func(t *testing.T) {
		bucket := name()
		made, err := w.buckets.CreateBucket(w.as(acc), &storagev1.CreateBucketRequest{
			AccountId: acc, Name: bucket, Versioning: storagev1.Versioning_VERSIONING_ENABLED,
		})
		if err != nil {
			t.Fatal(err)
		}
		relocked(ctx, t, w, made.GetBucket())
		until, mode := time.Now().Add(8*time.Second).Truncate(time.Second), client.Compliance
		w.put(bucket, "free")
		if _, err := w.s3().PutObject(ctx, bucket, "kept", strings.NewReader("content"), 7, client.PutObjectOptions{Mode: mode, RetainUntilDate: until}); err != nil {
			t.Fatal(err)
		}
		p := w.purged(w.purge(acc, bucket), is(blocked))
		if p.GetReason() != "OBJECTS_LOCKED" || !strings.Contains(p.GetMessage(), "1 objects") || p.GetRemovedEntries() != 1 || w.entries(bucket) != 1 {
			t.Errorf("it is %v", p)
		}
		if p = w.purged(p, is(done)); time.Now().Before(until) || p.GetReason() != "" || w.exists(bucket) {
			t.Errorf("it ended as %v", p)
		}
	})
}

// tick waits until the reconciler has looked at something so often.
func (w *world) tick(n int) {
	w.t.Helper()
	w.calls.writes()
	w.eventually(func() error {
		w.calls.mu.Lock()
		defer w.calls.mu.Unlock()
		seen := 0
		for _, name := range w.calls.names {
			if name == "minio.ObserveBucket" {
				seen++
			}
		}
		if seen < n {
			return fmt.Errorf("%d looks", seen)
		}
		return nil
	})
}

// relocked makes the bucket again with object lock, as ours: what a bucket with that setting
// looks like.
func relocked(ctx context.Context, t *testing.T, w *world, b *storagev1.Bucket) {
	t.Helper()
	if err := w.s3().RemoveBucket(ctx, b.GetName()); err != nil {
		t.Fatal(err)
	}
	options := makeOptions(w)
	options.ObjectLocking = true
	if err := w.s3().MakeBucket(ctx, b.GetName(), options); err != nil {
		t.Fatal(err)
	}
	mark, err := tags.NewTags(map[string]string{"primecloud-id": b.GetId(), "primecloud-account": b.GetAccountId()}, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.s3().SetBucketTagging(ctx, b.GetName(), mark); err != nil {
		t.Fatal(err)
	}
}
