package storage_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/primecloud/primecloud/pkg/testkit"
)

// passBuckets is how many buckets the pass below goes over; as a benchmark,
// `go test -run APassOver -v . -buckets 10000`.
var passBuckets = flag.Int("buckets", 500, "buckets of the pass over everything")

// stock puts buckets on MinIO and into the record, as they would be after having been made here:
// versioned, with a quota, a lifecycle rule, a tag and our mark.
func (w *world) stock(n int) {
	w.t.Helper()
	for from := 1; from <= n; from += 2000 {
		var archive bytes.Buffer
		z := zip.NewWriter(&archive)
		for i := from; i <= min(from+1999, n); i++ {
			for file, content := range map[string]string{
				"versioning.xml": `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>`,
				"quota.json":     `{"quota":1048576,"size":1048576,"rate":0,"requests":0,"quotatype":"hard"}`,
				"tagging.xml": fmt.Sprintf(`<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet><Tag><Key>primecloud-account</Key><Value>acc_%d</Value></Tag>`+
					`<Tag><Key>primecloud-id</Key><Value>bkt_pass%d</Value></Tag><Tag><Key>team</Key><Value>red</Value></Tag></TagSet></Tagging>`, i%100, i),
				"lifecycle.xml": `<LifecycleConfiguration><Rule><ID>old</ID><Status>Enabled</Status><Filter><Prefix>logs/</Prefix></Filter><Expiration><Days>30</Days></Expiration></Rule></LifecycleConfiguration>`,
			} {
				f, err := z.Create(fmt.Sprintf("pass-%06d/%s", i, file))
				if err == nil {
					_, err = io.WriteString(f, content)
				}
				if err != nil {
					w.t.Fatal(err)
				}
			}
		}
		if err := z.Close(); err != nil {
			w.t.Fatal(err)
		}
		report, err := w.admin().ImportBucketMetadata(testkit.Context(w.t), "", io.NopCloser(&archive))
		if err != nil {
			w.t.Fatal(err)
		}
		for bucket, status := range report.Buckets {
			if status.Err != "" {
				w.t.Fatalf("%s: %s", bucket, status.Err)
			}
		}
	}
	w.inOne(`insert into storage.bucket (id, account_id, backend, name, customer_reference, versioning, quota_bytes, lifecycle, desired, state, version,
			marked, seen_absent_generation, unsure, created_at, updated_at, settings)
		select 'bkt_pass' || i, 'acc_' || i % 100, 'local', 'pass-' || lpad(i::text, 6, '0'), '', 'ENABLED', 1048576,
			'[{"id": "old", "prefix": "logs/", "expire_after_days": 30}]', 'PRESENT', 'READY', 1, true, 0, false, now(), now(), '{"tags": {"team": "red"}}'
		from generate_series(1, $1::int) i`, n)
	w.inOne(`insert into storage.managed_resource (kind, id, account_id, backend, generation, observed_generation, updated_at)
		select 'bucket', 'bkt_pass' || i, 'acc_' || i % 100, 'local', 1, 1, now() from generate_series(1, $1::int) i`, n)
}

func (w *world) inOne(sql string, args ...any) {
	w.t.Helper()
	conn := w.database.Superuser(w.t)
	if _, err := conn.Exec(testkit.Context(w.t), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}

// pass starts the service and waits for its first pass over everything; it returns how long
// that took.
func (w *world) pass() time.Duration {
	w.t.Helper()
	w.inOne(`delete from storage.schedule_run where job = 'full_pass'`)
	w.calls.writes()
	w.start()
	var took time.Duration
	conn := w.database.Superuser(w.t)
	testkit.Eventually(w.t, 5*time.Minute, func() error {
		var began, ended time.Time
		err := conn.QueryRow(testkit.Context(w.t), `select started_at, finished_at from storage.schedule_run where job = 'full_pass' and finished_at is not null`).Scan(&began, &ended)
		if errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("the pass is not over")
		}
		took = ended.Sub(began)
		return err
	})
	return took
}

func TestAPassOverUnchangedBucketsAsksForAllAtOnceAndWritesNothing(t *testing.T) {
	w := newWorld(t, testkit.NewMinIO(t))
	w.passed()
	w.stop()
	began := time.Now()
	w.stock(*passBuckets)
	t.Logf("%d buckets were made in %s", *passBuckets, time.Since(began).Round(time.Millisecond))
	took := w.pass()
	w.calls.mu.Lock()
	asked := slices.Clone(w.calls.names)
	w.calls.mu.Unlock()
	counts := map[string]int{}
	for _, name := range asked {
		if strings.HasPrefix(name, "minio.") {
			counts[name]++
		}
	}
	t.Logf("the pass over %d buckets took %s; MinIO was asked %v", *passBuckets, took.Round(time.Millisecond), counts)
	if counts["minio.ObserveAll"] == 0 || counts["minio.ObserveBucket"] != 0 {
		t.Errorf("MinIO was asked %v", counts)
	}
	if writes := w.calls.writes(); len(writes) != 0 {
		t.Errorf("MinIO was written %v", writes)
	}
	if n := w.row(`select count(*)::text from storage.managed_resource where kind = 'bucket' and due_at is not null`); n != "0" {
		t.Errorf("%s buckets were woken", n)
	}
	t.Run("and sees to what was changed since", func(t *testing.T) {
		w.stop()
		if err := w.s3().SuspendVersioning(testkit.Context(t), "pass-000007"); err != nil {
			t.Fatal(err)
		}
		w.pass()
		testkit.Eventually(t, patience, func() error {
			found, err := w.s3().GetBucketVersioning(testkit.Context(t), "pass-000007")
			if err == nil && !found.Enabled() {
				err = fmt.Errorf("it is %+v", found)
			}
			return err
		})
	})
}
