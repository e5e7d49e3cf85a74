package storage_test

import (
	"testing"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

func TestAn_act_on_objects_stands_in_the_trail_before_it_is_done(t *testing.T) {
	w := newWorld(t, testkit.MinIO(t))
	acc, bucket := account(), name()
	w.create(acc, bucket)
	ctx := w.as(acc)
	told := func() string {
		return w.row(`select count(*)::text from storage.outbox
			where account_id = $1 and type like '%audit.recorded%' and position('object.delete'::bytea in payload) > 0`, acc)
	}
	remove := func() error {
		_, err := w.objects.DeleteObject(ctx, &storagev1.DeleteObjectRequest{AccountId: acc, Bucket: bucket, Key: "k"})
		return err
	}
	w.put(bucket, "k")
	exec := func(sql string) {
		t.Helper()
		if _, err := w.database.Superuser(t).Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	const away, back = `alter table storage.outbox rename to outbox_away`, `alter table storage.outbox_away rename to outbox`
	exec(away)
	err := remove()
	exec(back)
	if err == nil || told() != "0" || w.content(acc, bucket, "k", "") != "content" {
		t.Errorf("what could not be recorded was done: %v", err)
	}
	reached, held := w.calls.hold("minio.Remove")
	ended := make(chan error, 1)
	go func() { ended <- remove() }()
	<-reached
	exec(away)
	close(held)
	err = <-ended
	exec(back)
	refused(t, err, errs.Unknown, "OUTCOME_UNKNOWN")
	if told() != "1" || w.content(acc, bucket, "k", "") != "absent" {
		t.Errorf("the trail tells of it %s times", told())
	}
	if err := remove(); err != nil || told() != "3" {
		t.Errorf("a repetition: %v, and the trail tells of it %s times", err, told())
	}
	w.put(bucket, "k")
	w.calls.cutNext("minio.Remove", true)
	refused(t, remove(), errs.Unavailable, "BACKEND_UNAVAILABLE")
	if told() != "5" {
		t.Errorf("the trail tells of it %s times", told())
	}
}
