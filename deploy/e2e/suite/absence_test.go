package suite_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/minio/minio-go/v7"

	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/testkit"
)

// meter stands before MinIO and counts what the suite asks of it.
type meter struct {
	mu     sync.Mutex
	reads  map[string]int // by path
	writes []string
}

// newMeter returns a meter and its address.
func newMeter(t *testing.T) (*meter, string) {
	t.Helper()
	to, err := url.Parse(running.environment.MinIO.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	m := &meter{reads: map[string]int{}}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // signatures cover it
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			m.reads[strings.Trim(r.URL.Path, "/")]++
		} else {
			m.writes = append(m.writes, r.Method+" "+r.URL.Path+"?"+r.URL.RawQuery)
		}
		m.mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return m, server.URL
}

// written are the requests that were no reads.
func (m *meter) written() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.writes)
}

// read says how often each path was read.
func (m *meter) read() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.reads)
}

// pair is an S3 key with its secret.
type pair struct {
	AccessKey       struct{ ID, AccessKeyID, State string }
	SecretAccessKey string
}

func TestWithEverythingOfOursStoppedTenantsWorkOnAndOurReturnCostsNoWrite(t *testing.T) {
	f := fault(t, "everything of ours stopped")
	client := browser(t, anna)
	account := newAccount(t, client)
	var buckets []bucket
	for i := range 3 {
		buckets = append(buckets, newBucket(t, client, account, map[string]any{
			"quotaBytes": fmt.Sprint((i + 1) << 20), "versioning": "VERSIONING_ENABLED",
			"lifecycleRules": []map[string]any{{"id": "old", "prefix": "tmp/", "expireAfterDays": 7}},
		}))
	}
	key := newAccessKey(t, account, buckets[0].Name)
	nothingUnderWay(t)
	e := running.environment
	t.Cleanup(func() { reopen(t, nil) })
	if err := running.close(); err != nil {
		t.Fatal(err)
	}
	if err := e.Postgres.Stop(testkit.Context(t)); err != nil {
		t.Fatal(err)
	}
	if err := e.NATS.Stop(testkit.Context(t)); err != nil {
		t.Fatal(err)
	}
	f.seen("suite, PostgreSQL and NATS are stopped", "MinIO and its door are left")

	tenant := s3(t, e.Door.Address(), key.AccessKey.AccessKeyID, key.SecretAccessKey)
	put(t, tenant, buckets[0].Name, "while-away")
	object, err := tenant.GetObject(t.Context(), buckets[0].Name, "while-away", minio.GetObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if content, err := io.ReadAll(object); err != nil || string(content) != "content" {
		t.Errorf("read %q: %v", content, err)
	}
	if _, err := tenant.PutObject(t.Context(), buckets[1].Name, "x", strings.NewReader("x"), 1, minio.PutObjectOptions{}); minio.ToErrorResponse(err).Code != "AccessDenied" {
		t.Errorf("a bucket that is not granted: %v", err)
	}
	f.seen("an existing key, through the door", "writes, reads, and is held to its bucket")

	m, endpoint := newMeter(t)
	metered := maps.Clone(lookingOften)
	metered["PRIMECLOUD_STORAGE_BACKEND_ENDPOINT"] = endpoint
	reopen(t, metered)
	f.seen("all of it is started", "it serves")
	passes := allSeenTwice(t, m)
	if writes := m.written(); len(writes) > 0 {
		t.Errorf("MinIO was written %v", writes)
	}
	f.seen(fmt.Sprintf("%d looks at everything", passes), "every bucket, user, policy and key read, no write to MinIO")
	do(t, client, http.MethodPatch, bucketsOf(account, buckets[2].Name), map[string]any{"quotaBytes": "7777777"}, nil)
	if writes := m.written(); len(writes) != 1 || !strings.Contains(writes[0], "set-bucket-quota") {
		t.Errorf("a changed quota wrote %v", writes)
	}
	f.seen("a quota is changed", "1 write: the counting counts")
	var answer struct{ Drifts []difference }
	do(t, client, http.MethodGet, "/v1/accounts/"+account+"/storageDrifts", nil, &answer)
	if len(answer.Drifts) > 0 {
		t.Errorf("differences were reported: %+v", answer.Drifts)
	}
}

// nothingUnderWay waits until no change is in the middle, of whatever test: what is would
// rightly be finished on return.
func nothingUnderWay(t *testing.T) {
	t.Helper()
	conn := behind(t)
	testkit.Eventually(t, patience, func() error {
		var left int
		err := conn.QueryRow(testkit.Context(t), `select
			(select count(*) from storage.operation where state = 'TRYING') +
			(select count(*) from storage.bucket where state in ('CREATING', 'UPDATING', 'DELETING', 'VANISHING')) +
			(select count(*) from storage.access_key where state in ('CREATING', 'DELETING', 'VANISHING')) +
			(select count(*) from storage.managed_resource where lease_owner is not null
				or kind = 'principal' and (observed_generation <> generation or due_at is not null))`).Scan(&left)
		if err == nil && left > 0 {
			err = fmt.Errorf("%d changes are under way", left)
		}
		return err
	})
}

// reopen brings back what is not running, the suite with more settings than usual.
func reopen(t *testing.T, more config.Source) {
	t.Helper()
	ctx, cancel := restoring()
	defer cancel()
	if err := running.close(); err != nil {
		t.Fatal(err)
	}
	restore(t, running.environment.Postgres, running.environment.NATS)
	if err := running.open(ctx, more); err != nil {
		t.Fatal(err)
	}
}

// allSeenTwice waits until everything was compared with MinIO at least twice since the
// meter stands there, and returns how many times.
func allSeenTwice(t *testing.T, m *meter) int {
	t.Helper()
	conn := behind(t)
	var before, passes int
	const finished = `select count(*) from storage.schedule_run where job = 'full_pass' and finished_at is not null`
	if err := conn.QueryRow(testkit.Context(t), finished).Scan(&before); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, patience, func() error {
		if err := conn.QueryRow(testkit.Context(t), finished).Scan(&passes); err != nil {
			return err
		}
		if passes -= before; passes < 2 {
			return fmt.Errorf("%d passes", passes)
		}
		reads := m.read()
		// One answer for all buckets, and one for all users, policies and keys.
		for _, all := range []string{"export-bucket-metadata", "export-iam"} {
			if n := reads["minio/admin/v3/"+all]; n < 2 {
				return fmt.Errorf("%s was read %d times; reads are %v", all, n, reads)
			}
		}
		return nil
	})
	return passes
}
