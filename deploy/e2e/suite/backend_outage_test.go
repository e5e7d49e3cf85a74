package suite_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/primecloud/primecloud/deploy/stack/webclient"
	"github.com/primecloud/primecloud/pkg/testkit"
)

// attemptWithin is how long a call may take when the backend does not answer: an attempt
// of the impatient, and what is around it.
const attemptWithin = 8 * time.Second

func TestWhileMinIOIsAwayACallFailsInTimeAndLeavesNothingBehind(t *testing.T) {
	minio := running.environment.MinIO
	t.Cleanup(func() { reopen(t, nil) })
	client := browser(t, anna)
	account := newAccount(t, client)
	kept := newBucket(t, client, account, map[string]any{"quotaBytes": "1048576"})
	reopen(t, impatient)
	for _, c := range []struct {
		name    string
		away    func() error
		back    func() error
		resumes bool
	}{
		{name: "MinIO killed", away: minio.Kill, back: func() error { return minio.Start(testkit.Context(t)) }},
		// It hangs with the request in its socket, and applies it when it wakes.
		{name: "MinIO frozen", away: minio.Pause, back: minio.Resume},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := fault(t, c.name)
			t.Cleanup(func() {
				_ = minio.Resume()
				restore(t, minio)
			})
			broken := underWay(t, client, c.away)
			f.seen("MinIO goes away", "with %d creations in the middle, each told 503 BACKEND_UNAVAILABLE", len(broken))
			name, key := unique("late"), webclient.Key(unique("key"))
			create := func(out any) error {
				_, err := client.Call(t.Context(), http.MethodPost, bucketsOf(account), map[string]any{"name": name, "quotaBytes": "4096"}, out, key)
				return err
			}
			took := unavailable(t, func() error { return create(nil) })
			f.seen("a bucket is created", "503 BACKEND_UNAVAILABLE after %.1f s", took.Seconds())
			took = unavailable(t, func() error {
				_, err := client.Call(t.Context(), http.MethodPatch, bucketsOf(account, kept.Name), map[string]any{"quotaBytes": "7"}, nil)
				return err
			})
			f.seen("a bucket is updated", "503 BACKEND_UNAVAILABLE after %.1f s", took.Seconds())
			var now bucket
			do(t, client, http.MethodGet, bucketsOf(account, kept.Name), nil, &now)
			if now.QuotaBytes != "1048576" {
				t.Errorf("the update that failed is told as %+v", now)
			}
			_, err := client.Call(t.Context(), http.MethodGet, bucketsOf(account, name), nil, nil)
			refused(t, err, http.StatusNotFound, "BUCKET_NOT_FOUND")
			f.seen("both are read", "the first is absent, the second as before")
			toldOf(t, client, account, name, "bucket.create FAILED BACKEND_UNAVAILABLE")
			toldOf(t, client, account, kept.Name, "bucket.update FAILED BACKEND_UNAVAILABLE")
			f.seen("the audit trail is read", "both failures are in it")
			if err := c.back(); err != nil {
				t.Fatal(err)
			}
			forgotten(t, account, name)
			if onMinIO(t, name) {
				t.Error("MinIO has the bucket")
			}
			f.seen("MinIO is back: the first", "has converged to absent")
			for _, w := range broken {
				forgotten(t, w.account, w.name)
				if onMinIO(t, w.name) {
					t.Errorf("MinIO has %s, whose creation failed", w.name)
				}
			}
			f.seen("those in the middle", "have converged to absent, whatever MinIO still did of them")
			asBefore(t, kept, 1048576)
			f.seen("MinIO is back: the second", "has the quota of before")
			var made bucket
			testkit.Eventually(t, 20*time.Second, func() error { return create(&made) })
			if made.State != "BUCKET_STATE_READY" || !onMinIO(t, name) || quotaOf(t, name) != 4096 {
				t.Errorf("the retry made %+v", made)
			}
			f.seen("the same call with the same key", "made, as asked for")
		})
	}
}

// underWay makes buckets, each writer in an account of its own, breaks something in the
// middle of that, and returns the writes that it broke.
func underWay(t *testing.T, client *webclient.Client, breakIt func() error) []*write {
	t.Helper()
	const writers = 4
	var running sync.WaitGroup
	var broken [writers]*write
	made := make(chan struct{}, writers)
	for i := range writers {
		account := newAccount(t, client)
		running.Go(func() {
			for {
				w := &write{account: account, name: unique(fmt.Sprintf("mid%d", i))}
				_, w.err = client.Call(t.Context(), http.MethodPost, bucketsOf(account), map[string]any{"name": w.name, "quotaBytes": "4096"}, nil)
				if w.err != nil {
					broken[i] = w
					return
				}
				select {
				case made <- struct{}{}:
				default:
				}
			}
		})
	}
	for range writers {
		<-made
	}
	if err := breakIt(); err != nil {
		t.Fatal(err)
	}
	running.Wait()
	for _, w := range broken {
		refused(t, w.err, http.StatusServiceUnavailable, "BACKEND_UNAVAILABLE")
	}
	return broken[:]
}

// unavailable makes a call that must fail in time, and say so.
func unavailable(t *testing.T, call func() error) time.Duration {
	t.Helper()
	began := time.Now()
	err := call()
	took := time.Since(began)
	status := refused(t, err, http.StatusServiceUnavailable, "BACKEND_UNAVAILABLE")
	if took > attemptWithin || status.Header.Get("Retry-After") == "" {
		t.Errorf("it took %s, and says to retry after %q", took, status.Header.Get("Retry-After"))
	}
	return took
}

// forgotten waits until nothing of the bucket is on record: its name is free, since it was
// seen absent.
func forgotten(t *testing.T, account, name string) {
	t.Helper()
	conn := behind(t)
	testkit.Eventually(t, patience, func() error {
		var rows, open int
		err := conn.QueryRow(testkit.Context(t), `select (select count(*) from storage.bucket where name = $1),
			(select count(*) from storage.operation where account_id = $2 and state = 'TRYING')`, name, account).Scan(&rows, &open)
		if err == nil && rows+open > 0 {
			err = fmt.Errorf("%d rows, %d open operations", rows, open)
		}
		return err
	})
}

// asBefore waits until MinIO has the bucket with the quota, and nothing is left to do.
func asBefore(t *testing.T, b bucket, quota int64) {
	t.Helper()
	conn := behind(t)
	testkit.Eventually(t, patience, func() error {
		var unsettled int
		err := conn.QueryRow(testkit.Context(t), `select count(*) from storage.managed_resource
			where id = $1 and (observed_generation <> generation or lease_owner is not null)`, b.ID).Scan(&unsettled)
		if err == nil && (unsettled > 0 || quotaOf(t, b.Name) != quota) {
			err = fmt.Errorf("unsettled: %d, the quota is %d", unsettled, quotaOf(t, b.Name))
		}
		return err
	})
}
