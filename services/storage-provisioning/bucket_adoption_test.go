package storage_test

import (
	"errors"
	"testing"

	client "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/tags"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// stray makes a bucket on MinIO that nobody of ours knows, with content, versioning and a tag.
func (w *world) stray() string {
	w.t.Helper()
	bucket, ctx := name(), testkit.Context(w.t)
	set, err := tags.NewTags(map[string]string{"team": "red"}, false)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := errors.Join(w.s3().MakeBucket(ctx, bucket, makeOptions(w)), w.s3().EnableVersioning(ctx, bucket), w.s3().SetBucketTagging(ctx, bucket, set)); err != nil {
		w.t.Fatal(err)
	}
	w.put(bucket, "k")
	return bucket
}

func (w *world) adopt(acc, bucket string) (*storagev1.Bucket, error) {
	response, err := storagev1.NewPlatformDriftServiceClient(w.conn).AdoptBucket(w.asClaims(operator), &storagev1.AdoptBucketRequest{
		AccountId: acc, Bucket: bucket, Reason: "moved in from elsewhere",
	})
	return response.GetBucket(), err
}

// untouched fails the test unless the bucket is as stray made it.
func (w *world) untouched(bucket string) {
	w.t.Helper()
	testkit.Eventually(w.t, patience, func() error {
		found, err := w.s3().GetBucketTagging(testkit.Context(w.t), bucket)
		if err == nil && (len(found.ToMap()) != 1 || found.ToMap()["team"] != "red") {
			err = errors.New("its tags are " + found.String())
		}
		return err
	})
	if _, err := w.s3().StatObject(testkit.Context(w.t), bucket, "k", client.StatObjectOptions{}); err != nil {
		w.t.Errorf("its content: %v", err)
	}
}

func TestABucketIsAdoptedAsItIs(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket := account(), w.stray()
	adopted, err := w.adopt(acc, bucket)
	if err != nil {
		t.Fatal(err)
	}
	if adopted.GetState() != storagev1.BucketState_BUCKET_STATE_READY || adopted.GetVersioning() != storagev1.Versioning_VERSIONING_ENABLED || adopted.GetTags()["team"] != "red" {
		t.Errorf("it is told as %v", adopted)
	}
	key := w.createKey(w.as(acc), acc, readWrite, bucket)
	if _, err := w.s3As(key.GetAccessKeyId(), key.secret).StatObject(testkit.Context(t), bucket, "k", client.StatObjectOptions{}); err != nil {
		t.Errorf("the account's key: %v", err)
	}
	w.tells(acc, 1, "bucket.adopt SUCCEEDED by usr_operator")
	_, err = w.adopt(account(), bucket)
	refused(t, err, errs.FailedPrecondition, "BUCKET_CONFLICT")
	_, err = w.adopt(acc, bucket)
	refused(t, err, errs.AlreadyExists, "BUCKET_NAME_TAKEN")
	_, err = w.adopt(acc, name())
	refused(t, err, errs.NotFound, "NOTHING_TO_ADOPT")
	over, its := account(), name()
	w.inOne(`insert into storage.account_standing (account_id, state, version, changed_at) values ($1, 'closed', 9, now())`, over)
	if err := w.s3().MakeBucket(testkit.Context(t), its, makeOptions(w)); err != nil {
		t.Fatal(err)
	}
	_, err = w.adopt(over, its)
	refused(t, err, errs.FailedPrecondition, "ADOPTION_UNSUPPORTED")
	_, err = w.buckets.DeleteBucket(w.as(acc), &storagev1.DeleteBucketRequest{AccountId: acc, Bucket: bucket})
	refused(t, err, errs.FailedPrecondition, "BUCKET_NOT_EMPTY")
}

func TestABucketWhoseRecordIsLostIsTheSameAgain(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket := account(), name()
	before := w.create(acc, bucket)
	w.put(bucket, "k")
	conn := w.database.Superuser(t)
	for _, sql := range []string{`delete from storage.bucket where name = $1`, `delete from storage.managed_resource where kind = 'bucket' and id = (select $1)`} {
		arg := bucket
		if sql[len(sql)-1] == ')' {
			arg = before.GetId()
		}
		if _, err := conn.Exec(testkit.Context(t), sql, arg); err != nil {
			t.Fatal(err)
		}
	}
	after, err := w.adopt(acc, bucket)
	if err != nil || after.GetId() != before.GetId() {
		t.Errorf("%v, %v; it was %s", after, err, before.GetId())
	}
}

func TestABucketThatLostItsMarkIsOursAgainOnceAnOperatorSaysSo(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket := account(), name()
	made := w.create(acc, bucket)
	w.put(bucket, "k")
	if err := w.s3().RemoveBucketTagging(testkit.Context(t), bucket); err != nil {
		t.Fatal(err)
	}
	if _, err := w.buckets.ReconcileBucket(w.as(acc), &storagev1.ReconcileBucketRequest{AccountId: acc, Bucket: bucket}); err != nil {
		t.Logf("the look that finds it: %v", err)
	}
	w.until(`(select state = 'CONFLICT' from storage.bucket where name = $1)`, bucket)
	again, err := w.adopt(acc, bucket)
	if err != nil || again.GetId() != made.GetId() || again.GetState() != storagev1.BucketState_BUCKET_STATE_READY {
		t.Fatalf("%v, %v", again, err)
	}
	w.reaches(acc, bucket)
}

func TestAnAdoptionThatIsGivenUpLeavesTheBucketAsItWas(t *testing.T) {
	t.Parallel() // it waits most of its time
	w := newWorld(t, testkit.MinIO(t))
	w.create(account(), name())
	w.passed()
	for _, effect := range []bool{false, true} {
		for _, call := range []string{"minio.SetBucketTags", "minio.PutPolicy", "minio.PutUser"} {
			acc, bucket := account(), w.stray()
			w.calls.cutNext(call, effect)
			_, err := w.adopt(acc, bucket)
			if w.calls.hit == "" {
				t.Errorf("%s was not called", call)
			}
			refused(t, err, errs.Unavailable, "BACKEND_UNAVAILABLE")
			w.gone(bucket)
			w.untouched(bucket)
		}
	}
}
